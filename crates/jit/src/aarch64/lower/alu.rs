//! Addition, subtraction, logic, negation and moves.
//!
//! A W instruction clears the upper half of its destination, as BPF's 32-bit operations do. Everything is lowered with
//! three operands, so that a preceding move can be folded in (see `fuse`); each sequence writes its destination last.

use super::{muldiv, shift};
use crate::aarch64::asm::{Arith, Asm, Gpr, Logical, OpSize, ThreeReg, op};
use crate::aarch64::imm::{ArithImm, Bit, LogicalImm};
use crate::aarch64::regs::{OPERAND, native};
use skep_isa::{AluOp, Operand, Reg, Size, Width};

/// Operands of `dst = left op src`.
#[derive(Clone, Copy, Debug)]
pub(in crate::aarch64) struct Operands {
    pub(in crate::aarch64) size: OpSize,
    pub(in crate::aarch64) dst: Gpr,
    pub(in crate::aarch64) left: Gpr,
    pub(in crate::aarch64) src: Source,
}

impl Operands {
    /// Those of `dst op= src`.
    pub(in crate::aarch64) fn in_place(width: Width, dst: Reg, src: Operand) -> Self {
        Self {
            size: width.into(),
            dst: native(dst),
            left: native(dst),
            src: src.into(),
        }
    }
}

/// Right operand.
#[derive(Clone, Copy, Debug)]
pub(in crate::aarch64) enum Source {
    Reg(Gpr),
    /// Sign-extended.
    Imm(i64),
}

impl From<Operand> for Source {
    fn from(operand: Operand) -> Self {
        match operand {
            Operand::Reg(reg) => Self::Reg(native(reg)),
            Operand::Imm(imm) => Self::Imm(imm.into()),
        }
    }
}

/// `dst = left op src`, all operations.
pub(in crate::aarch64) fn alu(asm: &mut Asm, op: AluOp, operands: Operands) {
    match op {
        AluOp::Add => sum(asm, Sum::ADD, operands),
        AluOp::Sub => sum(asm, Sum::SUB, operands),
        AluOp::Or => logic(asm, op::ORR, op::ORR_IMM, operands),
        AluOp::And => logic(asm, op::AND, op::AND_IMM, operands),
        AluOp::Xor => logic(asm, op::EOR, op::EOR_IMM, operands),
        AluOp::Mul => muldiv::mul(asm, operands),
        AluOp::Div => muldiv::unsigned_quotient(asm, operands),
        AluOp::Sdiv => muldiv::quotient(asm, op::SDIV, operands),
        AluOp::Mod => muldiv::unsigned_remainder(asm, operands),
        AluOp::Smod => muldiv::remainder(asm, op::SDIV, operands),
        AluOp::Lsh => shift::shift(asm, shift::Shift::Left, operands),
        AluOp::Rsh => shift::shift(asm, shift::Shift::Right, operands),
        AluOp::Arsh => shift::shift(asm, shift::Shift::RightSigned, operands),
    }
}

/// The right operand in a register: its own, or [`OPERAND`].
pub(super) fn in_register(asm: &mut Asm, size: OpSize, src: Source) -> Gpr {
    match src {
        Source::Reg(reg) => reg,
        Source::Imm(imm) => {
            asm.constant(OPERAND, size.truncate(imm.cast_unsigned()));
            OPERAND
        }
    }
}

/// An addition or subtraction: the form with registers, with an immediate, and with the negated immediate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    reg: ThreeReg,
    imm: Arith,
    negated: Arith,
}

impl Sum {
    pub(super) const ADD: Self = Self {
        reg: op::ADD,
        imm: op::ADD_IMM,
        negated: op::SUB_IMM,
    };
    pub(super) const SUB: Self = Self {
        reg: op::SUB,
        imm: op::SUB_IMM,
        negated: op::ADD_IMM,
    };
    /// The comparison. The flags of adding a constant are those of subtracting its negation, unless it is 0, which is
    /// not negated.
    pub(super) const COMPARE: Self = Self {
        reg: op::SUBS,
        imm: op::SUBS_IMM,
        negated: op::ADDS_IMM,
    };
}

pub(super) fn sum(asm: &mut Asm, sum: Sum, operands: Operands) {
    let Operands {
        size,
        dst,
        left,
        src,
    } = operands;
    if let Source::Imm(imm) = src {
        if let Some(imm) = u64::try_from(imm).ok().and_then(ArithImm::new) {
            asm.arith(sum.imm, size, dst, left, imm);
            return;
        }
        if let Some(imm) = ArithImm::new(imm.wrapping_neg().cast_unsigned()) {
            asm.arith(sum.negated, size, dst, left, imm);
            return;
        }
    }
    let src = in_register(asm, size, src);
    asm.three(sum.reg, size, dst, left, src);
}

pub(super) fn logic(asm: &mut Asm, reg: ThreeReg, imm: Logical, operands: Operands) {
    let Operands {
        size,
        dst,
        left,
        src,
    } = operands;
    if let Source::Imm(value) = src
        && let Some(value) = LogicalImm::new(value.cast_unsigned(), size)
    {
        asm.logical(imm, size, dst, left, value);
    } else {
        let src = in_register(asm, size, src);
        asm.three(reg, size, dst, left, src);
    }
}

/// `dst = -dst`.
pub(in crate::aarch64) fn neg(asm: &mut Asm, width: Width, dst: Reg) {
    let dst = native(dst);
    asm.three(op::SUB, width.into(), dst, Gpr::ZR, dst);
}

/// `dst = src`.
pub(in crate::aarch64) fn mov(asm: &mut Asm, width: Width, dst: Gpr, src: Operand) {
    let size = OpSize::from(width);
    match Source::from(src) {
        Source::Reg(src) if src == dst && size == OpSize::X => {}
        Source::Reg(src) => asm.mov(size, dst, src),
        Source::Imm(imm) => asm.constant(dst, size.truncate(imm.cast_unsigned())),
    }
}

/// `dst = (sN)src`.
pub(in crate::aarch64) fn mov_sx(asm: &mut Asm, width: Width, dst: Reg, src: Reg, from: Size) {
    let size = OpSize::from(width);
    let last = Bit::masked(from.bits() - 1, size);
    let zero = Bit::masked(0, size);
    asm.bitfield(op::SBFM, size, (native(dst), native(src)), (zero, last));
}
