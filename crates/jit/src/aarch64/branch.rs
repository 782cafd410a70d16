//! Branches whose distance is known only after layout.
//!
//! The short form is one instruction. Conditional branches reach 1 MiB, or 32 KiB where they test a bit; the long form
//! jumps around an unconditional branch, which reaches 128 MiB.

use super::asm::{Gpr, OpSize};
use super::imm::Bit;
use crate::layout::{BranchShape, Form};

/// A condition on the flags, by its number in encodings; inverted by the lowest bit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cond {
    Eq = 0x0,
    Ne = 0x1,
    /// Unsigned higher or same.
    Hs = 0x2,
    /// Unsigned lower.
    Lo = 0x3,
    /// Unsigned higher.
    Hi = 0x8,
    /// Unsigned lower or same.
    Ls = 0x9,
    Ge = 0xa,
    Lt = 0xb,
    Gt = 0xc,
    Le = 0xd,
}

/// What a register or bit is compared with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Is {
    Zero,
    NotZero,
}

/// A kind of branch, or of another reference relative to the instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum A64Branch {
    /// `b`; both forms are the same.
    Jump,
    /// `bl`; both forms are the same.
    Call,
    /// `b.cond`.
    If(Cond),
    /// `cbz`, `cbnz`.
    IfReg(Is, OpSize, Gpr),
    /// `tbz`, `tbnz`.
    IfBit(Is, Bit, Gpr),
    /// `adr`: the address; in the long form with the distance added from a register.
    Address(Gpr),
}

/// Bytes of an instruction.
const INSN_BYTES: i64 = 4;
/// Holds the distance in the long form of [`A64Branch::Address`].
const DISTANCE: Gpr = Gpr::X9;

/// A signed field of `bits` bits that counts units of `unit` bytes: whether it holds a distance.
fn fits(distance: i64, bits: u32, unit: i64) -> bool {
    let reach = unit << (bits - 1);
    (-reach..reach).contains(&distance)
}

/// The low `bits` bits of a distance in instructions.
fn words(distance: i64, bits: u32) -> u32 {
    low(distance / INSN_BYTES, bits)
}

fn low(value: i64, bits: u32) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d]) & (u32::MAX >> (32 - bits))
}

fn jump(distance: i64) -> u32 {
    0x1400_0000 | words(distance, 26)
}

impl A64Branch {
    /// The instruction of the short form.
    fn short(self, distance: i64) -> u32 {
        let is = |is| match is {
            Is::Zero => 0,
            Is::NotZero => 1 << 24,
        };
        match self {
            Self::Jump => jump(distance),
            Self::Call => 0x9400_0000 | words(distance, 26),
            Self::If(cond) => 0x5400_0000 | words(distance, 19) << 5 | cond as u32,
            Self::IfReg(what, size, reg) => {
                0x3400_0000 | is(what) | size.sf() | words(distance, 19) << 5 | reg.d()
            }
            Self::IfBit(what, bit, reg) => {
                let number = bit.number();
                let bit = number >> 5 << 31 | (number & 31) << 19;
                0x3600_0000 | is(what) | bit | words(distance, 14) << 5 | reg.d()
            }
            Self::Address(reg) => {
                let immediate = low(distance, 21);
                0x1000_0000 | (immediate & 3) << 29 | immediate >> 2 << 5 | reg.d()
            }
        }
    }

    /// The bit that inverts a conditional branch.
    fn inversion(self) -> u32 {
        match self {
            Self::If(_) => 1,
            Self::IfReg(..) | Self::IfBit(..) => 1 << 24,
            Self::Jump | Self::Call | Self::Address(_) => 0,
        }
    }
}

impl BranchShape for A64Branch {
    fn bytes(self, form: Form) -> u32 {
        match (self, form) {
            (_, Form::Short) | (Self::Jump | Self::Call, Form::Long) => 4,
            (Self::If(_) | Self::IfReg(..) | Self::IfBit(..), Form::Long) => 8,
            (Self::Address(_), Form::Long) => 16,
        }
    }

    fn reaches(self, form: Form, distance: i64) -> bool {
        match (self, form) {
            (Self::Jump | Self::Call, _) => fits(distance, 26, INSN_BYTES),
            (Self::If(_) | Self::IfReg(..), Form::Short) => fits(distance, 19, INSN_BYTES),
            (Self::IfBit(..), Form::Short) => fits(distance, 14, INSN_BYTES),
            (Self::Address(_), Form::Short) => fits(distance, 21, 1),
            (Self::If(_) | Self::IfReg(..) | Self::IfBit(..), Form::Long) => {
                fits(distance - INSN_BYTES, 26, INSN_BYTES)
            }
            (Self::Address(_), Form::Long) => fits(distance, 32, 1),
        }
    }

    fn encode(self, form: Form, distance: i64, out: &mut Vec<u8>) {
        let mut word = |word: u32| out.extend_from_slice(&word.to_le_bytes());
        match (self, form) {
            (_, Form::Short) | (Self::Jump | Self::Call, Form::Long) => word(self.short(distance)),
            (Self::If(_) | Self::IfReg(..) | Self::IfBit(..), Form::Long) => {
                word(self.short(2 * INSN_BYTES) ^ self.inversion());
                word(jump(distance - INSN_BYTES));
            }
            (Self::Address(reg), Form::Long) => {
                let distance = low(distance, 32);
                // movz and movk of the 32 bits, then an addition that extends their sign.
                word(0x5280_0000 | (distance & 0xffff) << 5 | DISTANCE.d());
                word(0x72a0_0000 | distance >> 16 << 5 | DISTANCE.d());
                word(Self::Address(reg).short(-2 * INSN_BYTES));
                word(0x8b20_c000 | DISTANCE.d() << 16 | reg.d() << 5 | reg.d());
            }
        }
    }
}

#[cfg(test)]
#[path = "branch_tests.rs"]
mod tests;
