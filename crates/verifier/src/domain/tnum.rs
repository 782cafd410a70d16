//! Known bits: tristate numbers.
//!
//! A tnum `(value, mask)` stands for every 64-bit integer `x` with `x & !mask == value`: bits of `mask` are unknown,
//! the others are those of `value`. Invariant: `value & mask == 0`, so that each set has one representation.
//!
//! Order: `a <= b` if every bit known in `b` is known, and equal, in `a`; that is inclusion of the sets. Join keeps
//! the bits that both know and agree on; meet knows what either knows and is empty if they disagree. Top is
//! [`Tnum::UNKNOWN`]; there is no bottom, hence the `Option` of [`Tnum::intersect`].
//!
//! Arithmetic follows "Sound, Precise, and Fast Abstract Interpretation with Tristate Numbers" (CGO 2022) and the
//! reasons given at each function. Operations whose low `n` result bits depend only on low `n` operand bits (all but
//! right shifts, swaps and sign extension) are exact on a narrow machine embedded in the low bits, which is how the
//! tests check them exhaustively. Does not know order or signedness: see `interval`.

use skep_isa::Size;
use std::fmt;

/// A set of integers given by its known bits; see the module documentation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tnum {
    value: u64,
    mask: u64,
}

/// The low half of a register.
const LOW: u64 = 0xffff_ffff;

/// Sign-extends bits 0 to `bits - 1` of `x`, `bits` from 1 to 64.
#[inline]
pub(super) const fn sign_extend(x: u64, bits: u32) -> u64 {
    let shift = 64 - bits;
    ((x << shift).cast_signed() >> shift).cast_unsigned()
}

/// All ones in the low `8 * size` bits.
#[inline]
pub(super) const fn size_mask(size: Size) -> u64 {
    u64::MAX >> (64 - 8 * size.bytes())
}

impl Tnum {
    /// Every integer.
    pub const UNKNOWN: Self = Self {
        value: 0,
        mask: u64::MAX,
    };

    /// Bits of `mask` unknown, the others as in `value`.
    #[must_use]
    #[inline]
    pub const fn new(value: u64, mask: u64) -> Self {
        Self {
            value: value & !mask,
            mask,
        }
    }

    /// Exactly `value`.
    #[must_use]
    #[inline]
    pub const fn constant(value: u64) -> Self {
        Self { value, mask: 0 }
    }

    /// The smallest tnum that holds `min..=max`: what is above the highest bit in which they differ is known.
    ///
    /// With `min > max` the result still holds both ends.
    #[must_use]
    #[inline]
    pub const fn range(min: u64, max: u64) -> Self {
        let differ = min ^ max;
        let mask = if differ == 0 {
            0
        } else {
            u64::MAX >> differ.leading_zeros()
        };
        Self::new(min, mask)
    }

    /// The known ones.
    #[must_use]
    #[inline]
    pub const fn value(self) -> u64 {
        self.value
    }

    /// The unknown bits.
    #[must_use]
    #[inline]
    pub const fn mask(self) -> u64 {
        self.mask
    }

    /// The smallest member, unsigned.
    #[must_use]
    #[inline]
    pub const fn min(self) -> u64 {
        self.value
    }

    /// The largest member, unsigned.
    #[must_use]
    #[inline]
    pub const fn max(self) -> u64 {
        self.value | self.mask
    }

    /// The only member, if there is only one.
    #[must_use]
    #[inline]
    pub const fn as_const(self) -> Option<u64> {
        if self.mask == 0 {
            Some(self.value)
        } else {
            None
        }
    }

    /// Whether there is only one member.
    #[must_use]
    #[inline]
    pub const fn is_const(self) -> bool {
        self.mask == 0
    }

    /// Whether nothing is known.
    #[must_use]
    #[inline]
    pub const fn is_unknown(self) -> bool {
        self.mask == u64::MAX
    }

