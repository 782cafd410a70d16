//! What tidy and the line count see of a Rust file: its tokens, so that strings and comments cannot confuse them.
//!
//! Brackets are matched by the lexer. Items are recognised by their keywords, also within macros, where no parser
//! would see them. Code is test code in a file that is (see [`TextFile::is_test`]), and in an item with an attribute
//! `#[test]` or a `#[cfg(…)]` that asks for `test`.

use crate::files::TextFile;
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::collections::BTreeSet;

/// Facts about a Rust file.
#[derive(Default, Debug)]
pub(crate) struct RustFile {
    pub(crate) functions: Vec<Function>,
    /// Words with a rule of their own, outside of comments and strings.
    pub(crate) words: Vec<Found>,
    /// Lines with code, counted from 1, without comments.
    pub(crate) code_lines: BTreeSet<usize>,
    /// Those of the code lines that only tests compile.
    pub(crate) test_lines: BTreeSet<usize>,
    /// Whether `#![forbid(unsafe_code)]` stands at the top.
    pub(crate) forbids_unsafe: bool,
    /// Whether the file begins with a module's documentation.
    pub(crate) has_doc: bool,
}

/// A function with a body.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Line of the keyword, counted from 1.
    pub(crate) line: usize,
    /// From the keyword to the closing brace.
    pub(crate) line_count: usize,
}

/// A word that some rule looks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Word {
    /// The keyword `unsafe`.
    Unsafe,
    /// A use of `unwrap` that is not in test code.
    Unwrap,
    /// A macro that stands for code that is missing or forgotten.
    Placeholder,
    /// The attribute `ignore`.
    Ignore,
}

/// A word and the line where it stands, counted from 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) word: Word,
    pub(crate) line: usize,
}

/// Reads a file.
///
/// # Errors
/// The lexer's message, for a file that is not Rust.
pub(crate) fn read(file: &TextFile) -> Result<RustFile, String> {
    let tokens: TokenStream = file.text.parse().map_err(|error| format!("{error}"))?;
    let mut facts = RustFile {
        has_doc: begins_with_doc(&file.text),
        ..RustFile::default()
    };
    let kind = if file.is_test() {
        Kind::Test
    } else {
        Kind::Product
    };
    facts.scan(tokens, kind);
    Ok(facts)
}

/// Lines of attributes may stand before the documentation, and a script's first line.
fn begins_with_doc(text: &str) -> bool {
    let mut lines = text
        .lines()
        .filter(|line| !line.starts_with("#!") && !line.is_empty());
    lines.next().is_some_and(|line| line.starts_with("//!"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Product,
    Test,
}

impl RustFile {
    /// Looks at the tokens between one pair of brackets, and into the brackets within.
    fn scan(&mut self, tokens: TokenStream, kind: Kind) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        // The kind of the item whose attributes have just passed, until its end.
        let mut item = kind;
        for (at, token) in tokens.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|before| tokens.get(before));
            match token {
                TokenTree::Group(group) if is_attribute(&tokens, at) => {
                    if !self.attribute(group, item) {
                        item = Kind::Test;
                    }
                }
                TokenTree::Group(group) => {
                    self.mark(group.span_open().start().line, item);
                    self.scan(group.stream(), item);
                    self.mark(group.span_close().end().line, item);
                    if group.delimiter() == Delimiter::Brace {
                        item = kind;
                    }
                }
                TokenTree::Ident(ident) => {
                    let line = ident.span().start().line;
                    self.mark(line, item);
                    let next = tokens.get(at + 1);
                    self.ident(&ident.to_string(), line, [before, next], item);
                    if ident == "fn" {
                        self.function(&tokens[at..]);
                    }
                }
                TokenTree::Punct(punct) => {
                    if !is_attribute_mark(&tokens, at) {
                        self.mark(punct.span().start().line, item);
                    }
                    if punct.as_char() == ';' {
                        item = kind;
                    }
                }
                TokenTree::Literal(literal) => {
                    for line in literal.span().start().line..=literal.span().end().line {
                        self.mark(line, item);
                    }
                }
            }
        }
    }

    fn mark(&mut self, line: usize, kind: Kind) {
        self.code_lines.insert(line);
        if kind == Kind::Test {
            self.test_lines.insert(line);
        }
    }

    /// Takes in an attribute; whether the item below it is compiled for the product.
    fn attribute(&mut self, group: &Group, kind: Kind) -> bool {
        let line = group.span_open().start().line;
        let words: Vec<String> = group
            .stream()
            .into_iter()
            .map(|token| token.to_string())
            .collect();
        let name = words.first().map_or("", String::as_str);
        if name != "doc" {
            self.mark(line, kind);
        }
        let content = words.get(1).map_or("", String::as_str);
        match name {
            "ignore" => self.words.push(Found {
                word: Word::Ignore,
                line,
            }),
            "forbid" if content.contains("unsafe_code") => self.forbids_unsafe = true,
            "cfg" if content.contains("test") && !content.contains("not") => return false,
            "test" => return false,
            _ => {}
        }
        true
    }

    fn ident(&mut self, name: &str, line: usize, around: [Option<&TokenTree>; 2], kind: Kind) {
        let [before, next] = around;
        let is_macro = matches!(next, Some(TokenTree::Punct(punct)) if punct.as_char() == '!');
        let is_use = matches!(before, Some(TokenTree::Punct(punct)) if ['.', ':'].contains(&punct.as_char()));
        let word = match name {
            "unsafe" => Word::Unsafe,
            "unwrap" if is_use && kind == Kind::Product => Word::Unwrap,
            "todo" | "unimplemented" | "dbg" if is_macro => Word::Placeholder,
            _ => return,
        };
        self.words.push(Found { word, line });
    }

    /// Takes in the function whose keyword is the first token, if it has a name and a body.
    fn function(&mut self, tokens: &[TokenTree]) {
        let [TokenTree::Ident(keyword), TokenTree::Ident(name), rest @ ..] = tokens else {
            return;
        };
        for token in rest {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ';' => return,
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    let line = keyword.span().start().line;
                    let line_count = group.span_close().end().line - line + 1;
                    let name = name.to_string();
                    self.functions.push(Function {
                        name,
                        line,
                        line_count,
                    });
                    return;
                }
                TokenTree::Punct(_)
                | TokenTree::Group(_)
                | TokenTree::Ident(_)
                | TokenTree::Literal(_) => {}
            }
        }
    }
}

