//! What a conditional jump says about its operands.
//!
//! Both sides of a jump are one question: what remains of both operands if a relation holds? The other side asks it
//! of the opposite relation. A relation narrows the part of its kind: order trims the ends of the interval of its
//! width and signedness (`a < b` implies `a <= max(b) - 1` and `b >= min(a) + 1`), equality intersects everything,
//! inequality with a constant trims an end that is that constant, bit tests settle bits. Each removes only pairs for
//! which the relation does not hold; then the parts of each operand are made to agree (`scalar`). If nothing remains
//! of either, the relation cannot hold and the branch is impossible.
//!
//! Does not know that both operands may be the same register.

use super::Strength;
use super::interval::Interval;
use super::scalar::{Parts, Scalar};
use super::tnum::Tnum;
use skep_isa::{JmpOp, Width};

/// The operands `(dst, src)` on each side of a conditional jump; `None` where it cannot go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Branches {
    /// Where the condition holds.
    pub taken: Option<(Scalar, Scalar)>,
    /// Where it does not.
    pub fallthrough: Option<(Scalar, Scalar)>,
}

/// What `if dst op src` says about its operands, as in Linux 6.18: for verdicts.
#[must_use]
pub fn refine(op: JmpOp, width: Width, dst: &Scalar, src: &Scalar) -> Branches {
    branches(Strength::Linux, op, width, dst, src)
}

/// What `if dst op src` says about its operands, as far as the domain allows: for facts.
#[must_use]
pub fn refine_best(op: JmpOp, width: Width, dst: &Scalar, src: &Scalar) -> Branches {
    branches(Strength::Best, op, width, dst, src)
}

fn branches(strength: Strength, op: JmpOp, width: Width, dst: &Scalar, src: &Scalar) -> Branches {
    let (holds, fails) = relations(op);
    Branches {
        taken: assume(strength, holds, width, dst, src),
        fallthrough: assume(strength, fails, width, dst, src),
    }
}

/// Whether the condition always (`true`) or never (`false`) holds; `None` if it depends.
#[must_use]
pub fn compare_known(op: JmpOp, width: Width, dst: &Scalar, src: &Scalar) -> Option<bool> {
    let (holds, fails) = relations(op);
    if assume(Strength::Linux, fails, width, dst, src).is_none() {
        Some(true)
    } else if assume(Strength::Linux, holds, width, dst, src).is_none() {
        Some(false)
    } else {
        None
    }
}

/// A relation between the left and the right operand.
#[derive(Clone, Copy)]
enum Relation {
    Equal,
    Differ,
    Below(Order),
    AtMost(Order),
    Above(Order),
    AtLeast(Order),
    /// Some bit is set in both.
    ShareOnes,
    /// No bit is set in both.
    ShareNone,
}

#[derive(Clone, Copy)]
enum Order {
    Unsigned,
    Signed,
}

/// The relation that `op` tests, and its opposite.
const fn relations(op: JmpOp) -> (Relation, Relation) {
    use Order::{Signed, Unsigned};
    use Relation::{Above, AtLeast, AtMost, Below, Differ, Equal, ShareNone, ShareOnes};
    match op {
        JmpOp::Jeq => (Equal, Differ),
        JmpOp::Jne => (Differ, Equal),
        JmpOp::Jgt => (Above(Unsigned), AtMost(Unsigned)),
        JmpOp::Jge => (AtLeast(Unsigned), Below(Unsigned)),
        JmpOp::Jlt => (Below(Unsigned), AtLeast(Unsigned)),
        JmpOp::Jle => (AtMost(Unsigned), Above(Unsigned)),
        JmpOp::Jsgt => (Above(Signed), AtMost(Signed)),
        JmpOp::Jsge => (AtLeast(Signed), Below(Signed)),
        JmpOp::Jslt => (Below(Signed), AtLeast(Signed)),
        JmpOp::Jsle => (AtMost(Signed), Above(Signed)),
        JmpOp::Jset => (ShareOnes, ShareNone),
    }
}

/// The operands if `relation` holds; `None` if it cannot.
fn assume(
    strength: Strength,
    relation: Relation,
    width: Width,
    dst: &Scalar,
    src: &Scalar,
) -> Option<(Scalar, Scalar)> {
    let (mut a, mut b) = (*dst.parts(), *src.parts());
    match relation {
        Relation::Equal => equal(strength, width, &mut a, &mut b)?,
        Relation::Differ => differ(width, &mut a, &mut b)?,
        Relation::Below(order) => below(order, width, &mut a, &mut b)?,
        Relation::AtMost(order) => at_most(order, width, &mut a, &mut b)?,
        Relation::Above(order) => below(order, width, &mut b, &mut a)?,
        Relation::AtLeast(order) => at_most(order, width, &mut b, &mut a)?,
        Relation::ShareOnes => share_ones(width, &mut a, &mut b)?,
        Relation::ShareNone => share_none(strength, width, &mut a, &mut b)?,
    }
    Some((renew(dst, a)?, renew(src, b)?))
}

/// `old` with `parts`, without work if these are the same.
#[inline]
fn renew(old: &Scalar, parts: Parts) -> Option<Scalar> {
    if parts == *old.parts() {
        Some(*old)
    } else {
        Scalar::new(parts)
    }
}

