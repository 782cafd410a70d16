//! Sockets: as contexts of control-group programs, and behind the pointers that contexts hold and helpers return.

use super::{CtxField, CtxLayout, FieldKind, Held, Sizes};
use skep_uapi::AttachType as A;

const fn number(name: &'static str, offset: u32) -> CtxField {
    CtxField::number(name, offset, 4)
}

const fn whole(name: &'static str, offset: u32) -> CtxField {
    CtxField::whole(name, offset, 4)
}

const fn start(name: &'static str, offset: u32) -> CtxField {
    number(name, offset).reads(Sizes::Start)
}

const BOUND_DEV_IF: CtxField = whole("bound_dev_if", 0);
const FAMILY: CtxField = start("family", 4);
const TYPE: CtxField = start("type", 8);
const PROTOCOL: CtxField = start("protocol", 12);
const MARK: CtxField = whole("mark", 16);
const PRIORITY: CtxField = whole("priority", 20);
const SRC_IP4: CtxField = number("src_ip4", 24);
const SRC_IP6: CtxField = number("src_ip6", 28).times(4);
const SRC_PORT: CtxField = start("src_port", 44);
/// Two bytes, and two of padding that a read of the former four may include.
const DST_PORT: CtxField =
    number("dst_port", 48).reads(Sizes::These(&[(0, 1), (1, 1), (0, 2), (0, 4)]));
const DST_IP4: CtxField = number("dst_ip4", 52);
const DST_IP6: CtxField = number("dst_ip6", 56).times(4);
const STATE: CtxField = start("state", 72);
const RX_QUEUE_MAPPING: CtxField = start("rx_queue_mapping", 76);

const SOCK_LIFE: &[A] = &[A::CGROUP_INET_SOCK_CREATE, A::CGROUP_INET_SOCK_RELEASE];

const fn bpf_sock(fields: &'static [CtxField]) -> CtxLayout {
    CtxLayout {
        name: "bpf_sock",
        bytes: 80,
        fields,
    }
}

/// `struct bpf_sock` as context of `cgroup_sock`.
pub(crate) static CGROUP_SOCK: CtxLayout = bpf_sock(&[
    BOUND_DEV_IF.writes(Sizes::Whole).only(SOCK_LIFE),
    FAMILY,
    TYPE,
    PROTOCOL,
    MARK.writes(Sizes::Whole).only(SOCK_LIFE),
    PRIORITY.writes(Sizes::Whole).only(SOCK_LIFE),
    SRC_IP4.only(&[A::CGROUP_INET4_POST_BIND]),
    SRC_IP6.only(&[A::CGROUP_INET6_POST_BIND]),
    SRC_PORT.only(&[A::CGROUP_INET4_POST_BIND, A::CGROUP_INET6_POST_BIND]),
    DST_PORT,
    DST_IP4,
    DST_IP6,
    STATE,
    RX_QUEUE_MAPPING,
]);

/// `struct bpf_sock` behind a pointer to a full socket.
pub static BPF_SOCK: CtxLayout = bpf_sock(&[
    BOUND_DEV_IF,
    FAMILY,
    TYPE,
    PROTOCOL,
    MARK,
    PRIORITY,
    SRC_IP4,
    SRC_IP6,
    SRC_PORT,
    DST_PORT,
    DST_IP4,
    DST_IP6,
    STATE,
    RX_QUEUE_MAPPING,
]);

/// `struct bpf_sock` behind a pointer to what may be a request or time-wait socket.
pub static BPF_SOCK_COMMON: CtxLayout = bpf_sock(&[
    BOUND_DEV_IF,
    FAMILY,
    SRC_IP4,
    SRC_IP6,
    SRC_PORT,
    DST_PORT,
    DST_IP4,
    DST_IP6,
    STATE,
    RX_QUEUE_MAPPING,
]);

