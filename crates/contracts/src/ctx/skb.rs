//! `struct __sk_buff`: one structure, of which each family of program types sees and changes another part.

use super::{CtxField, CtxLayout, FieldKind, Held, Sizes};

const fn number(name: &'static str, offset: u32) -> CtxField {
    CtxField::number(name, offset, 4)
}

const LEN: CtxField = number("len", 0);
const PKT_TYPE: CtxField = number("pkt_type", 4);
const MARK: CtxField = number("mark", 8);
const QUEUE_MAPPING: CtxField = number("queue_mapping", 12);
const PROTOCOL: CtxField = number("protocol", 16);
const VLAN_PRESENT: CtxField = number("vlan_present", 20);
const VLAN_TCI: CtxField = number("vlan_tci", 24);
const VLAN_PROTO: CtxField = number("vlan_proto", 28);
const PRIORITY: CtxField = number("priority", 32);
const INGRESS_IFINDEX: CtxField = number("ingress_ifindex", 36);
const IFINDEX: CtxField = number("ifindex", 40);
const TC_INDEX: CtxField = number("tc_index", 44);
/// Scratch space of the program: five words that may also be accessed in larger pieces.
const CB: CtxField = CtxField::number("cb", 48, 20);
const HASH: CtxField = number("hash", 68);
const TC_CLASSID: CtxField = number("tc_classid", 72);
const DATA: CtxField = CtxField::pointer("data", 76, 4, FieldKind::PacketData);
const DATA_END: CtxField = CtxField::pointer("data_end", 80, 4, FieldKind::PacketEnd);
const NAPI_ID: CtxField = number("napi_id", 84);
const FAMILY: CtxField = number("family", 88);
const REMOTE_IP4: CtxField = CtxField::whole("remote_ip4", 92, 4);
const LOCAL_IP4: CtxField = CtxField::whole("local_ip4", 96, 4);
const REMOTE_IP6: CtxField = CtxField::whole("remote_ip6", 100, 4).times(4);
const LOCAL_IP6: CtxField = CtxField::whole("local_ip6", 116, 4).times(4);
const REMOTE_PORT: CtxField = number("remote_port", 132);
const LOCAL_PORT: CtxField = number("local_port", 136);
const DATA_META: CtxField = CtxField::pointer("data_meta", 140, 4, FieldKind::PacketMeta);
const FLOW_KEYS: CtxField =
    CtxField::pointer("flow_keys", 144, 8, FieldKind::Pointer(Held::FlowKeys));
const TSTAMP: CtxField = CtxField::whole("tstamp", 152, 8).writes(Sizes::Whole);
const WIRE_LEN: CtxField = number("wire_len", 160);
const GSO_SEGS: CtxField = number("gso_segs", 164);
const SK: CtxField = CtxField::pointer("sk", 168, 8, FieldKind::Pointer(Held::SockCommonOrNull));
const GSO_SIZE: CtxField = number("gso_size", 176);
const TSTAMP_TYPE: CtxField = CtxField::whole("tstamp_type", 180, 1);
const HWTSTAMP: CtxField = CtxField::whole("hwtstamp", 184, 8);

const fn layout(fields: &'static [CtxField]) -> CtxLayout {
    CtxLayout {
        name: "__sk_buff",
        bytes: 192,
        fields,
    }
}

/// What `socket_filter` sees.
pub(crate) static SOCKET_FILTER: CtxLayout = layout(&[
    LEN,
    PKT_TYPE,
    MARK,
    QUEUE_MAPPING,
    PROTOCOL,
    VLAN_PRESENT,
    VLAN_TCI,
    VLAN_PROTO,
    PRIORITY,
    INGRESS_IFINDEX,
    IFINDEX,
    TC_INDEX,
    CB.writes(Sizes::Parts),
    HASH,
    NAPI_ID,
    GSO_SEGS,
    SK,
    GSO_SIZE,
]);

/// What `sched_cls` and `sched_act` see.
pub(crate) static TC: CtxLayout = layout(&[
    LEN,
    PKT_TYPE,
    MARK.writes(Sizes::Whole),
    QUEUE_MAPPING.writes(Sizes::Whole),
    PROTOCOL,
    VLAN_PRESENT,
    VLAN_TCI,
    VLAN_PROTO,
    PRIORITY.writes(Sizes::Whole),
    INGRESS_IFINDEX,
    IFINDEX,
    TC_INDEX.writes(Sizes::Whole),
    CB.writes(Sizes::Parts),
    HASH,
    TC_CLASSID.writes(Sizes::Whole),
    DATA,
    DATA_END,
    NAPI_ID,
    DATA_META,
    TSTAMP,
    WIRE_LEN,
    GSO_SEGS,
    SK,
    GSO_SIZE,
    TSTAMP_TYPE,
    HWTSTAMP,
]);

/// What `cgroup_skb` sees.
pub(crate) static CGROUP_SKB: CtxLayout = layout(&[
    LEN,
    PKT_TYPE,
    MARK.writes(Sizes::Whole),
    QUEUE_MAPPING,
    PROTOCOL,
    VLAN_PRESENT,
    VLAN_TCI,
    VLAN_PROTO,
    PRIORITY.writes(Sizes::Whole),
    INGRESS_IFINDEX,
    IFINDEX,
    TC_INDEX,
    CB.writes(Sizes::Parts),
    HASH,
    DATA,
    DATA_END,
    NAPI_ID,
    FAMILY,
    REMOTE_IP4,
    LOCAL_IP4,
    REMOTE_IP6,
    LOCAL_IP6,
    REMOTE_PORT,
    LOCAL_PORT,
    TSTAMP,
    GSO_SEGS,
    SK,
    GSO_SIZE,
    HWTSTAMP,
]);

/// What the `lwt_*` types see.
pub(crate) static LWT: CtxLayout = layout(&[
    LEN,
    PKT_TYPE,
    MARK.writes(Sizes::Whole),
    QUEUE_MAPPING,
    PROTOCOL,
    VLAN_PRESENT,
    VLAN_TCI,
    VLAN_PROTO,
    PRIORITY.writes(Sizes::Whole),
    INGRESS_IFINDEX,
    IFINDEX,
    TC_INDEX,
    CB.writes(Sizes::Parts),
    HASH,
    DATA,
    DATA_END,
    NAPI_ID,
    GSO_SEGS,
    SK,
    GSO_SIZE,
]);

/// What `sk_skb` sees.
pub(crate) static SK_SKB: CtxLayout = layout(&[
    LEN,
    PKT_TYPE,
    QUEUE_MAPPING,
    PROTOCOL,
    VLAN_PRESENT,
    VLAN_TCI,
    VLAN_PROTO,
    PRIORITY.writes(Sizes::Whole),
    INGRESS_IFINDEX,
    IFINDEX,
    TC_INDEX.writes(Sizes::Whole),
    CB,
    HASH,
    DATA,
    DATA_END,
    NAPI_ID,
    FAMILY,
    REMOTE_IP4,
    LOCAL_IP4,
    REMOTE_IP6,
    LOCAL_IP6,
    REMOTE_PORT,
    LOCAL_PORT,
    GSO_SEGS,
    SK,
    GSO_SIZE,
]);

/// What `flow_dissector` sees.
pub(crate) static FLOW_DISSECTOR: CtxLayout = layout(&[DATA, DATA_END, FLOW_KEYS]);
