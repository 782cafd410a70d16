//! Pairs of instructions with a shorter sequence of their own. The driver offers only pairs of which no jump reaches the
//! second.

use super::asm::{Asm, Mem, OpSize, Rm, op};
use super::regs::native;
use skep_isa::{AluOp, Insn, Operand, Reg, Width};

/// Emits a pair, if it is one of those, and says whether it did.
pub(super) fn pair(asm: &mut Asm, first: &Insn, second: &Insn) -> bool {
    moved_sum(asm, first, second) || extension(asm, first, second)
}

/// `dst = src; dst += imm` and `dst = src; dst += other` in 64 bits: one `lea`.
fn moved_sum(asm: &mut Asm, first: &Insn, second: &Insn) -> bool {
    let Insn::Mov {
        width: Width::W64,
        dst,
        src: Operand::Reg(base),
    } = *first
    else {
        return false;
    };
    let Some((sum, operand)) = wide_alu(AluOp::Add, second) else {
        return false;
    };
    if sum != dst || base == dst {
        return false;
    }
    match operand {
        Operand::Imm(disp) => asm.lea(
            OpSize::W64,
            native(dst),
            Mem {
                base: native(base),
                disp,
            },
        ),
        Operand::Reg(index) => {
            // After the move `dst` is `base`.
            let index = if index == dst { base } else { index };
            asm.lea_sum(native(dst), native(base), native(index));
        }
    }
    true
}

/// `dst <<= 32; dst >>= 32`, logical or arithmetic: an extension of the low half.
fn extension(asm: &mut Asm, first: &Insn, second: &Insn) -> bool {
    const HALF: Operand = Operand::Imm(32);
    let Some((dst, HALF)) = wide_alu(AluOp::Lsh, first) else {
        return false;
    };
    let reg = native(dst);
    if wide_alu(AluOp::Rsh, second) == Some((dst, HALF)) {
        asm.mov(OpSize::W32, reg, reg);
        true
    } else if wide_alu(AluOp::Arsh, second) == Some((dst, HALF)) {
        asm.reg_rm(op::MOVSXD, OpSize::W64, reg, Rm::Reg(reg));
        true
    } else {
        false
    }
}

/// Operands of a 64-bit operation `wanted`.
fn wide_alu(wanted: AluOp, insn: &Insn) -> Option<(Reg, Operand)> {
    if let Insn::Alu {
        op,
        width: Width::W64,
        dst,
        src,
    } = *insn
        && op == wanted
    {
        Some((dst, src))
    } else {
        None
    }
}
