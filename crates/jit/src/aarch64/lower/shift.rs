//! Shifts. The processor masks a count in a register to 6 bits, or 5 for W operands, as BPF does.

use super::alu::{Operands, Source};
use crate::aarch64::asm::{Asm, Gpr, OpSize, op};
use crate::aarch64::imm::Bit;

/// A shift.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::aarch64) enum Shift {
    Left,
    Right,
    RightSigned,
}

/// `dst = left op src`.
pub(super) fn shift(asm: &mut Asm, shift: Shift, operands: Operands) {
    let Operands {
        size,
        dst,
        left,
        src,
    } = operands;
    match src {
        Source::Reg(count) => {
            let op = match shift {
                Shift::Left => op::LSLV,
                Shift::Right => op::LSRV,
                Shift::RightSigned => op::ASRV,
            };
            asm.three(op, size, dst, left, count);
        }
        Source::Imm(count) => by_constant(asm, shift, size, (dst, left), count_of(count, size)),
    }
}

/// The count that an immediate means.
pub(in crate::aarch64) fn count_of(imm: i64, size: OpSize) -> Bit {
    let [low, ..] = imm.to_le_bytes();
    Bit::masked(low.into(), size)
}

/// A shift by a constant.
pub(in crate::aarch64) fn by_constant(
    asm: &mut Asm,
    shift: Shift,
    size: OpSize,
    (dst, left): (Gpr, Gpr),
    count: Bit,
) {
    let none = Bit::masked(0, size);
    if count == none {
        // In 32 bits it still clears the upper half.
        if size == OpSize::W || dst != left {
            asm.mov(size, dst, left);
        }
        return;
    }
    match shift {
        Shift::Left => left_then_right(asm, Shift::Right, size, (dst, left), (count, none)),
        Shift::Right | Shift::RightSigned => {
            left_then_right(asm, shift, size, (dst, left), (none, count));
        }
    }
}

/// A shift left by `up`, then one right by `down`: one bitfield move, whatever the counts are.
pub(in crate::aarch64) fn left_then_right(
    asm: &mut Asm,
    right: Shift,
    size: OpSize,
    registers: (Gpr, Gpr),
    (up, down): (Bit, Bit),
) {
    let op = match right {
        Shift::Left | Shift::Right => op::UBFM,
        Shift::RightSigned => op::SBFM,
    };
    let rotation = Bit::masked(down.number().wrapping_sub(up.number()), size);
    let last = Bit::masked(size.last_bit() - up.number(), size);
    asm.bitfield(op, size, registers, (rotation, last));
}
