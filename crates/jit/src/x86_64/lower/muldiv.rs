//! Multiplication, division, remainder.
//!
//! The processor divides rdx:rax and traps on a zero divisor and on an overflowing quotient; BPF yields 0 or the dividend for
//! the former and wraps for the latter (RFC 9669, section 4.1). So the special divisors branch around the
//! instruction: zero always, minus one for signed operations, where the quotient is the negated dividend and the
//! remainder 0 whatever the dividend is. rax (r0) and rdx (r3) survive unless they are the destination.

use super::alu::constant;
use super::shift::RIGHT;
use crate::x86_64::asm::{Asm, Cond, Gpr, Group1, Group3, OpSize, Rm, Shift, ShortJump, op};
use crate::x86_64::regs::native;
use skep_isa::{Operand, Reg, Width};

/// Keeps rax while it is the dividend.
const SAVED_RAX: Gpr = Gpr::R10;
/// Keeps rdx while it is the upper half of the dividend.
const SAVED_RDX: Gpr = Gpr::R9;
/// The divisor, where its own register is in use.
const DIVISOR: Gpr = Gpr::R11;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sign {
    Unsigned,
    Signed,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Gives {
    Quotient,
    Remainder,
}

/// One of the four operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Division {
    sign: Sign,
    gives: Gives,
}

pub(super) const DIV: Division = Division {
    sign: Sign::Unsigned,
    gives: Gives::Quotient,
};
pub(super) const SDIV: Division = Division {
    sign: Sign::Signed,
    gives: Gives::Quotient,
};
pub(super) const MOD: Division = Division {
    sign: Sign::Unsigned,
    gives: Gives::Remainder,
};
pub(super) const SMOD: Division = Division {
    sign: Sign::Signed,
    gives: Gives::Remainder,
};

/// `dst *= src`.
pub(super) fn mul(asm: &mut Asm, size: OpSize, dst: Reg, src: Operand) {
    let dst = native(dst);
    match src {
        Operand::Reg(src) => asm.reg_rm(op::IMUL, size, dst, Rm::Reg(native(src))),
        Operand::Imm(imm) if imm.count_ones() == 1 && imm > 1 => {
            asm.shift_imm(Shift::Shl, size, dst, trailing_zeros(imm));
        }
        Operand::Imm(imm) => asm.imul_imm(size, dst, dst, imm),
    }
}

/// Division or remainder.
pub(super) fn divide(asm: &mut Asm, what: Division, width: Width, dst: Reg, src: Operand) {
    match src {
        Operand::Imm(imm) => by_constant(asm, what, width.into(), native(dst), imm),
        Operand::Reg(src) => by_register(asm, what, width.into(), native(dst), native(src)),
    }
}

fn trailing_zeros(imm: i32) -> u8 {
    u8::try_from(imm.trailing_zeros()).expect("at most 32")
}

/// Clears the upper half that a 32-bit operation would clear.
fn truncate(asm: &mut Asm, size: OpSize, dst: Gpr) {
    if size != OpSize::W64 {
        asm.mov(OpSize::W32, dst, dst);
    }
}

/// The result for a zero divisor.
fn by_zero(asm: &mut Asm, gives: Gives, size: OpSize, dst: Gpr) {
    match gives {
        Gives::Quotient => constant(asm, dst, 0),
        Gives::Remainder => truncate(asm, size, dst),
    }
}

/// The result for a divisor of minus one, signed.
fn by_minus_one(asm: &mut Asm, gives: Gives, size: OpSize, dst: Gpr) {
    match gives {
        Gives::Quotient => asm.group3(Group3::Neg, size, dst),
        Gives::Remainder => constant(asm, dst, 0),
    }
}

