//! Open-coded iterators.

use super::row;
use crate::kfunc::KfuncArg::{Ignored, Iter, IterUninit, Scalar};
use crate::kfunc::KfuncFlags as Flags;
use crate::kfunc::{KfuncProto, KfuncRet, KfuncRule as Rule};

/// Bytes of `struct bpf_iter_num` and `struct bpf_iter_bits`.
const NUM_BYTES: u32 = 8;
const BITS_BYTES: u32 = 16;

#[rustfmt::skip]
pub(super) static ROWS: &[KfuncProto] = &[
    row("bpf_iter_num_new", (6, 4), &[IterUninit, Scalar, Scalar]).returns(KfuncRet::Integer).rule(Rule::IterNew { bytes: NUM_BYTES }),
    row("bpf_iter_num_next", (6, 4), &[Iter]).returns(KfuncRet::ReadMemory(4)).flags(Flags::RET_NULL).rule(Rule::IterNext),
    row("bpf_iter_num_destroy", (6, 4), &[Iter]).rule(Rule::IterDestroy),
    row("bpf_iter_bits_new", (6, 11), &[IterUninit, Ignored, Scalar]).returns(KfuncRet::Integer).rule(Rule::IterNew { bytes: BITS_BYTES }),
    row("bpf_iter_bits_next", (6, 11), &[Iter]).returns(KfuncRet::ReadMemory(4)).flags(Flags::RET_NULL).rule(Rule::IterNext),
    row("bpf_iter_bits_destroy", (6, 11), &[Iter]).rule(Rule::IterDestroy),
];
