//! A cursor over keyword arguments.
//!
//! Every keyword may be shortened to any prefix, the empty word included, as in bpftool. Numbers are C's: decimal, `0x`
//! and octal with a leading zero.

use crate::failure::{Failure, Outcome, errno_code};
use skep_uapi::Errno;

/// Words that are left.
#[derive(Debug)]
pub(crate) struct Args {
    words: Vec<String>,
    at: usize,
}

impl Args {
    /// A cursor at the first of `words`.
    pub(crate) fn new(words: Vec<String>) -> Self {
        Self { words, at: 0 }
    }

    /// The words that are left.
    pub(crate) fn rest(&self) -> &[String] {
        self.words.get(self.at..).unwrap_or_default()
    }

    /// Number of words left.
    pub(crate) fn len(&self) -> usize {
        self.rest().len()
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// The next word, which stays.
    pub(crate) fn peek(&self) -> Option<&str> {
        self.rest().first().map(String::as_str)
    }

    /// Takes the next word.
    pub(crate) fn next(&mut self) -> Option<String> {
        let word = self.words.get(self.at)?.clone();
        self.at += 1;
        Some(word)
    }

    /// Whether the next word abbreviates `keyword`.
    pub(crate) fn at(&self, keyword: &str) -> bool {
        self.peek().is_some_and(|word| keyword.starts_with(word))
    }

    /// Takes the next word if it abbreviates `keyword`.
    pub(crate) fn take(&mut self, keyword: &str) -> bool {
        let found = self.at(keyword);
        if found {
            self.at += 1;
        }
        found
    }

    /// Refuses fewer than `count` words after the word that was taken last.
    pub(crate) fn require(&self, count: usize) -> Outcome {
        if self.len() >= count {
            return Ok(());
        }
        Err(Failure::Message {
            text: self.shortage(count),
            code: errno_code(Errno::EINVAL),
        })
    }

    /// As [`Args::require`], with the tool's general exit code.
    pub(crate) fn require_plain(&self, count: usize) -> Outcome {
        if self.len() >= count {
            Ok(())
        } else {
            Err(Failure::message(self.shortage(count)))
        }
    }

    fn shortage(&self, count: usize) -> String {
        let last = self
            .at
            .checked_sub(1)
            .and_then(|at| self.words.get(at))
            .map_or("", String::as_str);
        format!(
            "'{last}' needs at least {count} arguments, {} found",
            self.len()
        )
    }

    /// Refuses words that are left where none is known.
    pub(crate) fn unknown(&self) -> Failure {
        Failure::message(format!("what is '{}'?", self.peek().unwrap_or_default()))
    }
}

/// A number as `strtoul` with base 0 reads it; nothing may follow it.
pub(crate) fn number(text: &str) -> Option<u64> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok();
    }
    if text.len() > 1 && text.starts_with('0') {
        return u64::from_str_radix(text.get(1..)?, 8).ok();
    }
    text.parse().ok()
}

/// A number of 32 bits.
pub(crate) fn number_u32(text: &str) -> Option<u32> {
    u32::try_from(number(text)?).ok()
}

/// Takes `count` bytes for `what` (`key` or `value`); the word `hex` makes all of them hexadecimal.
pub(crate) fn bytes(args: &mut Args, what: &str, count: usize) -> Outcome<Vec<u8>> {
    let hex = args.peek() == Some("hex") && args.take("hex");
    let mut out = Vec::new();
    while out.len() < count {
        let Some(word) = args.peek() else { break };
        let value = if hex {
            u64::from_str_radix(word.trim_start_matches("0x"), 16).ok()
        } else {
            number(word)
        };
        let value = value.ok_or_else(|| Failure::message(format!("error parsing byte: {word}")))?;
        // A byte is the low eight bits of the number, as in bpftool.
        out.push(value.to_le_bytes()[0]);
        args.next();
    }
    if out.len() == count {
        return Ok(out);
    }
    Err(Failure::message(format!(
        "{what} expected {count} bytes got {}",
        out.len()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(text: &str) -> Args {
        Args::new(text.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn numbers_are_c_numbers() {
        assert_eq!(number("0x10"), Some(16));
        assert_eq!(number("010"), Some(8));
        assert_eq!(number("10"), Some(10));
        assert_eq!(number("0"), Some(0));
        assert_eq!(number("1x"), None);
        assert_eq!(number(""), None);
    }

    #[test]
    fn data_bytes() {
        assert_eq!(
            bytes(&mut args("1 0x02 010 300"), "key", 4).ok(),
            Some(vec![1, 2, 8, 44])
        );
        assert_eq!(
            bytes(&mut args("hex 1f 0 ff"), "key", 3).ok(),
            Some(vec![0x1f, 0, 0xff])
        );
        assert!(bytes(&mut args("1 2"), "key", 3).is_err());
    }
}
