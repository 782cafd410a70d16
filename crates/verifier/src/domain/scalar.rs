//! The reduced product of known bits and four intervals.
//!
//! A [`Scalar`] stands for the integers that are in all five of its parts. The parts tell about each other, and
//! [`Scalar::new`] lets them, until nothing changes (or a bound is reached, which costs precision only):
//!
//! * known bits bound each interval by their smallest and largest member, and take the bits above the highest in
//!   which the ends of an unsigned interval differ;
//! * unsigned and signed interval of one width narrow each other ([`Interval::agree`]);
//! * the low half of an interval of fewer than 2³² integers is an arc of the 32-bit circle, which narrows the 32-bit
//!   intervals;
//! * the ends of a 64-bit interval move inward, within their high half, to the ends of the unsigned 32-bit interval.
//!
//! That is what Linux 6.18 deduces, and a log shows; more could be (from a signed 32-bit interval around zero, or past
//! the high half of an end), but would print other bounds and accept what Linux refuses.
//!
//! Each step removes only integers that are not in the intersection; so membership is preserved (the tests say so),
//! and a part that becomes empty proves the whole empty.

use super::interval::Interval;
use super::tnum::{Tnum, sign_extend, size_mask};
use skep_isa::Size;

/// Rounds of deduction; four sufficed for everything that the tests draw, more cost nothing unless they find more.
const ROUNDS_MAX: usize = 8;

const SIGN64: u64 = 1 << 63;
const SIGN32: u32 = 1 << 31;

/// The five parts of a [`Scalar`], not yet made to agree with one another: what a caller knows, to be given to
/// [`Scalar::new`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Parts {
    /// Known bits.
    pub bits: Tnum,
    /// Unsigned, all 64 bits.
    pub u64: Interval<u64>,
    /// Signed, all 64 bits.
    pub s64: Interval<i64>,
    /// Unsigned, low 32 bits.
    pub u32: Interval<u32>,
    /// Signed, low 32 bits.
    pub s32: Interval<i32>,
}

/// What is known about a 64-bit value: the integers in all [`Parts`], which agree with one another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Scalar {
    parts: Parts,
}

/// A cache line: states hold many scalars and copy them often.
const _: () = assert!(size_of::<Scalar>() == 64);

/// The low half.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "truncation is the meaning")]
pub(super) const fn low(x: u64) -> u32 {
    x as u32
}

impl Parts {
    /// Nothing known.
    pub const UNKNOWN: Self = Self {
        bits: Tnum::UNKNOWN,
        u64: Interval::<u64>::FULL,
        s64: Interval::<i64>::FULL,
        u32: Interval::<u32>::FULL,
        s32: Interval::<i32>::FULL,
    };

    /// Only `value`.
    #[must_use]
    #[inline]
    pub const fn constant(value: u64) -> Self {
        Self {
            bits: Tnum::constant(value),
            u64: Interval::constant(value),
            s64: Interval::constant(value.cast_signed()),
            u32: Interval::constant(low(value)),
            s32: Interval::constant(low(value).cast_signed()),
        }
    }

    /// Whether `x` is in every part.
    #[must_use]
    #[inline]
    pub fn contains(&self, x: u64) -> bool {
        self.bits.contains(x)
            && self.u64.contains(x)
            && self.s64.contains(x.cast_signed())
            && self.u32.contains(low(x))
            && self.s32.contains(low(x).cast_signed())
    }

    /// The parts of both, not yet made to agree; `None` if a part is empty.
    #[must_use]
    #[inline]
    pub fn meet(&self, other: &Self) -> Option<Self> {
        Some(Self {
            bits: self.bits.intersect(other.bits)?,
            u64: self.u64.meet(&other.u64)?,
            s64: self.s64.meet(&other.s64)?,
            u32: self.u32.meet(&other.u32)?,
            s32: self.s32.meet(&other.s32)?,
        })
    }

