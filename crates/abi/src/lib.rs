//! The run-time ABI: what compiled code, the interpreter, helpers and maps agree on, as `repr(C)` data and constants.
//!
//! There is no code here. ARCHITECTURE.md ("Run-time ABI") is the text that goes with these layouts: registers, frames,
//! tail calls and callbacks. Offsets that generated code uses are `offset_of!` of these structures, never numbers.
//! Addresses are `u64`, because this crate does not dereference anything.
#![no_std]
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, AtomicU64};

/// Bytes of stack that one BPF function may use (kernel `MAX_BPF_STACK`).
pub const STACK_BYTES_MAX: u32 = 512;
/// Nested BPF functions (kernel `MAX_CALL_FRAMES`).
pub const CALL_FRAMES_MAX: usize = 8;
/// Tail calls in one run (kernel `MAX_TAIL_CALL_CNT`).
pub const TAIL_CALLS_MAX: u32 = 33;
/// Bytes in front of a packet that `xdp_adjust_head` may take (kernel `XDP_PACKET_HEADROOM`).
pub const XDP_HEADROOM: u32 = 256;

/// Per-run state. Its address is pinned in a register of compiled code and is the sixth argument of helpers that ask
/// for it. One run owns it; other threads touch only `stop`.
#[repr(C)]
#[derive(Debug, Default)]
pub struct RunCtx {
    /// Not zero: end the run at the next poll (back-edges in helpers and callbacks).
    pub stop: AtomicU32,
    /// Tail calls that this run may still make; counts down from [`TAIL_CALLS_MAX`]. Compiled code changes it.
    pub tail_calls_left: AtomicU32,
    /// CPU slot leased by the run: `bpf_get_smp_processor_id` and the index into per-CPU values.
    pub cpu: u32,
    /// NUMA node of that slot.
    pub numa_node: u32,
    /// Address of the engine's own environment (`exec`), which helper shims recover from it. Opaque to everybody else.
    pub env: u64,
    /// Budget of `may_goto` iterations left. Compiled code changes it.
    pub may_goto_left: AtomicU64,
}

/// A helper as compiled code calls it: r1 to r5, then the run context.
pub type HelperFn = extern "C" fn(u64, u64, u64, u64, u64, &RunCtx) -> u64;

/// A compiled program's entry: context address and run context; returns r0.
pub type EntryFn = extern "C" fn(u64, &RunCtx) -> u64;

/// The machine's packet context of an XDP program; begins with the fields of the kernel's `struct xdp_buff` in its order,
/// so that dumps read the same.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct PacketCtx {
    /// First byte of the packet.
    pub data: u64,
    /// One past the last byte.
    pub data_end: u64,
    /// First byte of the metadata in front of the packet; equal to `data` when there is none.
    pub data_meta: u64,
    /// First byte of the headroom.
    pub data_hard_start: u64,
    /// Address of the [`RxQueue`].
    pub rxq: u64,
    /// Address of the [`TxQueue`], or 0 outside devmap programs.
    pub txq: u64,
    /// Bytes of the whole buffer from `data_hard_start`.
    pub frame_bytes: u32,
    /// `XDP_FLAGS_*` of the buffer.
    pub flags: u32,
    /// Address of the bytes behind the linear part, or 0 (kernel: fragments).
    pub frags: u64,
    /// Bytes behind the linear part.
    pub frags_bytes: u64,
}

/// Receive queue, as `xdp_md.ingress_ifindex` and `rx_queue_index` see it (kernel `struct xdp_rxq_info`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct RxQueue {
    /// Address of the [`NetDevice`].
    pub device: u64,
    /// Index of the queue.
    pub queue_index: u32,
    /// Keeps the size a multiple of eight.
    pub reserved: u32,
}

/// Transmit queue, as `xdp_md.egress_ifindex` sees it (kernel `struct xdp_txq_info`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct TxQueue {
    /// Address of the [`NetDevice`].
    pub device: u64,
}

/// Network device.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct NetDevice {
    /// Interface index.
    pub ifindex: u32,
    /// Keeps the size a multiple of eight.
    pub reserved: u32,
}

/// What compiled code may read of a map: the program's pointer to a map is the address of this header.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct MapHeader {
    /// `enum bpf_map_type`.
    pub map_type: u32,
    /// Bytes of a key.
    pub key_bytes: u32,
    /// Bytes of a value.
    pub value_bytes: u32,
    /// Largest number of entries.
    pub max_entries: u32,
    /// Arrays: bytes from one value to the next (value size rounded up to 8).
    pub stride_bytes: u32,
    /// Id of the map.
    pub id: u32,
    /// Arrays: address of the first value (of CPU 0 for per-CPU arrays); else 0.
    pub values: u64,
    /// Per-CPU arrays: bytes from one CPU's values to the next CPU's; else 0.
    pub cpu_stride_bytes: u64,
}

/// A program as tail calls see it. Written by `exec`, read by compiled code.
#[repr(C)]
#[derive(Debug, Default)]
pub struct ProgEntry {
    /// Address behind the prologue of the compiled main function; 0 when the program is only interpreted.
    pub tail_entry: AtomicU64,
    /// Address of the image for the interpreter; opaque to compiled code.
    pub image: AtomicU64,
}
