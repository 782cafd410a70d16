//! Conditional jumps.

use super::alu::{Operands, Sum, logic, sum};
use crate::aarch64::asm::{Access, Asm, Gpr, Mem, OpSize, op};
use crate::aarch64::branch::{A64Branch, Cond, Is};
use crate::aarch64::imm::{ArithImm, Bit};
use crate::aarch64::regs::{OPERAND, RUN_CTX, native};
use crate::driver::Condition;
use crate::layout::Label;
use core::mem::offset_of;
use skep_abi::RunCtx;
use skep_isa::{JmpOp, Operand};

/// `if dst op src goto target`.
pub(in crate::aarch64) fn jump_if(asm: &mut Asm, condition: Condition, target: Label) {
    let branch = without_flags(condition).unwrap_or_else(|| {
        compare(asm, condition);
        A64Branch::If(cond(condition.op))
    });
    asm.branch(branch, target);
}

/// The branches that test a register by themselves.
fn without_flags(condition: Condition) -> Option<A64Branch> {
    let size = OpSize::from(condition.width);
    let dst = native(condition.dst);
    let sign = Bit::masked(u32::MAX, size);
    match (condition.op, condition.src) {
        (JmpOp::Jeq | JmpOp::Jle, Operand::Imm(0)) => Some(A64Branch::IfReg(Is::Zero, size, dst)),
        (JmpOp::Jne | JmpOp::Jgt, Operand::Imm(0)) => {
            Some(A64Branch::IfReg(Is::NotZero, size, dst))
        }
        (JmpOp::Jslt, Operand::Imm(0)) => Some(A64Branch::IfBit(Is::NotZero, sign, dst)),
        (JmpOp::Jsge, Operand::Imm(0)) => Some(A64Branch::IfBit(Is::Zero, sign, dst)),
        (JmpOp::Jset, Operand::Imm(imm)) => {
            let mask = size.truncate(i64::from(imm).cast_unsigned());
            let bit = Bit::masked(mask.trailing_zeros(), size);
            (mask.count_ones() == 1).then_some(A64Branch::IfBit(Is::NotZero, bit, dst))
        }
        (_, Operand::Imm(_) | Operand::Reg(_)) => None,
    }
}

/// Sets the flags that [`cond`] reads.
fn compare(asm: &mut Asm, condition: Condition) {
    let operands = Operands {
        size: condition.width.into(),
        dst: Gpr::ZR,
        left: native(condition.dst),
        src: condition.src.into(),
    };
    if condition.op == JmpOp::Jset {
        logic(asm, op::ANDS, op::ANDS_IMM, operands);
    } else {
        sum(asm, Sum::COMPARE, operands);
    }
}

fn cond(op: JmpOp) -> Cond {
    match op {
        JmpOp::Jeq => Cond::Eq,
        JmpOp::Jne | JmpOp::Jset => Cond::Ne,
        JmpOp::Jgt => Cond::Hi,
        JmpOp::Jge => Cond::Hs,
        JmpOp::Jlt => Cond::Lo,
        JmpOp::Jle => Cond::Ls,
        JmpOp::Jsgt => Cond::Gt,
        JmpOp::Jsge => Cond::Ge,
        JmpOp::Jslt => Cond::Lt,
        JmpOp::Jsle => Cond::Le,
    }
}

/// `goto target` when the run's budget is used up, else takes one from it.
pub(in crate::aarch64) fn may_goto(asm: &mut Asm, target: Label) {
    let budget = Counter {
        access: Access::B8,
        offset: offset_of!(RunCtx, may_goto_left),
    };
    budget.branch_if_used_up(asm, target);
    budget.take_one(asm);
}

/// A counter of the run context that goes down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counter {
    pub(super) access: Access,
    /// Within the run context.
    pub(super) offset: usize,
}

impl Counter {
    fn memory(self) -> Mem {
        Mem {
            base: RUN_CTX,
            off: i32::try_from(self.offset).expect("RunCtx is small"),
        }
    }

    /// Loads it into [`OPERAND`] and branches if it is zero.
    pub(super) fn branch_if_used_up(self, asm: &mut Asm, target: Label) {
        self.load(asm);
        asm.branch(A64Branch::IfReg(Is::Zero, OpSize::X, OPERAND), target);
    }

    /// Stores one less than [`OPERAND`] holds.
    pub(super) fn take_one(self, asm: &mut Asm) {
        asm.arith(op::SUB_IMM, OpSize::X, OPERAND, OPERAND, ArithImm::ONE);
        asm.access(op::STR, self.access, OPERAND, self.memory());
    }

    /// Loads it into [`OPERAND`].
    pub(super) fn load(self, asm: &mut Asm) {
        asm.access(op::LDR, self.access, OPERAND, self.memory());
    }
}
