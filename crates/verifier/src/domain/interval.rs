//! Intervals of machine integers, unsigned and signed, of 64 and 32 bits.
//!
//! `Interval { min, max }` stands for the integers from `min` to `max`, both included, in the order of their type.
//! Order is inclusion; join is the convex hull; meet is the intersection, `None` if empty. Invariant: `min <= max`.
//!
//! Machine arithmetic wraps, so a result is an interval only as long as it does not wrap for some members and not
//! for others; where it does, the result is [`Interval::FULL`]. A reader who knows more (`scalar`) intersects.
//! Does not know bits: see `tnum`.

/// The integers from `min` to `max`, both included.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Interval<T> {
    /// Smallest member.
    pub min: T,
    /// Largest member; not below `min`.
    pub max: T,
}

impl<T: Copy + Ord> Interval<T> {
    /// `min` to `max`; `None` if that is empty.
    #[must_use]
    #[inline]
    pub fn new(min: T, max: T) -> Option<Self> {
        (min <= max).then_some(Self { min, max })
    }

    /// Only `value`.
    #[must_use]
    #[inline]
    pub const fn constant(value: T) -> Self {
        Self {
            min: value,
            max: value,
        }
    }

    /// Whether `value` is a member.
    #[must_use]
    #[inline]
    pub fn contains(&self, value: T) -> bool {
        self.min <= value && value <= self.max
    }

    /// Whether every member is one of `other`.
    #[must_use]
    #[inline]
    pub fn is_within(&self, other: &Self) -> bool {
        other.min <= self.min && self.max <= other.max
    }

    /// The convex hull of both.
    #[must_use]
    #[inline]
    pub fn join(&self, other: &Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }

    /// The common members; `None` if there are none.
    #[must_use]
    #[inline]
    pub fn meet(&self, other: &Self) -> Option<Self> {
        Self::new(self.min.max(other.min), self.max.min(other.max))
    }

    /// What remains of `less` and `more` if `less <= more`; `None` if nothing does.
    #[inline]
    pub(super) fn at_most(less: &Self, more: &Self) -> Option<(Self, Self)> {
        Some((
            Self::new(less.min, less.max.min(more.max))?,
            Self::new(more.min.max(less.min), more.max)?,
        ))
    }

    /// The only member, if there is only one.
    #[must_use]
    #[inline]
    pub fn as_const(&self) -> Option<T> {
        (self.min == self.max).then_some(self.min)
    }
}

/// What needs the ends or the neighbours of the type.
macro_rules! ends {
    ($($int:ident)*) => { $(
        impl Interval<$int> {
            /// Every integer of the type.
            pub const FULL: Self = Self {
                min: $int::MIN,
                max: $int::MAX,
            };

            /// Whether nothing is known.
            #[must_use]
            #[inline]
            pub const fn is_full(&self) -> bool {
                self.min == $int::MIN && self.max == $int::MAX
            }

            /// Without `value` if that is an end; `None` if nothing remains.
            #[inline]
            pub(super) fn without_end(&self, value: $int) -> Option<Self> {
                let mut rest = *self;
                if rest.min == value {
                    rest.min = value.checked_add(1)?;
                }
                if rest.max == value {
                    rest.max = value.checked_sub(1)?;
                }
                Self::new(rest.min, rest.max)
            }

            /// What remains of `less` and `more` if `less < more`; `None` if nothing does.
            #[inline]
            pub(super) fn below(less: &Self, more: &Self) -> Option<(Self, Self)> {
                Some((
                    Self::new(less.min, less.max.min(more.max.checked_sub(1)?))?,
                    Self::new(more.min.max(less.min.checked_add(1)?), more.max)?,
                ))
            }
        }
    )* };
}

ends!(u64 i64 u32 i32);

