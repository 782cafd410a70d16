//! What became of an attachment's packets, as text and JSON: for `net show` and `run … dev`.

use crate::output::plain;
use skep_btf::json::Node;
use skep_uapi::NetLive;
use std::fmt;

/// The verdicts in the order of their numbers; then what means nothing.
const VERDICTS: [&str; 6] = ["aborted", "drop", "pass", "tx", "redirect", "unknown"];
/// Verdicts that are named only where they occurred, because they are mistakes.
const MISTAKES: [&str; 2] = ["aborted", "unknown"];

/// Counts since the attach.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally(pub(crate) NetLive);

impl Tally {
    /// Packets that met the program.
    fn packets(&self) -> u64 {
        self.0
            .verdicts
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    fn verdicts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        VERDICTS.into_iter().zip(self.0.verdicts)
    }

    /// Members of a JSON object.
    pub(crate) fn members(&self) -> [(&'static str, Option<Node>); 4] {
        let verdicts = self
            .verdicts()
            .map(|(name, count)| (name.to_owned(), Node::Plain(count.into())));
        [
            ("packets", plain(self.packets())),
            ("verdicts", Some(Node::Object(verdicts.collect()))),
            ("missed", plain(self.0.missed)),
            ("undelivered", plain(self.0.undelivered)),
        ]
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "packets {}", self.packets())?;
        for (name, count) in self.verdicts() {
            if count > 0 || !MISTAKES.contains(&name) {
                write!(f, "  {name} {count}")?;
            }
        }
        let NetLive {
            missed,
            undelivered,
            ..
        } = self.0;
        write!(f, "  missed {missed}  undelivered {undelivered}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_uapi::Via;

    #[test]
    fn mistakes_show_only_when_made() {
        let mut tally = Tally(NetLive {
            via: Via::Packet,
            verdicts: [0, 1, 2, 3, 4, 0],
            missed: 5,
            undelivered: 6,
        });
        assert_eq!(
            tally.to_string(),
            "packets 10  drop 1  pass 2  tx 3  redirect 4  missed 5  undelivered 6"
        );
        tally.0.verdicts = [7, 0, 0, 0, 0, u64::MAX];
        assert_eq!(
            tally.to_string(),
            format!(
                "packets {max}  aborted 7  drop 0  pass 0  tx 0  redirect 0  unknown {max}  missed 5  undelivered 6",
                max = u64::MAX
            )
        );
    }
}
