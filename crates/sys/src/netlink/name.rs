//! What an interface is called: its number within a network namespace, and its name.

use std::fmt;
use std::num::NonZeroU32;

/// Number of an interface, unique within its network namespace and never zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IfIndex(NonZeroU32);

impl IfIndex {
    /// A number that the kernel could have given: 1 to `i32::MAX`.
    #[must_use]
    pub fn new(index: u32) -> Option<Self> {
        i32::try_from(index).ok()?;
        NonZeroU32::new(index).map(Self)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for IfIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Name of an interface as one may give it: 1 to 15 bytes, which also make one component of a path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IfName(String);

impl IfName {
    /// Most bytes (`IFNAMSIZ` without the final zero).
    pub const BYTES_MAX: usize = 15;

    /// Nothing if the kernel would refuse the name (`dev_valid_name`: empty, too long, `.`, `..`, or with a slash, a
    /// colon or white space), or if a zero byte would cut it short.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let bad = |byte: u8| {
            matches!(byte, b'/' | b':' | 0 | 0x0b) || byte.is_ascii_whitespace() || byte == 0xa0
        };
        let valid = (1..=Self::BYTES_MAX).contains(&name.len())
            && !matches!(name, "." | "..")
            && !name.bytes().any(bad);
        valid.then(|| Self(name.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["x", "eth0.5", "...", "123456789012345", "sk0badcafea"] {
            assert!(IfName::new(good).is_some(), "{good}");
        }
        let bad = [
            "",
            ".",
            "..",
            "a/b",
            "a:b",
            "a b",
            "a\tb",
            "a\u{b}b",
            "a\0b",
            "1234567890123456",
            "a\u{a0}b",
        ];
        for bad in bad {
            assert!(IfName::new(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn indices() {
        assert_eq!(IfIndex::new(7).map(IfIndex::get), Some(7));
        assert_eq!(IfIndex::new(0), None);
        assert_eq!(IfIndex::new(0x8000_0000), None);
    }
}
