//! Shifts. The processor masks a count to 6 bits, or 5 for 32-bit operands, as BPF does.

use crate::x86_64::asm::{Asm, Gpr, OpSize, Shift};
use crate::x86_64::regs::native;
use skep_isa::{Operand, Reg, Width};

pub(super) const LEFT: Shift = Shift::Shl;
pub(super) const RIGHT: Shift = Shift::Shr;
pub(super) const RIGHT_SIGNED: Shift = Shift::Sar;

/// Keeps rcx (r4) while cl holds a count.
const SAVED_RCX: Gpr = Gpr::R11;

/// `dst op= src`.
pub(super) fn shift(asm: &mut Asm, shift: Shift, width: Width, dst: Reg, src: Operand) {
    let size = OpSize::from(width);
    let dst = native(dst);
    match src {
        Operand::Imm(imm) => by_constant(asm, shift, width, dst, imm),
        Operand::Reg(src) if native(src) == Gpr::RCX => asm.shift_cl(shift, size, dst),
        Operand::Reg(src) => {
            asm.mov(OpSize::W64, SAVED_RCX, Gpr::RCX);
            asm.mov(OpSize::W32, Gpr::RCX, native(src));
            if dst == Gpr::RCX {
                asm.shift_cl(shift, size, SAVED_RCX);
            } else {
                asm.shift_cl(shift, size, dst);
            }
            asm.mov(OpSize::W64, Gpr::RCX, SAVED_RCX);
        }
    }
}

fn by_constant(asm: &mut Asm, shift: Shift, width: Width, dst: Gpr, imm: i32) {
    let bits = match width {
        Width::W32 => 31,
        Width::W64 => 63,
    };
    match (u8::try_from(imm & bits).expect("six bits"), width) {
        (0, Width::W64) => {}
        // The 32-bit shift by zero still clears the upper half.
        (0, Width::W32) => asm.mov(OpSize::W32, dst, dst),
        (count, _) => asm.shift_imm(shift, width.into(), dst, count),
    }
}
