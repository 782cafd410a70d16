//! Context layouts: the structure that a program's r1 points to, field by field, and how an access becomes loads from
//! the machine's own context (`abi`). Structures behind pointers that contexts hold (sockets) are layouts too.
//!
//! A field row says which sizes may be read and written. Where attach types differ, a field has several rows. Structures
//! and names are the uapi headers'; which access is allowed was asked of Linux 6.18, for each offset and size.

mod net;
mod skb;
mod sock;
mod trace;
mod xdp;

pub(crate) use net::{
    CGROUP_DEVICE, CGROUP_SYSCTL, NETFILTER, SK_LOOKUP, SK_MSG, SK_REUSEPORT, SOCK_OPS,
};
pub(crate) use skb::{CGROUP_SKB, FLOW_DISSECTOR, LWT, SK_SKB, SOCKET_FILTER, TC};
pub use sock::{BPF_SOCK, BPF_SOCK_COMMON, BPF_TCP_SOCK, BPF_XDP_SOCK};
pub(crate) use sock::{CGROUP_SOCK, CGROUP_SOCKOPT, SOCK_ADDR};
pub(crate) use trace::{
    KPROBE, PERF_EVENT, RAW_TRACEPOINT, RAW_TRACEPOINT_WRITABLE, SYSCALL, TRACEPOINT,
};
pub(crate) use xdp::XDP_MD;

use skep_uapi::AttachType;

/// A pointer that a context holds, other than into the packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Held {
    /// A socket.
    Sock,
    /// A socket, or null.
    SockOrNull,
    /// What all kinds of sockets have in common, or null.
    SockCommonOrNull,
    /// `struct bpf_flow_keys`.
    FlowKeys,
    /// The buffer of a writable tracepoint.
    TracepointBuffer,
    /// The kernel's own packet structure.
    SkBuff,
    /// The netfilter hook.
    NfHookState,
}

/// What loading a field gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldKind {
    /// A number.
    Scalar,
    /// Pointer to the first byte of the packet.
    PacketData,
    /// Pointer past the last byte of the packet.
    PacketEnd,
    /// Pointer to the metadata in front of the packet.
    PacketMeta,
    /// Another pointer, if the whole is loaded; parts of it, where they may be read, are numbers.
    Pointer(Held),
}

/// Sizes of allowed accesses to a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sizes {
    /// None.
    No,
    /// The whole field.
    Whole,
    /// Any part whose offset in the structure is a multiple of its size.
    Parts,
    /// As `Parts`, of 4 bytes at least.
    Words,
    /// 1, 2 or 4 bytes, at the field's start only.
    Start,
    /// These parts: offset in the field, bytes.
    These(&'static [(u32, u32)]),
}

impl Sizes {
    /// Whether `bytes` at `at`, of a field of `whole` bytes that lies at `offset`, is one of the sizes. The access lies
    /// within the field.
    fn allow(self, at: u32, bytes: u32, offset: u32, whole: u32) -> bool {
        match self {
            Self::No => false,
            Self::Whole => at == 0 && bytes == whole,
            Self::Parts => (offset + at).is_multiple_of(bytes),
            Self::Words => bytes >= 4 && (offset + at).is_multiple_of(bytes),
            Self::Start => at == 0,
            Self::These(parts) => parts.contains(&(at, bytes)),
        }
    }
}

/// One load of a rewritten access: `dst = *(bytes *)(dst_or_ctx + offset)`. The first load of a chain starts at the context
/// pointer, each further one at the result of the previous.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CtxLoad {
    /// Byte offset within the structure that the pointer names.
    pub offset: i16,
    /// Bytes loaded: 1, 2, 4 or 8.
    pub bytes: u8,
}

/// A field of a context as programs see it, or an array of equal ones.
#[derive(Clone, Copy, Debug)]
pub struct CtxField {
    /// Name in `include/uapi/linux/bpf.h`.
    pub name: &'static str,
    /// Byte offset in the uapi structure.
    pub offset: u32,
    /// Bytes in the uapi structure, of one element.
    pub bytes: u32,
    /// Elements; an access never spans two.
    pub count: u32,
    /// What a load gives.
    pub kind: FieldKind,
    /// Sizes that may be read.
    pub reads: Sizes,
    /// Sizes that may be written.
    pub writes: Sizes,
    /// Attach types that see this row; empty: all.
    pub only_attach: &'static [AttachType],
    /// Loads that a read becomes; empty where the machine has no such context yet.
    pub loads: &'static [CtxLoad],
}

