//! Rules of map types as rows.

use crate::Version;
use skep_uapi::{BPF_F_RDONLY_PROG, HelperId, MapType};

/// What a map type allows.
#[derive(Clone, Copy, Debug)]
pub struct MapTypeRule {
    /// Map type.
    pub id: MapType,
    /// Helpers that may take a map of this type.
    pub helpers: &'static [HelperId],
    /// Whether `ld_imm64` may point into its value (global data).
    pub direct_value: bool,
    /// Map flags that every map of this type has, whatever its creator said.
    pub implied_flags: u32,
    /// Release that it came in.
    pub since: Version,
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
const RINGBUF: &[HelperId] = &[
    HelperId::RINGBUF_OUTPUT,
    HelperId::RINGBUF_RESERVE,
    HelperId::RINGBUF_QUERY,
    HelperId::RINGBUF_RESERVE_DYNPTR,
    HelperId::RINGBUF_SUBMIT_DYNPTR,
    HelperId::RINGBUF_DISCARD_DYNPTR,
];

const fn rule(id: MapType, since: (u8, u8), helpers: &'static [HelperId]) -> MapTypeRule {
    MapTypeRule {
        id,
        helpers,
        direct_value: matches!(id, MapType::ARRAY),
        implied_flags: match id {
            // A device map's entries hold references that programs must not make.
            MapType::DEVMAP | MapType::DEVMAP_HASH => BPF_F_RDONLY_PROG,
            _ => 0,
        },
        since: Version::new(since.0, since.1),
    }
}

static RULES: &[MapTypeRule] = &[
    rule(MapType::HASH, (3, 19), COMMON),
    rule(MapType::ARRAY, (3, 19), COMMON),
    rule(MapType::PROG_ARRAY, (4, 2), &[HelperId::TAIL_CALL]),
    rule(
        MapType::PERF_EVENT_ARRAY,
        (4, 3),
        &[
            HelperId::PERF_EVENT_READ,
            HelperId::PERF_EVENT_OUTPUT,
            HelperId::PERF_EVENT_READ_VALUE,
            HelperId::SKB_OUTPUT,
            HelperId::XDP_OUTPUT,
        ],
    ),
    rule(MapType::PERCPU_HASH, (4, 6), PERCPU),
    rule(MapType::STACK_TRACE, (4, 6), &[HelperId::GET_STACKID]),
    rule(
        MapType::CGROUP_ARRAY,
        (4, 8),
        &[
            HelperId::SKB_UNDER_CGROUP,
            HelperId::CURRENT_TASK_UNDER_CGROUP,
        ],
    ),
    rule(MapType::PERCPU_ARRAY, (4, 6), PERCPU),
    rule(MapType::LRU_HASH, (4, 10), COMMON),
    rule(MapType::LRU_PERCPU_HASH, (4, 10), PERCPU),
    rule(MapType::LPM_TRIE, (4, 11), TRIE),
    rule(MapType::DEVMAP, (4, 14), DEVICES),
    rule(MapType::CPUMAP, (4, 15), &[HelperId::REDIRECT_MAP]),
    rule(MapType::XSKMAP, (4, 18), DEVICES),
    rule(MapType::QUEUE, (4, 20), QUEUE),
    rule(MapType::STACK, (4, 20), QUEUE),
    rule(MapType::DEVMAP_HASH, (5, 4), DEVICES),
    rule(MapType::RINGBUF, (5, 8), RINGBUF),
    rule(MapType::BLOOM_FILTER, (5, 16), BLOOM),
];
