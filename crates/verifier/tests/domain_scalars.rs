//! Scalars: transfer, refinement, lattice and agreement of parts against the instructions' own meaning (`isa`), on
//! short intervals around every edge of the word exhaustively, and on random scalars of every shape with some of
//! their members. The sequence of random numbers is fixed, so a failure can be run again.
#![allow(clippy::unwrap_used, reason = "tests")]

use skep_isa::{AluOp, JmpOp, Size, SwapKind, Width, eval_mov, eval_movsx, eval_neg};
use skep_verifier::domain::{
    Branches, Interval, Parts, Scalar, Tnum, alu, alu_best, compare_known, mov, movsx, movsx_best,
    neg, refine, refine_best, split, swap,
};

const WIDTHS: [Width; 2] = [Width::W32, Width::W64];
const SIZES: [Size; 4] = [Size::B, Size::H, Size::W, Size::Dw];

/// A scalar and some of its members.
struct Sample {
    scalar: Scalar,
    members: Vec<u64>,
}

/// Numbers that look random (splitmix64).
struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.word() % bound
    }

    /// Of any magnitude, and often at an edge of the word.
    fn integer(&mut self) -> u64 {
        let edge = [0, 0, 1 << 31, 1 << 32, 1 << 63][usize::try_from(self.below(5)).unwrap()];
        let distance = self.word() >> self.below(64);
        match self.below(3) {
            0 => distance,
            1 => distance.wrapping_add(edge),
            _ => u64::wrapping_sub(edge, distance),
        }
    }

    /// How far an end lies from a member.
    fn distance(&mut self) -> u64 {
        self.word() >> self.below(64)
    }

    /// Parts, each nothing, or something that holds `x`.
    fn parts(&mut self, x: u64) -> Parts {
        let mut parts = Parts::UNKNOWN;
        let low = u32::try_from(x & 0xffff_ffff).unwrap();
        let which = self.word();
        if which & 1 != 0 {
            let mask = self.word() & self.word() >> self.below(64);
            parts.bits = Tnum::new(x, if which & 2 == 0 { mask } else { !mask });
        }
        let (down, up) = (self.distance(), self.distance());
        let small = |x: u64| u32::try_from(x >> 32).unwrap();
        if which & 4 != 0 {
            let (min, max) = (x.saturating_sub(down), x.saturating_add(up));
            parts.u64 = Interval { min, max };
        }
        if which & 8 != 0 {
            let x = x.cast_signed();
            let (min, max) = (
                x.saturating_sub_unsigned(up),
                x.saturating_add_unsigned(down),
            );
            parts.s64 = Interval { min, max };
        }
        let (down, up) = (self.distance(), self.distance());
        if which & 16 != 0 {
            let (min, max) = (
                low.saturating_sub(small(down)),
                low.saturating_add(small(up)),
            );
            parts.u32 = Interval { min, max };
        }
        if which & 32 != 0 {
            let x = low.cast_signed();
            let min = x.saturating_sub_unsigned(small(up));
            let max = x.saturating_add_unsigned(small(down));
            parts.s32 = Interval { min, max };
        }
        parts
    }

    /// Integers that may be in `parts`, near its edges or derived from `x`.
    fn candidates(&mut self, parts: &Parts, x: u64) -> Vec<u64> {
        let high = x & !0xffff_ffff;
        let mut found = vec![
            x,
            parts.u64.min,
            parts.u64.max,
            parts.s64.min.cast_unsigned(),
            parts.s64.max.cast_unsigned(),
            parts.bits.min(),
            parts.bits.max(),
            high | u64::from(parts.u32.min),
            high | u64::from(parts.u32.max),
            high | u64::from(parts.s32.min.cast_unsigned()),
            high | u64::from(parts.s32.max.cast_unsigned()),
            x ^ (1 << self.below(64)),
        ];
        let random = self.word();
        let mixed: Vec<u64> = found
            .iter()
            .map(|y| (y & !parts.bits.mask()) | (random & parts.bits.mask()))
            .collect();
        found.extend(mixed);
        found.push(random);
        found.push(self.integer());
        found
    }

    fn sample(&mut self) -> Sample {
        let x = self.integer();
        let parts = self.parts(x);
        let scalar = Scalar::new(parts).unwrap_or_else(|| panic!("{parts:x?} holds {x:#x}"));
        let mut members = self.candidates(&parts, x);
        members.retain(|&y| parts.contains(y));
        members.truncate(6);
        Sample { scalar, members }
    }
}