/// `struct bpf_tcp_sock`.
pub static BPF_TCP_SOCK: CtxLayout = CtxLayout {
    name: "bpf_tcp_sock",
    bytes: 112,
    fields: &[
        whole("snd_cwnd", 0),
        whole("srtt_us", 4),
        whole("rtt_min", 8),
        whole("snd_ssthresh", 12),
        whole("rcv_nxt", 16),
        whole("snd_nxt", 20),
        whole("snd_una", 24),
        whole("mss_cache", 28),
        whole("ecn_flags", 32),
        whole("rate_delivered", 36),
        whole("rate_interval_us", 40),
        whole("packets_out", 44),
        whole("retrans_out", 48),
        whole("total_retrans", 52),
        whole("segs_in", 56),
        whole("data_segs_in", 60),
        whole("segs_out", 64),
        whole("data_segs_out", 68),
        whole("lost_out", 72),
        whole("sacked_out", 76),
        CtxField::whole("bytes_received", 80, 8),
        CtxField::whole("bytes_acked", 88, 8),
        whole("dsack_dups", 96),
        whole("delivered", 100),
        whole("delivered_ce", 104),
        whole("icsk_retransmits", 108),
    ],
};

/// `struct bpf_xdp_sock`.
pub static BPF_XDP_SOCK: CtxLayout = CtxLayout {
    name: "bpf_xdp_sock",
    bytes: 4,
    fields: &[whole("queue_id", 0)],
};

const USER_IP4: &[A] = &[
    A::CGROUP_INET4_BIND,
    A::CGROUP_INET4_CONNECT,
    A::CGROUP_INET4_GETPEERNAME,
    A::CGROUP_INET4_GETSOCKNAME,
    A::CGROUP_UDP4_SENDMSG,
    A::CGROUP_UDP4_RECVMSG,
];
const USER_IP6: &[A] = &[
    A::CGROUP_INET6_BIND,
    A::CGROUP_INET6_CONNECT,
    A::CGROUP_INET6_GETPEERNAME,
    A::CGROUP_INET6_GETSOCKNAME,
    A::CGROUP_UDP6_SENDMSG,
    A::CGROUP_UDP6_RECVMSG,
];

/// `struct bpf_sock_addr`.
pub(crate) static SOCK_ADDR: CtxLayout = CtxLayout {
    name: "bpf_sock_addr",
    bytes: 72,
    fields: &[
        whole("user_family", 0),
        number("user_ip4", 4).writes(Sizes::Whole).only(USER_IP4),
        CtxField::number("user_ip6", 8, 16)
            .writes(Sizes::Words)
            .only(USER_IP6),
        number("user_port", 24).writes(Sizes::Whole),
        whole("family", 28),
        whole("type", 32),
        whole("protocol", 36),
        number("msg_src_ip4", 40)
            .writes(Sizes::Whole)
            .only(&[A::CGROUP_UDP4_SENDMSG]),
        CtxField::number("msg_src_ip6", 44, 16)
            .writes(Sizes::Words)
            .only(&[A::CGROUP_UDP6_SENDMSG]),
        CtxField::pointer("sk", 64, 8, FieldKind::Pointer(Held::Sock)),
    ],
};

/// `struct bpf_sockopt`.
pub(crate) static CGROUP_SOCKOPT: CtxLayout = CtxLayout {
    name: "bpf_sockopt",
    bytes: 40,
    fields: &[
        CtxField::pointer("sk", 0, 8, FieldKind::Pointer(Held::Sock)),
        CtxField::pointer("optval", 8, 8, FieldKind::PacketData),
        CtxField::pointer("optval_end", 16, 8, FieldKind::PacketEnd),
        whole("level", 24).only(&[A::CGROUP_GETSOCKOPT]),
        whole("level", 24)
            .writes(Sizes::Whole)
            .only(&[A::CGROUP_SETSOCKOPT]),
        whole("optname", 28).only(&[A::CGROUP_GETSOCKOPT]),
        whole("optname", 28)
            .writes(Sizes::Whole)
            .only(&[A::CGROUP_SETSOCKOPT]),
        whole("optlen", 32).writes(Sizes::Whole),
        whole("retval", 36)
            .writes(Sizes::Whole)
            .only(&[A::CGROUP_GETSOCKOPT]),
    ],
};
