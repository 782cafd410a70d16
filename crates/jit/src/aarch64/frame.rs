//! Native frames: what a function saves, where its stack lies, and how both are undone.
//!
//! ```text
//!   sp at entry
//!   padding to 16 bytes if the number of saved registers is odd
//!   saved registers, in pairs, the first pair lowest: x29 x30 if the function calls, then x25 if r10 is named, x23
//!   if this entry pins it, those of x19 to x22 that it changes
//!   r10 = x25 ─> stack bytes, rounded up to 16
//! ```
//! A function does only what it needs: a leaf that names no saved register and no stack has no frame at all. x29 chains
//! frames that call, for profilers and unwinders. The stack pointer stays a multiple of 16, as the processor wants.

use super::asm::{Access, Asm, Gpr, Indexed, OpSize, on_stack, op};
use super::imm::ArithImm;
use super::regs::{ENTRY_RUN_CTX, FRAME, R0, RESULT, RUN_CTX, native};
use crate::driver::{FunctionPlan, Role, RunCtxUse};
use skep_xlate::{Calls, FramePointer};

/// Frame of one function.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frame {
    /// Saved registers by pair, the lowest pair first; the rest is unused.
    saved: [Option<(Gpr, Option<Gpr>)>; 4],
    /// Whether x25 is r10 here, so that sp can be restored from it.
    has_base: bool,
    /// Whether the function calls, so that x29 and x30 are saved and x29 chains this frame.
    links: bool,
    /// Bytes of stack, a multiple of 16.
    stack_bytes: u32,
    /// Whether the prologue pins the run context.
    pins: bool,
}

impl Frame {
    pub(super) fn new(plan: &FunctionPlan) -> Self {
        let facts = plan.facts;
        let links = facts.calls == Calls::Some;
        let has_base = facts.frame_pointer == FramePointer::Used;
        let pins = plan.role == Role::Main(RunCtxUse::Needed);
        let mut saved = links
            .then_some([Gpr::FP, Gpr::LR])
            .into_iter()
            .flatten()
            .chain(has_base.then_some(FRAME))
            .chain(pins.then_some(RUN_CTX))
            .chain(facts.saved.iter().map(native));
        let mut frame = Self {
            has_base,
            links,
            pins,
            stack_bytes: facts.stack_bytes.next_multiple_of(16),
            ..Self::default()
        };
        for pair in &mut frame.saved {
            *pair = saved.next().map(|first| (first, saved.next()));
        }
        frame
    }

    /// Saved pairs with their place above the lowest, in bytes.
    fn pairs(&self) -> impl DoubleEndedIterator<Item = ((Gpr, Option<Gpr>), i32)> {
        let placed = self.saved.into_iter().zip([0, 16, 32, 48]);
        placed.filter_map(|(pair, place)| pair.map(|pair| (pair, place)))
    }

    /// Bytes of the saved registers.
    fn saved_bytes(&self) -> i32 {
        self.pairs().map(|_| 16).sum()
    }

    fn stack(&self) -> ArithImm {
        ArithImm::new(self.stack_bytes.into()).expect("a stack of 512 bytes")
    }

    /// The prologue.
    pub(super) fn enter(&self, asm: &mut Asm) {
        for (pair, place) in self.pairs() {
            match (pair, place) {
                // The first one makes the room for all.
                ((one, None), 0) => asm.indexed(op::STR, one, Indexed::Pre, -self.saved_bytes()),
                ((one, Some(two)), 0) => {
                    asm.pair_indexed(op::STP, (one, two), Indexed::Pre, -self.saved_bytes());
                }
                ((one, None), _) => asm.access(op::STR, Access::B8, one, on_stack(place)),
                ((one, Some(two)), _) => asm.pair(op::STP, (one, two), on_stack(place)),
            }
        }
        if self.links {
            asm.mov_sp(Gpr::FP, Gpr::SP);
        }
        if self.pins {
            asm.mov(OpSize::X, RUN_CTX, ENTRY_RUN_CTX);
        }
        if self.has_base {
            asm.mov_sp(FRAME, Gpr::SP);
        }
        if self.stack_bytes != 0 {
            asm.arith(op::SUB_IMM, OpSize::X, Gpr::SP, Gpr::SP, self.stack());
        }
    }

    /// Undoes the prologue. Changes no register but the saved ones.
    pub(super) fn leave(&self, asm: &mut Asm) {
        if self.stack_bytes != 0 {
            asm.arith(op::ADD_IMM, OpSize::X, Gpr::SP, Gpr::SP, self.stack());
        }
        for (pair, place) in self.pairs().rev() {
            match (pair, place) {
                ((one, None), 0) => asm.indexed(op::LDR, one, Indexed::Post, self.saved_bytes()),
                ((one, Some(two)), 0) => {
                    asm.pair_indexed(op::LDP, (one, two), Indexed::Post, self.saved_bytes());
                }
                ((one, None), _) => asm.access(op::LDR, Access::B8, one, on_stack(place)),
                ((one, Some(two)), _) => asm.pair(op::LDP, (one, two), on_stack(place)),
            }
        }
    }

    /// Epilogue and return.
    pub(super) fn exit(&self, asm: &mut Asm) {
        asm.mov(OpSize::X, RESULT, R0);
        self.exit_with_result(asm);
    }

    /// The same when r0 is already in [`RESULT`].
    pub(super) fn exit_with_result(&self, asm: &mut Asm) {
        self.leave(asm);
        asm.branch_reg(op::RET, Gpr::LR);
    }
}
