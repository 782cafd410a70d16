//! Contexts of the smaller networking and control-group types.

use super::{CtxField, CtxLayout, FieldKind, Held, Sizes};

const fn number(name: &'static str, offset: u32) -> CtxField {
    CtxField::number(name, offset, 4)
}

const fn whole(name: &'static str, offset: u32) -> CtxField {
    CtxField::whole(name, offset, 4)
}

const fn data(offset: u32) -> CtxField {
    CtxField::pointer("data", offset, 8, FieldKind::PacketData)
}

const fn data_end(offset: u32) -> CtxField {
    CtxField::pointer("data_end", offset, 8, FieldKind::PacketEnd)
}

const fn sk(offset: u32, held: Held) -> CtxField {
    CtxField::pointer("sk", offset, 8, FieldKind::Pointer(held))
}

/// `struct bpf_sock_ops`.
pub(crate) static SOCK_OPS: CtxLayout = CtxLayout {
    name: "bpf_sock_ops",
    bytes: 224,
    fields: &[
        whole("op", 0),
        whole("reply", 4).writes(Sizes::Whole),
        whole("args", 8).times(3),
        whole("family", 20),
        whole("remote_ip4", 24),
        whole("local_ip4", 28),
        whole("remote_ip6", 32).times(4),
        whole("local_ip6", 48).times(4),
        whole("remote_port", 64),
        whole("local_port", 68),
        whole("is_fullsock", 72),
        whole("snd_cwnd", 76),
        whole("srtt_us", 80),
        whole("bpf_sock_ops_cb_flags", 84),
        whole("state", 88),
        whole("rtt_min", 92),
        whole("snd_ssthresh", 96),
        whole("rcv_nxt", 100),
        whole("snd_nxt", 104),
        whole("snd_una", 108),
        whole("mss_cache", 112),
        whole("ecn_flags", 116),
        whole("rate_delivered", 120),
        whole("rate_interval_us", 124),
        whole("packets_out", 128),
        whole("retrans_out", 132),
        whole("total_retrans", 136),
        whole("segs_in", 140),
        whole("data_segs_in", 144),
        whole("segs_out", 148),
        whole("data_segs_out", 152),
        whole("lost_out", 156),
        whole("sacked_out", 160),
        whole("sk_txhash", 164).writes(Sizes::Whole),
        CtxField::whole("bytes_received", 168, 8),
        CtxField::whole("bytes_acked", 176, 8),
        sk(184, Held::SockOrNull),
        data(192),
        data_end(200),
        whole("skb_len", 208),
        number("skb_tcp_flags", 212).reads(Sizes::Start),
        CtxField::whole("skb_hwtstamp", 216, 8),
    ],
};

/// `struct sk_msg_md`.
pub(crate) static SK_MSG: CtxLayout = CtxLayout {
    name: "sk_msg_md",
    bytes: 80,
    fields: &[
        data(0),
        data_end(8),
        whole("family", 16),
        whole("remote_ip4", 20),
        whole("local_ip4", 24),
        whole("remote_ip6", 28).times(4),
        whole("local_ip6", 44).times(4),
        whole("remote_port", 60),
        whole("local_port", 64),
        whole("size", 68),
        sk(72, Held::Sock),
    ],
};

/// `struct sk_reuseport_md`.
pub(crate) static SK_REUSEPORT: CtxLayout = CtxLayout {
    name: "sk_reuseport_md",
    bytes: 56,
    fields: &[
        data(0),
        data_end(8),
        number("len", 16),
        number("eth_protocol", 20).reads(Sizes::These(&[(0, 2), (0, 4), (2, 2)])),
        number("ip_protocol", 24),
        number("bind_inany", 28),
        whole("hash", 32),
        sk(40, Held::Sock),
        CtxField::pointer(
            "migrating_sk",
            48,
            8,
            FieldKind::Pointer(Held::SockCommonOrNull),
        ),
    ],
};

/// `struct bpf_sk_lookup`.
pub(crate) static SK_LOOKUP: CtxLayout = CtxLayout {
    name: "bpf_sk_lookup",
    bytes: 72,
    fields: &[
        sk(0, Held::SockOrNull),
        number("family", 8),
        number("protocol", 12),
        number("remote_ip4", 16),
        number("remote_ip6", 20).times(4),
        number("remote_port", 36),
        number("local_ip4", 40),
        number("local_ip6", 44).times(4),
        number("local_port", 60),
        number("ingress_ifindex", 64),
    ],
};

/// `struct bpf_sysctl`.
pub(crate) static CGROUP_SYSCTL: CtxLayout = CtxLayout {
    name: "bpf_sysctl",
    bytes: 8,
    fields: &[
        number("write", 0),
        number("file_pos", 4).writes(Sizes::Whole),
    ],
};

/// `struct bpf_cgroup_dev_ctx`.
pub(crate) static CGROUP_DEVICE: CtxLayout = CtxLayout {
    name: "bpf_cgroup_dev_ctx",
    bytes: 12,
    fields: &[
        number("access_type", 0),
        whole("major", 4),
        whole("minor", 8),
    ],
};

/// `struct bpf_nf_ctx`.
pub(crate) static NETFILTER: CtxLayout = CtxLayout {
    name: "bpf_nf_ctx",
    bytes: 16,
    fields: &[
        CtxField::pointer("state", 0, 8, FieldKind::Pointer(Held::NfHookState)),
        CtxField::pointer("skb", 8, 8, FieldKind::Pointer(Held::SkBuff)),
    ],
};