/// Whether the token at `at` is the brackets of `#[…]` or `#![…]`.
fn is_attribute(tokens: &[TokenTree], at: usize) -> bool {
    let TokenTree::Group(group) = &tokens[at] else {
        return false;
    };
    group.delimiter() == Delimiter::Bracket && {
        let is = |back: usize, mark| {
            let token = at.checked_sub(back).and_then(|at| tokens.get(at));
            matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
        };
        is(1, '#') || (is(1, '!') && is(2, '#'))
    }
}

/// Whether the token at `at` is the `#` or `!` before an attribute's brackets.
fn is_attribute_mark(tokens: &[TokenTree], at: usize) -> bool {
    (1..=2).any(|ahead| at + ahead < tokens.len() && is_attribute(tokens, at + ahead))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(path: &str, text: &str) -> RustFile {
        let file = TextFile {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        read(&file).unwrap_or_else(|error| panic!("{error}"))
    }

    const TEXT: &str = r##"//! Doc.
#![forbid(unsafe_code)]

/// Not `x.unwrap()`, nor unsafe.
fn one(a: [u8; 2]) -> u8 {
    // x.unwrap()
    let text = "x.unwrap() { todo!()
        ";
    text.len().try_into().unwrap()
}

trait T { fn none(&self); }

#[cfg(test)]
mod tests {
    #[test]
    #[ignore = "slow"]
    fn two() { x.unwrap(); todo!() }
}

fn three() {
    assert!(Some(1).map(Option::unwrap));
}
"##;

    #[test]
    fn what_is_found() {
        let facts = facts("crates/isa/src/a.rs", TEXT);
        assert!(facts.forbids_unsafe && facts.has_doc);
        let functions: Vec<_> = facts
            .functions
            .iter()
            .map(|f| (f.name.as_str(), f.line, f.line_count))
            .collect();
        assert_eq!(functions, [("one", 5, 6), ("two", 18, 1), ("three", 21, 3)]);
        let words: Vec<_> = facts
            .words
            .iter()
            .map(|found| (found.word, found.line))
            .collect();
        let expected = [
            (Word::Unwrap, 9),
            (Word::Ignore, 17),
            (Word::Placeholder, 18),
            (Word::Unwrap, 22),
        ];
        assert_eq!(words, expected);
        let lines: Vec<_> = facts.code_lines.into_iter().collect();
        assert_eq!(
            lines,
            [2, 5, 7, 8, 9, 10, 12, 14, 15, 16, 17, 18, 19, 21, 22, 23]
        );
        let lines: Vec<_> = facts.test_lines.into_iter().collect();
        assert_eq!(lines, [15, 16, 17, 18, 19]);
    }

    #[test]
    fn test_files_may_unwrap() {
        let words = facts("crates/isa/tests/a.rs", TEXT).words;
        assert!(words.iter().all(|found| found.word != Word::Unwrap));
    }
}
