//! Words, numbers and symbols of one line of assembler. Comments and the disassemblers' prefixes are taken off here.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// One token of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Token<'a> {
    /// A name or keyword: letters, digits, `_`, `.`, `$`; no digit first.
    Word(&'a str),
    /// An unsigned number, decimal or hexadecimal. Signs are symbols.
    Number(u64),
    /// An operator or a bracket.
    Symbol(&'static str),
}

/// A line: its tokens, and the opcode if it began with one.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Line<'a> {
    pub(super) tokens: Vec<Token<'a>>,
    pub(super) opcode: Option<u8>,
}

/// All symbols; a symbol stands before its own prefixes.
const SYMBOLS: [&str; 29] = [
    "<<=", ">>=", "+=", "-=", "*=", "/=", "|=", "&=", "%=", "^=", "==", "!=", ">=", "<=", ">", "<",
    "&", "=", "*", "(", ")", "[", "]", ",", "+", "-", ":", "#", "|",
];

/// Splits a line into tokens; a line that is empty or a comment has none.
///
/// # Errors
/// The rest of the line from the first character that begins no token, or a number above 64 bits.
pub(super) fn lex(line: &str) -> Result<Line<'_>, String> {
    let code = line.split(';').next().unwrap_or("").trim();
    let mut tokens = Vec::new();
    if code.starts_with('#') {
        return Ok(Line {
            tokens,
            opcode: None,
        });
    }
    let (opcode, mut rest) = strip_prefixes(code);
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else {
            return Ok(Line { tokens, opcode });
        };
        let (token, after) = if first.is_ascii_alphabetic() || matches!(first, '_' | '.' | '$') {
            let (word, after) = split_word(rest);
            (Token::Word(word), after)
        } else if first.is_ascii_digit() {
            let (word, after) = split_word(rest);
            (Token::Number(number(word)?), after)
        } else {
            symbol(rest).ok_or_else(|| rest.to_string())?
        };
        tokens.push(token);
        rest = after;
    }
}

/// Takes off what the disassemblers print before an instruction: `12: ` and `(b7) `.
fn strip_prefixes(code: &str) -> (Option<u8>, &str) {
    let mut rest = code;
    if let Some((index, after)) = rest.split_once(':')
        && !index.is_empty()
        && index.bytes().all(|b| b.is_ascii_digit())
    {
        rest = after.trim_start();
    }
    if let Some((opcode, after)) = rest.strip_prefix('(').and_then(|r| r.split_once(')'))
        && opcode.len() == 2
        && let Ok(opcode) = u8::from_str_radix(opcode, 16)
    {
        return (Some(opcode), after);
    }
    (None, rest)
}

fn split_word(rest: &str) -> (&str, &str) {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$');
    rest.split_at(rest.find(|c| !word(c)).unwrap_or(rest.len()))
}

fn symbol(rest: &str) -> Option<(Token<'_>, &str)> {
    SYMBOLS
        .into_iter()
        .find_map(|symbol| Some((Token::Symbol(symbol), rest.strip_prefix(symbol)?)))
}

fn number(word: &str) -> Result<u64, String> {
    let parsed = match word.strip_prefix("0x") {
        Some(digits) if !digits.starts_with('+') => u64::from_str_radix(digits, 16),
        _ => word.parse(),
    };
    parsed.map_err(|_| word.to_string())
}