    /// The smallest member not below `x`, unsigned; `None` if all are.
    ///
    /// Above the highest known bit in which `x` is wrong, the answer can follow `x`. If that bit must be one, setting
    /// it makes everything below free to be smallest. If it must be zero, the lowest unknown bit above that is zero
    /// in `x` has to become one instead.
    #[must_use]
    #[inline]
    pub const fn first_from(self, x: u64) -> Option<u64> {
        let wrong = (x ^ self.value) & !self.mask;
        if wrong == 0 {
            return Some(x);
        }
        let below = u64::MAX >> wrong.leading_zeros();
        if self.value & below > x & below {
            return Some((x & !below) | (self.value & below));
        }
        let raisable = self.mask & !x & !below;
        if raisable == 0 {
            return None;
        }
        let raised = raisable & raisable.wrapping_neg();
        Some((x & !(raised | (raised - 1))) | raised | (self.value & (raised - 1)))
    }

    /// The largest member not above `x`, unsigned; `None` if all are. Complement reverses the order.
    #[must_use]
    #[inline]
    pub const fn last_to(self, x: u64) -> Option<u64> {
        match Self::new(!self.value, self.mask).first_from(!x) {
            Some(first) => Some(!first),
            None => None,
        }
    }

    /// Whether `x` is a member.
    #[must_use]
    #[inline]
    pub const fn contains(self, x: u64) -> bool {
        x & !self.mask == self.value
    }

    /// Whether every member is one of `other`.
    #[must_use]
    #[inline]
    pub const fn is_subset_of(self, other: Self) -> bool {
        self.mask & !other.mask == 0 && other.contains(self.value)
    }

    /// The common members; `None` if there are none.
    #[must_use]
    #[inline]
    pub const fn intersect(self, other: Self) -> Option<Self> {
        if (self.value ^ other.value) & !self.mask & !other.mask != 0 {
            return None;
        }
        Some(Self::new(self.value | other.value, self.mask & other.mask))
    }

    /// The smallest tnum that holds both (join).
    #[must_use]
    #[inline]
    pub const fn union(self, other: Self) -> Self {
        let mask = self.mask | other.mask | (self.value ^ other.value);
        Self::new(self.value, mask)
    }

    /// Sum. Bit `i` is `a[i] ^ b[i] ^ carry[i]`, and a carry grows with its operands: it lies between that of the
    /// smallest and that of the largest members, so where these two sums agree and both operand bits are known, so is
    /// the result; elsewhere it is not. This is the best tnum.
    #[must_use]
    #[inline]
    pub const fn add(self, other: Self) -> Self {
        let least = self.min().wrapping_add(other.min());
        let most = self.max().wrapping_add(other.max());
        Self::new(least, self.mask | other.mask | (least ^ most))
    }

    /// Difference: as [`Tnum::add`], with a borrow that grows with `other` and shrinks with `self`.
    #[must_use]
    #[inline]
    pub const fn sub(self, other: Self) -> Self {
        let least = self.min().wrapping_sub(other.max());
        let most = self.max().wrapping_sub(other.min());
        Self::new(least, self.mask | other.mask | (least ^ most))
    }

    /// `0 - self`.
    #[must_use]
    #[inline]
    pub const fn neg(self) -> Self {
        Self::constant(0).sub(self)
    }

    /// Bitwise and: a known zero on either side decides; a one needs both.
    #[must_use]
    #[inline]
    pub const fn and(self, other: Self) -> Self {
        let ones = self.value & other.value;
        Self::new(ones, self.max() & other.max() & !ones)
    }

    /// Bitwise or: a known one on either side decides.
    #[must_use]
    #[inline]
    pub const fn or(self, other: Self) -> Self {
        let ones = self.value | other.value;
        Self::new(ones, (self.mask | other.mask) & !ones)
    }

    /// Bitwise exclusive or: known where both are.
    #[must_use]
    #[inline]
    pub const fn xor(self, other: Self) -> Self {
        Self::new(self.value ^ other.value, self.mask | other.mask)
    }

