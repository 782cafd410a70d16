//! Rules of map types as rows.

use crate::Version;
use skep_uapi::{BPF_F_RDONLY_PROG, HelperId, MapType, ProgType};

/// What a map type allows.
#[derive(Clone, Copy, Debug)]
pub struct MapTypeRule {
    /// Map type.
    pub id: MapType,
    /// Helpers that may take a map of this type.
    pub helpers: &'static [HelperId],
    /// Whether `ld_imm64` may point into its value (global data).
    pub direct_value: bool,
    /// BTF types that a map of this type takes.
    pub btf: MapBtf,
    /// Map flags that every map of this type has, whatever its creator said.
    pub implied_flags: u32,
    /// Release that it came in.
    pub since: Version,
}

/// BTF types of key and value. Types that are given have the sizes of key and value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapBtf {
    /// Of both, or of neither.
    Both,
    /// As `Both`; the key is a 32-bit integer. Of an array of one entry whose value is a section, the key may have none.
    Index,
    /// As `Both`; the key is a structure.
    Structure,
    /// As `Both`; the key is a cgroup's number, or a structure of that and an attach type.
    Cgroup,
    /// Of both, without which there is no map; the key is a 32-bit integer.
    Required,
    /// Of the value, and of the key if it has one.
    KeyOptional,
    /// Of the value alone, which is not enough: none.
    Keyless,
    /// None (ENOTSUPP), where what is given has the right sizes; the key's may be missing.
    Refused,
}

/// Which BTF types a map type takes.
const fn btf(id: MapType) -> MapBtf {
    match id {
        MapType::ARRAY | MapType::PERCPU_ARRAY => MapBtf::Index,
        MapType::LPM_TRIE => MapBtf::Structure,
        MapType::CGROUP_STORAGE | MapType::PERCPU_CGROUP_STORAGE => MapBtf::Cgroup,
        MapType::SK_STORAGE
        | MapType::INODE_STORAGE
        | MapType::TASK_STORAGE
        | MapType::CGRP_STORAGE => MapBtf::Required,
        MapType::RINGBUF | MapType::USER_RINGBUF | MapType::BLOOM_FILTER | MapType::ARENA => {
            MapBtf::KeyOptional
        }
        MapType::QUEUE | MapType::STACK => MapBtf::Keyless,
        MapType::PERF_EVENT_ARRAY
        | MapType::STACK_TRACE
        | MapType::CGROUP_ARRAY
        | MapType::ARRAY_OF_MAPS
        | MapType::HASH_OF_MAPS
        | MapType::DEVMAP
        | MapType::DEVMAP_HASH
        | MapType::SOCKMAP
        | MapType::SOCKHASH
        | MapType::CPUMAP
        | MapType::XSKMAP => MapBtf::Refused,
        _ => MapBtf::Both,
    }
}

impl MapTypeRule {
    /// Name of the kernel's structure of a map, for diagnostics.
    #[must_use]
    pub const fn structure(id: MapType) -> &'static str {
        match id {
            MapType::HASH | MapType::PERCPU_HASH | MapType::LRU_HASH | MapType::LRU_PERCPU_HASH => {
                "bpf_htab"
            }
            MapType::ARRAY | MapType::PERCPU_ARRAY | MapType::PROG_ARRAY => "bpf_array",
            MapType::LPM_TRIE => "lpm_trie",
            MapType::DEVMAP | MapType::DEVMAP_HASH => "bpf_dtab",
            MapType::CPUMAP => "bpf_cpu_map",
            MapType::XSKMAP => "xsk_map",
            MapType::QUEUE | MapType::STACK => "bpf_queue_stack",
            MapType::RINGBUF => "bpf_ringbuf_map",
            MapType::BLOOM_FILTER => "bpf_bloom_filter",
            _ => "bpf_map",
        }
    }
}

