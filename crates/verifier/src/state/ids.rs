//! Equality of two states modulo renaming of ids.

use super::reg::Id;

/// A partial bijection between the ids of an old and a current state.
#[derive(Debug, Default)]
pub(crate) struct IdMap {
    pairs: Vec<(u32, u32)>,
    /// Ids handed out for scalars without one: counts down from the largest, where no real id is.
    fresh: u32,
}

impl IdMap {
    pub(crate) fn clear(&mut self) {
        self.pairs.clear();
        self.fresh = u32::MAX;
    }

    /// Whether `old` may be what `cur` is: always both or none, and the same pair wherever one of them occurs.
    pub(crate) fn matches(&mut self, old: Id, cur: Id) -> bool {
        if old.is_some() != cur.is_some() {
            return false;
        }
        !old.is_some() || self.pair(old.0, cur.0)
    }

    /// As [`Self::matches`] for links of scalars, which only narrow what may be: where `old` has none, `cur` may have any. Two
    /// that `old` keeps apart are not taken for one, as in Linux.
    pub(crate) fn scalars_match(&mut self, old: Id, cur: Id) -> bool {
        if !old.is_some() {
            return true;
        }
        let cur = if cur.is_some() { cur.0 } else { self.fresh() };
        self.pair(old.0, cur)
    }

    fn fresh(&mut self) -> u32 {
        self.fresh -= 1;
        self.fresh
    }

    fn pair(&mut self, old: u32, cur: u32) -> bool {
        for &(a, b) in &self.pairs {
            if a == old {
                return b == cur;
            }
            if b == cur {
                return false;
            }
        }
        self.pairs.push((old, cur));
        true
    }
}
