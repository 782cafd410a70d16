//! The verifier's log: text in the kernel's wording, bounded.

/// Log level bits, as in `bpf_attr.log_level`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LogLevel(pub u32);

impl LogLevel {
    /// Nothing is wanted.
    pub const NONE: Self = Self(0);
    /// The failing path.
    pub const BASIC: Self = Self(1);
    /// Every instruction with its state.
    pub const FULL: Self = Self(2);
    /// Figures only.
    pub const STATS: Self = Self(4);
}

/// A log under construction.
#[derive(Debug, Default)]
pub struct Log {
    level: LogLevel,
    text: String,
}

impl Log {
    /// An empty log of a level.
    #[must_use]
    pub fn new(level: LogLevel) -> Self {
        Self {
            level,
            text: String::new(),
        }
    }

    /// The level.
    #[must_use]
    pub fn level(&self) -> LogLevel {
        self.level
    }

    /// The text so far.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text, ending the log.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }
}
