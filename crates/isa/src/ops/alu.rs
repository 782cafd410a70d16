//! Binary arithmetic (RFC 9669, section 4.1), plus the unary operations that have shapes of their own.
//!
//! A meaning is written once and compiled for `u32` and for `u64`: every method that the rows use exists on both.
//! Zero divisors do not trap: they give zero, or leave the destination. Shift amounts are taken modulo the width.

use super::mem::{Size, Width};

/// Builds [`AluOp`] from its rows: operation code, offset field (which selects signed division), text, meaning.
macro_rules! alu_ops {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $off:literal, $text:literal, $meaning:expr;)*) => {
        /// Binary arithmetic. Moves, negation and byte swaps have shapes of their own.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum AluOp { $($(#[$doc])* $name,)* }

        impl AluOp {
            /// All operations, by code.
            pub const ALL: [Self; 13] = [$(Self::$name),*];

            /// Its high four bits in the opcode.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self { $(Self::$name => $code,)* }
            }

            /// Its offset field: 1 selects signed division and remainder.
            #[must_use]
            pub const fn off(self) -> i16 {
                match self { $(Self::$name => $off,)* }
            }

            /// The operation that an opcode's high four bits and the offset field name.
            #[must_use]
            pub const fn from_code(code: u8, off: i16) -> Option<Self> {
                match (code & 0xf0, off) { $(($code, $off) => Some(Self::$name),)* _ => None }
            }

            /// Its operator, as dumps print it.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            #[expect(clippy::unnecessary_cast, reason = "the rows are compiled for u64 too")]
            #[inline]
            fn eval32(self, dst: u32, src: u32) -> u32 {
                let meaning: fn(u32, u32) -> u32 = match self { $(Self::$name => $meaning,)* };
                meaning(dst, src)
            }

            #[expect(clippy::cast_possible_truncation, reason = "a shift amount is taken modulo the width")]
            #[inline]
            fn eval64(self, dst: u64, src: u64) -> u64 {
                let meaning: fn(u64, u64) -> u64 = match self { $(Self::$name => $meaning,)* };
                meaning(dst, src)
            }
        }
    };
}

alu_ops! {
    /// Addition, wrapping.
    Add = 0x00, 0, "+=", |d, s| d.wrapping_add(s);
    /// Subtraction, wrapping.
    Sub = 0x10, 0, "-=", |d, s| d.wrapping_sub(s);
    /// Multiplication, wrapping.
    Mul = 0x20, 0, "*=", |d, s| d.wrapping_mul(s);
    /// Unsigned division; a zero divisor yields zero.
    Div = 0x30, 0, "/=", |d, s| d.checked_div(s).unwrap_or(0);
    /// Signed division, towards zero; a zero divisor yields zero, the smallest value by -1 yields itself.
    Sdiv = 0x30, 1, "s/=", |d, s| match s {
        0 => 0,
        s => d.cast_signed().wrapping_div(s.cast_signed()).cast_unsigned(),
    };
    /// Bitwise or.
    Or = 0x40, 0, "|=", |d, s| d | s;
    /// Bitwise and.
    And = 0x50, 0, "&=", |d, s| d & s;
    /// Shift left.
    Lsh = 0x60, 0, "<<=", |d, s| d.wrapping_shl(s as u32);
    /// Shift right, zeroes coming in.
    Rsh = 0x70, 0, ">>=", |d, s| d.wrapping_shr(s as u32);
    /// Unsigned remainder; a zero divisor leaves the destination.
    Mod = 0x90, 0, "%=", |d, s| d.checked_rem(s).unwrap_or(d);
    /// Signed remainder, with the dividend's sign; a zero divisor leaves the destination.
    Smod = 0x90, 1, "s%=", |d, s| match s {
        0 => d,
        s => d.cast_signed().wrapping_rem(s.cast_signed()).cast_unsigned(),
    };
    /// Bitwise exclusive or.
    Xor = 0xa0, 0, "^=", |d, s| d ^ s;
    /// Shift right, the sign coming in.
    Arsh = 0xc0, 0, "s>>=", |d, s| d.cast_signed().wrapping_shr(s as u32).cast_unsigned();
}

impl AluOp {
    /// `dst op src`. At [`Width::W32`] only the low halves count and the result is zero-extended.
    /// An immediate operand is given sign-extended.
    #[must_use]
    #[inline]
    pub fn eval(self, width: Width, dst: u64, src: u64) -> u64 {
        match width {
            Width::W32 => u64::from(self.eval32(low(dst), low(src))),
            Width::W64 => self.eval64(dst, src),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the low half is what a 32-bit operation sees"
)]
const fn low(value: u64) -> u32 {
    value as u32
}

/// `-value`, wrapping.
#[must_use]
#[inline]
pub const fn eval_neg(width: Width, value: u64) -> u64 {
    width.truncate(value.wrapping_neg())
}

/// A move: at [`Width::W32`] it zero-extends.
#[must_use]
#[inline]
pub const fn eval_mov(width: Width, value: u64) -> u64 {
    width.truncate(value)
}

/// A sign-extending move: the low `from` bits of `value`, sign-extended to the width and then zero-extended.
#[must_use]
#[inline]
pub const fn eval_movsx(width: Width, from: Size, value: u64) -> u64 {
    width.truncate(from.sign_extend(value))
}