impl CtxField {
    /// A number of which aligned parts may be read.
    pub(crate) const fn number(name: &'static str, offset: u32, bytes: u32) -> Self {
        Self {
            name,
            offset,
            bytes,
            count: 1,
            kind: FieldKind::Scalar,
            reads: Sizes::Parts,
            writes: Sizes::No,
            only_attach: &[],
            loads: &[],
        }
    }

    /// A number that is only read as a whole.
    pub(crate) const fn whole(name: &'static str, offset: u32, bytes: u32) -> Self {
        Self::number(name, offset, bytes).reads(Sizes::Whole)
    }

    /// A pointer.
    pub(crate) const fn pointer(
        name: &'static str,
        offset: u32,
        bytes: u32,
        kind: FieldKind,
    ) -> Self {
        Self {
            kind,
            ..Self::whole(name, offset, bytes)
        }
    }

    /// An array of such fields.
    pub(crate) const fn times(self, count: u32) -> Self {
        Self { count, ..self }
    }

    /// With these sizes for reading.
    pub(crate) const fn reads(self, reads: Sizes) -> Self {
        Self { reads, ..self }
    }

    /// With these sizes for writing.
    pub(crate) const fn writes(self, writes: Sizes) -> Self {
        Self { writes, ..self }
    }

    /// Only for these attach types.
    pub(crate) const fn only(self, only_attach: &'static [AttachType]) -> Self {
        Self {
            only_attach,
            ..self
        }
    }

    /// Read by these loads.
    pub(crate) const fn loads(self, loads: &'static [CtxLoad]) -> Self {
        Self { loads, ..self }
    }

    /// Bytes of all elements.
    const fn extent(&self) -> u32 {
        self.bytes * self.count
    }

    fn holds(&self, offset: u32) -> bool {
        (self.offset..self.offset + self.extent()).contains(&offset)
    }
}

/// A whole context.
#[derive(Clone, Copy, Debug)]
pub struct CtxLayout {
    /// Name of the uapi structure (`xdp_md`).
    pub name: &'static str,
    /// Bytes of the uapi structure.
    pub bytes: u32,
    /// Fields; an access is allowed if any row allows it.
    pub fields: &'static [CtxField],
}

/// An access to a structure, as programs make it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FieldAccess {
    /// Byte offset in the uapi structure.
    pub offset: u32,
    /// Bytes.
    pub bytes: u32,
    /// Attach type of the program.
    pub attach: AttachType,
}

impl CtxLayout {
    /// The field that contains byte `offset`.
    #[must_use]
    pub fn field_at(&self, offset: u32) -> Option<&'static CtxField> {
        self.fields.iter().find(|field| field.holds(offset))
    }

    /// The field that may be read so.
    #[must_use]
    pub fn readable(&self, access: FieldAccess) -> Option<&'static CtxField> {
        self.find(access, |field| field.reads)
    }

    /// The field that may be written so.
    #[must_use]
    pub fn writable(&self, access: FieldAccess) -> Option<&'static CtxField> {
        self.find(access, |field| field.writes)
    }

    fn find(
        &self,
        access: FieldAccess,
        sizes: impl Fn(&CtxField) -> Sizes,
    ) -> Option<&'static CtxField> {
        let FieldAccess {
            offset,
            bytes,
            attach,
        } = access;
        self.fields.iter().find(|field| {
            let seen = field.only_attach.is_empty() || field.only_attach.contains(&attach);
            if !seen || !field.holds(offset) {
                return false;
            }
            let at = (offset - field.offset) % field.bytes;
            let inside = at.checked_add(bytes).is_some_and(|end| end <= field.bytes);
            inside && sizes(field).allow(at, bytes, offset - at, field.bytes)
        })
    }
}
