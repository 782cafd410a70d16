//! Tail calls (ARCHITECTURE.md, "Tail calls").
//!
//! The shim of helper 12 is `fn(ctx, map, index, _, _, &RunCtx) -> u64`: the `tail_entry` of the program at `index` of
//! the program array, or 0 if there is none. It neither counts nor jumps; both happen here, where the frame is
//! known. The context is kept on the stack across the shim.

use super::branch::Counter;
use super::call::native_call;
use crate::CallModel;
use crate::aarch64::asm::{Access, Asm, Gpr, Indexed, OpSize, op};
use crate::aarch64::branch::{A64Branch, Is};
use crate::aarch64::frame::Frame;
use crate::aarch64::regs::{ENTRY_RUN_CTX, RESULT, RUN_CTX, SECOND};
use crate::driver::RunCtxUse;
use core::mem::offset_of;
use skep_abi::RunCtx;
use skep_uapi::HelperId;

/// The context: first argument of `bpf_tail_call` and of the entry.
const CTX: Gpr = Gpr::X0;
/// Holds the address of the entry.
const ENTRY: Gpr = SECOND;

/// A tail call that falls through when it cannot be made.
pub(in crate::aarch64) fn tail_call(asm: &mut Asm, frame: &Frame, model: CallModel) {
    let left = Counter {
        access: Access::B4,
        offset: offset_of!(RunCtx, tail_calls_left),
    };
    let cannot = asm.stream().new_label();
    left.branch_if_used_up(asm, cannot);
    asm.indexed(op::STR, CTX, Indexed::Pre, -16);
    native_call(asm, HelperId::TAIL_CALL.0, RunCtxUse::Needed, model);
    asm.mov(OpSize::X, ENTRY, RESULT);
    asm.indexed(op::LDR, CTX, Indexed::Post, 16);
    asm.branch(A64Branch::IfReg(Is::Zero, OpSize::X, ENTRY), cannot);
    left.load(asm);
    left.take_one(asm);
    // Before the frame goes, and with it what this entry pinned.
    asm.mov(OpSize::X, ENTRY_RUN_CTX, RUN_CTX);
    frame.leave(asm);
    asm.branch_reg(op::BR, ENTRY);
    asm.stream().bind(cannot);
}