    /// Product, by long multiplication: each bit of `self` adds `other` shifted, does not, or (if it is unknown) does
    /// or does not, which is the join of both sums. Each step is sound, so their composition is.
    ///
    /// At most 64 steps, one for each bit of `self` up to its highest possible one.
    #[must_use]
    pub const fn mul(self, other: Self) -> Self {
        let (mut multiplier, mut addend) = (self, other);
        let mut sum = Self::constant(0);
        while multiplier.max() != 0 {
            if multiplier.value & 1 != 0 {
                sum = sum.add(addend);
            } else if multiplier.mask & 1 != 0 {
                sum = sum.union(sum.add(addend));
            }
            multiplier = multiplier.rsh(1);
            addend = addend.lsh(1);
        }
        sum
    }

    /// Shift left by `amount` below 64; exact.
    #[must_use]
    #[inline]
    pub const fn lsh(self, amount: u32) -> Self {
        Self::new(self.value << amount, self.mask << amount)
    }

    /// Logical shift right by `amount` below 64; exact.
    #[must_use]
    #[inline]
    pub const fn rsh(self, amount: u32) -> Self {
        Self::new(self.value >> amount, self.mask >> amount)
    }

    /// Arithmetic shift right by `amount` below 64: an unknown sign bit spreads as unknown bits; exact.
    #[must_use]
    #[inline]
    pub const fn arsh(self, amount: u32) -> Self {
        Self::new(
            (self.value.cast_signed() >> amount).cast_unsigned(),
            (self.mask.cast_signed() >> amount).cast_unsigned(),
        )
    }

    /// The join of `shift(self, n)` over every `n` below `bits` (32 or 64) that `amount`, masked to `bits - 1`, may
    /// be. BPF masks shift amounts (RFC 9669, section 4.1), so that is every shift that can happen.
    #[must_use]
    pub fn shift_by(self, shift: fn(Self, u32) -> Self, amount: Self, bits: u32) -> Self {
        let amount = amount.and(Self::constant(u64::from(bits - 1)));
        (0..bits)
            .filter(|&n| amount.contains(u64::from(n)))
            .map(|n| shift(self, n))
            .reduce(Self::union)
            .unwrap_or(Self::UNKNOWN)
    }

    /// The low `size` bytes, zero-extended.
    #[must_use]
    #[inline]
    pub const fn cast(self, size: Size) -> Self {
        let kept = size_mask(size);
        Self::new(self.value & kept, self.mask & kept)
    }

    /// The low `size` bytes, sign-extended; exact, like [`Tnum::arsh`].
    #[must_use]
    #[inline]
    pub const fn sign_extend(self, size: Size) -> Self {
        let bits = 8 * size.bytes();
        Self::new(sign_extend(self.value, bits), sign_extend(self.mask, bits))
    }

    /// The low `size` bytes in reverse order, zero-extended; exact.
    #[must_use]
    #[inline]
    pub const fn swap_bytes(self, size: Size) -> Self {
        let low = self.cast(size);
        let shift = 64 - 8 * size.bytes();
        Self::new(
            low.value.swap_bytes() >> shift,
            low.mask.swap_bytes() >> shift,
        )
    }

    /// The low 32 bits, zero-extended.
    #[must_use]
    #[inline]
    pub const fn subreg(self) -> Self {
        Self::new(self.value & LOW, self.mask & LOW)
    }

    /// The high 32 bits, the low ones zero.
    #[must_use]
    #[inline]
    pub const fn clear_subreg(self) -> Self {
        Self::new(self.value & !LOW, self.mask & !LOW)
    }

    /// The high 32 bits of `self` with the low ones of `low`.
    #[must_use]
    #[inline]
    pub const fn with_subreg(self, low: Self) -> Self {
        self.clear_subreg().or(low.subreg())
    }

    /// Whether every member is a multiple of `size`, a power of two or 0 (of which everything counts as a multiple).
    #[must_use]
    #[inline]
    pub const fn is_aligned(self, size: u64) -> bool {
        self.max() & size.saturating_sub(1) == 0
    }
}

impl fmt::Display for Tnum {
    /// As Linux's verifier log prints it: `(0x0; 0xff)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:#x}; {:#x})", self.value, self.mask)
    }
}