fn by_constant(asm: &mut Asm, what: Division, size: OpSize, dst: Gpr, imm: i32) {
    match (what.sign, what.gives, imm) {
        (_, gives, 0) => by_zero(asm, gives, size, dst),
        (_, Gives::Quotient, 1) => truncate(asm, size, dst),
        (_, Gives::Remainder, 1) => constant(asm, dst, 0),
        (Sign::Signed, gives, -1) => by_minus_one(asm, gives, size, dst),
        (Sign::Unsigned, Gives::Quotient, 2..) if imm.count_ones() == 1 => {
            asm.shift_imm(RIGHT, size, dst, trailing_zeros(imm));
        }
        (Sign::Unsigned, Gives::Remainder, 2..) if imm.count_ones() == 1 => {
            asm.group1_imm(Group1::And, OpSize::W32, Rm::Reg(dst), imm - 1);
        }
        _ => {
            let divisor = match size {
                OpSize::W64 => i64::from(imm).cast_unsigned(),
                OpSize::B8 | OpSize::W16 | OpSize::W32 => u64::from(imm.cast_unsigned()),
            };
            asm.mov_imm(DIVISOR, divisor);
            divide_by(asm, what, size, dst, DIVISOR);
        }
    }
}

fn by_register(asm: &mut Asm, what: Division, size: OpSize, dst: Gpr, src: Gpr) {
    let mut done = [Some(skip_zero(asm, what.gives, size, dst, src)), None];
    if what.sign == Sign::Signed {
        asm.group1_imm(Group1::Cmp, size, Rm::Reg(src), -1);
        let other = asm.short_jcc(Cond::NotEqual);
        by_minus_one(asm, what.gives, size, dst);
        done[1] = Some(asm.short_jmp());
        asm.bind_short(&other);
    }
    let divisor = if src == Gpr::RAX || src == Gpr::RDX {
        asm.mov(size, DIVISOR, src);
        DIVISOR
    } else {
        src
    };
    divide_by(asm, what, size, dst, divisor);
    for jump in done.iter().flatten() {
        asm.bind_short(jump);
    }
}

/// Gives the result for a zero divisor in `src`, and the jump to the end.
fn skip_zero(asm: &mut Asm, gives: Gives, size: OpSize, dst: Gpr, src: Gpr) -> ShortJump {
    match gives {
        Gives::Quotient => {
            asm.reg_rm(op::TEST, size, src, Rm::Reg(src));
            let nonzero = asm.short_jcc(Cond::NotEqual);
            by_zero(asm, gives, size, dst);
            let done = asm.short_jmp();
            asm.bind_short(&nonzero);
            done
        }
        // The result is the dividend as this width sees it, which does not disturb the division.
        Gives::Remainder => {
            by_zero(asm, gives, size, dst);
            asm.reg_rm(op::TEST, size, src, Rm::Reg(src));
            asm.short_jcc(Cond::Equal)
        }
    }
}

/// The instruction itself. `divisor` is neither rax nor rdx, and no special divisor.
fn divide_by(asm: &mut Asm, what: Division, size: OpSize, dst: Gpr, divisor: Gpr) {
    if dst != Gpr::RAX {
        asm.mov(OpSize::W64, SAVED_RAX, Gpr::RAX);
        asm.mov(size, Gpr::RAX, dst);
    }
    if dst != Gpr::RDX {
        asm.mov(OpSize::W64, SAVED_RDX, Gpr::RDX);
    }
    match what.sign {
        Sign::Unsigned => {
            asm.group1(Group1::Xor, OpSize::W32, Gpr::RDX, Gpr::RDX);
            asm.group3(Group3::Div, size, divisor);
        }
        Sign::Signed => {
            asm.sign_to_rdx(size);
            asm.group3(Group3::Idiv, size, divisor);
        }
    }
    let result = match what.gives {
        Gives::Quotient => Gpr::RAX,
        Gives::Remainder => Gpr::RDX,
    };
    if dst != result {
        asm.mov(size, dst, result);
    }
    if dst != Gpr::RAX {
        asm.mov(OpSize::W64, Gpr::RAX, SAVED_RAX);
    }
    if dst != Gpr::RDX {
        asm.mov(OpSize::W64, Gpr::RDX, SAVED_RDX);
    }
}
