//! Addition, subtraction, logic, negation and moves.
//!
//! A 32-bit operation of the processor clears the upper half of its destination, as BPF's does.

use super::{muldiv, shift};
use crate::x86_64::asm::{Asm, Gpr, Group1, Group3, Group5, OpSize, Rm, op};
use crate::x86_64::regs::native;
use skep_isa::{AluOp, Operand, Reg, Size, Width};

/// `dst op= src`, all operations.
pub(in crate::x86_64) fn alu(asm: &mut Asm, op: AluOp, width: Width, dst: Reg, src: Operand) {
    let size = OpSize::from(width);
    match op {
        AluOp::Add => add(asm, size, dst, src),
        AluOp::Sub => sub(asm, size, dst, src),
        AluOp::Or => group1(asm, Group1::Or, size, dst, src),
        AluOp::And => and(asm, size, dst, src),
        AluOp::Xor => group1(asm, Group1::Xor, size, dst, src),
        AluOp::Mul => muldiv::mul(asm, size, dst, src),
        AluOp::Div => muldiv::divide(asm, muldiv::DIV, width, dst, src),
        AluOp::Sdiv => muldiv::divide(asm, muldiv::SDIV, width, dst, src),
        AluOp::Mod => muldiv::divide(asm, muldiv::MOD, width, dst, src),
        AluOp::Smod => muldiv::divide(asm, muldiv::SMOD, width, dst, src),
        AluOp::Lsh => shift::shift(asm, shift::LEFT, width, dst, src),
        AluOp::Rsh => shift::shift(asm, shift::RIGHT, width, dst, src),
        AluOp::Arsh => shift::shift(asm, shift::RIGHT_SIGNED, width, dst, src),
    }
}

fn group1(asm: &mut Asm, group: Group1, size: OpSize, dst: Reg, src: Operand) {
    let dst = native(dst);
    match src {
        Operand::Reg(src) => asm.group1(group, size, dst, native(src)),
        Operand::Imm(imm) => asm.group1_imm(group, size, Rm::Reg(dst), imm),
    }
}

fn add(asm: &mut Asm, size: OpSize, dst: Reg, src: Operand) {
    let rm = Rm::Reg(native(dst));
    match src {
        Operand::Imm(1) => asm.group5(Group5::Inc, size, rm),
        Operand::Imm(-1) => asm.group5(Group5::Dec, size, rm),
        // -128 has a short form and 128 has none.
        Operand::Imm(128) => asm.group1_imm(Group1::Sub, size, rm, -128),
        Operand::Imm(_) | Operand::Reg(_) => group1(asm, Group1::Add, size, dst, src),
    }
}

fn sub(asm: &mut Asm, size: OpSize, dst: Reg, src: Operand) {
    let rm = Rm::Reg(native(dst));
    match src {
        Operand::Imm(1) => asm.group5(Group5::Dec, size, rm),
        Operand::Imm(-1) => asm.group5(Group5::Inc, size, rm),
        Operand::Imm(128) => asm.group1_imm(Group1::Add, size, rm, -128),
        Operand::Imm(_) | Operand::Reg(_) => group1(asm, Group1::Sub, size, dst, src),
    }
}

fn and(asm: &mut Asm, size: OpSize, dst: Reg, src: Operand) {
    let reg = native(dst);
    match src {
        Operand::Imm(0xff) => asm.reg_rm8(op::MOVZX_8, OpSize::W32, reg, Rm::Reg(reg)),
        Operand::Imm(0xffff) => asm.reg_rm(op::MOVZX_16, OpSize::W32, reg, Rm::Reg(reg)),
        // The result fits 31 bits, so the 32-bit operation, which needs no REX.W, gives the same.
        Operand::Imm(0..) => group1(asm, Group1::And, OpSize::W32, dst, src),
        Operand::Imm(_) | Operand::Reg(_) => group1(asm, Group1::And, size, dst, src),
    }
}

/// `dst = -dst`.
pub(in crate::x86_64) fn neg(asm: &mut Asm, width: Width, dst: Reg) {
    asm.group3(Group3::Neg, width.into(), native(dst));
}

/// `dst = src`.
pub(in crate::x86_64) fn mov(asm: &mut Asm, width: Width, dst: Reg, src: Operand) {
    let dst = native(dst);
    match (src, width) {
        (Operand::Reg(src), Width::W64) if native(src) == dst => {}
        (Operand::Reg(src), _) => asm.mov(width.into(), dst, native(src)),
        (Operand::Imm(imm), Width::W64) => constant(asm, dst, i64::from(imm).cast_unsigned()),
        (Operand::Imm(imm), Width::W32) => constant(asm, dst, u64::from(imm.cast_unsigned())),
    }
}

/// `dst = value`; changes the flags.
pub(in crate::x86_64) fn constant(asm: &mut Asm, dst: Gpr, value: u64) {
    if value == 0 {
        asm.group1(Group1::Xor, OpSize::W32, dst, dst);
    } else {
        asm.mov_imm(dst, value);
    }
}

/// `dst = (sN)src`.
pub(in crate::x86_64) fn mov_sx(asm: &mut Asm, width: Width, dst: Reg, src: Reg, from: Size) {
    sign_extend(asm, width.into(), native(dst), Rm::Reg(native(src)), from);
}

/// A register from a sign-extended narrower register or memory operand.
pub(super) fn sign_extend(asm: &mut Asm, size: OpSize, dst: Gpr, rm: Rm, from: Size) {
    match from {
        Size::B => asm.reg_rm8(op::MOVSX_8, size, dst, rm),
        Size::H => asm.reg_rm(op::MOVSX_16, size, dst, rm),
        Size::W => asm.reg_rm(op::MOVSXD, size, dst, rm),
        Size::Dw => asm.reg_rm(op::MOV_LOAD, size, dst, rm),
    }
}
