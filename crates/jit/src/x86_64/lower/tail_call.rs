//! Tail calls (ARCHITECTURE.md, "Tail calls").
//!
//! The shim of helper 12 is `fn(ctx, map, index, _, _, &RunCtx) -> u64`: the `tail_entry` of the program at `index` of
//! the program array, or 0 if there is none. It neither counts nor jumps; both happen here, where the frame is
//! known. The context is kept on the stack across the shim, twice for the alignment.

use super::branch::run_ctx_field;
use super::call;
use crate::CallModel;
use crate::driver::RunCtxUse;
use crate::x86_64::asm::{Asm, Cond, Gpr, Group1, Group5, OpSize, Rm, op};
use crate::x86_64::frame::Frame;
use crate::x86_64::regs::{ENTRY_RUN_CTX, RUN_CTX};
use core::mem::offset_of;
use skep_abi::RunCtx;
use skep_uapi::HelperId;

/// The context: first argument of `bpf_tail_call` and of the entry.
const CTX: Gpr = Gpr::RDI;

/// A tail call that falls through when it cannot be made.
pub(in crate::x86_64) fn tail_call(asm: &mut Asm, frame: &Frame, model: CallModel) {
    let left = Rm::Mem(run_ctx_field(offset_of!(RunCtx, tail_calls_left)));
    asm.group1_imm(Group1::Cmp, OpSize::W32, left, 0);
    let none_left = asm.short_jcc(Cond::Equal);
    asm.push(CTX);
    asm.push(CTX);
    call::helper(asm, HelperId::TAIL_CALL.0, RunCtxUse::Needed, model);
    asm.pop(CTX);
    asm.pop(CTX);
    asm.reg_rm(op::TEST, OpSize::W64, Gpr::RAX, Rm::Reg(Gpr::RAX));
    let no_program = asm.short_jcc(Cond::Equal);
    asm.group5(Group5::Dec, OpSize::W32, left);
    // Before the frame goes, and with it what this entry pinned.
    asm.mov(OpSize::W64, ENTRY_RUN_CTX, RUN_CTX);
    frame.leave(asm);
    asm.group5(Group5::Jmp, OpSize::W32, Rm::Reg(Gpr::RAX));
    asm.bind_short(&none_left);
    asm.bind_short(&no_program);
}
