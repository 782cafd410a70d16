//! Byte swaps (RFC 9669, section 4.2). Programs see a little-endian machine, whatever skep runs on.

use super::class::{Class, SOURCE_REG, special};
use super::mem::Size;

/// Builds [`SwapKind`] from its rows: class and source bit, text, meaning as a function of the 64-bit value; the
/// result is then brought down to the low bits by the evaluator, which hands in how far.
macro_rules! swap_kinds {
    ($($(#[$doc:meta])* $name:ident = $class:expr, $source:expr, $text:literal, $meaning:expr;)*) => {
        /// Kinds of byte swap.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum SwapKind { $($(#[$doc])* $name,)* }

        impl SwapKind {
            /// All kinds.
            pub const ALL: [Self; 3] = [$(Self::$name),*];

            /// Its opcode.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self { $(Self::$name => special::END | $class.code() | $source,)* }
            }

            /// Its mnemonic without the size, as dumps print it.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The low `size` bits of `value`, swapped or not; the rest of the result is zero.
            #[must_use]
            #[inline]
            pub fn eval(self, size: Size, value: u64) -> u64 {
                let meaning: fn(Size, u64) -> u64 = match self { $(Self::$name => $meaning,)* };
                meaning(size, value)
            }
        }
    };
}

swap_kinds! {
    /// To little endian and truncate (`le16` …): on a little-endian machine a truncation.
    ToLe = Class::Alu, 0, "le", |size, v| size.truncate(v);
    /// To big endian and truncate (`be16` …).
    ToBe = Class::Alu, SOURCE_REG, "be", |size, v| v.swap_bytes() >> (64 - size.bits());
    /// Unconditional swap (`bswap16` …, ISA v4).
    Swap = Class::Alu64, 0, "bswap", |size, v| v.swap_bytes() >> (64 - size.bits());
}

impl SwapKind {
    /// The kind that an opcode names.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}
