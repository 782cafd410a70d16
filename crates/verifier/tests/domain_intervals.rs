//! Intervals of all four types, between every two of the integers where arithmetic is delicate, with all of those
//! integers that they hold.
#![allow(clippy::unwrap_used, reason = "tests")]

use skep_verifier::domain::Interval;

/// Every interval between two of `values`, which are sorted.
fn intervals<T: Copy + Ord>(values: &[T]) -> Vec<Interval<T>> {
    values
        .iter()
        .flat_map(|&min| {
            values
                .iter()
                .filter_map(move |&max| Interval::new(min, max))
        })
        .collect()
}

/// Asserts that `abstractly` holds `concretely` of all members that are in `values`, and of constants is constant.
fn check<T: Copy + Ord + std::fmt::Debug>(
    name: &str,
    values: &[T],
    abstractly: fn(&Interval<T>, &Interval<T>) -> Interval<T>,
    concretely: fn(T, T) -> T,
) {
    let all = intervals(values);
    for a in &all {
        for b in &all {
            let result = abstractly(a, b);
            for &x in values.iter().filter(|&&x| a.contains(x)) {
                for &y in values.iter().filter(|&&y| b.contains(y)) {
                    let exact = concretely(x, y);
                    assert!(
                        result.contains(exact),
                        "{name} {a:?} {b:?}: {result:?} lacks {exact:?}"
                    );
                }
            }
        }
    }
}

macro_rules! unsigned {
    ($test:ident, $int:ident) => {
        #[test]
        fn $test() {
            let middle = $int::MAX / 2;
            let root = 1 << ($int::BITS / 2);
            let values = [
                0,
                1,
                2,
                7,
                root - 1,
                root,
                middle - 1,
                middle,
                middle + 1,
                $int::MAX - 2,
                $int::MAX - 1,
                $int::MAX,
            ];
            type I = Interval<$int>;
            check("add", &values, I::add, $int::wrapping_add);
            check("sub", &values, I::sub, $int::wrapping_sub);
            check("mul", &values, I::mul, $int::wrapping_mul);
            check("div", &values, I::div, |x, y| x.checked_div(y).unwrap_or(0));
            check("rem", &values, I::rem, |x, y| x.checked_rem(y).unwrap_or(x));
            check("and", &values, I::and, |x, y| x & y);
            check("or", &values, I::or, |x, y| x | y);
            for interval in intervals(&values) {
                for n in [0, 1, 2, $int::BITS / 2, $int::BITS - 1] {
                    let (left, right) = (interval.lsh(n), interval.rsh(n));
                    for x in values.into_iter().filter(|&x| interval.contains(x)) {
                        assert!(left.contains(x << n), "{interval:?} << {n}");
                        assert!(right.contains(x >> n), "{interval:?} >> {n}");
                    }
                }
            }
        }
    };
}

macro_rules! signed {
    ($test:ident, $int:ident) => {
        #[test]
        fn $test() {
            let root = 1 << ($int::BITS / 2);
            let values = [
                $int::MIN,
                $int::MIN + 1,
                $int::MIN + 2,
                -root,
                -7,
                -2,
                -1,
                0,
                1,
                2,
                7,
                root - 1,
                $int::MAX - 1,
                $int::MAX,
            ];
            type I = Interval<$int>;
            check("add", &values, I::add, $int::wrapping_add);
            check("sub", &values, I::sub, $int::wrapping_sub);
            check("mul", &values, I::mul, $int::wrapping_mul);
            check("div", &values, I::div, |x, y| match y {
                0 => 0,
                _ => x.wrapping_div(y),
            });
            check("rem", &values, I::rem, |x, y| match y {
                0 => x,
                _ => x.wrapping_rem(y),
            });
            for interval in intervals(&values) {
                for n in [0, 1, 2, $int::BITS / 2, $int::BITS - 1] {
                    let (left, right) = (interval.lsh(n), interval.arsh(n));
                    for x in values.into_iter().filter(|&x| interval.contains(x)) {
                        assert!(left.contains(x << n), "{interval:?} << {n}");
                        assert!(right.contains(x >> n), "{interval:?} >> {n}");
                    }
                }
            }
        }
    };
}

unsigned!(unsigned_64, u64);
unsigned!(unsigned_32, u32);
signed!(signed_64, i64);
signed!(signed_32, i32);

#[test]
fn small_divisions_of_any_sign() {
    let values: Vec<i64> = (-6..=6).collect();
    check("div", &values, Interval::<i64>::div, |x, y| {
        x.checked_div(y).unwrap_or(0)
    });
    check("rem", &values, Interval::<i64>::rem, |x, y| {
        x.checked_rem(y).unwrap_or(x)
    });
}

#[test]
fn lattice() {
    let values: Vec<u64> = (0..6).collect();
    for a in intervals(&values) {
        for b in intervals(&values) {
            let both: Vec<u64> = (0..6).filter(|&x| a.contains(x) && b.contains(x)).collect();
            match a.meet(&b) {
                Some(meet) => assert!(both.iter().all(|&x| meet.contains(x)) && !both.is_empty()),
                None => assert!(both.is_empty()),
            }
            let join = a.join(&b);
            assert!(a.is_within(&join) && b.is_within(&join));
            assert_eq!(
                a.is_within(&b),
                (0..6).all(|x| !a.contains(x) || b.contains(x))
            );
        }
    }
}