impl MapTypeRule {
    /// Whether programs of a type may call a helper on a map of this type that changes its entries: sockets are put into maps
    /// where no lock of theirs can be held.
    #[must_use]
    pub fn lets_change(&self, helper: HelperId, prog_type: ProgType) -> bool {
        let sockets = matches!(self.id, MapType::SOCKMAP | MapType::SOCKHASH);
        let calm = matches!(
            prog_type,
            ProgType::SOCKET_FILTER
                | ProgType::SCHED_CLS
                | ProgType::SCHED_ACT
                | ProgType::XDP
                | ProgType::SK_REUSEPORT
                | ProgType::FLOW_DISSECTOR
                | ProgType::SK_LOOKUP
        );
        match helper {
            HelperId::MAP_UPDATE_ELEM if sockets => calm,
            HelperId::MAP_DELETE_ELEM if sockets => calm || prog_type == ProgType::SOCK_OPS,
            _ => true,
        }
    }
}

/// The rule of a map type that skep knows.
#[must_use]
pub fn map_type_rule(id: MapType) -> Option<&'static MapTypeRule> {
    RULES.iter().find(|row| row.id == id)
}

const COMMON: &[HelperId] = &[
    HelperId::MAP_LOOKUP_ELEM,
    HelperId::MAP_UPDATE_ELEM,
    HelperId::MAP_DELETE_ELEM,
    HelperId::FOR_EACH_MAP_ELEM,
];
const PERCPU: &[HelperId] = &[
    HelperId::MAP_LOOKUP_ELEM,
    HelperId::MAP_UPDATE_ELEM,
    HelperId::MAP_DELETE_ELEM,
    HelperId::FOR_EACH_MAP_ELEM,
    HelperId::MAP_LOOKUP_PERCPU_ELEM,
];
const TRIE: &[HelperId] = &[
    HelperId::MAP_LOOKUP_ELEM,
    HelperId::MAP_UPDATE_ELEM,
    HelperId::MAP_DELETE_ELEM,
];
const QUEUE: &[HelperId] = &[
    HelperId::MAP_PUSH_ELEM,
    HelperId::MAP_POP_ELEM,
    HelperId::MAP_PEEK_ELEM,
];
const BLOOM: &[HelperId] = &[HelperId::MAP_PUSH_ELEM, HelperId::MAP_PEEK_ELEM];
const DEVICES: &[HelperId] = &[HelperId::REDIRECT_MAP, HelperId::MAP_LOOKUP_ELEM];
const EVENTS: &[HelperId] = &[
    HelperId::PERF_EVENT_READ,
    HelperId::PERF_EVENT_OUTPUT,
    HelperId::PERF_EVENT_READ_VALUE,
    HelperId::SKB_OUTPUT,
    HelperId::XDP_OUTPUT,
];
const CGROUPS: &[HelperId] = &[
    HelperId::SKB_UNDER_CGROUP,
    HelperId::CURRENT_TASK_UNDER_CGROUP,
];
const RINGBUF: &[HelperId] = &[
    HelperId::RINGBUF_OUTPUT,
    HelperId::RINGBUF_RESERVE,
    HelperId::RINGBUF_QUERY,
    HelperId::RINGBUF_RESERVE_DYNPTR,
    HelperId::RINGBUF_SUBMIT_DYNPTR,
    HelperId::RINGBUF_DISCARD_DYNPTR,
];
const SOCKMAP: &[HelperId] = &[
    HelperId::SK_REDIRECT_MAP,
    HelperId::SOCK_MAP_UPDATE,
    HelperId::MSG_REDIRECT_MAP,
    HelperId::SK_SELECT_REUSEPORT,
    HelperId::MAP_LOOKUP_ELEM,
    HelperId::MAP_UPDATE_ELEM,
    HelperId::MAP_DELETE_ELEM,
];
const SOCKHASH: &[HelperId] = &[
    HelperId::SK_REDIRECT_HASH,
    HelperId::SOCK_HASH_UPDATE,
    HelperId::MSG_REDIRECT_HASH,
    HelperId::SK_SELECT_REUSEPORT,
    HelperId::MAP_LOOKUP_ELEM,
    HelperId::MAP_UPDATE_ELEM,
    HelperId::MAP_DELETE_ELEM,
];

