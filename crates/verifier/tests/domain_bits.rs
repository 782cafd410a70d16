//! Known bits, exhaustively: every tnum on a few bits, placed low and high in the word, with all of its members.
#![allow(clippy::unwrap_used, reason = "tests")]

use skep_isa::Size;
use skep_verifier::domain::Tnum;

/// Every tnum whose bits above `bits` are zero.
fn tnums(bits: u32) -> Vec<Tnum> {
    let all = 1_u64 << bits;
    (0..all)
        .flat_map(|mask| {
            (0..all)
                .filter(move |value| value & mask == 0)
                .map(move |value| Tnum::new(value, mask))
        })
        .collect()
}

/// Every member; masks must be small.
fn members(tnum: Tnum) -> impl Iterator<Item = u64> {
    let mask = tnum.mask();
    let mut next = Some(0_u64);
    std::iter::from_fn(move || {
        let bits = next?;
        next = (bits != mask).then(|| (bits | !mask).wrapping_add(1) & mask);
        Some(tnum.value() | bits)
    })
}

/// The smallest tnum that holds all of `values`.
fn best(values: impl Iterator<Item = u64>) -> Tnum {
    values.map(Tnum::constant).reduce(Tnum::union).unwrap()
}

/// Where the few bits are placed in the word.
const PLACES: [u32; 3] = [0, 29, 59];

#[test]
fn members_are_what_contains_says() {
    for tnum in tnums(5) {
        let listed: Vec<u64> = members(tnum).collect();
        let contained: Vec<u64> = (0..32).filter(|&x| tnum.contains(x)).collect();
        assert_eq!(listed, contained, "{tnum}");
        assert_eq!(
            (tnum.min(), tnum.max()),
            (listed[0], *listed.last().unwrap())
        );
        assert_eq!(tnum.is_const(), listed.len() == 1);
    }
}

/// Binary operations and the exact function that each abstracts; whether the result is the smallest possible.
#[test]
fn binary_operations_are_sound_and_best() {
    type Row = (
        &'static str,
        fn(Tnum, Tnum) -> Tnum,
        fn(u64, u64) -> u64,
        bool,
    );
    let rows: [Row; 6] = [
        ("add", Tnum::add, u64::wrapping_add, true),
        ("sub", Tnum::sub, u64::wrapping_sub, true),
        ("and", Tnum::and, |x, y| x & y, true),
        ("or", Tnum::or, |x, y| x | y, true),
        ("xor", Tnum::xor, |x, y| x ^ y, true),
        ("mul", Tnum::mul, u64::wrapping_mul, false),
    ];
    for (name, abstractly, concretely, is_best) in rows {
        for place in PLACES {
            for (a, b) in pairs(&tnums(4)) {
                let (a, b) = (a.lsh(place), b.lsh(place));
                let result = abstractly(a, b);
                let exact =
                    best(members(a).flat_map(|x| members(b).map(move |y| concretely(x, y))));
                assert!(
                    exact.is_subset_of(result),
                    "{name} {a} {b}: {result}, not {exact}"
                );
                if is_best {
                    assert_eq!(exact, result, "{name} {a} {b}");
                }
            }
        }
    }
}

fn pairs(tnums: &[Tnum]) -> impl Iterator<Item = (Tnum, Tnum)> {
    tnums
        .iter()
        .flat_map(move |&a| tnums.iter().map(move |&b| (a, b)))
}

/// The product is not always the smallest tnum; it has to stay close to it.
#[test]
fn products_are_seldom_wide() {
    let few = tnums(4);
    let wide = pairs(&few)
        .filter(|&(a, b)| a.mul(b) != best(members(a).flat_map(|x| members(b).map(move |y| x * y))))
        .count();
    assert!(wide * 10 < few.len() * few.len(), "{wide} products");
}

