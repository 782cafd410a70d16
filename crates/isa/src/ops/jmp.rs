//! Conditions of jumps (RFC 9669, section 4.3). A meaning is written once and compiled for `u32` and for `u64`.

use super::mem::Width;

/// Builds [`JmpOp`] from its rows: operation code, text, meaning.
macro_rules! jmp_ops {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal, $meaning:expr;)*) => {
        /// Conditions of conditional jumps; the names are RFC 9669's.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum JmpOp { $($(#[$doc])* $name,)* }

        impl JmpOp {
            /// All conditions, by code.
            pub const ALL: [Self; 11] = [$(Self::$name),*];

            /// Its high four bits in the opcode.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self { $(Self::$name => $code,)* }
            }

            /// The condition that an opcode's high four bits name.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code & 0xf0 { $($code => Some(Self::$name),)* _ => None }
            }

            /// Its operator, as dumps print it.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            #[inline]
            fn eval32(self, dst: u32, src: u32) -> bool {
                let meaning: fn(u32, u32) -> bool = match self { $(Self::$name => $meaning,)* };
                meaning(dst, src)
            }

            #[inline]
            fn eval64(self, dst: u64, src: u64) -> bool {
                let meaning: fn(u64, u64) -> bool = match self { $(Self::$name => $meaning,)* };
                meaning(dst, src)
            }
        }
    };
}

jmp_ops! {
    /// Equal.
    Jeq = 0x10, "==", |d, s| d == s;
    /// Unsigned greater.
    Jgt = 0x20, ">", |d, s| d > s;
    /// Unsigned greater or equal.
    Jge = 0x30, ">=", |d, s| d >= s;
    /// A common bit is set.
    Jset = 0x40, "&", |d, s| d & s != 0;
    /// Not equal.
    Jne = 0x50, "!=", |d, s| d != s;
    /// Signed greater.
    Jsgt = 0x60, "s>", |d, s| d.cast_signed() > s.cast_signed();
    /// Signed greater or equal.
    Jsge = 0x70, "s>=", |d, s| d.cast_signed() >= s.cast_signed();
    /// Unsigned less.
    Jlt = 0xa0, "<", |d, s| d < s;
    /// Unsigned less or equal.
    Jle = 0xb0, "<=", |d, s| d <= s;
    /// Signed less.
    Jslt = 0xc0, "s<", |d, s| d.cast_signed() < s.cast_signed();
    /// Signed less or equal.
    Jsle = 0xd0, "s<=", |d, s| d.cast_signed() <= s.cast_signed();
}

impl JmpOp {
    /// Whether the condition holds; at [`Width::W32`] only the low halves count.
    /// An immediate operand is given sign-extended.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low half is what a 32-bit comparison sees"
    )]
    #[inline]
    pub fn eval(self, width: Width, dst: u64, src: u64) -> bool {
        match width {
            Width::W32 => self.eval32(dst as u32, src as u32),
            Width::W64 => self.eval64(dst, src),
        }
    }
}
