//! Conditional jumps.

use crate::driver::Condition;
use crate::layout::Label;
use crate::x86_64::asm::{Asm, Cond, Group1, Group5, Mem, OpSize, Rm, op};
use crate::x86_64::branch::X86Branch;
use crate::x86_64::regs::{RUN_CTX, native};
use core::mem::offset_of;
use skep_abi::RunCtx;
use skep_isa::{JmpOp, Operand};

/// `if dst op src goto target`.
pub(in crate::x86_64) fn jump_if(asm: &mut Asm, condition: Condition, target: Label) {
    compare(asm, condition);
    asm.branch(X86Branch::JumpIf(cond(condition.op)), target);
}

/// Sets the flags that [`cond`] reads.
fn compare(asm: &mut Asm, condition: Condition) {
    let Condition {
        op,
        width,
        dst,
        src,
    } = condition;
    let size = OpSize::from(width);
    let dst = native(dst);
    match (op == JmpOp::Jset, src) {
        (true, Operand::Reg(src)) => asm.reg_rm(op::TEST, size, native(src), Rm::Reg(dst)),
        (true, Operand::Imm(imm)) => asm.test_imm_zero_flag(size, dst, imm),
        // `test` clears carry and overflow as a comparison with zero does, so that every condition holds.
        (false, Operand::Imm(0)) => asm.reg_rm(op::TEST, size, dst, Rm::Reg(dst)),
        (false, Operand::Imm(imm)) => asm.group1_imm(Group1::Cmp, size, Rm::Reg(dst), imm),
        (false, Operand::Reg(src)) => asm.group1(Group1::Cmp, size, dst, native(src)),
    }
}

fn cond(op: JmpOp) -> Cond {
    match op {
        JmpOp::Jeq => Cond::Equal,
        JmpOp::Jne | JmpOp::Jset => Cond::NotEqual,
        JmpOp::Jgt => Cond::Above,
        JmpOp::Jge => Cond::AboveEqual,
        JmpOp::Jlt => Cond::Below,
        JmpOp::Jle => Cond::BelowEqual,
        JmpOp::Jsgt => Cond::Greater,
        JmpOp::Jsge => Cond::GreaterEqual,
        JmpOp::Jslt => Cond::Less,
        JmpOp::Jsle => Cond::LessEqual,
    }
}

/// `goto target` when the run's budget is used up, else takes one from it.
pub(in crate::x86_64) fn may_goto(asm: &mut Asm, target: Label) {
    let budget = Rm::Mem(run_ctx_field(offset_of!(RunCtx, may_goto_left)));
    asm.group1_imm(Group1::Cmp, OpSize::W64, budget, 0);
    asm.branch(X86Branch::JumpIf(Cond::Equal), target);
    asm.group5(Group5::Dec, OpSize::W64, budget);
}

/// A field of the run context.
pub(super) fn run_ctx_field(offset: usize) -> Mem {
    Mem {
        base: RUN_CTX,
        disp: i32::try_from(offset).expect("RunCtx is small"),
    }
}
