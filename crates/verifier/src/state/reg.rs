//! What a register holds.

use super::precision::Node;
use crate::domain::Scalar;
use skep_isa::{AluOp, Width};

/// A map, as index into the program's used maps; or, with the upper bit, whatever map lies in that one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct MapIdx(pub(crate) u16);

impl MapIdx {
    const INNER: u16 = 1 << 15;

    /// The used map.
    pub(crate) fn index(self) -> usize {
        usize::from(self.0 & !Self::INNER)
    }

    /// Whatever map lies in this one.
    pub(crate) fn inner(self) -> Self {
        Self(self.0 | Self::INNER)
    }

    /// Whether it lies in the used map: it is known by its definition only.
    pub(crate) fn is_inner(self) -> bool {
        self.0 & Self::INNER != 0
    }
}

/// Structures of the kernel that programs reach through pointers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Object {
    /// A full socket.
    Sock,
    /// A socket that may be a request or time-wait one.
    SockCommon,
    /// A TCP socket.
    TcpSock,
    /// What a flow dissector fills in.
    FlowKeys,
    /// The buffer of a writable tracepoint.
    TracepointBuffer,
    /// A packet, as the kernel has it.
    SkBuff,
    /// A netfilter hook.
    NfHookState,
}

impl Object {
    /// Names in the log: of a pointer, and of one that may be null.
    fn names(self) -> [&'static str; 2] {
        match self {
            Self::Sock => ["sock", "sock_or_null"],
            Self::SockCommon => ["sock_common", "sock_common_or_null"],
            Self::TcpSock => ["tcp_sock", "tcp_sock_or_null"],
            Self::FlowKeys => ["flow_keys", "flow_keys_or_null"],
            Self::TracepointBuffer => ["tp_buffer", "tp_buffer_or_null"],
            Self::SkBuff => ["trusted_ptr_sk_buff", "trusted_ptr_or_null_sk_buff"],
            Self::NfHookState => [
                "trusted_ptr_nf_hook_state",
                "trusted_ptr_or_null_nf_hook_state",
            ],
        }
    }

    /// Whether it is one of the kernel's own structures.
    pub(crate) fn is_btf(self) -> bool {
        match self {
            Self::SkBuff | Self::NfHookState => true,
            Self::Sock
            | Self::SockCommon
            | Self::TcpSock
            | Self::FlowKeys
            | Self::TracepointBuffer => false,
        }
    }

    /// Whether it is a socket of any kind.
    pub(crate) fn is_socket(self) -> bool {
        match self {
            Self::Sock | Self::SockCommon | Self::TcpSock => true,
            Self::FlowKeys | Self::TracepointBuffer | Self::SkBuff | Self::NfHookState => false,
        }
    }
}

/// What memory without a structure is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum MemUse {
    /// Reading and writing.
    Write,
    /// Reading.
    Read,
    /// Reading and writing a ring buffer's record, which is given back.
    Record,
}

/// Memory of a known size.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Mem {
    pub(crate) bytes: u32,
    pub(crate) usage: MemUse,
    pub(crate) backing: Backing,
}

/// Where memory may lie, beside memory that lives as long as the reference or id of its pointer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Backing {
    /// Nowhere else.
    Own,
    /// The packet: it is gone when that moves.
    Packet,
    /// The stack of this frame.
    OwnOrStack(u8),
    /// The packet or the stack of this frame.
    PacketOrStack(u8),
}

/// Kinds of values.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Kind {
    /// Never written on this path, or unusable after a call.
    Uninit,
    /// A number.
    Scalar,
    /// The program's context.
    Ctx,
    /// Stack of the frame with this index, relative to its frame pointer.
    Stack(u8),
    /// A map itself.
    MapPtr(MapIdx),
    /// Inside a value of a map.
    MapValue(MapIdx),
    /// Inside a value of a map, or null.
    MapValueOrNull(MapIdx),
    /// A map that a lookup in this map of maps found, or null.
    MapOrNull(MapIdx),
    /// Packet, relative to its first byte.
    Packet,
    /// Packet, relative to its metadata.
    PacketMeta,
    /// One past the packet.
    PacketEnd,
    /// A structure of the kernel.
    Object(Object),
    /// A structure of the kernel, or null.
    ObjectOrNull(Object),
    /// Inside a key of a map, as functions that are called back have it.
    MapKey(MapIdx),
    /// Inside memory.
    Mem(Mem),
    /// Inside memory, or null.
    MemOrNull(Mem),
    /// A function of the program.
    Func(super::SubprogIdx),
    /// A dynamic pointer that a called back function was given, valid as long as this frame.
    DynptrPtr(u8),
}

