//! One function's registers and stack.

use super::live::{InstanceIdx, Slots};
use super::reg::{Kind, Reg};
use super::stack::{Byte, Slot};
use crate::limits::STACK_SLOTS_MAX;
use skep_isa::{InsnIdx, Reg as R};
use std::rc::Rc;

/// A function, as index into the program's functions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct SubprogIdx(pub(crate) u16);

impl SubprogIdx {
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// How a frame was entered, which decides where it goes on and what it may return.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Entered {
    /// By a call, or as the outermost.
    Called,
    /// By a helper or kernel function that calls back, perhaps again: goes on at the call, returns 0 or 1.
    CalledBack,
    /// Later, by a timer or the like, with nothing around it: returns 0.
    Async,
}

/// A frame. `stack[i]` is the slot of bytes `fp - 8 * (i + 1)` upwards; slots beyond the end were never touched.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) regs: [Reg; R::COUNT],
    pub(crate) stack: Rc<Vec<Slot>>,
    /// Slots that something outside the program's sight may change: buffers of slices. Nothing is known of their bytes.
    pub(crate) shared: Slots,
    pub(crate) subprog: SubprogIdx,
    /// The call that entered it; meaningless in the outermost frame.
    pub(crate) call_site: InsnIdx,
    pub(crate) entered: Entered,
    /// How often the current call of this frame called back.
    pub(crate) calls_back: u32,
    /// The function within its chain of calls.
    pub(crate) instance: InstanceIdx,
}

/// Index of the slot and byte in it of the stack byte at `off` (-512 to -1).
pub(crate) fn slot_of(off: i64) -> (usize, usize) {
    let below = usize::try_from(-off - 1).unwrap_or(0);
    (below / 8, 7 - below % 8)
}

impl Frame {
    /// A frame at a function's entry: only the frame pointer is there.
    pub(crate) fn new(
        index: u8,
        subprog: SubprogIdx,
        call_site: InsnIdx,
        instance: InstanceIdx,
    ) -> Self {
        let mut regs = [Reg::UNINIT; R::COUNT];
        regs[R::R10.index()] = Reg::pointer(Kind::Stack(index));
        Self {
            regs,
            stack: Rc::new(Vec::new()),
            shared: 0,
            subprog,
            call_site,
            entered: Entered::Called,
            calls_back: 0,
            instance,
        }
    }

    /// Where the caller goes on.
    pub(crate) fn returns_to(&self) -> InsnIdx {
        match self.entered {
            Entered::Called | Entered::Async => InsnIdx(self.call_site.0 + 1),
            Entered::CalledBack => self.call_site,
        }
    }

    /// A slot; one that was never touched is invalid.
    pub(crate) fn slot(&self, index: usize) -> &Slot {
        self.stack.get(index).unwrap_or(&Slot::INVALID)
    }

    /// A slot to be changed. `index` is below 64, as every stack access was checked to be inside the frame.
    pub(crate) fn slot_mut(&mut self, index: usize) -> &mut Slot {
        debug_assert!(index < STACK_SLOTS_MAX, "stack accesses are checked before");
        let stack = Rc::make_mut(&mut self.stack);
        if stack.len() <= index {
            stack.resize(index + 1, Slot::INVALID);
        }
        &mut stack[index]
    }

    /// What the byte at `off` is.
    pub(crate) fn byte(&self, off: i64) -> Byte {
        let (slot, byte) = slot_of(off);
        self.slot(slot).bytes[byte]
    }
}
