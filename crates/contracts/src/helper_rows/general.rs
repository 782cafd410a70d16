//! What all program types may call: clocks, random numbers, strings, locks, timers, dynamic pointers.

use super::{TC_LWT, row};
use crate::helper::ArgKind::{
    Anything, Btf, ConstSize, ConstStr, Ctx, Dynptr, DynptrUninit, FixedWrite, Func, Kptr, Map,
    MemRead, MemReadOrNull, MemWrite, MemWriteOrNull, Size, SizeOrZero, SpinLock, StackOrNull,
    Timer,
};
use crate::helper::{HelperProto, RetKind};
use skep_uapi::{HelperId as H, ProgType as P};

#[rustfmt::skip]
pub(super) static ROWS: &[HelperProto] = &[
    row(H::KTIME_GET_NS, (4, 1), &[]),
    row(H::TRACE_PRINTK, (4, 1), &[MemRead, Size]).gpl(),
    row(H::GET_PRANDOM_U32, (4, 1), &[]),
    row(H::GET_SMP_PROCESSOR_ID, (4, 1), &[]),
    row(H::GET_CURRENT_PID_TGID, (4, 2), &[]),
    row(H::GET_CURRENT_UID_GID, (4, 2), &[]),
    row(H::GET_CURRENT_COMM, (4, 2), &[MemWrite, Size]),
    row(H::GET_CGROUP_CLASSID, (4, 3), &[Ctx]).only(TC_LWT),
    row(H::GET_CGROUP_CLASSID, (4, 3), &[]).but(TC_LWT),
    row(H::GET_CURRENT_TASK, (4, 8), &[]).gpl(),
    row(H::GET_NUMA_NODE_ID, (4, 10), &[]),
    row(H::GET_CURRENT_CGROUP_ID, (4, 18), &[]),
    row(H::SPIN_LOCK, (5, 1), &[SpinLock]).returns(RetKind::Void),
    row(H::SPIN_UNLOCK, (5, 1), &[SpinLock]).returns(RetKind::Void),
    row(H::STRTOL, (5, 2), &[MemRead, Size, Anything, FixedWrite(8)]),
    row(H::STRTOUL, (5, 2), &[MemRead, Size, Anything, FixedWrite(8)]),
    row(H::JIFFIES64, (5, 5), &[]),
    row(H::GET_NS_CURRENT_PID_TGID, (5, 7), &[Anything, Anything, MemWrite, Size]),
    row(H::GET_CURRENT_ANCESTOR_CGROUP_ID, (5, 7), &[Anything]),
    row(H::KTIME_GET_BOOT_NS, (5, 8), &[]),
    row(H::KTIME_GET_COARSE_NS, (5, 11), &[]).but(&[P::KPROBE, P::TRACEPOINT, P::PERF_EVENT, P::CGROUP_DEVICE, P::RAW_TRACEPOINT, P::RAW_TRACEPOINT_WRITABLE, P::CGROUP_SOCKOPT, P::SYSCALL, P::NETFILTER]),
    row(H::SNPRINTF, (5, 13), &[MemWriteOrNull, SizeOrZero, ConstStr, MemReadOrNull, SizeOrZero]).gpl(),
    row(H::TIMER_INIT, (5, 15), &[Timer, Map, Anything]).gpl(),
    row(H::TIMER_SET_CALLBACK, (5, 15), &[Timer, Func]).gpl(),
    row(H::TIMER_START, (5, 15), &[Timer, Anything, Anything]).gpl(),
    row(H::TIMER_CANCEL, (5, 15), &[Timer]).gpl(),
    row(H::TRACE_VPRINTK, (5, 16), &[MemRead, Size, MemReadOrNull, SizeOrZero]).gpl(),
    row(H::LOOP, (5, 17), &[Anything, Func, StackOrNull, Anything]),
    row(H::STRNCMP, (5, 17), &[MemRead, Size, ConstStr]),
    row(H::KPTR_XCHG, (5, 19), &[Kptr, Btf]).returns(RetKind::Unsupported),
    row(H::DYNPTR_FROM_MEM, (5, 19), &[MemRead, SizeOrZero, Anything, DynptrUninit]),
    row(H::DYNPTR_READ, (5, 19), &[MemWrite, SizeOrZero, Dynptr, Anything, Anything]),
    row(H::DYNPTR_WRITE, (5, 19), &[Dynptr, Anything, MemRead, SizeOrZero, Anything]),
    row(H::DYNPTR_DATA, (5, 19), &[Dynptr, Anything, ConstSize]).returns(RetKind::Unsupported),
    row(H::KTIME_GET_TAI_NS, (6, 1), &[]),
];
