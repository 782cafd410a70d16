//! An open-coded iterator as the stack holds it.

use super::reg::Id;

/// Where an iterator is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Phase {
    /// It may have more elements.
    Active,
    /// It gave its last element.
    Drained,
}

/// An iterator, in each of its slots.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Iter {
    /// The name of its kind: `num` of `bpf_iter_num_new`.
    pub(crate) class: &'static str,
    /// Its reference.
    pub(crate) id: Id,
    pub(crate) phase: Phase,
    /// Elements that it gave on this path.
    pub(crate) depth: u32,
    /// Slots between this one and that of its lowest address.
    pub(crate) part: u8,
    /// Slots that it takes.
    pub(crate) slots: u8,
}

impl Iter {
    /// `active` or `drained`.
    pub(crate) fn phase_name(&self) -> &'static str {
        match self.phase {
            Phase::Active => "active",
            Phase::Drained => "drained",
        }
    }
}
