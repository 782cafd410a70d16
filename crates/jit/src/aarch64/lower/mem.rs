//! Loads, stores and wide immediates.

use crate::aarch64::asm::{Asm, Gpr, op};
use crate::aarch64::branch::A64Branch;
use crate::aarch64::regs::{OPERAND, memory, native};
use crate::driver::{Address, Wide};
use skep_isa::{Operand, Reg, Size};

/// `dst = *(size *)address`.
pub(in crate::aarch64) fn load(asm: &mut Asm, size: Size, dst: Reg, address: Address) {
    asm.access(op::LDR, size.into(), native(dst), memory(address));
}

/// The same, sign-extended to 64 bits.
pub(in crate::aarch64) fn load_sx(asm: &mut Asm, size: Size, dst: Reg, address: Address) {
    let op = match size {
        Size::B | Size::H | Size::W => op::LDRS,
        Size::Dw => op::LDR,
    };
    asm.access(op, size.into(), native(dst), memory(address));
}

/// `*(size *)address = src`.
pub(in crate::aarch64) fn store(asm: &mut Asm, size: Size, address: Address, src: Operand) {
    let src = match src {
        Operand::Reg(src) => native(src),
        Operand::Imm(0) => Gpr::ZR,
        Operand::Imm(imm) => {
            // Fewer bits, fewer instructions.
            asm.constant(OPERAND, size.truncate(i64::from(imm).cast_unsigned()));
            OPERAND
        }
    };
    asm.access(op::STR, size.into(), src, memory(address));
}

/// `dst = imm ll`.
pub(in crate::aarch64) fn load_wide(asm: &mut Asm, dst: Reg, value: Wide) {
    let dst = native(dst);
    match value {
        Wide::Value(value) => asm.constant(dst, value),
        Wide::Address(symbol) => asm.mov_symbol(dst, symbol),
        Wide::Function(label) => asm.branch(A64Branch::Address(dst), label),
    }
}
