//! Multiplication, division, remainder.
//!
//! The processor's division yields 0 for a zero divisor and wraps for the smallest value by minus one, which is what BPF
//! wants (RFC 9669, section 4.1). So does the remainder computed as dividend - quotient * divisor: the dividend for a
//! zero divisor, 0 for a divisor of minus one.

use super::alu::{Operands, Source, in_register};
use super::shift::{Shift, by_constant};
use crate::aarch64::asm::{Asm, Gpr, OpSize, ThreeReg, op};
use crate::aarch64::imm::{Bit, LogicalImm};
use crate::aarch64::regs::SECOND;

/// The exponent of a constant power of two above one.
fn exponent(size: OpSize, src: Source) -> Option<Bit> {
    match src {
        Source::Imm(imm) if imm > 1 && imm.count_ones() == 1 => {
            Some(Bit::masked(imm.trailing_zeros(), size))
        }
        Source::Imm(_) | Source::Reg(_) => None,
    }
}

/// `dst = left * src`.
pub(super) fn mul(asm: &mut Asm, operands: Operands) {
    let Operands {
        size,
        dst,
        left,
        src,
    } = operands;
    if let Some(exponent) = exponent(size, src) {
        by_constant(asm, Shift::Left, size, (dst, left), exponent);
    } else {
        let src = in_register(asm, size, src);
        asm.four(op::MADD, size, [dst, left, src, Gpr::ZR]);
    }
}

/// `dst = left / src`, unsigned.
pub(super) fn unsigned_quotient(asm: &mut Asm, operands: Operands) {
    let Operands {
        size,
        dst,
        left,
        src,
    } = operands;
    if let Some(exponent) = exponent(size, src) {
        by_constant(asm, Shift::Right, size, (dst, left), exponent);
    } else {
        quotient(asm, op::UDIV, operands);
    }
}

/// `dst = left / src` by UDIV or SDIV.
pub(super) fn quotient(asm: &mut Asm, division: ThreeReg, operands: Operands) {
    let Operands {
        size,
        dst,
        left,
        src,
    } = operands;
    let src = in_register(asm, size, src);
    asm.three(division, size, dst, left, src);
}

/// `dst = left % src`, unsigned.
pub(super) fn unsigned_remainder(asm: &mut Asm, operands: Operands) {
    let Operands {
        size,
        dst,
        left,
        src,
    } = operands;
    // The mask below a power of two is a run of ones.
    if let Source::Imm(imm) = src
        && exponent(size, src).is_some()
        && let Some(mask) = LogicalImm::new((imm - 1).cast_unsigned(), size)
    {
        asm.logical(op::AND_IMM, size, dst, left, mask);
    } else {
        remainder(asm, op::UDIV, operands);
    }
}

/// `dst = left % src` by UDIV or SDIV.
pub(super) fn remainder(asm: &mut Asm, division: ThreeReg, operands: Operands) {
    let Operands {
        size,
        dst,
        left,
        src,
    } = operands;
    let src = in_register(asm, size, src);
    asm.three(division, size, SECOND, left, src);
    asm.four(op::MSUB, size, [dst, SECOND, src, left]);
}
