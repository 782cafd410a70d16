//! Verdicts of XDP programs, and their counts.

use skep_uapi::XDP_ACTION_NAMES;
use std::fmt;

/// What a program decided about a packet (`enum xdp_action`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Verdict {
    /// `XDP_ABORTED`: an error in the program; dropped and traced.
    Aborted,
    /// `XDP_DROP`.
    Drop,
    /// `XDP_PASS`: on to the host's stack.
    Pass,
    /// `XDP_TX`: back out where it came from.
    Tx,
    /// `XDP_REDIRECT`.
    Redirect,
    /// A value that means nothing: Linux warns and drops.
    Unknown(u32),
}

impl Verdict {
    /// The five that mean something, by number.
    pub const ALL: [Self; 5] = [
        Self::Aborted,
        Self::Drop,
        Self::Pass,
        Self::Tx,
        Self::Redirect,
    ];

    /// The verdict of a return value.
    #[must_use]
    pub fn from_retval(retval: u32) -> Self {
        let known = usize::try_from(retval)
            .ok()
            .and_then(|number| Self::ALL.get(number));
        known.copied().unwrap_or(Self::Unknown(retval))
    }

    /// Its position among the counts; unknown ones come last.
    pub(crate) fn index(self) -> usize {
        Self::ALL
            .iter()
            .position(|known| *known == self)
            .unwrap_or(Self::ALL.len())
    }

    /// A short lower-case name, for files.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        ["aborted", "drop", "pass", "tx", "redirect", "unknown"][self.index()]
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, XDP_ACTION_NAMES.get(self.index())) {
            (Self::Unknown(retval), _) => write!(f, "unknown verdict {retval}"),
            (_, Some(name)) => f.write_str(name),
            (_, None) => f.write_str("?"),
        }
    }
}

/// How many packets met each verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    packets: [u64; 6],
}

impl Counts {
    /// Counts one more.
    pub fn add(&mut self, verdict: Verdict) {
        self.packets[verdict.index()] += 1;
    }

    /// Packets with this verdict; all unknown ones count together.
    #[must_use]
    pub fn of(&self, verdict: Verdict) -> u64 {
        self.packets[verdict.index()]
    }

    /// All packets.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.packets.iter().sum()
    }

    /// Names of the verdicts that occurred, with their counts; all unknown ones together.
    pub fn occurred(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let names = XDP_ACTION_NAMES.into_iter().chain(["unknown verdict"]);
        names.zip(self.packets).filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_verdicts_count_together() {
        let mut counts = Counts::default();
        for retval in [2, 99, 1 << 31, 2] {
            counts.add(Verdict::from_retval(retval));
        }
        let occurred: Vec<_> = counts.occurred().collect();
        assert_eq!(occurred, [("XDP_PASS", 2), ("unknown verdict", 2)]);
        assert_eq!(counts.total(), 4);
        assert_eq!(Verdict::from_retval(99).to_string(), "unknown verdict 99");
    }
}
