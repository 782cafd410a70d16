//! Dynamic pointers.

use super::row;
use crate::kfunc::KfuncArg::{BufferOrNull, ConstSize, Ctx, Dynptr, DynptrUninit, Scalar};
use crate::kfunc::KfuncFlags as Flags;
use crate::kfunc::{KfuncProto, KfuncRet, KfuncRule as Rule};
use skep_uapi::ProgType as P;

const SKB: &[P] = &[
    P::SOCKET_FILTER,
    P::SCHED_CLS,
    P::SCHED_ACT,
    P::TRACEPOINT,
    P::PERF_EVENT,
    P::CGROUP_SKB,
    P::CGROUP_SOCK,
    P::LWT_IN,
    P::LWT_OUT,
    P::LWT_XMIT,
    P::SOCK_OPS,
    P::SK_SKB,
    P::CGROUP_DEVICE,
    P::CGROUP_SOCK_ADDR,
    P::LWT_SEG6LOCAL,
    P::CGROUP_SYSCTL,
    P::CGROUP_SOCKOPT,
    P::NETFILTER,
];

#[rustfmt::skip]
pub(super) static ROWS: &[KfuncProto] = &[
    row("bpf_dynptr_from_skb", (6, 4), &[Ctx, Scalar, DynptrUninit]).returns(KfuncRet::Integer).rule(Rule::Dynptr).only(SKB),
    row("bpf_dynptr_from_skb_meta", (6, 18), &[Ctx, Scalar, DynptrUninit]).returns(KfuncRet::Integer).rule(Rule::Dynptr).only(&[P::SCHED_CLS, P::SCHED_ACT]),
    row("bpf_dynptr_from_xdp", (6, 4), &[Ctx, Scalar, DynptrUninit]).returns(KfuncRet::Integer).rule(Rule::Dynptr).only(&[P::XDP]),
    row("bpf_dynptr_slice", (6, 4), &[Dynptr, Scalar, BufferOrNull, ConstSize]).returns(KfuncRet::Special).flags(Flags::RET_NULL).rule(Rule::Dynptr),
    row("bpf_dynptr_slice_rdwr", (6, 4), &[Dynptr, Scalar, BufferOrNull, ConstSize]).returns(KfuncRet::Special).flags(Flags::RET_NULL).rule(Rule::Dynptr),
    row("bpf_dynptr_adjust", (6, 5), &[Dynptr, Scalar, Scalar]).returns(KfuncRet::Integer).rule(Rule::Dynptr),
    row("bpf_dynptr_is_null", (6, 5), &[Dynptr]).returns(KfuncRet::Integer).rule(Rule::Dynptr),
    row("bpf_dynptr_is_rdonly", (6, 5), &[Dynptr]).returns(KfuncRet::Integer).rule(Rule::Dynptr),
    row("bpf_dynptr_size", (6, 5), &[Dynptr]).returns(KfuncRet::Integer).rule(Rule::Dynptr),
    row("bpf_dynptr_clone", (6, 5), &[Dynptr, DynptrUninit]).returns(KfuncRet::Integer).rule(Rule::Dynptr),
    row("bpf_dynptr_copy", (6, 16), &[Dynptr, Scalar, Dynptr, Scalar, Scalar]).returns(KfuncRet::Integer).rule(Rule::Dynptr),
    row("bpf_dynptr_memset", (6, 17), &[Dynptr, Scalar, Scalar, Scalar]).returns(KfuncRet::Integer).rule(Rule::Dynptr),
];