impl Mem {
    /// Names in the log: of a pointer, and of one that may be null.
    fn names(self) -> [&'static str; 2] {
        match self.usage {
            MemUse::Write => ["mem", "mem_or_null"],
            MemUse::Read => ["rdonly_mem", "rdonly_mem_or_null"],
            MemUse::Record => ["ringbuf_mem", "ringbuf_mem_or_null"],
        }
    }
}

impl Kind {
    /// The name in the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Uninit => "?",
            Self::Scalar => "scalar",
            Self::Ctx => "ctx",
            Self::Stack(_) => "fp",
            Self::MapPtr(_) => "map_ptr",
            Self::MapValue(_) => "map_value",
            Self::MapValueOrNull(_) | Self::MapOrNull(_) => "map_value_or_null",
            Self::Packet => "pkt",
            Self::PacketMeta => "pkt_meta",
            Self::PacketEnd => "pkt_end",
            Self::Object(object) => object.names()[0],
            Self::ObjectOrNull(object) => object.names()[1],
            Self::MapKey(_) => "map_key",
            Self::Mem(mem) => mem.names()[0],
            Self::MemOrNull(mem) => mem.names()[1],
            Self::Func(_) => "func",
            Self::DynptrPtr(_) => "dynptr_ptr",
        }
    }

    /// What a pointer that may be null is when it is not.
    pub(crate) fn when_not_null(self) -> Option<Self> {
        match self {
            Self::MapValueOrNull(map) => Some(Self::MapValue(map)),
            Self::MapOrNull(outer) => Some(Self::MapPtr(outer.inner())),
            Self::ObjectOrNull(object) => Some(Self::Object(object)),
            Self::MemOrNull(mem) => Some(Self::Mem(mem)),
            Self::Uninit
            | Self::Scalar
            | Self::Ctx
            | Self::Stack(_)
            | Self::MapPtr(_)
            | Self::MapValue(_)
            | Self::Packet
            | Self::PacketMeta
            | Self::PacketEnd
            | Self::Object(_)
            | Self::MapKey(_)
            | Self::Mem(_)
            | Self::Func(_)
            | Self::DynptrPtr(_) => None,
        }
    }

    /// Whether it is a socket that cannot be null.
    pub(crate) fn is_socket(self) -> bool {
        matches!(self, Self::Object(object) if object.is_socket())
    }

    /// Whether it is an address.
    pub(crate) fn is_pointer(self) -> bool {
        !matches!(self, Self::Uninit | Self::Scalar)
    }

    /// The memory it points into, if it is such.
    fn memory(self) -> Option<Mem> {
        match self {
            Self::Mem(mem) | Self::MemOrNull(mem) => Some(mem),
            Self::Uninit
            | Self::Scalar
            | Self::Ctx
            | Self::Stack(_)
            | Self::MapPtr(_)
            | Self::MapValue(_)
            | Self::MapValueOrNull(_)
            | Self::MapOrNull(_)
            | Self::Packet
            | Self::PacketMeta
            | Self::PacketEnd
            | Self::Object(_)
            | Self::ObjectOrNull(_)
            | Self::MapKey(_)
            | Self::Func(_)
            | Self::DynptrPtr(_) => None,
        }
    }

    /// The frame with which a pointer ends: a slice that may lie in its stack, or what it was given.
    pub(crate) fn slice_frame(self) -> Option<u8> {
        if let Self::DynptrPtr(frame) = self {
            return Some(frame);
        }
        match self.memory()?.backing {
            Backing::OwnOrStack(frame) | Backing::PacketOrStack(frame) => Some(frame),
            Backing::Own | Backing::Packet => None,
        }
    }

    /// Whether it is a slice of the packet.
    pub(crate) fn is_packet_slice(self) -> bool {
        self.memory()
            .is_some_and(|mem| matches!(mem.backing, Backing::Packet | Backing::PacketOrStack(_)))
    }

    /// Whether it is an address into the packet whose range comparisons prove.
    pub(crate) fn is_packet(self) -> bool {
        matches!(self, Self::Packet | Self::PacketMeta)
    }
}

/// Identity of a value that several registers may hold; 0 is none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Id(pub(crate) u32);

impl Id {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn is_some(self) -> bool {
        self.0 != 0
    }
}

/// What comparisons with the packet's end have shown of a packet pointer.
///
/// A number of bytes from the pointer without its fixed offset that exist; or that the pointer is at the end, or beyond
/// it, which only decides later comparisons of the same pointer. Printed as Linux prints it: `-1` and `-2`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Range(i32);

