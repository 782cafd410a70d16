//! What a walk keeps at log level 2, to print where a number that must be respected came from (`mark_precise: …`).
//!
//! This is for the reader of the log alone: what pruning respects is `state::precision`'s to say. A [`History`] has the steps
//! since the last stored state; a [`Route`] has those that led to a stored state, and which of its values were traced.
//! At other levels nothing is kept.

use crate::state::State;
use skep_isa::{InsnIdx, Reg as R};

/// Frames of a path.
pub(crate) const FRAMES: usize = crate::limits::FRAMES_MAX;

/// Registers and stack slots of one frame, as bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Places {
    pub(crate) regs: u16,
    pub(crate) slots: u64,
}

impl Places {
    /// Whether there is none.
    pub(crate) fn is_empty(self) -> bool {
        self.regs == 0 && self.slots == 0
    }
}

/// Places in all frames.
pub(crate) type AllPlaces = [Places; FRAMES];

/// An instruction that was carried out.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) at: InsnIdx,
    /// Frame and slot that it accessed at a known place.
    pub(crate) slot: Option<(u8, u8)>,
    /// Registers that it compares and that hold addresses in the stack, as bits.
    pub(crate) stack_regs: u16,
    /// Places that it refined together, if more than one.
    pub(crate) linked: Option<Box<AllPlaces>>,
}

/// The steps of the current path since the last stored state.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) steps: Vec<Step>,
    /// Registers, by frame, that the current instruction needs to be respected.
    pub(crate) marks: Vec<(u8, R)>,
    on: bool,
}

impl History {
    pub(crate) fn new(on: bool) -> Self {
        Self {
            on,
            ..Self::default()
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on
    }

    /// An instruction begins.
    pub(crate) fn begin(&mut self, at: InsnIdx) {
        if self.on {
            self.steps.push(Step {
                at,
                slot: None,
                stack_regs: 0,
                linked: None,
            });
        }
    }

    /// It accesses a stack slot.
    pub(crate) fn slot(&mut self, frame: u8, index: usize) {
        if let Some(step) = self.steps.last_mut() {
            step.slot = u8::try_from(index).ok().map(|index| (frame, index));
        }
    }

    /// It compares a register that holds an address in the stack.
    pub(crate) fn stack_reg(&mut self, reg: R) {
        if let Some(step) = self.steps.last_mut() {
            step.stack_regs |= 1 << reg.number();
        }
    }

    /// It refines places together.
    pub(crate) fn linked(&mut self, places: &AllPlaces) {
        let count = |places: &Places| places.regs.count_ones() + places.slots.count_ones();
        let several = places.iter().map(count).sum::<u32>() > 1;
        if let (Some(step), true) = (self.steps.last_mut(), several) {
            step.linked = Some(Box::new(*places));
        }
    }

    /// It needs a register to be respected.
    pub(crate) fn mark(&mut self, frame: u8, reg: R) {
        if self.on {
            self.marks.push((frame, reg));
        }
    }
}

/// How a stored state was reached from the one before.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) steps: Vec<Step>,
    /// What of it was traced.
    pub(crate) precise: AllPlaces,
    /// The state, once it is dropped from its list.
    pub(crate) dropped: Option<State>,
}
