//! Transfer of arithmetic.
//!
//! **Closed operations** (`add`, `sub`, `mul`, `and`, `or`, `xor`): the low half of the result depends on the low halves
//! of the operands only. So each part of the result comes from that part of the operands, soundly for its own domain
//! (see `tnum` and `interval`), and one row serves both widths: for [`Width::W32`] the 64-bit parts are dropped and
//! the low half is zero-extended, as the instruction does.
//!
//! **Shifts** by a known amount are exact in bits and monotone in the interval of their kind. An amount is masked to
//! the width (RFC 9669, section 4.1); by an unknown one, the result is the join over all amounts that can be.
//!
//! **Division and remainder** know nothing of bits; intervals do the work.
//!
//! In the last two groups Linux 6.18 answers with "unknown" as soon as the right operand is not a constant within
//! the width, or, for divisions, always, and forgets even that a 32-bit result is zero-extended. It also gives up the
//! signed interval of a left shift, and the unsigned one a bit early. Programs that need more than that are refused by Linux, so [`alu`] answers
//! likewise; [`alu_best`] does not.

use super::Strength;
use super::interval::Interval;
use super::scalar::{Parts, Scalar};
use super::tnum::{sign_extend, size_mask};
use skep_isa::{AluOp, Size, SwapKind, Width};

/// `dst op= src`, giving up where Linux 6.18 gives up (see the module's source documentation): for verdicts.
#[must_use]
pub fn alu(op: AluOp, width: Width, dst: &Scalar, src: &Scalar) -> Scalar {
    transfer(Strength::Linux, op, width, dst, src)
}

/// `dst op= src`, as precise as the domain allows: for facts.
#[must_use]
pub fn alu_best(op: AluOp, width: Width, dst: &Scalar, src: &Scalar) -> Scalar {
    transfer(Strength::Best, op, width, dst, src)
}

/// `-value`.
#[must_use]
pub fn neg(width: Width, value: &Scalar) -> Scalar {
    alu(AluOp::Sub, width, &Scalar::constant(0), value)
}

/// `dst = src`.
#[must_use]
pub fn mov(width: Width, src: &Scalar) -> Scalar {
    match width {
        Width::W64 => *src,
        Width::W32 => src.cast(Size::W),
    }
}

/// `dst = (sN)src`, where `from` gives the N bits that are kept and sign-extended to `width`; as Linux 6.18, which
/// uses the signed interval of the width alone, if no bit above N and no sign changes within it.
#[must_use]
pub fn movsx(width: Width, from: Size, src: &Scalar) -> Scalar {
    let signed = match width {
        Width::W64 => src.parts().s64,
        Width::W32 => Interval {
            min: src.parts().s32.min.into(),
            max: src.parts().s32.max.into(),
        },
    };
    let (min, max) = (
        sign_extended(from, signed.min),
        sign_extended(from, signed.max),
    );
    let above = !size_mask(from);
    let same_above = (signed.min ^ signed.max).cast_unsigned() & above == 0;
    let known = if same_above && (min < 0) == (max < 0) {
        Scalar::from_signed(min, max)
    } else {
        None
    };
    mov(
        width,
        &known.unwrap_or_else(|| Scalar::signed_of_size(from)),
    )
}

/// As [`movsx`], as precise as the domain allows: for facts.
#[must_use]
pub fn movsx_best(width: Width, from: Size, src: &Scalar) -> Scalar {
    mov(width, &src.sign_extend(from))
}

#[inline]
fn sign_extended(size: Size, x: i64) -> i64 {
    sign_extend(x.cast_unsigned(), 8 * size.bytes()).cast_signed()
}

/// Where Linux 6.18 goes on twice: `dst &= src` and `dst |= src` with a known `src` and a `dst` of which only -1 and 0
/// are left (of the low half, at least), as after a right shift of the sign. Neither path loses what the operation
/// would blur. Linux goes on with -1, the first, and later repeats the instruction with 0, the second.
///
/// `None` for other operations and operands. Sound because -1 and 0 are all that the low half can be.
#[must_use]
pub fn split(op: AluOp, dst: &Scalar, src: &Scalar) -> Option<(Scalar, Scalar)> {
    match op {
        AluOp::And | AluOp::Or => {}
        AluOp::Add
        | AluOp::Sub
        | AluOp::Mul
        | AluOp::Div
        | AluOp::Sdiv
        | AluOp::Lsh
        | AluOp::Rsh
        | AluOp::Mod
        | AluOp::Smod
        | AluOp::Xor
        | AluOp::Arsh => return None,
    }
    let parts = *dst.parts();
    if !src.is_const() || parts.s32 != (Interval { min: -1, max: 0 }) {
        return None;
    }
    if parts.s64 == (Interval { min: -1, max: 0 }) {
        return Some((Scalar::constant(u64::MAX), Scalar::constant(0)));
    }
    let with_low = |low: i32| {
        Scalar::new(Parts {
            s32: Interval::constant(low),
            ..parts
        })
    };
    Some((with_low(-1)?, with_low(0)?))
}

