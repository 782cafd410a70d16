//! Immediate operands that an A64 instruction can hold. A value that has no encoding has no value of these types, so that
//! the encoder cannot be handed one (Arm Architecture Reference Manual, C4.1 and C3.4).

use super::asm::OpSize;

/// Operand of the addition and subtraction group: 12 bits, shifted left by 0 or 12.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ArithImm {
    bits: u32,
    shifted: bool,
}

impl ArithImm {
    pub(super) const ZERO: Self = Self {
        bits: 0,
        shifted: false,
    };
    pub(super) const ONE: Self = Self {
        bits: 1,
        shifted: false,
    };

    pub(super) fn new(value: u64) -> Option<Self> {
        let twelve = |value: u64| u32::try_from(value).ok().filter(|bits| *bits < 1 << 12);
        match twelve(value) {
            Some(bits) => Some(Self {
                bits,
                shifted: false,
            }),
            None if value.trailing_zeros() >= 12 => twelve(value >> 12).map(|bits| Self {
                bits,
                shifted: true,
            }),
            None => None,
        }
    }

    /// The fields sh and imm12.
    pub(super) fn fields(self) -> u32 {
        u32::from(self.shifted) << 22 | self.bits << 10
    }
}

/// Operand of the logical group: a run of ones, rotated within an element of 2 to 64 bits, which repeats. Neither 0 nor
/// all ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LogicalImm {
    n: u32,
    immr: u32,
    imms: u32,
}

impl LogicalImm {
    /// The encoding of the low bits of `value` that `size` says.
    pub(super) fn new(value: u64, size: OpSize) -> Option<Self> {
        let value = match size {
            OpSize::W => value << 32 | value & 0xffff_ffff,
            OpSize::X => value,
        };
        if value == 0 || value == u64::MAX {
            return None;
        }
        // The shortest element that repeats.
        let mut bits = 64;
        while bits > 2 && value.rotate_right(bits / 2) == value {
            bits /= 2;
        }
        let mask = u64::MAX >> (64 - bits);
        let element = value & mask;
        let ones = element.count_ones();
        // Where the run starts; one that wraps around starts below the element's top.
        let start = if element & 1 == 0 {
            element.trailing_zeros()
        } else {
            (bits - (element << (64 - bits)).leading_ones()) % bits
        };
        let run = (element >> start | element << ((bits - start) % bits)) & mask;
        (run == mask >> (bits - ones)).then(|| Self {
            n: u32::from(bits == 64),
            immr: (bits - start) % bits,
            // The element's size is told by the zero below the leading ones of imms.
            imms: (!(bits * 2 - 1) | (ones - 1)) & 0x3f,
        })
    }

    /// The fields N, immr and imms.
    pub(super) fn fields(self) -> u32 {
        self.n << 22 | self.immr << 16 | self.imms << 10
    }
}

/// Number of a bit within a register: shift counts, fields, tested bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Bit(u32);

impl Bit {
    /// The low bits of `number` that a register of `size` has bits for.
    pub(super) fn masked(number: u32, size: OpSize) -> Self {
        Self(number & size.last_bit())
    }

    pub(super) fn number(self) -> u32 {
        self.0
    }
}

/// One of the halfwords that the wide moves write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Half {
    bits: u16,
    index: u32,
}

impl Half {
    /// Halfword `index` of `value`, 0 to 3 from the low end.
    pub(super) fn of(value: u64, index: u32) -> Self {
        debug_assert!(index < 4, "a register has four halfwords");
        let [low, high, ..] = (value >> (16 * index)).to_le_bytes();
        Self {
            bits: u16::from_le_bytes([low, high]),
            index,
        }
    }

    pub(super) fn bits(self) -> u16 {
        self.bits
    }

    /// The same place, all bits inverted: the operand of MOVN.
    pub(super) fn inverted(self) -> Self {
        Self {
            bits: !self.bits,
            ..self
        }
    }

    /// The fields hw and imm16.
    pub(super) fn fields(self) -> u32 {
        self.index << 21 | u32::from(self.bits) << 5
    }
}

/// Offset of an access to `1 << scale` bytes, in the forms that hold it in the instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Offset {
    /// Not negative and a multiple of the access's bytes: the field imm12.
    Scaled(u32),
    /// -256 to 255: the field imm9.
    Unscaled(u32),
}

impl Offset {
    pub(super) fn new(bytes: i32, scale: u32) -> Option<Self> {
        if let Ok(positive) = u32::try_from(bytes)
            && positive.trailing_zeros() >= scale
            && positive >> scale < 1 << 12
        {
            Some(Self::Scaled((positive >> scale) << 10))
        } else if (-256..256).contains(&bytes) {
            Some(Self::Unscaled((bytes.cast_unsigned() & 0x1ff) << 12))
        } else {
            None
        }
    }
}

#[cfg(test)]
#[path = "imm_tests.rs"]
mod tests;
