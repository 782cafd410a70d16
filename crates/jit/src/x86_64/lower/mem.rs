//! Loads, stores and wide immediates.

use super::alu::{constant, sign_extend};
use crate::driver::{Address, Wide};
use crate::x86_64::asm::{Asm, OpSize, Rm, op};
use crate::x86_64::branch::X86Branch;
use crate::x86_64::regs::{memory, native};
use skep_isa::{Operand, Reg, Size};

/// `dst = *(size *)address`.
pub(in crate::x86_64) fn load(asm: &mut Asm, size: Size, dst: Reg, address: Address) {
    let dst = native(dst);
    let rm = Rm::Mem(memory(address));
    match size {
        Size::B => asm.reg_rm(op::MOVZX_8, OpSize::W32, dst, rm),
        Size::H => asm.reg_rm(op::MOVZX_16, OpSize::W32, dst, rm),
        Size::W => asm.reg_rm(op::MOV_LOAD, OpSize::W32, dst, rm),
        Size::Dw => asm.reg_rm(op::MOV_LOAD, OpSize::W64, dst, rm),
    }
}

/// The same, sign-extended to 64 bits.
pub(in crate::x86_64) fn load_sx(asm: &mut Asm, size: Size, dst: Reg, address: Address) {
    let rm = Rm::Mem(memory(address));
    sign_extend(asm, OpSize::W64, native(dst), rm, size);
}

/// `*(size *)address = src`.
pub(in crate::x86_64) fn store(asm: &mut Asm, size: Size, address: Address, src: Operand) {
    let mem = memory(address);
    let opcode = match size {
        Size::B => op::MOV_STORE_8,
        Size::H | Size::W | Size::Dw => op::MOV_STORE,
    };
    match src {
        Operand::Reg(src) => asm.reg_rm(opcode, size.into(), native(src), Rm::Mem(mem)),
        Operand::Imm(imm) => asm.store_imm(size.into(), mem, imm),
    }
}

/// `dst = imm ll`.
pub(in crate::x86_64) fn load_wide(asm: &mut Asm, dst: Reg, value: Wide) {
    let dst = native(dst);
    match value {
        Wide::Value(value) => constant(asm, dst, value),
        Wide::Address(symbol) => asm.mov_symbol(dst, symbol),
        Wide::Function(label) => asm.branch(X86Branch::Lea(dst), label),
    }
}