const fn rule(id: MapType, since: (u8, u8), helpers: &'static [HelperId]) -> MapTypeRule {
    MapTypeRule {
        id,
        helpers,
        direct_value: matches!(id, MapType::ARRAY),
        btf: btf(id),
        implied_flags: match id {
            // A device map's entries hold references that programs must not make.
            MapType::DEVMAP | MapType::DEVMAP_HASH => BPF_F_RDONLY_PROG,
            _ => 0,
        },
        since: Version::new(since.0, since.1),
    }
}

/// Who takes what was asked of Linux 6.18, helper by helper and map type by map type.
#[rustfmt::skip]
static RULES: &[MapTypeRule] = &[
    rule(MapType::HASH, (3, 19), COMMON),
    rule(MapType::ARRAY, (3, 19), COMMON),
    rule(MapType::PROG_ARRAY, (4, 2), &[HelperId::TAIL_CALL]),
    rule(MapType::PERF_EVENT_ARRAY, (4, 3), EVENTS),
    rule(MapType::PERCPU_HASH, (4, 6), PERCPU),
    rule(MapType::PERCPU_ARRAY, (4, 6), PERCPU),
    rule(MapType::STACK_TRACE, (4, 6), &[HelperId::GET_STACKID]),
    rule(MapType::CGROUP_ARRAY, (4, 8), CGROUPS),
    rule(MapType::LRU_HASH, (4, 10), COMMON),
    rule(MapType::LRU_PERCPU_HASH, (4, 10), PERCPU),
    rule(MapType::LPM_TRIE, (4, 11), TRIE),
    rule(MapType::ARRAY_OF_MAPS, (4, 12), &[HelperId::MAP_LOOKUP_ELEM]),
    rule(MapType::HASH_OF_MAPS, (4, 12), &[HelperId::MAP_LOOKUP_ELEM]),
    rule(MapType::DEVMAP, (4, 14), DEVICES),
    rule(MapType::SOCKMAP, (4, 14), SOCKMAP),
    rule(MapType::CPUMAP, (4, 15), &[HelperId::REDIRECT_MAP]),
    rule(MapType::XSKMAP, (4, 18), DEVICES),
    rule(MapType::SOCKHASH, (4, 18), SOCKHASH),
    rule(MapType::CGROUP_STORAGE, (4, 19), &[HelperId::GET_LOCAL_STORAGE]),
    rule(MapType::REUSEPORT_SOCKARRAY, (4, 19), &[HelperId::SK_SELECT_REUSEPORT]),
    rule(MapType::PERCPU_CGROUP_STORAGE, (4, 20), &[HelperId::GET_LOCAL_STORAGE]),
    rule(MapType::QUEUE, (4, 20), QUEUE),
    rule(MapType::STACK, (4, 20), QUEUE),
    rule(MapType::SK_STORAGE, (5, 2), &[HelperId::SK_STORAGE_GET, HelperId::SK_STORAGE_DELETE]),
    rule(MapType::DEVMAP_HASH, (5, 4), DEVICES),
    rule(MapType::RINGBUF, (5, 8), RINGBUF),
    rule(MapType::INODE_STORAGE, (5, 10), &[HelperId::INODE_STORAGE_GET, HelperId::INODE_STORAGE_DELETE]),
    rule(MapType::TASK_STORAGE, (5, 11), &[HelperId::TASK_STORAGE_GET, HelperId::TASK_STORAGE_DELETE]),
    rule(MapType::BLOOM_FILTER, (5, 16), BLOOM),
    rule(MapType::USER_RINGBUF, (6, 1), &[HelperId::USER_RINGBUF_DRAIN]),
    rule(MapType::CGRP_STORAGE, (6, 2), &[HelperId::CGRP_STORAGE_GET, HelperId::CGRP_STORAGE_DELETE]),
    rule(MapType::ARENA, (6, 9), &[]),
];
