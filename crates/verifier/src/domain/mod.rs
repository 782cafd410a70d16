//! Abstract values of scalars: what is known about a 64-bit register without knowing it.
//!
//! A [`Scalar`] is the reduced product of five domains: known bits ([`Tnum`]) and four intervals ([`Interval`]):
//! unsigned and signed, over all 64 bits and over the low 32. Each stands for a set of 64-bit integers, and the
//! scalar for the intersection of the five sets. Order is inclusion of the sets, join an upper bound of two of them,
//! meet their intersection, top [`Scalar::UNKNOWN`]. There is no bottom value: an operation that can find the set
//! empty returns `Option`, and `None` means that no execution gets there.
//!
//! A transfer function `f#` is sound if `x` in `a` and `y` in `b` imply `f(x, y)` in `f#(a, b)`; each says why it is.
//!
//! * [`alu()`], [`neg`], [`mov`], [`movsx`], [`swap`]: transfer of arithmetic; [`split`]: where a path becomes two.
//! * [`refine`], [`compare_known`]: what a conditional jump says about its operands.
//! * [`alu_best`], [`movsx_best`], [`refine_best`]: the same for facts that optimisers use. The former give up where
//!   Linux 6.18 does, because a verdict must be Linux's; these are as precise as the domain allows.
//! * [`Ranges`] and `Display` of [`Scalar`]: text as Linux's verifier log prints it.
//!
//! Invariants: every [`Scalar`] outside this module is normalised (its parts agree with one another) and was not
//! found empty. This module does not know pointers, registers, programs or BTF; it depends on nothing but the
//! operation names of `skep_isa`, and its values are `Copy` and never allocate.

mod alu;
mod compare;
mod interval;
mod scalar;
mod show;
mod tnum;

pub use alu::{alu, alu_best, mov, movsx, movsx_best, neg, split, swap};
pub use compare::{Branches, compare_known, refine, refine_best};
pub use interval::Interval;
pub use scalar::{Parts, Scalar};
pub use show::Ranges;
pub use tnum::Tnum;

/// How much precision is wanted where Linux has little.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strength {
    /// As Linux 6.18.
    Linux,
    /// As the domain allows.
    Best,
}
