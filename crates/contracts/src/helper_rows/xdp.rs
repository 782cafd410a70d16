//! Packets before they are socket buffers, and lookups in routing and syncookies that they share with tc.

use super::{SYSCALL, TC, TC_XDP, XDP, row};
use crate::helper::ArgKind::{
    Anything, Btf, Ctx, FixedRead, Map, MemRead, MemWrite, Size, SizeOrZero,
};
use crate::helper::HelperProto;
use skep_uapi::HelperId as H;

#[rustfmt::skip]
pub(super) static ROWS: &[HelperProto] = &[
    row(H::XDP_ADJUST_HEAD, (4, 10), &[Ctx, Anything]).only(XDP).moves_packet(),
    row(H::REDIRECT_MAP, (4, 14), &[Map, Anything, Anything]).only(XDP),
    row(H::XDP_ADJUST_META, (4, 15), &[Ctx, Anything]).only(XDP).moves_packet(),
    row(H::XDP_ADJUST_TAIL, (4, 18), &[Ctx, Anything]).only(XDP).moves_packet(),
    row(H::FIB_LOOKUP, (4, 18), &[Ctx, MemRead, Size, Anything]).only(XDP).gpl().packet_args(),
    row(H::FIB_LOOKUP, (4, 18), &[Ctx, MemRead, Size, Anything]).only(TC).gpl(),
    row(H::XDP_GET_BUFF_LEN, (5, 18), &[Ctx]).only(XDP),
    row(H::XDP_GET_BUFF_LEN, (6, 18), &[Btf]).only(SYSCALL),
    row(H::XDP_LOAD_BYTES, (5, 18), &[Ctx, Anything, MemWrite, Size]).only(XDP),
    row(H::XDP_STORE_BYTES, (5, 18), &[Ctx, Anything, MemRead, Size]).only(XDP),
    row(H::TCP_RAW_GEN_SYNCOOKIE_IPV4, (6, 0), &[FixedRead(20), MemRead, SizeOrZero]).only(TC_XDP).gpl().packet_args(),
    row(H::TCP_RAW_GEN_SYNCOOKIE_IPV6, (6, 0), &[FixedRead(40), MemRead, SizeOrZero]).only(TC_XDP).gpl().packet_args(),
    row(H::TCP_RAW_CHECK_SYNCOOKIE_IPV4, (6, 0), &[FixedRead(20), FixedRead(20)]).only(TC_XDP).gpl().packet_args(),
    row(H::TCP_RAW_CHECK_SYNCOOKIE_IPV6, (6, 0), &[FixedRead(40), FixedRead(20)]).only(TC_XDP).gpl().packet_args(),
];
