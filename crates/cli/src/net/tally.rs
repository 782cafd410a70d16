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

    /// Members of a JSON object; none where nothing is counted.
    pub(crate) fn members(live: Option<NetLive>) -> [(&'static str, Option<Node>); 4] {
        let tally = live.map(Self);
        let count = |of: fn(&Self) -> u64| tally.and_then(|tally| plain(of(&tally)));
        let verdicts = tally.map(|tally| {
            let verdicts = tally.verdicts();
            let member = |(name, count): (&str, u64)| (name.to_owned(), Node::Plain(count.into()));
            Node::Object(verdicts.map(member).collect())
        });
        [
            ("packets", count(Self::packets)),
            ("verdicts", verdicts),
            ("missed", count(|tally| tally.0.missed)),
            ("undelivered", count(|tally| tally.0.undelivered)),
        ]
    }

    /// Only what occurred, for a line that has little room.
    pub(crate) fn brief(&self) -> String {
        let losses = [
            ("missed", self.0.missed),
            ("undelivered", self.0.undelivered),
        ];
        let occurred = self
            .verdicts()
            .chain(losses)
            .filter(|(_, count)| *count > 0);
        let words = occurred.map(|(name, count)| format!("  {name} {count}"));
        format!("packets {}{}", self.packets(), words.collect::<String>())
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
        assert_eq!(
            tally.brief(),
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
        (tally.0.verdicts, tally.0.missed, tally.0.undelivered) = ([0, 0, 3, 0, 0, 0], 0, 0);
        assert_eq!(tally.brief(), "packets 3  pass 3");
    }
}
