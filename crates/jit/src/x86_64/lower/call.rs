//! Calls of helpers, and the thunk through which helpers call back.

use crate::driver::RunCtxUse;
use crate::x86_64::asm::{Asm, Gpr, Group5, Mem, OpSize, Rm};
use crate::x86_64::regs::{HELPER_RUN_CTX, RUN_CTX};
use crate::{CallModel, Symbol};

/// The address of a helper that may be out of reach. Not r9, which may be an argument.
const FAR_TARGET: Gpr = Gpr::R10;

/// Call of a helper; its arguments are in place.
pub(in crate::x86_64) fn helper(asm: &mut Asm, id: u32, run: RunCtxUse, model: CallModel) {
    match run {
        RunCtxUse::Needed => asm.mov(OpSize::W64, HELPER_RUN_CTX, RUN_CTX),
        RunCtxUse::Unneeded => {}
    }
    let symbol = Symbol::Helper { id };
    match model {
        CallModel::Near => asm.call_symbol(symbol),
        CallModel::Far => {
            asm.mov_symbol(FAR_TARGET, symbol);
            asm.group5(Group5::Call, OpSize::W32, Rm::Reg(FAR_TARGET));
        }
    }
}

/// `extern "C" fn(function, args: *const [u64; 5], run) -> r0`. A local function keeps every native callee-saved register
/// itself except the pinned one, which it expects to be set.
pub(in crate::x86_64) fn callback_thunk(asm: &mut Asm) {
    let argument = |index: i32| Mem {
        base: Gpr::RSI,
        disp: index * 8,
    };
    asm.push(RUN_CTX);
    asm.mov(OpSize::W64, RUN_CTX, Gpr::RDX);
    asm.mov(OpSize::W64, Gpr::RAX, Gpr::RDI);
    asm.load(OpSize::W64, Gpr::RDI, argument(0));
    asm.load(OpSize::W64, Gpr::RDX, argument(2));
    asm.load(OpSize::W64, Gpr::RCX, argument(3));
    asm.load(OpSize::W64, Gpr::R8, argument(4));
    asm.load(OpSize::W64, Gpr::RSI, argument(1));
    asm.group5(Group5::Call, OpSize::W32, Rm::Reg(Gpr::RAX));
    asm.pop(RUN_CTX);
    asm.ret();
}
