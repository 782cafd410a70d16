//! Every bound of the verifier, with its reason. Names in parentheses are the kernel's, whose values these are where one
//! is named; the others keep hostile programs from costing more than they may.

/// Slots of one program (`BPF_COMPLEXITY_LIMIT_INSNS` bounds the load itself, too).
pub(crate) const PROGRAM_INSNS_MAX: usize = 1_000_000;
/// Instructions processed over all paths (`BPF_COMPLEXITY_LIMIT_INSNS`).
pub(crate) const PROCESSED_INSNS_MAX: u32 = 1_000_000;
/// Paths waiting to be explored (`BPF_COMPLEXITY_LIMIT_JMP_SEQ`).
pub(crate) const PENDING_PATHS_MAX: usize = 8192;
/// Nested frames (`MAX_CALL_FRAMES`).
pub(crate) const FRAMES_MAX: usize = 8;
/// Bytes of stack of one frame, and of all frames of a call chain together (`MAX_BPF_STACK`).
pub(crate) const STACK_BYTES_MAX: u32 = 512;
/// Stack of the callers of a function that makes tail calls must stay below (as documented for `bpf_tail_call`).
pub(crate) const TAIL_CALL_STACK_MAX: u32 = 256;
/// Eight-byte slots of one frame.
pub(crate) const STACK_SLOTS_MAX: usize = 64;
/// Functions of one program (`BPF_MAX_SUBPROGS`).
pub(crate) const SUBPROGS_MAX: usize = 256;
/// Maps of one program (`MAX_USED_MAPS`).
pub(crate) const USED_MAPS_MAX: usize = 64;
/// Distance that a fixed or variable offset of a pointer may have (`BPF_MAX_VAR_OFF`).
pub(crate) const POINTER_OFFSET_MAX: i64 = 1 << 29;
/// Size of memory that a helper may be given (`BPF_MAX_VAR_SIZ`).
pub(crate) const ARG_SIZE_MAX: u64 = 1 << 29;
/// Largest offset into a packet that is tracked (`MAX_PACKET_OFF`).
pub(crate) const PACKET_OFFSET_MAX: i64 = 0xffff;
/// Jumps since the last checkpoint after which the next one is made in any case.
pub(crate) const JUMPS_WITHOUT_CHECKPOINT_MAX: u32 = 40;
/// Nodes of the precision graph; beyond, every scalar counts as precise, which is sound. 12 bytes each.
pub(crate) const PRECISION_NODES_MAX: usize = 24_000_000;
/// Registers and stack slots in stored states at one time, about 100 bytes each; beyond, no more states are stored, which
/// is sound and merely prunes less. The kernel's own memory is bounded by the control group of the caller.
pub(crate) const STORED_REGS_MAX: usize = 8_000_000;
/// Bytes of the log that are kept at least; of a longer one the end counts. As much as libbpf gives the kernel at most.
pub(crate) const LOG_BYTES_MAX: usize = 16 << 20;
/// Arguments of a format string (`MAX_BPRINTF_VARARGS`).
pub(crate) const FORMAT_ARGS_MAX: u64 = 12;