    /// The low half alone, as a 64-bit value: zero-extended.
    #[must_use]
    #[inline]
    pub fn zero_extended(&self) -> Self {
        let (min, max) = (self.u32.min, self.u32.max);
        Self {
            bits: self.bits.subreg(),
            u64: Interval {
                min: min.into(),
                max: max.into(),
            },
            s64: Interval {
                min: min.into(),
                max: max.into(),
            },
            u32: self.u32,
            s32: self.s32,
        }
    }

    /// Makes the parts agree; `None` if no integer is in all of them.
    fn agree(mut self) -> Option<Self> {
        if let Some(value) = self.bits.as_const() {
            return self.contains(value).then_some(Self::constant(value));
        }
        for _ in 0..ROUNDS_MAX {
            let before = self;
            self.bound_by_bits()?;
            self.pair_signs()?;
            self.narrow_low_half()?;
            self.narrow_whole()?;
            self.pair_signs()?;
            self.learn_bits()?;
            if self == before {
                break;
            }
        }
        Some(self)
    }

    /// Intervals from known bits. As signed, the smallest member has an unknown sign bit set, the largest clear.
    #[inline]
    fn bound_by_bits(&mut self) -> Option<()> {
        let (min, mask) = (self.bits.min(), self.bits.mask());
        let max = self.bits.max();
        self.u64 = self.u64.meet(&Interval { min, max })?;
        self.s64 = self.s64.meet(&Interval {
            min: (min | (mask & SIGN64)).cast_signed(),
            max: (max & !(mask & SIGN64)).cast_signed(),
        })?;
        let (min, max, mask) = (low(min), low(max), low(mask));
        self.u32 = self.u32.meet(&Interval { min, max })?;
        self.s32 = self.s32.meet(&Interval {
            min: (min | (mask & SIGN32)).cast_signed(),
            max: (max & !(mask & SIGN32)).cast_signed(),
        })?;
        Some(())
    }

    /// Unsigned and signed of each width.
    #[inline]
    fn pair_signs(&mut self) -> Option<()> {
        (self.u64, self.s64) = Interval::<u64>::agree(self.u64, self.s64)?;
        (self.u32, self.s32) = Interval::<u32>::agree(self.u32, self.s32)?;
        Some(())
    }

    /// The 32-bit intervals from the 64-bit ones.
    #[inline]
    fn narrow_low_half(&mut self) -> Option<()> {
        let arcs = [
            (self.u64.min, self.u64.max),
            (self.s64.min.cast_unsigned(), self.s64.max.cast_unsigned()),
        ];
        for (from, to) in arcs {
            if to.wrapping_sub(from) <= u64::from(u32::MAX) {
                (self.u32, self.s32) =
                    Interval::<u32>::meet_arc(self.u32, self.s32, low(from), low(to))?;
            }
        }
        Some(())
    }

    /// The 64-bit intervals from the 32-bit ones: while the high half is that of an end, the low half cannot be
    /// beyond the unsigned 32-bit one. Setting the low half of a signed number keeps its order, too.
    #[inline]
    fn narrow_whole(&mut self) -> Option<()> {
        let (min, max) = (self.u32.min, self.u32.max);
        self.u64 = Interval::new(
            self.u64.min.max(with_low(self.u64.min, min)),
            self.u64.max.min(with_low(self.u64.max, max)),
        )?;
        let low_half = |x: i64, low| with_low(x.cast_unsigned(), low).cast_signed();
        self.s64 = Interval::new(
            self.s64.min.max(low_half(self.s64.min, min)),
            self.s64.max.min(low_half(self.s64.max, max)),
        )?;
        Some(())
    }

