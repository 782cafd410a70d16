//! The helpers that programs may call, one row each, in order of id. Prototypes are those that the `bpf-helpers(7)` page
//! and the uapi header describe; which argument may be zero or uninitialised was asked of Linux 6.18.

use crate::Version;
use crate::helper::ArgKind::{
    Anything, ConstStr, Ctx, FixedRead, FixedWrite, Map, MapKey, MapValue, MapValueWrite, MemRead,
    MemReadOrNull, MemWrite, MemWriteOrNull, None as No, Size, SizeOrZero,
};
use crate::helper::{ArgKind, HelperProto, PacketArgs, PacketEffect, RetKind};
use skep_uapi::{HelperId as H, ProgType};

/// Everything that a row does not say: any licence, packet pointers survive but may not be arguments, all program types,
/// the body needs the run context.
const BASE: HelperProto = HelperProto {
    id: H(0),
    args: [No; 5],
    ret: RetKind::Integer,
    gpl_only: false,
    packet: PacketEffect::Keeps,
    packet_args: PacketArgs::Refused,
    needs_run_ctx: true,
    prog_types: &[],
    since: Version::new(4, 1),
};

const fn row(id: H, since: (u8, u8), args: [ArgKind; 5]) -> HelperProto {
    HelperProto {
        id,
        args,
        since: Version::new(since.0, since.1),
        ..BASE
    }
}

const fn gpl(row: HelperProto) -> HelperProto {
    HelperProto {
        gpl_only: true,
        ..row
    }
}

const fn packet_args(row: HelperProto) -> HelperProto {
    HelperProto {
        packet_args: PacketArgs::Allowed,
        ..row
    }
}

const fn returns(ret: RetKind, row: HelperProto) -> HelperProto {
    HelperProto { ret, ..row }
}

/// Only XDP programs, so far as skep runs program types.
const fn xdp(row: HelperProto) -> HelperProto {
    HelperProto {
        prog_types: &[ProgType::XDP],
        ..row
    }
}

const fn moves_packet(row: HelperProto) -> HelperProto {
    HelperProto {
        packet: PacketEffect::Invalidates,
        ..row
    }
}

#[rustfmt::skip]
pub(crate) static HELPERS: &[HelperProto] = &[
    packet_args(returns(RetKind::MapValueOrNull, row(H::MAP_LOOKUP_ELEM, (3, 18), [Map, MapKey, No, No, No]))),
    packet_args(row(H::MAP_UPDATE_ELEM, (3, 18), [Map, MapKey, MapValue, Anything, No])),
    packet_args(row(H::MAP_DELETE_ELEM, (3, 18), [Map, MapKey, No, No, No])),
    row(H::KTIME_GET_NS, (4, 1), [No; 5]),
    gpl(row(H::TRACE_PRINTK, (4, 1), [MemRead, Size, No, No, No])),
    row(H::GET_PRANDOM_U32, (4, 1), [No; 5]),
    row(H::GET_SMP_PROCESSOR_ID, (4, 1), [No; 5]),
    returns(RetKind::Void, row(H::TAIL_CALL, (4, 2), [Ctx, Map, Anything, No, No])),
    row(H::GET_CURRENT_PID_TGID, (6, 10), [No; 5]),
    row(H::GET_CURRENT_UID_GID, (6, 18), [No; 5]),
    row(H::GET_CURRENT_COMM, (6, 18), [MemWrite, Size, No, No, No]),
    row(H::GET_CGROUP_CLASSID, (6, 18), [No; 5]),
    xdp(row(H::REDIRECT, (4, 8), [Anything, Anything, No, No, No])),
    xdp(gpl(row(H::PERF_EVENT_OUTPUT, (4, 8), [Ctx, Map, Anything, MemRead, SizeOrZero]))),
    packet_args(xdp(row(H::CSUM_DIFF, (4, 6), [MemReadOrNull, SizeOrZero, MemReadOrNull, SizeOrZero, Anything]))),
    gpl(row(H::GET_CURRENT_TASK, (4, 8), [No; 5])),
    row(H::GET_NUMA_NODE_ID, (4, 10), [No; 5]),
    moves_packet(xdp(row(H::XDP_ADJUST_HEAD, (4, 10), [Ctx, Anything, No, No, No]))),
    xdp(row(H::REDIRECT_MAP, (4, 14), [Map, Anything, Anything, No, No])),
    moves_packet(xdp(row(H::XDP_ADJUST_META, (4, 15), [Ctx, Anything, No, No, No]))),
    moves_packet(xdp(row(H::XDP_ADJUST_TAIL, (4, 18), [Ctx, Anything, No, No, No]))),
    packet_args(xdp(gpl(row(H::FIB_LOOKUP, (4, 18), [Ctx, MemRead, Size, Anything, No])))),
    row(H::GET_CURRENT_CGROUP_ID, (4, 18), [No; 5]),
    packet_args(row(H::MAP_PUSH_ELEM, (4, 20), [Map, MapValue, Anything, No, No])),
    row(H::MAP_POP_ELEM, (4, 20), [Map, MapValueWrite, No, No, No]),
    row(H::MAP_PEEK_ELEM, (4, 20), [Map, MapValueWrite, No, No, No]),
    row(H::STRTOL, (5, 2), [MemRead, Size, Anything, FixedWrite(8), No]),
    row(H::STRTOUL, (5, 2), [MemRead, Size, Anything, FixedWrite(8), No]),
    gpl(row(H::PROBE_READ_USER, (5, 5), [MemWrite, SizeOrZero, Anything, No, No])),
    gpl(row(H::PROBE_READ_KERNEL, (5, 5), [MemWrite, SizeOrZero, Anything, No, No])),
    gpl(row(H::PROBE_READ_USER_STR, (5, 5), [MemWrite, SizeOrZero, Anything, No, No])),
    gpl(row(H::PROBE_READ_KERNEL_STR, (5, 5), [MemWrite, SizeOrZero, Anything, No, No])),
    row(H::JIFFIES64, (5, 5), [No; 5]),
    row(H::GET_NS_CURRENT_PID_TGID, (5, 7), [Anything, Anything, MemWrite, Size, No]),
    row(H::GET_CURRENT_ANCESTOR_CGROUP_ID, (6, 18), [Anything, No, No, No, No]),
    row(H::KTIME_GET_BOOT_NS, (5, 8), [No; 5]),
    row(H::RINGBUF_OUTPUT, (5, 8), [Map, MemRead, SizeOrZero, Anything, No]),
    row(H::RINGBUF_QUERY, (5, 8), [Map, Anything, No, No, No]),
    row(H::KTIME_GET_COARSE_NS, (5, 11), [No; 5]),
    xdp(gpl(row(H::CHECK_MTU, (5, 12), [Ctx, Anything, FixedWrite(4), Anything, Anything]))),
    gpl(row(H::SNPRINTF, (5, 13), [MemWriteOrNull, SizeOrZero, ConstStr, MemReadOrNull, SizeOrZero])),
    gpl(row(H::TRACE_VPRINTK, (5, 16), [MemRead, Size, MemReadOrNull, SizeOrZero, No])),
    row(H::STRNCMP, (5, 17), [MemRead, Size, ConstStr, No, No]),
    xdp(row(H::XDP_GET_BUFF_LEN, (5, 18), [Ctx, No, No, No, No])),
    xdp(row(H::XDP_LOAD_BYTES, (5, 18), [Ctx, Anything, MemWrite, Size, No])),
    xdp(row(H::XDP_STORE_BYTES, (5, 18), [Ctx, Anything, MemRead, Size, No])),
    packet_args(returns(RetKind::MapValueOrNull, row(H::MAP_LOOKUP_PERCPU_ELEM, (5, 19), [Map, MapKey, Anything, No, No]))),
    packet_args(xdp(gpl(row(H::TCP_RAW_GEN_SYNCOOKIE_IPV4, (6, 0), [FixedRead(20), MemRead, Size, No, No])))),
    packet_args(xdp(gpl(row(H::TCP_RAW_GEN_SYNCOOKIE_IPV6, (6, 0), [FixedRead(40), MemRead, Size, No, No])))),
    packet_args(xdp(gpl(row(H::TCP_RAW_CHECK_SYNCOOKIE_IPV4, (6, 0), [FixedRead(20), FixedRead(20), No, No, No])))),
    packet_args(xdp(gpl(row(H::TCP_RAW_CHECK_SYNCOOKIE_IPV6, (6, 0), [FixedRead(40), FixedRead(20), No, No, No])))),
    row(H::KTIME_GET_TAI_NS, (6, 1), [No; 5]),
];

