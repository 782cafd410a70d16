//! Calls of helpers and local functions, and the thunk through which helpers call back.
//!
//! Whatever is called returns its result in x0: a local function too, because a tail call may put another program's main
//! function in its place.

use crate::aarch64::asm::{Access, Asm, Gpr, Indexed, Mem, OpSize, op};
use crate::aarch64::branch::A64Branch;
use crate::aarch64::regs::{HELPER_RUN_CTX, OPERAND, R0, RESULT, RUN_CTX};
use crate::driver::RunCtxUse;
use crate::layout::Label;
use crate::{CallModel, Symbol};

/// Call of a helper; its arguments are in place.
pub(in crate::aarch64) fn helper(asm: &mut Asm, id: u32, run: RunCtxUse, model: CallModel) {
    native_call(asm, id, run, model);
    asm.mov(OpSize::X, R0, RESULT);
}

/// The same with the result left in [`RESULT`].
pub(super) fn native_call(asm: &mut Asm, id: u32, run: RunCtxUse, model: CallModel) {
    match run {
        RunCtxUse::Needed => asm.mov(OpSize::X, HELPER_RUN_CTX, RUN_CTX),
        RunCtxUse::Unneeded => {}
    }
    let symbol = Symbol::Helper { id };
    match model {
        CallModel::Near => asm.call_symbol(symbol),
        CallModel::Far => {
            asm.mov_symbol(OPERAND, symbol);
            asm.branch_reg(op::BLR, OPERAND);
        }
    }
}

/// Call of a local function.
pub(in crate::aarch64) fn local(asm: &mut Asm, function: Label) {
    asm.branch(A64Branch::Call, function);
    asm.mov(OpSize::X, R0, RESULT);
}

/// `extern "C" fn(function, args: *const [u64; 5], run) -> r0`. A local function keeps every native callee-saved register
/// itself except the pinned one, which it expects to be set.
pub(in crate::aarch64) fn callback_thunk(asm: &mut Asm) {
    const ROOM_BYTES: i32 = 32;
    const KEPT: Mem = Mem {
        base: Gpr::SP,
        off: 16,
    };
    let arguments = |off| Mem { base: Gpr::X1, off };
    let links = (Gpr::FP, Gpr::LR);
    asm.pair_indexed(op::STP, links, Indexed::Pre, -ROOM_BYTES);
    asm.mov_sp(Gpr::FP, Gpr::SP);
    asm.access(op::STR, Access::B8, RUN_CTX, KEPT);
    asm.mov(OpSize::X, RUN_CTX, Gpr::X2);
    asm.mov(OpSize::X, OPERAND, Gpr::X0);
    asm.access(op::LDR, Access::B8, Gpr::X4, arguments(32));
    asm.pair(op::LDP, (Gpr::X2, Gpr::X3), arguments(16));
    // Overwrites the address, which is allowed without write-back.
    asm.pair(op::LDP, (Gpr::X0, Gpr::X1), arguments(0));
    asm.branch_reg(op::BLR, OPERAND);
    asm.access(op::LDR, Access::B8, RUN_CTX, KEPT);
    asm.pair_indexed(op::LDP, links, Indexed::Post, ROOM_BYTES);
    asm.branch_reg(op::RET, Gpr::LR);
}