#[test]
fn every_eight_bit_value_through_every_unary_operation() {
    for tnum in tnums(8) {
        let check = |name: &str, result: Tnum, exact: &dyn Fn(u64) -> u64| {
            let exact = best(members(tnum).map(exact));
            assert_eq!(result, exact, "{name} {tnum}");
        };
        check("neg", tnum.neg(), &u64::wrapping_neg);
        for n in [0, 1, 3, 7, 8, 60] {
            check("lsh", tnum.lsh(n), &|x| x << n);
            check("rsh", tnum.rsh(n), &|x| x >> n);
        }
        check("cast", tnum.cast(Size::B), &|x| x & 0xff);
        check("sign_extend", tnum.sign_extend(Size::B), &|x| {
            Size::B.sign_extend(x)
        });
        for size in [Size::H, Size::W, Size::Dw] {
            check("swap", tnum.swap_bytes(size), &|x| {
                x.swap_bytes() >> (64 - 8 * size.bytes())
            });
        }
        check("subreg", tnum.lsh(28).subreg(), &|x| {
            (x << 28) & 0xffff_ffff
        });
        check("clear_subreg", tnum.lsh(28).clear_subreg(), &|x| {
            (x << 28) >> 32 << 32
        });
        for size in [0, 1, 2, 4, 8, 64] {
            let aligned = members(tnum).all(|x| size == 0 || x % size == 0);
            assert_eq!(tnum.is_aligned(size), aligned, "{tnum} by {size}");
        }
    }
}

#[test]
fn sign_bits_spread() {
    for tnum in tnums(5) {
        let high = tnum.lsh(59);
        for n in [0, 1, 5, 63] {
            let exact = best(members(high).map(|x| (x.cast_signed() >> n).cast_unsigned()));
            assert_eq!(high.arsh(n), exact, "{high} by {n}");
        }
        let word = tnum.lsh(27);
        let exact = best(members(word).map(|x| Size::W.sign_extend(x)));
        assert_eq!(word.sign_extend(Size::W), exact, "{word}");
    }
}

#[test]
fn shifts_by_an_unknown_amount_are_best() {
    type Row = (fn(Tnum, u32) -> Tnum, fn(u64, u32) -> u64);
    let rows: [Row; 3] = [
        (Tnum::lsh, |x, n| x << n),
        (Tnum::rsh, |x, n| x >> n),
        (Tnum::arsh, |x, n| (x.cast_signed() >> n).cast_unsigned()),
    ];
    for (shift, concretely) in rows {
        for (tnum, amount) in pairs(&tnums(3)) {
            for (tnum, amount) in [
                (tnum, amount),
                (tnum.lsh(61), amount.or(Tnum::constant(64))),
            ] {
                let exact = best(members(tnum).flat_map(|x| {
                    members(amount).map(move |n| concretely(x, u32::try_from(n % 64).unwrap()))
                }));
                assert_eq!(
                    tnum.shift_by(shift, amount, 64),
                    exact,
                    "{tnum} by {amount}"
                );
            }
        }
    }
}

#[test]
fn lattice() {
    for (a, b) in pairs(&tnums(4)) {
        let both: Vec<u64> = members(a).filter(|&x| b.contains(x)).collect();
        match a.intersect(b) {
            Some(meet) => assert_eq!(members(meet).collect::<Vec<_>>(), both),
            None => assert!(both.is_empty(), "{a} {b}"),
        }
        let subset = members(a).all(|x| b.contains(x));
        assert_eq!(a.is_subset_of(b), subset, "{a} {b}");
        assert_eq!(a.union(b), best(members(a).chain(members(b))), "{a} {b}");
        let halves = a.with_subreg(b);
        assert_eq!(halves, b, "{a} {b}: the low half is the other's");
        assert_eq!(a.lsh(32).with_subreg(b).rsh(32), a);
    }
}

#[test]
fn ranges_are_best_and_searches_exact() {
    for min in 0..64 {
        for max in min..64 {
            assert_eq!(Tnum::range(min, max), best(min..=max), "{min} {max}");
        }
    }
    for place in PLACES {
        for tnum in tnums(5).into_iter().map(|tnum| tnum.lsh(place)) {
            for x in (0..=32).map(|x: u64| x.checked_shl(place).unwrap()) {
                for x in [x.wrapping_sub(1), x, x.wrapping_add(1)] {
                    let first = members(tnum).find(|&y| y >= x);
                    assert_eq!(tnum.first_from(x), first, "{tnum} from {x:#x}");
                    let last = members(tnum).filter(|&y| y <= x).last();
                    assert_eq!(tnum.last_to(x), last, "{tnum} to {x:#x}");
                }
            }
        }
    }
}

#[test]
fn text() {
    assert_eq!(Tnum::new(0, 0xff).to_string(), "(0x0; 0xff)");
    assert_eq!(Tnum::UNKNOWN.to_string(), "(0x0; 0xffffffffffffffff)");
}
