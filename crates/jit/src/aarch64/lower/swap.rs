//! Byte swaps. The target is little-endian, so that "to little endian" only truncates.

use crate::aarch64::asm::{Asm, Gpr, OpSize, op};
use crate::aarch64::imm::Bit;
use crate::aarch64::regs::native;
use skep_isa::{Reg, Size, SwapKind};

/// Swaps or truncates `dst`.
pub(in crate::aarch64) fn swap(asm: &mut Asm, kind: SwapKind, dst: Reg, size: Size) {
    let dst = native(dst);
    match kind {
        SwapKind::ToLe => truncate(asm, dst, size),
        SwapKind::ToBe | SwapKind::Swap => reverse(asm, dst, size),
    }
}

fn truncate(asm: &mut Asm, dst: Gpr, size: Size) {
    match size {
        // uxtb, uxth.
        Size::B | Size::H => {
            let zero = Bit::masked(0, OpSize::W);
            let last = Bit::masked(size.bits() - 1, OpSize::W);
            asm.bitfield(op::UBFM, OpSize::W, (dst, dst), (zero, last));
        }
        Size::W => asm.mov(OpSize::W, dst, dst),
        Size::Dw => {}
    }
}

fn reverse(asm: &mut Asm, dst: Gpr, size: Size) {
    match size {
        Size::B => truncate(asm, dst, size),
        Size::H => {
            asm.two(op::REV16, OpSize::W, dst, dst);
            truncate(asm, dst, size);
        }
        Size::W => asm.two(op::REV_W, OpSize::W, dst, dst),
        Size::Dw => asm.two(op::REV_X, OpSize::X, dst, dst),
    }
}
