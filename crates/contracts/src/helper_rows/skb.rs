//! Packets in socket buffers: bytes, checksums, headers, redirection.

use super::{SEG6, TC, TC_CGROUP, TC_LWT, TC_XDP, TC_XMIT, TC_XMIT_SK, row};
use crate::helper::ArgKind::{
    Anything, Ctx, FixedWrite, Map, MemRead, MemReadOrNull, MemWrite, Size, SizeOrZero,
};
use crate::helper::HelperProto;
use skep_uapi::{HelperId as H, ProgType as P};

#[rustfmt::skip]
pub(super) static ROWS: &[HelperProto] = &[
    row(H::SKB_STORE_BYTES, (4, 1), &[Ctx, Anything, MemRead, Size, Anything]).only(TC_XMIT_SK).moves_packet(),
    row(H::L3_CSUM_REPLACE, (4, 1), &[Ctx, Anything, Anything, Anything, Anything]).only(TC_XMIT).moves_packet(),
    row(H::L4_CSUM_REPLACE, (4, 1), &[Ctx, Anything, Anything, Anything, Anything]).only(TC_XMIT).moves_packet(),
    row(H::CLONE_REDIRECT, (4, 2), &[Ctx, Anything, Anything]).only(TC_XMIT).moves_packet(),
    row(H::SKB_VLAN_PUSH, (4, 3), &[Ctx, Anything, Anything]).only(TC).moves_packet(),
    row(H::SKB_VLAN_POP, (4, 3), &[Ctx]).only(TC).moves_packet(),
    row(H::SKB_GET_TUNNEL_KEY, (4, 3), &[Ctx, MemWrite, Size, Anything]).only(TC_XMIT),
    row(H::SKB_SET_TUNNEL_KEY, (4, 3), &[Ctx, MemRead, Size, Anything]).only(TC_XMIT),
    row(H::REDIRECT, (4, 4), &[Anything, Anything]).only(&[P::SCHED_CLS, P::SCHED_ACT, P::XDP, P::LWT_XMIT]),
    row(H::GET_ROUTE_REALM, (4, 4), &[Ctx]).only(TC_LWT),
    row(H::SKB_LOAD_BYTES, (4, 5), &[Ctx, Anything, MemWrite, Size]).only(&[P::SOCKET_FILTER, P::SCHED_CLS, P::SCHED_ACT, P::CGROUP_SKB, P::LWT_IN, P::LWT_OUT, P::LWT_XMIT, P::SK_SKB, P::LWT_SEG6LOCAL, P::SK_REUSEPORT, P::FLOW_DISSECTOR]),
    row(H::CSUM_DIFF, (4, 6), &[MemReadOrNull, SizeOrZero, MemReadOrNull, SizeOrZero, Anything]).only(&[P::SCHED_CLS, P::SCHED_ACT, P::XDP, P::LWT_IN, P::LWT_OUT, P::LWT_XMIT, P::LWT_SEG6LOCAL]).packet_args(),
    row(H::SKB_GET_TUNNEL_OPT, (4, 6), &[Ctx, MemWrite, Size]).only(TC_XMIT),
    row(H::SKB_SET_TUNNEL_OPT, (4, 6), &[Ctx, MemRead, Size]).only(TC_XMIT),
    row(H::SKB_CHANGE_PROTO, (4, 8), &[Ctx, Anything, Anything]).only(TC).moves_packet(),
    row(H::SKB_CHANGE_TYPE, (4, 8), &[Ctx, Anything]).only(TC),
    row(H::SKB_UNDER_CGROUP, (4, 8), &[Ctx, Map, Anything]).only(TC_LWT),
    row(H::GET_HASH_RECALC, (4, 8), &[Ctx]).only(TC_LWT),
    row(H::SKB_CHANGE_TAIL, (4, 9), &[Ctx, Anything, Anything]).only(TC_XMIT_SK).moves_packet(),
    row(H::SKB_PULL_DATA, (4, 9), &[Ctx, Anything]).only(&[P::SCHED_CLS, P::SCHED_ACT, P::LWT_IN, P::LWT_OUT, P::LWT_XMIT, P::SK_SKB, P::LWT_SEG6LOCAL]).moves_packet(),
    row(H::CSUM_UPDATE, (4, 9), &[Ctx, Anything]).only(TC_XMIT),
    row(H::SET_HASH_INVALID, (4, 9), &[Ctx]).only(TC_XMIT),
    row(H::SKB_CHANGE_HEAD, (4, 10), &[Ctx, Anything, Anything]).only(TC_XMIT_SK).moves_packet(),
    row(H::GET_SOCKET_UID, (4, 12), &[Ctx]).only(&[P::SOCKET_FILTER, P::SCHED_CLS, P::SCHED_ACT, P::CGROUP_SKB, P::SK_SKB]),
    row(H::SET_HASH, (4, 13), &[Ctx, Anything]).only(TC),
    row(H::SKB_ADJUST_ROOM, (4, 13), &[Ctx, Anything, Anything, Anything]).only(&[P::SCHED_CLS, P::SCHED_ACT, P::SK_SKB]).moves_packet(),
    row(H::SKB_GET_XFRM_STATE, (4, 18), &[Ctx, Anything, MemWrite, Size, Anything]).only(TC),
    row(H::SKB_LOAD_BYTES_RELATIVE, (4, 18), &[Ctx, Anything, MemWrite, Size, Anything]).only(&[P::SOCKET_FILTER, P::SCHED_CLS, P::SCHED_ACT, P::CGROUP_SKB, P::SK_REUSEPORT]),
    row(H::LWT_PUSH_ENCAP, (4, 18), &[Ctx, Anything, MemRead, Size]).only(&[P::LWT_IN, P::LWT_XMIT]).moves_packet(),
    row(H::LWT_SEG6_STORE_BYTES, (4, 18), &[Ctx, Anything, MemRead, Size]).only(SEG6).moves_packet(),
    row(H::LWT_SEG6_ADJUST_SRH, (4, 18), &[Ctx, Anything, Anything]).only(SEG6).moves_packet(),
    row(H::LWT_SEG6_ACTION, (4, 18), &[Ctx, Anything, MemRead, Size]).only(SEG6).moves_packet(),
    row(H::SKB_CGROUP_ID, (4, 18), &[Ctx]).only(TC_CGROUP),
    row(H::SKB_ANCESTOR_CGROUP_ID, (4, 19), &[Ctx, Anything]).only(TC_CGROUP),
    row(H::SKB_ECN_SET_CE, (5, 1), &[Ctx]).only(TC_CGROUP),
    row(H::CSUM_LEVEL, (5, 8), &[Ctx, Anything]).only(TC_XMIT),
    row(H::SKB_CGROUP_CLASSID, (5, 10), &[Ctx]).only(TC),
    row(H::REDIRECT_NEIGH, (5, 10), &[Anything, MemReadOrNull, SizeOrZero, Anything]).only(TC),
    row(H::REDIRECT_PEER, (5, 10), &[Anything, Anything]).only(TC),
    row(H::CHECK_MTU, (5, 12), &[Ctx, Anything, FixedWrite(4), Anything, Anything]).only(TC_XDP).gpl(),
    row(H::SKB_SET_TSTAMP, (5, 18), &[Ctx, Anything, Anything]).only(TC),
];