/// Both become what they have in common, in 32 bits the low halves only. Of 64-bit operands, Linux leaves the 32-bit
/// intervals to what the others say about them.
#[inline]
fn equal(strength: Strength, width: Width, a: &mut Parts, b: &mut Parts) -> Option<()> {
    match width {
        Width::W64 => {
            let both = a.meet(b)?;
            for side in [a, b] {
                *side = match strength {
                    Strength::Linux => Parts {
                        u32: side.u32,
                        s32: side.s32,
                        ..both
                    },
                    Strength::Best => both,
                };
            }
        }
        Width::W32 => {
            let low = a.bits.subreg().intersect(b.bits.subreg())?;
            let (unsigned, signed) = (a.u32.meet(&b.u32)?, a.s32.meet(&b.s32)?);
            for side in [a, b] {
                side.bits = side.bits.with_subreg(low);
                (side.u32, side.s32) = (unsigned, signed);
            }
        }
    }
    Some(())
}

/// An end that is the other's only value goes.
#[inline]
fn differ(width: Width, a: &mut Parts, b: &mut Parts) -> Option<()> {
    let (old_a, old_b) = (*a, *b);
    trim_ends(width, a, &old_b)?;
    trim_ends(width, b, &old_a)
}

#[inline]
fn trim_ends(width: Width, side: &mut Parts, other: &Parts) -> Option<()> {
    match width {
        Width::W64 => {
            if let Some(value) = other.bits.as_const() {
                side.u64 = side.u64.without_end(value)?;
                side.s64 = side.s64.without_end(value.cast_signed())?;
            }
        }
        Width::W32 => {
            if let Some(value) = other.u32.as_const() {
                side.u32 = side.u32.without_end(value)?;
                side.s32 = side.s32.without_end(value.cast_signed())?;
            }
        }
    }
    Some(())
}

/// `a < b`.
#[inline]
fn below(order: Order, width: Width, a: &mut Parts, b: &mut Parts) -> Option<()> {
    match (order, width) {
        (Order::Unsigned, Width::W64) => {
            (a.u64, b.u64) = Interval::<u64>::below(&a.u64, &b.u64)?;
        }
        (Order::Unsigned, Width::W32) => {
            (a.u32, b.u32) = Interval::<u32>::below(&a.u32, &b.u32)?;
        }
        (Order::Signed, Width::W64) => {
            (a.s64, b.s64) = Interval::<i64>::below(&a.s64, &b.s64)?;
        }
        (Order::Signed, Width::W32) => {
            (a.s32, b.s32) = Interval::<i32>::below(&a.s32, &b.s32)?;
        }
    }
    Some(())
}

/// `a <= b`.
#[inline]
fn at_most(order: Order, width: Width, a: &mut Parts, b: &mut Parts) -> Option<()> {
    match (order, width) {
        (Order::Unsigned, Width::W64) => {
            (a.u64, b.u64) = Interval::<u64>::at_most(&a.u64, &b.u64)?;
        }
        (Order::Unsigned, Width::W32) => {
            (a.u32, b.u32) = Interval::<u32>::at_most(&a.u32, &b.u32)?;
        }
        (Order::Signed, Width::W64) => {
            (a.s64, b.s64) = Interval::<i64>::at_most(&a.s64, &b.s64)?;
        }
        (Order::Signed, Width::W32) => {
            (a.s32, b.s32) = Interval::<i32>::at_most(&a.s32, &b.s32)?;
        }
    }
    Some(())
}

/// Tests a value for the bits of a known one: if there is only one, it is set.
#[inline]
fn share_ones(width: Width, a: &mut Parts, b: &mut Parts) -> Option<()> {
    let Some((tested, ones)) = known_ones(width, a, b) else {
        return Some(());
    };
    if tested.bits.max() & ones == 0 {
        return None;
    }
    if ones.is_power_of_two() {
        tested.bits = tested.bits.or(Tnum::constant(ones));
    }
    Some(())
}

/// Tests a value for the bits of a known one: none is set. Linux then forgets what was known beyond the bits.
#[inline]
fn share_none(strength: Strength, width: Width, a: &mut Parts, b: &mut Parts) -> Option<()> {
    let Some((tested, ones)) = known_ones(width, a, b) else {
        return Some(());
    };
    if tested.bits.value() & ones != 0 {
        return None;
    }
    if tested.bits.max() & ones == 0 {
        return Some(());
    }
    tested.bits = tested.bits.and(Tnum::constant(!ones));
    match strength {
        Strength::Linux => {
            *tested = Parts {
                bits: tested.bits,
                ..Parts::UNKNOWN
            }
        }
        Strength::Best => {}
    }
    Some(())
}

/// The operand that is tested and the bits that it is tested for, if either is known; more is not deduced, as in
/// Linux 6.18.
#[inline]
fn known_ones<'a>(
    width: Width,
    a: &'a mut Parts,
    b: &'a mut Parts,
) -> Option<(&'a mut Parts, u64)> {
    if let Some(ones) = known(width, b) {
        Some((a, ones))
    } else {
        known(width, a).map(|ones| (b, ones))
    }
}

/// The value as a comparison of `width` sees it, if that is known.
#[inline]
fn known(width: Width, parts: &Parts) -> Option<u64> {
    match width {
        Width::W64 => parts.bits.as_const(),
        Width::W32 => parts.bits.subreg().as_const(),
    }
}
