//! Text of scalars as the verifier's log of Linux 6.18 prints it; learnt from its output (`tests/domain_linux.txt`).
//!
//! A constant is a plain number. Anything else lists what differs from the default, in the order smin, smax, umin,
//! umax, smin32, smax32, umin32, umax32, var_off; later minima (maxima) that are the same number as an earlier minimum
//! (maximum) follow its name, `smin=umin=1`. Numbers within 16 bits of the first name's signedness are decimal, others
//! hexadecimal in its width.

use super::scalar::Scalar;
use std::fmt;

/// The ranges of a scalar as Linux's log prints them within parentheses (`smin=0,…,var_off=(0x0; 0xff)`), for a
/// printer that puts an id before or prints a pointer's variable offset. Empty if nothing is known.
#[derive(Clone, Copy, Debug)]
pub struct Ranges<'a>(pub &'a Scalar);

/// How a number is written.
#[derive(Clone, Copy)]
enum Number {
    Signed(i64),
    Signed32(i32),
    Unsigned(u64),
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Signed(x) if i16::try_from(x).is_ok() => write!(f, "{x}"),
            Self::Signed(x) => write!(f, "{x:#x}"),
            Self::Signed32(x) if i16::try_from(x).is_ok() => write!(f, "{x}"),
            Self::Signed32(x) => write!(f, "{x:#x}"),
            Self::Unsigned(x) if u16::try_from(x).is_ok() => write!(f, "{x}"),
            Self::Unsigned(x) => write!(f, "{x:#x}"),
        }
    }
}

impl Number {
    /// What decides whether two bounds are printed together: the integer, but a signed 32-bit one that is printed in
    /// hexadecimal is as unsigned as it looks.
    fn image(self) -> i128 {
        match self {
            Self::Signed(x) => x.into(),
            Self::Signed32(x) if i16::try_from(x).is_ok() => x.into(),
            Self::Signed32(x) => x.cast_unsigned().into(),
            Self::Unsigned(x) => x.into(),
        }
    }
}

/// The ends, in the order in which they are printed: minima at even places, maxima at odd ones; `None` for a default.
fn ends(scalar: &Scalar) -> [(&'static str, Option<Number>); 8] {
    let parts = scalar.parts();
    let signed = |x: i64, default: i64| (x != default).then_some(Number::Signed(x));
    let signed32 = |x: i32, default: i32| (x != default).then_some(Number::Signed32(x));
    let unsigned = |x: u64, default: u64| (x != default).then_some(Number::Unsigned(x));
    [
        ("smin", signed(parts.s64.min, i64::MIN)),
        ("smax", signed(parts.s64.max, i64::MAX)),
        ("umin", unsigned(parts.u64.min, 0)),
        ("umax", unsigned(parts.u64.max, u64::MAX)),
        ("smin32", signed32(parts.s32.min, i32::MIN)),
        ("smax32", signed32(parts.s32.max, i32::MAX)),
        ("umin32", unsigned(parts.u32.min.into(), 0)),
        ("umax32", unsigned(parts.u32.max.into(), u32::MAX.into())),
    ]
}

impl fmt::Display for Ranges<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ends = ends(self.0);
        let mut separator = "";
        for first in 0..ends.len() {
            let Some(number) = ends[first].1 else {
                continue;
            };
            f.write_str(separator)?;
            separator = ",";
            for (name, later) in ends.iter_mut().skip(first).step_by(2) {
                if later.is_some_and(|other| other.image() == number.image()) {
                    write!(f, "{name}=")?;
                    *later = None;
                }
            }
            write!(f, "{number}")?;
        }
        if self.0.bits().is_unknown() {
            return Ok(());
        }
        write!(f, "{separator}var_off={}", self.0.bits())
    }
}

impl fmt::Display for Scalar {
    /// `scalar(…)`, or a number if the value is known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_const() {
            Some(value) => Number::Signed(value.cast_signed()).fmt(f),
            None => write!(f, "scalar({})", Ranges(self)),
        }
    }
}
