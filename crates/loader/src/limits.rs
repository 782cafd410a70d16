//! Every bound of this crate, with its reason.

/// Instruction slots of one program with its subprograms: the kernel refuses more (`BPF_COMPLEXITY_LIMIT_INSNS`, E2BIG),
/// and overlapping functions of a hostile object could otherwise be appended without end.
pub(crate) const INSNS_MAX: usize = 1_000_000;

/// Bytes of a page, which sizes of ring buffers are multiples of.
pub(crate) const PAGE_BYTES: u32 = 4096;

/// Bytes of a kernel's configuration, which is compressed: the largest are below 400 KiB.
pub(crate) const CONFIG_BYTES_MAX: u64 = 16 << 20;