/// Every interval of up to four integers within five around each edge of the word, with all members.
fn around_edges() -> Vec<Sample> {
    let mut samples = Vec::new();
    for edge in [0, 1 << 31, 1 << 32, 1 << 63] {
        let near = |distance: u64| u64::wrapping_add(edge, distance).wrapping_sub(2);
        for first in 0..5 {
            for last in first..5.min(first + 4) {
                let members: Vec<u64> = (first..=last).map(near).collect();
                let (min, max) = (members[0], *members.last().unwrap());
                let scalar = Scalar::from_unsigned(min, max)
                    .or_else(|| Scalar::from_signed(min.cast_signed(), max.cast_signed()))
                    .unwrap();
                samples.push(Sample { scalar, members });
            }
        }
    }
    samples
}

fn check_alu(a: &Sample, b: &Sample) {
    for op in AluOp::ALL {
        for width in WIDTHS {
            let linux = alu(op, width, &a.scalar, &b.scalar);
            let best = alu_best(op, width, &a.scalar, &b.scalar);
            for &x in &a.members {
                for &y in &b.members {
                    let exact = op.eval(width, x, y);
                    assert!(
                        linux.contains(exact) && best.contains(exact),
                        "{op:?} {width:?} {} {}: {linux} or {best} lacks {x:#x} {} {y:#x} = {exact:#x}",
                        a.scalar,
                        b.scalar,
                        op.text(),
                    );
                }
            }
        }
    }
}

fn check_unary(a: &Sample) {
    let check = |what: &str, result: Scalar, exact: &dyn Fn(u64) -> u64| {
        for &x in &a.members {
            assert!(
                result.contains(exact(x)),
                "{what} {}: {result} lacks that of {x:#x}",
                a.scalar
            );
        }
    };
    for width in WIDTHS {
        check("neg", neg(width, &a.scalar), &|x| eval_neg(width, x));
        check("mov", mov(width, &a.scalar), &|x| eval_mov(width, x));
        for from in [Size::B, Size::H, Size::W] {
            for movsx in [movsx, movsx_best] {
                check("movsx", movsx(width, from, &a.scalar), &|x| {
                    eval_movsx(width, from, x)
                });
            }
        }
    }
    for kind in SwapKind::ALL {
        for size in [Size::H, Size::W, Size::Dw] {
            check("swap", swap(kind, size, &a.scalar), &|x| kind.eval(size, x));
        }
    }
    for size in SIZES {
        check("cast", a.scalar.cast(size), &|x| size.truncate(x));
        check("sign_extend", a.scalar.sign_extend(size), &|x| {
            size.sign_extend(x)
        });
    }
}

fn check_jumps(a: &Sample, b: &Sample) {
    for op in JmpOp::ALL {
        for width in WIDTHS {
            let known = compare_known(op, width, &a.scalar, &b.scalar);
            let best = refine_best(op, width, &a.scalar, &b.scalar);
            for branches in [refine(op, width, &a.scalar, &b.scalar), best] {
                for &x in &a.members {
                    for &y in &b.members {
                        let holds = op.eval(width, x, y);
                        assert!(
                            keeps(&branches, holds, x, y) && known != Some(!holds),
                            "{op:?} {width:?} {} {}: {branches:?} lacks {x:#x} {y:#x}",
                            a.scalar,
                            b.scalar
                        );
                    }
                }
            }
            for (refined_a, refined_b) in [best.taken, best.fallthrough].into_iter().flatten() {
                assert!(refined_a.is_within(&a.scalar) && refined_b.is_within(&b.scalar));
            }
        }
    }
}

fn keeps(branches: &Branches, holds: bool, x: u64, y: u64) -> bool {
    let branch = if holds {
        branches.taken
    } else {
        branches.fallthrough
    };
    branch.is_some_and(|(a, b)| a.contains(x) && b.contains(y))
}

fn check_lattice(a: &Sample, b: &Sample) {
    let join = a.scalar.join(&b.scalar);
    assert!(a.scalar.is_within(&join) && b.scalar.is_within(&join));
    for &x in a.members.iter().chain(&b.members) {
        assert!(join.contains(x), "{} {}: {x:#x}", a.scalar, b.scalar);
        if a.scalar.contains(x) && b.scalar.contains(x) {
            let meet = a.scalar.meet(&b.scalar).unwrap();
            assert!(meet.contains(x) && meet.is_within(&a.scalar));
        }
    }
    assert!(a.scalar.is_within(&a.scalar) && a.scalar.is_within(&Scalar::UNKNOWN));
    assert_eq!(a.scalar.join(&a.scalar), a.scalar);
}

#[test]
fn around_every_edge() {
    let samples = around_edges();
    for a in &samples {
        check_unary(a);
        for b in &samples {
            check_alu(a, b);
            check_jumps(a, b);
            check_lattice(a, b);
        }
    }
}

#[test]
fn at_random() {
    let mut random = Random(1);
    for _ in 0..3_000 {
        let (a, b) = (random.sample(), random.sample());
        check_unary(&a);
        check_alu(&a, &b);
        check_jumps(&a, &b);
        check_lattice(&a, &b);
    }
}