impl Range {
    pub(crate) const UNPROVEN: Self = Self(0);
    pub(crate) const AT_END: Self = Self(-1);
    pub(crate) const BEYOND_END: Self = Self(-2);

    pub(crate) fn proven(bytes: u16) -> Self {
        Self(bytes.into())
    }

    /// Bytes that exist; `None` for a pointer at or beyond the end.
    pub(crate) fn bytes(self) -> Option<u32> {
        u32::try_from(self.0).ok()
    }

    /// The number that the log shows.
    pub(crate) fn number(self) -> i32 {
        self.0
    }
}

/// How a number was changed by a constant since it was linked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Added {
    /// It was not.
    Nothing,
    /// By a sum of 64 bits.
    Whole,
    /// By a sum of 32 bits, of which the result is zero-extended.
    Half,
}

/// A register's value.
///
/// For a scalar, `value` is the number, `id` links copies, and `off` is what was `added` to the linked value.
/// For a pointer, `off` is the fixed part of its offset, `value` the variable part, and `id` names the unknown (the null
/// check, or the variable part of a packet pointer).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Reg {
    pub(crate) value: Scalar,
    pub(crate) kind: Kind,
    pub(crate) off: i32,
    pub(crate) id: Id,
    /// Pointers: the reference that must be held while it is used.
    pub(crate) ref_id: Id,
    /// Packet pointers: what comparisons proved about the bytes from the pointer without its fixed offset.
    pub(crate) range: Range,
    /// Scalars: whether `off` was added since the link.
    pub(crate) added: Added,
    /// Scalars: what decides whether pruning must respect the value.
    pub(crate) node: Node,
}

impl Reg {
    /// Nothing.
    pub(crate) const UNINIT: Self = Self {
        value: Scalar::UNKNOWN,
        kind: Kind::Uninit,
        off: 0,
        id: Id::NONE,
        ref_id: Id::NONE,
        range: Range::UNPROVEN,
        added: Added::Nothing,
        node: Node::NONE,
    };

    /// A number.
    pub(crate) fn scalar(value: Scalar) -> Self {
        Self {
            value,
            kind: Kind::Scalar,
            ..Self::UNINIT
        }
    }

    /// A number of which nothing is known.
    pub(crate) fn unknown() -> Self {
        Self::scalar(Scalar::UNKNOWN)
    }

    /// A known number.
    pub(crate) fn constant(value: u64) -> Self {
        Self::scalar(Scalar::constant(value))
    }

    /// A pointer at offset 0.
    pub(crate) fn pointer(kind: Kind) -> Self {
        Self {
            value: Scalar::constant(0),
            kind,
            ..Self::UNINIT
        }
    }

    pub(crate) fn is_init(&self) -> bool {
        self.kind != Kind::Uninit
    }

    pub(crate) fn is_scalar(&self) -> bool {
        self.kind == Kind::Scalar
    }

    /// The number, if it is one and known.
    pub(crate) fn as_const(&self) -> Option<u64> {
        if self.is_scalar() {
            self.value.as_const()
        } else {
            None
        }
    }

    /// Whether it is the number 0.
    pub(crate) fn is_null(&self) -> bool {
        self.as_const() == Some(0)
    }

    /// Cuts a scalar from what it was linked with.
    pub(crate) fn unlink(&mut self) {
        if self.is_scalar() {
            self.id = Id::NONE;
            self.added = Added::Nothing;
            self.off = 0;
        }
    }

    /// What a number is that is linked with this one; `None` if this one does not say.
    pub(crate) fn linked_value(&self, other: &Self) -> Option<Scalar> {
        let since = |reg: &Self| match reg.added {
            Added::Nothing => 0,
            Added::Whole | Added::Half => i64::from(reg.off),
        };
        let delta = since(other) - since(self);
        let sum = |width| {
            let delta = Scalar::constant(delta.cast_unsigned());
            crate::domain::alu(AluOp::Add, width, &self.value, &delta)
        };
        match (self.added, other.added) {
            // The high half is lost.
            (Added::Half, Added::Nothing | Added::Whole) => None,
            (Added::Half, Added::Half) if delta == 0 => Some(self.value),
            (_, Added::Half) => Some(sum(Width::W32)),
            (_, _) if delta == 0 => Some(self.value),
            (_, _) => Some(sum(Width::W64)),
        }
    }

    /// Whether the offset of a pointer is known.
    pub(crate) fn has_fixed_offset(&self) -> bool {
        self.value.is_const()
    }
}
