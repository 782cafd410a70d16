//! Strings: the kernel reads them carefully, so their addresses are not looked at.

use super::row;
use crate::kfunc::KfuncArg::{Ignored, Scalar};
use crate::kfunc::{KfuncProto, KfuncRet};

#[rustfmt::skip]
pub(super) static ROWS: &[KfuncProto] = &[
    row("bpf_strcmp", (6, 17), &[Ignored, Ignored]).returns(KfuncRet::Integer),
    row("bpf_strcasecmp", (6, 18), &[Ignored, Ignored]).returns(KfuncRet::Integer),
    row("bpf_strchr", (6, 17), &[Ignored, Scalar]).returns(KfuncRet::Integer),
    row("bpf_strchrnul", (6, 17), &[Ignored, Scalar]).returns(KfuncRet::Integer),
    row("bpf_strnchr", (6, 17), &[Ignored, Scalar, Scalar]).returns(KfuncRet::Integer),
    row("bpf_strrchr", (6, 17), &[Ignored, Scalar]).returns(KfuncRet::Integer),
    row("bpf_strlen", (6, 17), &[Ignored]).returns(KfuncRet::Integer),
    row("bpf_strnlen", (6, 17), &[Ignored, Scalar]).returns(KfuncRet::Integer),
    row("bpf_strspn", (6, 17), &[Ignored, Ignored]).returns(KfuncRet::Integer),
    row("bpf_strcspn", (6, 17), &[Ignored, Ignored]).returns(KfuncRet::Integer),
    row("bpf_strstr", (6, 17), &[Ignored, Ignored]).returns(KfuncRet::Integer),
    row("bpf_strnstr", (6, 17), &[Ignored, Ignored, Scalar]).returns(KfuncRet::Integer),
];
