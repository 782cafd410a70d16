//! Contexts of tracing types and of `syscall`: registers and records, mostly without a layout of their own.

use super::{CtxField, CtxLayout, FieldKind, Held, Sizes};

/// Registers of x86-64 (`struct pt_regs`); a probe of another architecture has as many as that one.
const REGS: CtxField = CtxField::number("regs", 0, 8).times(21);

/// `struct pt_regs` of a probe.
pub(crate) static KPROBE: CtxLayout = CtxLayout {
    name: "bpf_user_pt_regs_t",
    bytes: 168,
    fields: &[REGS],
};

/// `struct bpf_perf_event_data`.
pub(crate) static PERF_EVENT: CtxLayout = CtxLayout {
    name: "bpf_perf_event_data",
    bytes: 184,
    fields: &[
        REGS.reads(Sizes::Whole),
        CtxField::number("sample_period", 168, 8),
        CtxField::number("addr", 176, 8),
    ],
};

/// A tracepoint's record. Its first word is the kernel's; how long it is depends on the tracepoint, up to a page or two
/// (`PERF_MAX_TRACE_SIZE`).
pub(crate) static TRACEPOINT: CtxLayout = CtxLayout {
    name: "",
    bytes: 8192,
    fields: &[CtxField::number("record", 8, 8).times(1023)],
};

/// `struct bpf_raw_tracepoint_args`.
pub(crate) static RAW_TRACEPOINT: CtxLayout = CtxLayout {
    name: "bpf_raw_tracepoint_args",
    bytes: 96,
    fields: &[CtxField::number("args", 0, 8).times(12)],
};

/// The whole pointer, or parts behind its first byte.
const POINTER_OR_PARTS: Sizes = Sizes::These(&[
    (0, 8),
    (1, 1),
    (2, 1),
    (2, 2),
    (3, 1),
    (4, 1),
    (4, 2),
    (4, 4),
    (5, 1),
    (6, 1),
    (6, 2),
    (7, 1),
]);

/// As [`RAW_TRACEPOINT`], with a first argument that programs may write through.
pub(crate) static RAW_TRACEPOINT_WRITABLE: CtxLayout = CtxLayout {
    name: "bpf_raw_tracepoint_args",
    bytes: 96,
    fields: &[
        CtxField::pointer("args", 0, 8, FieldKind::Pointer(Held::TracepointBuffer))
            .reads(POINTER_OR_PARTS),
        CtxField::number("args", 8, 8).times(11),
    ],
};

/// What `BPF_PROG_TEST_RUN` hands to a `syscall` program: how much that is, is checked when it runs.
pub(crate) static SYSCALL: CtxLayout = CtxLayout {
    name: "",
    bytes: 65_535,
    fields: &[CtxField::number("ctx", 0, 8)
        .times(8191)
        .writes(Sizes::Parts)],
};
