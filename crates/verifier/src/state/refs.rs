//! What a program holds and must give back: references, and sections that it has entered.

use super::reg::Id;
use skep_isa::InsnIdx;

/// A reference.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Ref {
    pub(crate) id: Id,
    /// The call that gave it.
    pub(crate) at: InsnIdx,
}

/// What is held, in order of acquisition.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Held {
    pub(crate) refs: Vec<Ref>,
    /// RCU sections: 0 or 1.
    pub(crate) rcu: u32,
    /// Sections without preemption.
    pub(crate) preempt: u32,
    /// Saved interrupt states, the latest last.
    pub(crate) irqs: Vec<Ref>,
}

impl Held {
    /// Gives a reference back; whether it was held.
    pub(crate) fn release(&mut self, id: Id) -> bool {
        let before = self.refs.len();
        self.refs.retain(|held| held.id != id);
        self.refs.len() < before
    }

    /// Whether the same is held, apart from the ids.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.rcu == other.rcu
            && self.preempt == other.preempt
            && self.refs.len() == other.refs.len()
            && self.irqs.len() == other.irqs.len()
    }
}
