//! Instruction classes (RFC 9669, section 3.1) and the operation codes whose instructions have a shape of their own.

/// The class: low three bits of the opcode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Class {
    /// Wide immediates and legacy packet loads.
    Ld = 0x0,
    /// Loads into a register.
    Ldx = 0x1,
    /// Stores of an immediate.
    St = 0x2,
    /// Stores of a register, atomics.
    Stx = 0x3,
    /// 32-bit arithmetic.
    Alu = 0x4,
    /// 64-bit jumps, calls, exit.
    Jmp = 0x5,
    /// 32-bit jumps.
    Jmp32 = 0x6,
    /// 64-bit arithmetic.
    Alu64 = 0x7,
}

impl Class {
    /// The class of an opcode; all eight values are classes.
    pub(crate) const fn of(code: u8) -> Self {
        match code & 0x7 {
            0x0 => Self::Ld,
            0x1 => Self::Ldx,
            0x2 => Self::St,
            0x3 => Self::Stx,
            0x4 => Self::Alu,
            0x5 => Self::Jmp,
            0x6 => Self::Jmp32,
            _ => Self::Alu64,
        }
    }

    /// Its bits in the opcode.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }
}

/// Source bit of arithmetic and jumps: set when the second operand is a register.
pub(crate) const SOURCE_REG: u8 = 0x08;

/// Operation codes (high four bits) outside the tables of binary operations and conditions.
pub(crate) mod special {
    /// Arithmetic: negation.
    pub(crate) const NEG: u8 = 0x80;
    /// Arithmetic: move, sign-extending move, address-space cast.
    pub(crate) const MOV: u8 = 0xb0;
    /// Arithmetic: byte swaps.
    pub(crate) const END: u8 = 0xd0;
    /// Jumps: unconditional.
    pub(crate) const JA: u8 = 0x00;
    /// Jumps: call.
    pub(crate) const CALL: u8 = 0x80;
    /// Jumps: exit.
    pub(crate) const EXIT: u8 = 0x90;
    /// Jumps: `may_goto`.
    pub(crate) const JCOND: u8 = 0xe0;
}
