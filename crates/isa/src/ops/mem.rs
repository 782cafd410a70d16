//! Sizes, widths and modes (RFC 9669, sections 4 and 5).

/// Builds [`Size`] from its rows: code, bytes, names of the unsigned and signed C types.
macro_rules! sizes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $bytes:literal, $unsigned:literal, $signed:literal;)*) => {
        /// Size of a memory access.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Size { $($(#[$doc])* $name,)* }

        impl Size {
            /// All sizes, smallest first.
            pub const ALL: [Self; 4] = [$(Self::$name),*];

            /// Bytes.
            #[must_use]
            #[inline]
            pub const fn bytes(self) -> u32 {
                match self { $(Self::$name => $bytes,)* }
            }

            /// Its bits in the opcode of a load or store.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self { $(Self::$name => $code,)* }
            }

            /// The size that a load's or store's opcode names; all four values are sizes.
            #[must_use]
            pub const fn from_code(code: u8) -> Self {
                match code & 0x18 { $($code => Self::$name,)* _ => Self::Dw }
            }

            /// Name of the unsigned type, as dumps print it.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $unsigned,)* }
            }

            /// Name of the signed type, as dumps print it for sign-extending loads.
            #[must_use]
            pub const fn signed_text(self) -> &'static str {
                match self { $(Self::$name => $signed,)* }
            }
        }
    };
}

sizes! {
    /// One byte.
    B = 0x10, 1, "u8", "s8";
    /// Two bytes.
    H = 0x08, 2, "u16", "s16";
    /// Four bytes.
    W = 0x00, 4, "u32", "s32";
    /// Eight bytes.
    Dw = 0x18, 8, "u64", "s64";
}

impl Size {
    /// Bits.
    #[must_use]
    #[inline]
    pub const fn bits(self) -> u32 {
        self.bytes() * 8
    }

    /// The low bits of `value` that an access of this size moves; the rest is zero.
    #[must_use]
    #[inline]
    pub const fn truncate(self, value: u64) -> u64 {
        value & (u64::MAX >> (64 - self.bits()))
    }

    /// The low bits of `value`, sign-extended to 64 bits.
    #[must_use]
    #[inline]
    pub const fn sign_extend(self, value: u64) -> u64 {
        let unused = 64 - self.bits();
        ((value << unused).cast_signed() >> unused).cast_unsigned()
    }
}

/// Operand width of an arithmetic or jump instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Width {
    /// The low 32 bits; results are zero-extended.
    W32,
    /// All 64 bits.
    W64,
}

impl Width {
    /// Both widths.
    pub const ALL: [Self; 2] = [Self::W32, Self::W64];

    /// Bits.
    #[must_use]
    #[inline]
    pub const fn bits(self) -> u32 {
        match self {
            Self::W32 => 32,
            Self::W64 => 64,
        }
    }

    /// The low bits of `value` that an operation of this width sees; the rest is zero.
    #[must_use]
    #[inline]
    pub const fn truncate(self, value: u64) -> u64 {
        value & (u64::MAX >> (64 - self.bits()))
    }

    /// The letter before a register's number in dumps.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::W32 => 'w',
            Self::W64 => 'r',
        }
    }
}

/// Mode of a load or store: high three bits of the opcode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Mode {
    /// Wide immediate.
    Imm = 0x00,
    /// Legacy packet load at a constant offset.
    Abs = 0x20,
    /// Legacy packet load at a variable offset.
    Ind = 0x40,
    /// Plain access.
    Mem = 0x60,
    /// Sign-extending load.
    MemSx = 0x80,
    /// Atomic access.
    Atomic = 0xc0,
}

impl Mode {
    /// The mode of an opcode; two of the eight values are unused.
    pub(crate) const fn of(code: u8) -> Option<Self> {
        match code & 0xe0 {
            0x00 => Some(Self::Imm),
            0x20 => Some(Self::Abs),
            0x40 => Some(Self::Ind),
            0x60 => Some(Self::Mem),
            0x80 => Some(Self::MemSx),
            0xc0 => Some(Self::Atomic),
            _ => None,
        }
    }

    /// Its bits in the opcode.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }
}
