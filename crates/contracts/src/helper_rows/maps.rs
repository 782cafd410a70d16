//! Maps and what lies in them: lookups, updates, event buffers, tail calls.

use super::row;
use crate::helper::ArgKind::{
    Anything, ConstSize, Ctx, Dynptr, DynptrUninit, Func, Map, MapKey, MapValue, MapValueWrite,
    MemRead, MemWrite, RingbufRecord, Size, SizeOrZero, StackOrNull,
};
use crate::helper::{HelperProto, RetKind};
use skep_uapi::{HelperId as H, ProgType as P};

#[rustfmt::skip]
pub(super) static ROWS: &[HelperProto] = &[
    row(H::MAP_LOOKUP_ELEM, (3, 18), &[Map, MapKey]).returns(RetKind::MapValueOrNull).packet_args(),
    row(H::MAP_UPDATE_ELEM, (3, 18), &[Map, MapKey, MapValue, Anything]).packet_args(),
    row(H::MAP_DELETE_ELEM, (3, 18), &[Map, MapKey]).packet_args(),
    row(H::TAIL_CALL, (4, 2), &[Ctx, Map, Anything]).returns(RetKind::Void),
    row(H::PERF_EVENT_READ, (4, 3), &[Map, Anything]).gpl(),
    row(H::PERF_EVENT_OUTPUT, (4, 4), &[Ctx, Map, Anything, MemRead, SizeOrZero]).but(&[P::SK_REUSEPORT, P::FLOW_DISSECTOR, P::NETFILTER]).gpl(),
    row(H::CURRENT_TASK_UNDER_CGROUP, (4, 9), &[Map, Anything]),
    row(H::PERF_EVENT_READ_VALUE, (4, 15), &[Map, Anything, MemWrite, Size]).gpl(),
    row(H::MAP_PUSH_ELEM, (4, 20), &[Map, MapValue, Anything]).packet_args(),
    row(H::MAP_POP_ELEM, (4, 20), &[Map, MapValueWrite]),
    row(H::MAP_PEEK_ELEM, (4, 20), &[Map, MapValueWrite]),
    row(H::RINGBUF_OUTPUT, (5, 8), &[Map, MemRead, SizeOrZero, Anything]),
    row(H::RINGBUF_RESERVE, (5, 8), &[Map, ConstSize, Anything]).returns(RetKind::RecordOrNull),
    row(H::RINGBUF_SUBMIT, (5, 8), &[RingbufRecord, Anything]).returns(RetKind::Void),
    row(H::RINGBUF_DISCARD, (5, 8), &[RingbufRecord, Anything]).returns(RetKind::Void),
    row(H::RINGBUF_QUERY, (5, 8), &[Map, Anything]),
    row(H::FOR_EACH_MAP_ELEM, (5, 13), &[Map, Func, StackOrNull, Anything]),
    row(H::MAP_LOOKUP_PERCPU_ELEM, (5, 19), &[Map, MapKey, Anything]).returns(RetKind::MapValueOrNull).packet_args(),
    row(H::RINGBUF_RESERVE_DYNPTR, (5, 19), &[Map, Anything, Anything, DynptrUninit]),
    row(H::RINGBUF_SUBMIT_DYNPTR, (5, 19), &[Dynptr, Anything]).returns(RetKind::Void),
    row(H::RINGBUF_DISCARD_DYNPTR, (5, 19), &[Dynptr, Anything]).returns(RetKind::Void),
    row(H::USER_RINGBUF_DRAIN, (6, 1), &[Map, Func, StackOrNull, Anything]),
];