/// Byte swap of the low `size` bytes, the rest zeroed, on a little-endian machine, where a swap to little endian is
/// a truncation. Order is lost; bits move.
#[must_use]
pub fn swap(kind: SwapKind, size: Size, value: &Scalar) -> Scalar {
    match kind {
        SwapKind::ToLe => value.cast(size),
        SwapKind::ToBe | SwapKind::Swap => Scalar::from_bits(value.bits().swap_bytes(size)),
    }
}

fn transfer(strength: Strength, op: AluOp, width: Width, dst: &Scalar, src: &Scalar) -> Scalar {
    let (a, b) = (dst.parts(), src.parts());
    match op {
        AluOp::Add => of_width(width, add(a, b)),
        AluOp::Sub => of_width(width, sub(a, b)),
        AluOp::Mul => of_width(width, mul(a, b)),
        AluOp::And => of_width(width, and(a, b)),
        AluOp::Or => of_width(width, or(a, b)),
        AluOp::Xor => of_width(width, xor(a, b)),
        AluOp::Lsh => shift(strength, lsh, width, dst, src),
        AluOp::Rsh => shift(strength, rsh, width, dst, src),
        AluOp::Arsh => shift(strength, arsh, width, dst, src),
        AluOp::Div | AluOp::Sdiv | AluOp::Mod | AluOp::Smod => match strength {
            Strength::Linux => Scalar::UNKNOWN,
            Strength::Best => divide(op, width, a, b),
        },
    }
}

/// The result of a closed operation at `width`.
#[inline]
fn of_width(width: Width, parts: Parts) -> Scalar {
    Scalar::inhabited(match width {
        Width::W64 => parts,
        Width::W32 => parts.zero_extended(),
    })
}

#[inline]
fn add(a: &Parts, b: &Parts) -> Parts {
    Parts {
        bits: a.bits.add(b.bits),
        u64: a.u64.add(&b.u64),
        s64: a.s64.add(&b.s64),
        u32: a.u32.add(&b.u32),
        s32: a.s32.add(&b.s32),
    }
}

#[inline]
fn sub(a: &Parts, b: &Parts) -> Parts {
    Parts {
        bits: a.bits.sub(b.bits),
        u64: a.u64.sub(&b.u64),
        s64: a.s64.sub(&b.s64),
        u32: a.u32.sub(&b.u32),
        s32: a.s32.sub(&b.s32),
    }
}

#[inline]
fn mul(a: &Parts, b: &Parts) -> Parts {
    Parts {
        bits: a.bits.mul(b.bits),
        u64: a.u64.mul(&b.u64),
        s64: a.s64.mul(&b.s64),
        u32: a.u32.mul(&b.u32),
        s32: a.s32.mul(&b.s32),
    }
}

/// The signed intervals of bitwise operations follow from the unsigned ones and the sign bits.
#[inline]
fn and(a: &Parts, b: &Parts) -> Parts {
    Parts {
        bits: a.bits.and(b.bits),
        u64: a.u64.and(&b.u64),
        u32: a.u32.and(&b.u32),
        ..Parts::UNKNOWN
    }
}

#[inline]
fn or(a: &Parts, b: &Parts) -> Parts {
    Parts {
        bits: a.bits.or(b.bits),
        u64: a.u64.or(&b.u64),
        u32: a.u32.or(&b.u32),
        ..Parts::UNKNOWN
    }
}

#[inline]
fn xor(a: &Parts, b: &Parts) -> Parts {
    Parts {
        bits: a.bits.xor(b.bits),
        ..Parts::UNKNOWN
    }
}

/// A shift by a known amount below the width.
type Shift = fn(Strength, Width, &Parts, u32) -> Parts;

