//! Byte swaps. The host is little-endian, so that "to little endian" only truncates.

use crate::x86_64::asm::{Asm, Gpr, OpSize, Rm, Shift, op};
use crate::x86_64::regs::native;
use skep_isa::{Reg, Size, SwapKind};

/// Swaps or truncates `dst`.
pub(in crate::x86_64) fn swap(asm: &mut Asm, kind: SwapKind, dst: Reg, size: Size) {
    let dst = native(dst);
    match kind {
        SwapKind::ToLe => truncate(asm, dst, size),
        SwapKind::ToBe | SwapKind::Swap => reverse(asm, dst, size),
    }
}

fn truncate(asm: &mut Asm, dst: Gpr, size: Size) {
    match size {
        Size::B => asm.reg_rm8(op::MOVZX_8, OpSize::W32, dst, Rm::Reg(dst)),
        Size::H => asm.reg_rm(op::MOVZX_16, OpSize::W32, dst, Rm::Reg(dst)),
        Size::W => asm.mov(OpSize::W32, dst, dst),
        Size::Dw => {}
    }
}

fn reverse(asm: &mut Asm, dst: Gpr, size: Size) {
    match size {
        Size::B => truncate(asm, dst, size),
        Size::H => {
            asm.shift_imm(Shift::Rol, OpSize::W16, dst, 8);
            truncate(asm, dst, size);
        }
        Size::W => asm.bswap(OpSize::W32, dst),
        Size::Dw => asm.bswap(OpSize::W64, dst),
    }
}
