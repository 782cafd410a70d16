//! Tracing: reading memory, stacks, tasks and counters.

use super::{PERF, SYSCALL, TRACING, TRACING_BUT_PERF, row};
use crate::helper::ArgKind::{
    Anything, Btf, Ctx, FixedWrite, Func, Map, MemRead, MemReadOrNull, MemWrite, MemWriteOrNull,
    PerCpuBtf, Size, SizeOrZero, StackOrNull,
};
use crate::helper::{Gate, HelperProto, RetKind};
use skep_uapi::{AttachType as A, HelperId as H, ProgType as P};

#[rustfmt::skip]
pub(super) static ROWS: &[HelperProto] = &[
    row(H::PROBE_READ, (4, 1), &[MemWrite, SizeOrZero, Anything]).only(TRACING).gpl(),
    row(H::GET_STACKID, (4, 6), &[Ctx, Map, Anything]).only(TRACING_BUT_PERF).gpl(),
    row(H::GET_STACKID, (4, 9), &[Ctx, Map, Anything]).only(PERF),
    row(H::PROBE_WRITE_USER, (4, 8), &[Anything, MemRead, Size]).nowhere().gpl(),
    row(H::PROBE_READ_STR, (4, 11), &[MemWrite, SizeOrZero, Anything]).only(TRACING).gpl(),
    row(H::PERF_PROG_READ_VALUE, (4, 15), &[Ctx, MemWrite, Size]).only(PERF).gpl(),
    row(H::OVERRIDE_RETURN, (4, 16), &[Ctx, Anything]).nowhere().gpl(),
    row(H::GET_STACK, (4, 18), &[Ctx, MemWrite, SizeOrZero, Anything]).only(TRACING).gpl(),
    row(H::SEND_SIGNAL, (5, 3), &[Anything]),
    row(H::SKB_OUTPUT, (5, 5), &[Btf, Map, Anything, MemRead, SizeOrZero]).only(SYSCALL).gpl(),
    row(H::PROBE_READ_USER, (5, 5), &[MemWrite, SizeOrZero, Anything]).gpl(),
    row(H::PROBE_READ_KERNEL, (5, 5), &[MemWrite, SizeOrZero, Anything]).gpl(),
    row(H::PROBE_READ_USER_STR, (5, 5), &[MemWrite, SizeOrZero, Anything]).gpl(),
    row(H::PROBE_READ_KERNEL_STR, (5, 5), &[MemWrite, SizeOrZero, Anything]).gpl(),
    row(H::SEND_SIGNAL_THREAD, (5, 5), &[Anything]),
    row(H::READ_BRANCH_RECORDS, (5, 6), &[Ctx, MemWriteOrNull, SizeOrZero, Anything]).only(PERF).gpl(),
    row(H::XDP_OUTPUT, (5, 6), &[Btf, Map, Anything, MemRead, SizeOrZero]).only(SYSCALL).gpl(),
    row(H::SEQ_PRINTF, (5, 7), &[Btf, MemRead, Size, MemReadOrNull, SizeOrZero]).nowhere(),
    row(H::SEQ_WRITE, (5, 7), &[Btf, MemRead, SizeOrZero]).nowhere(),
    row(H::GET_TASK_STACK, (5, 9), &[Btf, MemWrite, SizeOrZero, Anything]),
    row(H::D_PATH, (5, 10), &[Btf, MemWrite, SizeOrZero]).only(SYSCALL).gate(Gate::Probe),
    row(H::COPY_FROM_USER, (5, 10), &[MemWrite, SizeOrZero, Anything]).gate(Gate::Sleeps),
    row(H::SNPRINTF_BTF, (5, 10), &[MemWrite, Size, MemRead, Size, Anything]),
    row(H::SEQ_PRINTF_BTF, (5, 10), &[Btf, MemRead, Size, Anything]).nowhere(),
    row(H::PER_CPU_PTR, (5, 10), &[PerCpuBtf, Anything]).returns(RetKind::Unsupported),
    row(H::THIS_CPU_PTR, (5, 10), &[PerCpuBtf]).returns(RetKind::Unsupported),
    row(H::GET_CURRENT_TASK_BTF, (5, 11), &[]).returns(RetKind::Unsupported).gpl(),
    row(H::GET_FUNC_IP, (5, 15), &[Ctx]).only(&[P::KPROBE]).attach(&[A(0)]).gpl(),
    row(H::GET_FUNC_IP, (5, 15), &[Ctx]).only(&[P::KPROBE]),
    row(H::GET_FUNC_IP, (5, 15), &[Ctx]).only(&[P::TRACEPOINT, P::PERF_EVENT, P::RAW_TRACEPOINT, P::RAW_TRACEPOINT_WRITABLE, P::SYSCALL]).gate(Gate::FuncIp).gpl(),
    row(H::GET_ATTACH_COOKIE, (5, 15), &[Ctx]).only(&[P::KPROBE, P::TRACEPOINT, P::PERF_EVENT, P::RAW_TRACEPOINT, P::RAW_TRACEPOINT_WRITABLE]),
    row(H::TASK_PT_REGS, (5, 15), &[Btf]).gpl(),
    row(H::GET_BRANCH_SNAPSHOT, (5, 16), &[MemWrite, SizeOrZero]).gpl(),
    row(H::FIND_VMA, (5, 17), &[Btf, Anything, Func, StackOrNull, Anything]),
    row(H::GET_FUNC_ARG, (5, 17), &[Ctx, Anything, FixedWrite(8)]).nowhere(),
    row(H::GET_FUNC_RET, (5, 17), &[Ctx, FixedWrite(8)]).nowhere(),
    row(H::GET_FUNC_ARG_CNT, (5, 17), &[Ctx]).nowhere(),
    row(H::COPY_FROM_USER_TASK, (5, 18), &[MemWrite, SizeOrZero, Anything, Btf, Anything]).gate(Gate::Sleeps).gpl(),
];