/// What the two signednesses of one width share. `$signed` and `$unsigned` are the types of one width.
macro_rules! width {
    ($unsigned:ident, $signed:ident) => {
        impl Interval<$unsigned> {
            /// The same integers read as signed; `None` if they cross from largest to smallest there.
            #[must_use]
            #[inline]
            pub fn to_signed(&self) -> Option<Interval<$signed>> {
                Interval::new(self.min.cast_signed(), self.max.cast_signed())
            }

            /// Narrows an unsigned and a signed interval of the same value by each other; `None` if they have no
            /// common member.
            ///
            /// Read as unsigned, a signed interval that crosses zero is two pieces, `0..=max` and `min..=MAX`, else
            /// one. The common members are those of the unsigned interval in either piece, and both results are
            /// their hulls: the best pair.
            #[inline]
            pub(super) fn agree(
                unsigned: Self,
                signed: Interval<$signed>,
            ) -> Option<(Self, Interval<$signed>)> {
                let low = Self {
                    min: signed.min.max(0).cast_unsigned(),
                    max: signed.max.cast_unsigned(),
                };
                let high = Self {
                    min: signed.min.cast_unsigned(),
                    max: signed.max.min(-1).cast_unsigned(),
                };
                let low = if signed.max >= 0 {
                    unsigned.meet(&low)
                } else {
                    None
                };
                let high = if signed.min < 0 {
                    unsigned.meet(&high)
                } else {
                    None
                };
                match (low, high) {
                    (Some(_), Some(_)) => Some((unsigned, signed)),
                    (Some(one), None) | (None, Some(one)) => Some((one, one.to_signed()?)),
                    (None, None) => None,
                }
            }

            /// Sums. Both ends wrap or neither: then all do, and the sums are what lies between the ends.
            #[must_use]
            #[inline]
            pub const fn add(&self, other: &Self) -> Self {
                let (min, min_wraps) = self.min.overflowing_add(other.min);
                let (max, max_wraps) = self.max.overflowing_add(other.max);
                if min_wraps == max_wraps {
                    Self { min, max }
                } else {
                    Self::FULL
                }
            }

            /// Differences, as for [`Self::add`].
            #[must_use]
            #[inline]
            pub const fn sub(&self, other: &Self) -> Self {
                let (min, min_wraps) = self.min.overflowing_sub(other.max);
                let (max, max_wraps) = self.max.overflowing_sub(other.min);
                if min_wraps == max_wraps {
                    Self { min, max }
                } else {
                    Self::FULL
                }
            }

            /// Products: monotone in both operands unless one wraps.
            #[must_use]
            #[inline]
            pub const fn mul(&self, other: &Self) -> Self {
                match self.max.checked_mul(other.max) {
                    Some(max) => Self {
                        min: self.min.wrapping_mul(other.min),
                        max,
                    },
                    None => Self::FULL,
                }
            }

            /// Quotients, where a zero divisor gives zero (RFC 9669, section 4.1).
            #[must_use]
            #[inline]
            pub fn div(&self, other: &Self) -> Self {
                let Some(max) = self.max.checked_div(other.min.max(1)) else {
                    return Self::FULL;
                };
                let min = if other.min == 0 {
                    0
                } else {
                    self.min.checked_div(other.max).unwrap_or(0)
                };
                Self {
                    min,
                    max: if other.max == 0 { 0 } else { max },
                }
            }

            /// Remainders, where a zero divisor gives the dividend (RFC 9669, section 4.1): below the divisor, not
            /// above the dividend, and the dividend itself if that is always smaller.
            #[must_use]
            #[inline]
            pub fn rem(&self, other: &Self) -> Self {
                if other.max == 0 || self.max < other.min {
                    return *self;
                }
                match (self.as_const(), other.as_const()) {
                    (Some(dividend), Some(divisor)) => {
                        Self::constant(dividend.checked_rem(divisor).unwrap_or(dividend))
                    }
                    _ if other.min == 0 => Self {
                        min: 0,
                        max: self.max,
                    },
                    _ => Self {
                        min: 0,
                        max: self.max.min(other.max - 1),
                    },
                }
            }

            /// Bitwise and: not above either operand.
            #[must_use]
            #[inline]
            pub fn and(&self, other: &Self) -> Self {
                Self {
                    min: 0,
                    max: self.max.min(other.max),
                }
            }

            /// Bitwise or: not below either operand.
            #[must_use]
            #[inline]
            pub fn or(&self, other: &Self) -> Self {
                Self {
                    min: self.min.max(other.min),
                    max: $unsigned::MAX,
                }
            }

            /// Left shifts by `amount` below the width, as long as no member loses a bit.
            #[must_use]
            #[inline]
            pub const fn lsh(&self, amount: u32) -> Self {
                if self.max.leading_zeros() >= amount {
                    Self {
                        min: self.min << amount,
                        max: self.max << amount,
                    }
                } else {
                    Self::FULL
                }
            }

            /// Logical right shifts by `amount` below the width; monotone.
            #[must_use]
            #[inline]
            pub const fn rsh(&self, amount: u32) -> Self {
                Self {
                    min: self.min >> amount,
                    max: self.max >> amount,
                }
            }
        }

        impl Interval<$signed> {
            /// Sums. An end wraps past the largest integer, past the smallest, or not; if both do the same, all do.
            #[must_use]
            #[inline]
            pub const fn add(&self, other: &Self) -> Self {
                let (min, min_wraps) = self.min.overflowing_add(other.min);
                let (max, max_wraps) = self.max.overflowing_add(other.max);
                if min_wraps == max_wraps && min <= max {
                    Self { min, max }
                } else {
                    Self::FULL
                }
            }

            /// Differences, as for [`Self::add`].
            #[must_use]
            #[inline]
            pub const fn sub(&self, other: &Self) -> Self {
                let (min, min_wraps) = self.min.overflowing_sub(other.max);
                let (max, max_wraps) = self.max.overflowing_sub(other.min);
                if min_wraps == max_wraps && min <= max {
                    Self { min, max }
                } else {
                    Self::FULL
                }
            }

            /// Products: linear in each operand, so the extremes are at the corners unless one of these overflows.
            #[must_use]
            #[inline]
            pub fn mul(&self, other: &Self) -> Self {
                let corners = (
                    self.min.checked_mul(other.min),
                    self.min.checked_mul(other.max),
                    self.max.checked_mul(other.min),
                    self.max.checked_mul(other.max),
                );
                let (Some(a), Some(b), Some(c), Some(d)) = corners else {
                    return Self::FULL;
                };
                Self {
                    min: a.min(b).min(c.min(d)),
                    max: a.max(b).max(c.max(d)),
                }
            }

            /// Quotients, truncating; a zero divisor gives zero, and the smallest integer over -1 itself.
            ///
            /// For divisors of one sign the quotient is monotone in both operands (in the divisor on each side of a
            /// zero dividend), so the extremes are at the corners.
            #[must_use]
            #[inline]
            pub fn div(&self, other: &Self) -> Self {
                if self.contains($signed::MIN) && other.contains(-1) {
                    return match (self.as_const(), other.as_const()) {
                        (Some(_), Some(_)) => *self,
                        _ => Self::FULL,
                    };
                }
                let positive = other.meet(&Self {
                    min: 1,
                    max: $signed::MAX,
                });
                let negative = other.meet(&Self {
                    min: $signed::MIN,
                    max: -1,
                });
                let zero = other.contains(0).then_some(Self::constant(0));
                let corners = |divisor: Self| {
                    let quotient =
                        |a: $signed, b: $signed| Self::constant(a.checked_div(b).unwrap_or(0));
                    quotient(self.min, divisor.min)
                        .join(&quotient(self.min, divisor.max))
                        .join(&quotient(self.max, divisor.min))
                        .join(&quotient(self.max, divisor.max))
                };
                [positive.map(corners), negative.map(corners), zero]
                    .into_iter()
                    .flatten()
                    .reduce(|a, b| a.join(&b))
                    .unwrap_or(Self::FULL)
            }

            /// Remainders, with the sign of the dividend; a zero divisor gives the dividend. The magnitude is below
            /// the divisor's and not above the dividend's.
            #[must_use]
            #[inline]
            pub fn rem(&self, other: &Self) -> Self {
                if let (Some(dividend), Some(divisor)) = (self.as_const(), other.as_const()) {
                    return Self::constant(match divisor {
                        0 => dividend,
                        _ => dividend.checked_rem(divisor).unwrap_or(0),
                    });
                }
                let dividend = Self {
                    min: self.min.min(0),
                    max: self.max.max(0),
                };
                if other.contains(0) || other.contains($signed::MIN) {
                    return dividend;
                }
                let bound = other.min.abs().max(other.max.abs()) - 1;
                Self {
                    min: dividend.min.max(-bound),
                    max: dividend.max.min(bound),
                }
            }

            /// Left shifts by `amount` below the width, as long as no member changes sign or loses a bit.
            #[must_use]
            #[inline]
            pub const fn lsh(&self, amount: u32) -> Self {
                let shifted = Self {
                    min: self.min << amount,
                    max: self.max << amount,
                };
                if shifted.min >> amount == self.min && shifted.max >> amount == self.max {
                    shifted
                } else {
                    Self::FULL
                }
            }

            /// Arithmetic right shifts by `amount` below the width; monotone.
            #[must_use]
            #[inline]
            pub const fn arsh(&self, amount: u32) -> Self {
                Self {
                    min: self.min >> amount,
                    max: self.max >> amount,
                }
            }
        }
    };
}

width!(u64, i64);
width!(u32, i32);

impl Interval<u32> {
    /// Narrows a pair as [`Self::agree`] takes it by the arc from `from` up to `to`, around the end of the type if
    /// `to` is below `from`: an arc that does not wrap is an unsigned interval, one that does not pass from the
    /// largest to the smallest signed integer a signed one. `None` if nothing remains.
    #[inline]
    pub(super) fn meet_arc(
        mut unsigned: Self,
        mut signed: Interval<i32>,
        from: u32,
        to: u32,
    ) -> Option<(Self, Interval<i32>)> {
        if let Some(arc) = Interval::new(from, to) {
            unsigned = unsigned.meet(&arc)?;
        }
        if let Some(arc) = Interval::new(from.cast_signed(), to.cast_signed()) {
            signed = signed.meet(&arc)?;
        }
        Some((unsigned, signed))
    }
}
