//! Native frames: what a function saves, where its stack lies, and how both are undone.
//!
//! ```text
//!   return address
//!   saved registers (pushed: rbp if r10 is named, r12 if this entry pins it, then those of rbx r13 r14 r15 it changes)
//!   r10 = rbp ─> stack bytes, then padding so that rsp is 16-byte aligned if the function calls
//! ```
//! A function does only what it needs: a leaf that names no saved register and no stack has no frame at all, and a
//! leaf with at most 128 bytes of stack keeps them in the red zone, which the System V ABI leaves alone.

use super::asm::{Asm, Gpr, Group1, OpSize, Rm};
use super::regs::{ENTRY_RUN_CTX, RUN_CTX, native};
use crate::driver::{FunctionPlan, Role, RunCtxUse};
use skep_xlate::{Calls, FramePointer};

/// Bytes below rsp that signal handlers leave alone (System V ABI, section 3.2.2).
const RED_ZONE_BYTES: u32 = 128;

/// Frame of one function.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frame {
    /// Pushed registers in order; the rest is unused.
    pushed: [Option<Gpr>; 6],
    /// Whether rbp is r10 here, so that rsp can be restored from it.
    has_base: bool,
    /// Bytes subtracted from rsp below the pushed registers.
    below: u32,
    /// Whether the prologue pins the run context.
    pins: bool,
}

impl Frame {
    pub(super) fn new(plan: &FunctionPlan) -> Self {
        let facts = plan.facts;
        let has_base = facts.frame_pointer == FramePointer::Used;
        let pins = plan.role == Role::Main(RunCtxUse::Needed);
        let saved = has_base
            .then_some(Gpr::RBP)
            .into_iter()
            .chain(pins.then_some(RUN_CTX))
            .chain(facts.saved.iter().map(native));
        let mut frame = Self {
            has_base,
            pins,
            ..Self::default()
        };
        let mut count = 0;
        for (slot, reg) in frame.pushed.iter_mut().zip(saved) {
            *slot = Some(reg);
            count += 8;
        }
        frame.below = match facts.calls {
            Calls::None if facts.stack_bytes <= RED_ZONE_BYTES => 0,
            Calls::None => facts.stack_bytes,
            // The return address and what was pushed lie above; at a call all of it is a multiple of 16.
            Calls::Some => {
                let above = 8 + count;
                (above + facts.stack_bytes).next_multiple_of(16) - above
            }
        };
        frame
    }

    fn pushed(&self) -> impl DoubleEndedIterator<Item = Gpr> {
        self.pushed.into_iter().flatten()
    }

    fn below(&self) -> i32 {
        i32::try_from(self.below).expect("a stack of 512 bytes and its padding")
    }

    /// The prologue.
    pub(super) fn enter(&self, asm: &mut Asm) {
        for reg in self.pushed() {
            asm.push(reg);
        }
        if self.pins {
            asm.mov(OpSize::W64, RUN_CTX, ENTRY_RUN_CTX);
        }
        if self.has_base {
            asm.mov(OpSize::W64, Gpr::RBP, Gpr::RSP);
        }
        match self.below() {
            0 => {}
            // Shorter than the subtraction.
            8 => asm.push(Gpr::RAX),
            below => asm.group1_imm(Group1::Sub, OpSize::W64, Rm::Reg(Gpr::RSP), below),
        }
    }

    /// Undoes the prologue. Changes no register but the saved ones and r11.
    pub(super) fn leave(&self, asm: &mut Asm) {
        match self.below() {
            0 => {}
            8 => asm.pop(Gpr::R11),
            _ if self.has_base => asm.mov(OpSize::W64, Gpr::RSP, Gpr::RBP),
            below => asm.group1_imm(Group1::Add, OpSize::W64, Rm::Reg(Gpr::RSP), below),
        }
        for reg in self.pushed().rev() {
            asm.pop(reg);
        }
    }

    /// Epilogue and return.
    pub(super) fn exit(&self, asm: &mut Asm) {
        self.leave(asm);
        asm.ret();
    }
}
