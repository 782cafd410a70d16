//! Conditional jumps.
use super::scalar::Scalar;
use skep_isa::{JmpOp, Width};

/// The operands `(dst, src)` on each side of a conditional jump; `None` where it cannot go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Branches {
    /// Where the condition holds.
    pub taken: Option<(Scalar, Scalar)>,
    /// Where it does not.
    pub fallthrough: Option<(Scalar, Scalar)>,
}

/// What `if dst op src` says about its operands.
#[must_use]
pub fn refine(_op: JmpOp, _width: Width, dst: &Scalar, src: &Scalar) -> Branches {
    Branches {
        taken: Some((*dst, *src)),
        fallthrough: Some((*dst, *src)),
    }
}

/// Whether the condition always (`true`) or never (`false`) holds; `None` if it depends.
#[must_use]
pub fn compare_known(op: JmpOp, width: Width, dst: &Scalar, src: &Scalar) -> Option<bool> {
    let branches = refine(op, width, dst, src);
    match (branches.taken, branches.fallthrough) {
        (Some(_), Some(_)) => None,
        (taken, _) => Some(taken.is_some()),
    }
}
