//! The verifier's log: text in the kernel's wording, bounded.
//!
//! [`Log`] holds the text; `state` renders registers and stack; `trace` decides which lines a walk prints, and where;
//! `history` keeps what the lines of precision need.

pub(crate) mod history;
pub(crate) mod state;
pub(crate) mod trace;

use crate::limits::LOG_BYTES_MAX;
use crate::program::Checked;
use crate::reject::Reject;
use crate::verified::Stats;
use std::fmt;

/// A function as something to print.
pub(crate) struct Shown<F>(pub(crate) F);

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> fmt::Display for Shown<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

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

/// A log under construction. Of a text that grows too long the end is kept, for that says why; so does Linux.
#[derive(Debug, Default)]
pub struct Log {
    level: LogLevel,
    text: String,
    /// Bytes dropped in front of `text`.
    dropped: usize,
}

impl Log {
    /// An empty log of a level.
    #[must_use]
    pub fn new(level: LogLevel) -> Self {
        Self {
            level,
            ..Self::default()
        }
    }

    /// The level.
    #[must_use]
    pub fn level(&self) -> LogLevel {
        self.level
    }

    /// The text so far, as much of it as is kept.
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

    /// Appends text. When there is a quarter too much, whole lines go from the front.
    pub(crate) fn write(&mut self, text: fmt::Arguments<'_>) {
        // Writing into a string does not fail; a `Display` that claims to is taken at its word.
        let _ = fmt::Write::write_fmt(&mut self.text, text);
        if self.text.len() > LOG_BYTES_MAX + LOG_BYTES_MAX / 4 {
            let from = self.text.len() - LOG_BYTES_MAX;
            let line = self.text.as_bytes()[from..]
                .iter()
                .position(|byte| *byte == b'\n');
            let cut = line.map_or(self.text.len(), |line| from + line + 1);
            self.text.drain(..cut);
            self.dropped += cut;
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

    /// Bytes so far, dropped ones included.
    pub(crate) fn len(&self) -> usize {
        self.dropped + self.text.len()
    }

    /// Drops all text behind a position, as far as it is kept.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.text.truncate(len.saturating_sub(self.dropped));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_keeps_its_end() {
        let mut log = Log::new(LogLevel::FULL);
        let line = "x".repeat(1000);
        for _ in 0..LOG_BYTES_MAX / 500 {
            log.line(&line);
        }
        let before = log.len();
        log.line("why");
        assert!(log.text().ends_with("x\nwhy\n") && log.text().starts_with('x'));
        assert!(log.text().len() <= LOG_BYTES_MAX + LOG_BYTES_MAX / 4);
        assert_eq!(log.len(), before + 4);
        log.truncate(before);
        assert!(log.text().ends_with("x\n"));
        log.truncate(0);
        assert_eq!(log.text(), "");
    }
}