/// A shift by `src`.
fn shift(strength: Strength, by: Shift, width: Width, dst: &Scalar, src: &Scalar) -> Scalar {
    let bits = bits_of(width);
    let known = src.as_const().and_then(|amount| u32::try_from(amount).ok());
    match (known, strength) {
        (Some(amount), _) if amount < bits => {
            Scalar::inhabited(by(strength, width, dst.parts(), amount))
        }
        (_, Strength::Linux) => Scalar::UNKNOWN,
        (_, Strength::Best) => {
            let amounts = alu(
                AluOp::And,
                Width::W64,
                src,
                &Scalar::constant(u64::from(bits - 1)),
            );
            (0..bits)
                .filter(|&amount| amounts.contains(amount.into()))
                .map(|amount| Scalar::inhabited(by(strength, width, dst.parts(), amount)))
                .reduce(|a, b| a.join(&b))
                .unwrap_or(Scalar::UNKNOWN)
        }
    }
}

#[inline]
fn bits_of(width: Width) -> u32 {
    match width {
        Width::W32 => u32::BITS,
        Width::W64 => u64::BITS,
    }
}

/// Left shift. The low half of a 64-bit shift below 32 is the shift of the low half. A shift by 32 leaves nothing
/// of the high half, and its sign is that of the low one, so the 32-bit intervals give the 64-bit ones.
fn lsh(strength: Strength, width: Width, a: &Parts, amount: u32) -> Parts {
    let mut parts = Parts {
        bits: a.bits.lsh(amount),
        ..Parts::UNKNOWN
    };
    if amount < u32::BITS {
        (parts.u32, parts.s32) = match strength {
            Strength::Linux if a.u32.max > 1 << (31 - amount) => (parts.u32, parts.s32),
            Strength::Linux => (a.u32.lsh(amount), parts.s32),
            Strength::Best => (a.u32.lsh(amount), a.s32.lsh(amount)),
        };
    }
    if let Width::W32 = width {
        return parts.zero_extended();
    }
    (parts.u64, parts.s64) = match strength {
        Strength::Linux if a.u64.max > 1 << (63 - amount) => (parts.u64, parts.s64),
        Strength::Linux => (a.u64.lsh(amount), parts.s64),
        Strength::Best => (a.u64.lsh(amount), a.s64.lsh(amount)),
    };
    if amount == u32::BITS {
        parts.s64 = Interval {
            min: i64::from(a.s32.min) << amount,
            max: i64::from(a.s32.max) << amount,
        };
        if strength == Strength::Best {
            parts.u64 = Interval {
                min: u64::from(a.u32.min) << amount,
                max: u64::from(a.u32.max) << amount,
            };
        }
    }
    parts
}

fn rsh(_: Strength, width: Width, a: &Parts, amount: u32) -> Parts {
    match width {
        Width::W32 => Parts {
            bits: a.bits.subreg().rsh(amount),
            u32: a.u32.rsh(amount),
            ..Parts::UNKNOWN
        }
        .zero_extended(),
        Width::W64 => Parts {
            bits: a.bits.rsh(amount),
            u64: a.u64.rsh(amount),
            ..Parts::UNKNOWN
        },
    }
}

fn arsh(_: Strength, width: Width, a: &Parts, amount: u32) -> Parts {
    match width {
        Width::W32 => Parts {
            bits: a.bits.sign_extend(Size::W).arsh(amount),
            s32: a.s32.arsh(amount),
            ..Parts::UNKNOWN
        }
        .zero_extended(),
        Width::W64 => Parts {
            bits: a.bits.arsh(amount),
            s64: a.s64.arsh(amount),
            ..Parts::UNKNOWN
        },
    }
}

/// Division and remainder at full precision; nothing but the interval of their kind is known of the result.
fn divide(op: AluOp, width: Width, a: &Parts, b: &Parts) -> Scalar {
    let mut parts = Parts::UNKNOWN;
    match op {
        AluOp::Div => (parts.u64, parts.u32) = (a.u64.div(&b.u64), a.u32.div(&b.u32)),
        AluOp::Mod => (parts.u64, parts.u32) = (a.u64.rem(&b.u64), a.u32.rem(&b.u32)),
        AluOp::Sdiv => (parts.s64, parts.s32) = (a.s64.div(&b.s64), a.s32.div(&b.s32)),
        AluOp::Smod => (parts.s64, parts.s32) = (a.s64.rem(&b.s64), a.s32.rem(&b.s32)),
        AluOp::Add
        | AluOp::Sub
        | AluOp::Mul
        | AluOp::And
        | AluOp::Or
        | AluOp::Xor
        | AluOp::Lsh
        | AluOp::Rsh
        | AluOp::Arsh => {}
    }
    Scalar::inhabited(match width {
        Width::W32 => parts.zero_extended(),
        Width::W64 => Parts {
            u32: Interval::<u32>::FULL,
            s32: Interval::<i32>::FULL,
            ..parts
        },
    })
}
