//! Pairs of instructions with a shorter sequence of their own. The driver offers only pairs of which no jump reaches the
//! second.

use super::asm::{Asm, OpSize};
use super::frame::Frame;
use super::lower::alu::{self, Operands};
use super::lower::shift::{Shift, count_of, left_then_right};
use super::regs::{RESULT, native};
use skep_isa::{AluOp, Insn, Operand, Reg, Width};

/// Emits a pair, if it is one of those, and says whether it did.
pub(super) fn pair(asm: &mut Asm, frame: &Frame, first: &Insn, second: &Insn) -> bool {
    moved_operand(asm, first, second)
        || shifted_twice(asm, first, second)
        || returned_move(asm, frame, first, second)
}

/// `dst = left; dst op= src`: an operation with three operands.
fn moved_operand(asm: &mut Asm, first: &Insn, second: &Insn) -> bool {
    let (
        Insn::Mov {
            width: moved,
            dst,
            src: Operand::Reg(left),
        },
        Insn::Alu {
            op,
            width,
            dst: result,
            src,
        },
    ) = (*first, *second)
    else {
        return false;
    };
    // A 32-bit move clears bits that only a 32-bit operation does not look at.
    let same_bits = moved == Width::W64 || width == Width::W32;
    if result != dst || !same_bits {
        return false;
    }
    let src = match src {
        // After the move `dst` is `left`.
        Operand::Reg(src) if src == dst => Operand::Reg(left),
        Operand::Reg(_) | Operand::Imm(_) => src,
    };
    let operands = Operands {
        size: width.into(),
        dst: native(dst),
        left: native(left),
        src: src.into(),
    };
    alu::alu(asm, op, operands);
    true
}

/// `dst <<= up; dst >>= down`, logical or arithmetic: a bitfield.
fn shifted_twice(asm: &mut Asm, first: &Insn, second: &Insn) -> bool {
    let (
        Insn::Alu {
            op: AluOp::Lsh,
            width,
            dst,
            src: Operand::Imm(up),
        },
        Insn::Alu {
            op,
            width: again,
            dst: result,
            src: Operand::Imm(down),
        },
    ) = (*first, *second)
    else {
        return false;
    };
    let right = if op == AluOp::Rsh {
        Shift::Right
    } else if op == AluOp::Arsh {
        Shift::RightSigned
    } else {
        return false;
    };
    if width != again || dst != result {
        return false;
    }
    let size = OpSize::from(width);
    let counts = (count_of(up.into(), size), count_of(down.into(), size));
    left_then_right(asm, right, size, (native(dst), native(dst)), counts);
    true
}

/// `r0 = src; exit`: straight to where the caller looks for it.
fn returned_move(asm: &mut Asm, frame: &Frame, first: &Insn, second: &Insn) -> bool {
    if let Insn::Mov {
        width,
        dst: Reg::R0,
        src,
    } = *first
        && *second == Insn::Exit
    {
        alu::mov(asm, width, RESULT, src);
        frame.exit_with_result(asm);
        true
    } else {
        false
    }
}