    /// Known bits from the unsigned intervals. If the bits leave only one member between the ends, it is that.
    #[inline]
    fn learn_bits(&mut self) -> Option<()> {
        let bits = self
            .bits
            .intersect(Tnum::range(self.u64.min, self.u64.max))?;
        let low = bits
            .subreg()
            .intersect(Tnum::range(self.u32.min.into(), self.u32.max.into()))?;
        self.bits = bits.with_subreg(low);
        let (first, last) = (
            self.bits.first_from(self.u64.min)?,
            self.bits.last_to(self.u64.max)?,
        );
        if first > last {
            return None;
        }
        if first == last {
            *self = self.contains(first).then_some(Self::constant(first))?;
        }
        Some(())
    }
}

/// `x` with another low half.
#[inline]
const fn with_low(x: u64, low: u32) -> u64 {
    (x & !0xffff_ffff) | low as u64
}

impl Scalar {
    /// Every integer.
    pub const UNKNOWN: Self = Self {
        parts: Parts::UNKNOWN,
    };

    /// The integers in all of `parts`; `None` if these were found to contradict one another.
    #[must_use]
    #[inline]
    pub fn new(parts: Parts) -> Option<Self> {
        Some(Self {
            parts: parts.agree()?,
        })
    }

    /// As [`Scalar::new`] for parts that have a common member if the operands they were computed from have one: no
    /// execution brings others, so that anything is a sound answer for them.
    #[inline]
    pub(super) fn inhabited(parts: Parts) -> Self {
        Self::new(parts).unwrap_or(Self::UNKNOWN)
    }

    /// Only `value`.
    #[must_use]
    #[inline]
    pub const fn constant(value: u64) -> Self {
        Self {
            parts: Parts::constant(value),
        }
    }

    /// Only the sign-extended `value`, as immediates are.
    #[must_use]
    #[inline]
    pub fn immediate(value: i32) -> Self {
        Self::constant(i64::from(value).cast_unsigned())
    }

    /// What `bits` say.
    #[must_use]
    #[inline]
    pub fn from_bits(bits: Tnum) -> Self {
        Self::inhabited(Parts {
            bits,
            ..Parts::UNKNOWN
        })
    }

    /// From `min` to `max` as unsigned; `None` if that is empty.
    #[must_use]
    #[inline]
    pub fn from_unsigned(min: u64, max: u64) -> Option<Self> {
        Self::new(Parts {
            u64: Interval::new(min, max)?,
            ..Parts::UNKNOWN
        })
    }

    /// From `min` to `max` as signed; `None` if that is empty.
    #[must_use]
    #[inline]
    pub fn from_signed(min: i64, max: i64) -> Option<Self> {
        Self::new(Parts {
            s64: Interval::new(min, max)?,
            ..Parts::UNKNOWN
        })
    }

    /// What a zero-extending load of `size` gives.
    #[must_use]
    #[inline]
    pub fn unknown_of_size(size: Size) -> Self {
        Self::UNKNOWN.cast(size)
    }

    /// What a sign-extending load of `size` gives.
    #[must_use]
    #[inline]
    pub fn signed_of_size(size: Size) -> Self {
        Self::UNKNOWN.sign_extend(size)
    }

    /// The five parts.
    #[must_use]
    #[inline]
    pub const fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Known bits.
    #[must_use]
    #[inline]
    pub const fn bits(&self) -> Tnum {
        self.parts.bits
    }

    /// Smallest member as unsigned.
    #[must_use]
    #[inline]
    pub const fn umin(&self) -> u64 {
        self.parts.u64.min
    }

    /// Largest member as unsigned.
    #[must_use]
    #[inline]
    pub const fn umax(&self) -> u64 {
        self.parts.u64.max
    }

    /// Smallest member as signed.
    #[must_use]
    #[inline]
    pub const fn smin(&self) -> i64 {
        self.parts.s64.min
    }

    /// Largest member as signed.
    #[must_use]
    #[inline]
    pub const fn smax(&self) -> i64 {
        self.parts.s64.max
    }

    /// Whether `x` may be the value.
    #[must_use]
    #[inline]
    pub fn contains(&self, x: u64) -> bool {
        self.parts.contains(x)
    }