/// Helpers that Linux 6.18 lets XDP programs call and that need rules skep does not have yet.
pub(crate) static NOT_YET: &[H] = &[
    H::PERF_EVENT_READ,
    H::CURRENT_TASK_UNDER_CGROUP,
    H::PERF_EVENT_READ_VALUE,
    H::SK_LOOKUP_TCP,
    H::SK_LOOKUP_UDP,
    H::SK_RELEASE,
    H::SPIN_LOCK,
    H::SPIN_UNLOCK,
    H::SKC_LOOKUP_TCP,
    H::TCP_CHECK_SYNCOOKIE,
    H::SEND_SIGNAL,
    H::TCP_GEN_SYNCOOKIE,
    H::SEND_SIGNAL_THREAD,
    H::RINGBUF_RESERVE,
    H::RINGBUF_SUBMIT,
    H::RINGBUF_DISCARD,
    H::SKC_TO_TCP6_SOCK,
    H::SKC_TO_TCP_SOCK,
    H::SKC_TO_TCP_TIMEWAIT_SOCK,
    H::SKC_TO_TCP_REQUEST_SOCK,
    H::SKC_TO_UDP6_SOCK,
    H::GET_TASK_STACK,
    H::COPY_FROM_USER,
    H::SNPRINTF_BTF,
    H::PER_CPU_PTR,
    H::THIS_CPU_PTR,
    H::TASK_STORAGE_GET,
    H::TASK_STORAGE_DELETE,
    H::GET_CURRENT_TASK_BTF,
    H::FOR_EACH_MAP_ELEM,
    H::TIMER_INIT,
    H::TIMER_SET_CALLBACK,
    H::TIMER_START,
    H::TIMER_CANCEL,
    H::TASK_PT_REGS,
    H::GET_BRANCH_SNAPSHOT,
    H::SKC_TO_UNIX_SOCK,
    H::FIND_VMA,
    H::LOOP,
    H::COPY_FROM_USER_TASK,
    H::KPTR_XCHG,
    H::SKC_TO_MPTCP_SOCK,
    H::DYNPTR_FROM_MEM,
    H::RINGBUF_RESERVE_DYNPTR,
    H::RINGBUF_SUBMIT_DYNPTR,
    H::RINGBUF_DISCARD_DYNPTR,
    H::DYNPTR_READ,
    H::DYNPTR_WRITE,
    H::DYNPTR_DATA,
    H::USER_RINGBUF_DRAIN,
    H::CGRP_STORAGE_GET,
    H::CGRP_STORAGE_DELETE,
];
