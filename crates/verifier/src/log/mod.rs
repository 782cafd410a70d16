//! The verifier's log: text in the kernel's wording, bounded.
//!
//! [`Log`] holds the text; `state` renders registers and stack; `trace` decides which lines a walk prints, and where.

pub(crate) mod state;
pub(crate) mod trace;

use crate::limits::LOG_BYTES_MAX;
use crate::program::Checked;
use crate::reject::Reject;
use crate::verified::Stats;
use std::fmt;

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

    /// Whether any bit of `other` is set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
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

    /// Whether anything at all is wanted.
    pub(crate) fn is_on(&self) -> bool {
        self.level != LogLevel::NONE
    }

    /// Whether instructions are printed.
    pub(crate) fn prints_insns(&self) -> bool {
        self.level.has(LogLevel(3))
    }

    /// Appends a line of whoever decodes or runs what the verifier accepted, if anything at all is wanted.
    pub fn line(&mut self, text: &str) {
        if self.is_on() {
            self.write(format_args!("{text}\n"));
        }
    }

    /// Appends text; what does not fit any more is dropped.
    pub(crate) fn write(&mut self, text: fmt::Arguments<'_>) {
        if self.text.len() < LOG_BYTES_MAX {
            // Writing into a string does not fail; a `Display` that claims to is taken at its word.
            let _ = fmt::Write::write_fmt(&mut self.text, text);
        }
    }

    /// What is printed before any path: at level 2 the functions and where registers are live.
    pub(crate) fn start(&mut self, checked: &Checked) {
        if !self.level.has(LogLevel::FULL) {
            return;
        }
        for (index, extent) in checked.subprogs.iter().enumerate() {
            self.write(format_args!("func#{index} @{}\n", extent.start));
        }
    }

    /// The refusal, unless the log has it already.
    pub(crate) fn reject(&mut self, reject: &Reject) {
        if self.prints_insns() && !matches!(reject, Reject::InfiniteLoop { .. }) {
            self.write(format_args!("{reject}\n"));
        }
    }

    /// What level 4 prints before the last line.
    pub(crate) fn figures(&mut self, stats: &Stats, stack: Option<String>) {
        self.write(format_args!("verification time {} usec\n", stats.usec));
        if let Some(stack) = stack {
            self.write(format_args!("stack depth {stack}\n"));
        }
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// Drops all text behind a position.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.text.truncate(len);
    }
}