/// Shift amounts and divisors are small in practice.
#[test]
fn by_small_operands() {
    let mut random = Random(2);
    for _ in 0..2_000 {
        let a = random.sample();
        let (x, y) = (random.below(70), random.below(70));
        let (min, max) = (x.min(y), x.max(y));
        let b = Sample {
            scalar: Scalar::from_unsigned(min, max).unwrap(),
            members: vec![min, max, u64::midpoint(min, max)],
        };
        check_alu(&a, &b);
        check_jumps(&a, &b);
    }
}

#[test]
fn agreement_keeps_members_and_is_final() {
    let mut random = Random(3);
    for _ in 0..30_000 {
        let x = random.integer();
        let parts = random.parts(x);
        let scalar = Scalar::new(parts).unwrap();
        for y in random.candidates(&parts, x) {
            assert_eq!(parts.contains(y), scalar.contains(y), "{parts:x?} {y:#x}");
        }
        assert_eq!(Scalar::new(*scalar.parts()), Some(scalar), "{parts:x?}");
    }
}

/// Parts of two different integers may contradict each other; if they are said to, nothing is in both.
#[test]
fn empty_is_empty() {
    let mut random = Random(4);
    let mut empty = 0;
    for _ in 0..20_000 {
        let (x, y) = (random.integer(), random.integer());
        let (a, b) = (random.parts(x), random.parts(y));
        let both = a.meet(&b).and_then(Scalar::new);
        if both.is_none() {
            empty += 1;
            let mut candidates = random.candidates(&a, x);
            candidates.extend(random.candidates(&b, y));
            assert!(
                !candidates
                    .into_iter()
                    .any(|z| a.contains(z) && b.contains(z))
            );
        }
    }
    assert!(empty > 1_000, "only {empty}");
}

#[test]
fn constants_are_exact() {
    let mut random = Random(5);
    for _ in 0..2_000 {
        let (x, y) = (random.integer(), random.integer());
        let y = if random.below(2) == 0 { y } else { y & 63 };
        let (a, b) = (Scalar::constant(x), Scalar::constant(y));
        for width in WIDTHS {
            for op in AluOp::ALL {
                let exact = Scalar::constant(op.eval(width, x, y));
                assert_eq!(alu_best(op, width, &a, &b), exact, "{op:?} {x:#x} {y:#x}");
            }
            for op in JmpOp::ALL {
                assert_eq!(compare_known(op, width, &a, &b), Some(op.eval(width, x, y)));
            }
            assert_eq!(neg(width, &a), Scalar::constant(eval_neg(width, x)));
            assert_eq!(mov(width, &a), Scalar::constant(eval_mov(width, x)));
        }
        for kind in SwapKind::ALL {
            for size in [Size::H, Size::W, Size::Dw] {
                assert_eq!(swap(kind, size, &a), Scalar::constant(kind.eval(size, x)));
            }
        }
    }
}

/// Both halves of a split hold every member, or one does.
#[test]
fn splits_lose_nothing() {
    let mut random = Random(6);
    let ones = Interval { min: -1, max: 0 };
    for _ in 0..2_000 {
        let low = [0, 0xffff_ffff][usize::try_from(random.below(2)).unwrap()];
        let x = [low, random.integer() << 32 | low, low << 32 | low]
            [usize::try_from(random.below(3)).unwrap()];
        let parts = Parts {
            s32: ones,
            ..random.parts(x)
        };
        let Some(scalar) = Scalar::new(parts) else {
            panic!("{parts:x?} holds {x:#x}")
        };
        let Some((minus_one, zero)) = split(AluOp::And, &scalar, &Scalar::constant(12)) else {
            continue;
        };
        for y in random.candidates(&parts, x) {
            let kept = minus_one.contains(y) || zero.contains(y);
            assert_eq!(kept, scalar.contains(y), "{scalar} {y:#x}");
        }
    }
    let sign = alu(
        AluOp::Arsh,
        Width::W64,
        &Scalar::UNKNOWN,
        &Scalar::constant(63),
    );
    let src = Scalar::constant(12);
    assert_eq!(
        split(AluOp::Or, &sign, &src),
        Some((Scalar::immediate(-1), Scalar::constant(0)))
    );
    assert_eq!(split(AluOp::Xor, &sign, &src), None);
    assert_eq!(split(AluOp::And, &src, &src), None);
}

#[test]
fn loads() {
    for size in SIZES {
        let bits = 8 * size.bytes();
        let unsigned = Scalar::unknown_of_size(size);
        assert_eq!(
            (unsigned.umin(), unsigned.umax()),
            (0, u64::MAX >> (64 - bits))
        );
        let signed = Scalar::signed_of_size(size);
        assert_eq!(signed.smin(), i64::MIN >> (64 - bits));
        assert_eq!(signed.smax(), i64::MAX >> (64 - bits));
    }
    assert!(Scalar::unknown_of_size(Size::Dw).is_unknown());
}