    /// Whether nothing is known.
    #[must_use]
    #[inline]
    pub fn is_unknown(&self) -> bool {
        *self == Self::UNKNOWN
    }

    /// Whether there is only one member.
    #[must_use]
    #[inline]
    pub const fn is_const(&self) -> bool {
        self.parts.bits.is_const()
    }

    /// The only member, if there is only one.
    #[must_use]
    #[inline]
    pub const fn as_const(&self) -> Option<u64> {
        self.parts.bits.as_const()
    }

    /// The low half, if it is known.
    #[must_use]
    #[inline]
    pub fn as_const32(&self) -> Option<u32> {
        self.parts.u32.as_const()
    }

    /// Whether every member is one of `other`, part by part; so a pruned state may rely on `other`.
    #[must_use]
    #[inline]
    pub fn is_within(&self, other: &Self) -> bool {
        let (a, b) = (&self.parts, &other.parts);
        a.u64.is_within(&b.u64)
            && a.s64.is_within(&b.s64)
            && a.u32.is_within(&b.u32)
            && a.s32.is_within(&b.s32)
            && a.bits.is_subset_of(b.bits)
    }

    /// The smallest scalar that holds both, part by part.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        let (a, b) = (&self.parts, &other.parts);
        Self::inhabited(Parts {
            bits: a.bits.union(b.bits),
            u64: a.u64.join(&b.u64),
            s64: a.s64.join(&b.s64),
            u32: a.u32.join(&b.u32),
            s32: a.s32.join(&b.s32),
        })
    }

    /// What is in both; `None` if that was found empty.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Option<Self> {
        Self::new(self.parts.meet(&other.parts)?)
    }

    /// The low `size` bytes, zero-extended. If the bits above are the same at both ends of the unsigned interval,
    /// they are the same between, and what is below keeps its order.
    #[must_use]
    pub fn cast(&self, size: Size) -> Self {
        let kept = size_mask(size);
        let parts = match size {
            Size::Dw => return *self,
            Size::W => self.parts.zero_extended(),
            Size::H | Size::B => Parts {
                bits: self.parts.bits.cast(size),
                u64: if self.umin() & !kept == self.umax() & !kept {
                    Interval {
                        min: self.umin() & kept,
                        max: self.umax() & kept,
                    }
                } else {
                    Interval { min: 0, max: kept }
                },
                ..Parts::UNKNOWN
            },
        };
        Self::inhabited(parts)
    }

    /// The low `size` bytes, sign-extended. The low 32 bits are the signed 32-bit interval; of fewer bits, an
    /// interval that is shorter than their circle and whose ends are in order once extended is in order between.
    #[must_use]
    pub fn sign_extend(&self, size: Size) -> Self {
        let kept = size_mask(size);
        let bits = 8 * size.bytes();
        let extend = |x: u32| sign_extend(x.into(), bits).cast_signed();
        let (min, max) = match size {
            Size::Dw => return *self,
            Size::W => (i64::from(self.parts.s32.min), i64::from(self.parts.s32.max)),
            Size::H | Size::B => {
                let Interval { min, max } = self.parts.u32;
                if u64::from(max - min) <= kept && extend(min) <= extend(max) {
                    (extend(min), extend(max))
                } else {
                    let signed = self.parts.s32;
                    let (min, max) = (signed.min.cast_unsigned(), signed.max.cast_unsigned());
                    if u64::from(max.wrapping_sub(min)) <= kept && extend(min) <= extend(max) {
                        (extend(min), extend(max))
                    } else {
                        let most = (kept >> 1).cast_signed();
                        (-most - 1, most)
                    }
                }
            }
        };
        Self::inhabited(Parts {
            bits: self.parts.bits.sign_extend(size),
            s64: Interval { min, max },
            ..Parts::UNKNOWN
        })
    }
}
