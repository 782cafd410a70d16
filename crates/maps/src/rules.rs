//! What Linux 6.18 lets a map of each type be created with, a row a type: sizes, entries, flags. Asked of it type by type.
//!
//! Types with a body of their own check themselves (`array`, `hash` …); these are the others. What sizes have to do with BTF
//! types is the creator's matter.

use crate::MapDef;
use skep_uapi::{
    BPF_F_CLONE, BPF_F_MMAPABLE, BPF_F_NO_COMMON_LRU, BPF_F_NO_PREALLOC, BPF_F_NO_USER_CONV,
    BPF_F_NUMA_NODE, BPF_F_PRESERVE_ELEMS, BPF_F_RDONLY, BPF_F_RDONLY_PROG, BPF_F_SEGV_ON_FAULT,
    BPF_F_STACK_BUILD_ID, BPF_F_WRONLY, BPF_F_WRONLY_PROG, BPF_F_ZERO_SEED, Errno, MapType,
};

/// Numbers that a size may be; others are EINVAL, and those beyond a limit E2BIG.
#[derive(Clone, Copy)]
enum Sizes {
    /// One of these.
    OneOf(&'static [u32]),
    /// From 1 to this; beyond is E2BIG.
    UpTo(u32),
    /// Both ends included; anything else is EINVAL.
    Between(u32, u32),
    /// A power of two of at least a page.
    Pages,
}

impl Sizes {
    fn check(self, size: u32) -> Result<(), Errno> {
        let good = match self {
            Self::OneOf(sizes) => sizes.contains(&size),
            Self::UpTo(max) if size > max => return Err(Errno::E2BIG),
            Self::UpTo(_) => size > 0,
            Self::Between(min, max) => (min..=max).contains(&size),
            Self::Pages => size >= PAGE_BYTES && size.is_power_of_two(),
        };
        if good { Ok(()) } else { Err(Errno::EINVAL) }
    }
}

/// What else a type looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Further {
    Nothing,
    /// Key and value together have a limit.
    Element,
    /// As `Element`; the list of all CPUs or each its own, on no NUMA node then, and always preallocated.
    Lru,
    /// Whole stack frames.
    Frames,
    /// Flags without which it cannot be.
    Needs(u32),
    /// As `Needs`, and the address must be a page's.
    Arena,
    /// The number of hash functions.
    Bloom,
}

/// One type.
struct Row {
    map_type: MapType,
    key: Sizes,
    value: Sizes,
    entries: Sizes,
    flags: u32,
    further: Further,
}

const PAGE_BYTES: u32 = 4096;
/// Largest piece of memory that Linux takes at once for a value (`KMALLOC_MAX_SIZE`).
const PIECE_BYTES_MAX: u32 = 4 << 20;
/// Bytes of a hash element besides key and value.
const ELEMENT_BYTES: u32 = 48;
/// Largest value of which every CPU has one (`PCPU_MIN_UNIT_SIZE`).
const PERCPU_BYTES_MAX: u32 = 32 << 10;
/// Largest value of a cgroup, and of what is stored with sockets, inodes and tasks.
const CGROUP_VALUE_MAX: u32 = 65_407;
const STORAGE_VALUE_MAX: u32 = 65_424;
/// Largest value of a trie.
const TRIE_VALUE_MAX: u32 = 4_194_024;
/// CPUs that Linux was built for.
const CPUS_MAX: u32 = 256;
/// Longest stack (`PERF_MAX_STACK_DEPTH`).
const FRAMES_MAX: u32 = 127;
/// Pages of an arena: 4 GiB.
const ARENA_PAGES_MAX: u32 = 1 << 20;
/// Most hash functions of a bloom filter.
const BLOOM_HASHES_MAX: u64 = 15;

const NOTHING: Sizes = Sizes::OneOf(&[0]);
const FOUR: Sizes = Sizes::OneOf(&[4]);
const EIGHT: Sizes = Sizes::OneOf(&[4, 8]);
const SOME: Sizes = Sizes::Between(1, u32::MAX);
const ACCESS: u32 = BPF_F_RDONLY | BPF_F_WRONLY;
const PROG_ACCESS: u32 = BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG;
const PLAIN: u32 = BPF_F_NUMA_NODE | ACCESS;
const BOTH: u32 = PLAIN | PROG_ACCESS;
const HASH: u32 = BPF_F_NO_PREALLOC | BPF_F_ZERO_SEED | BOTH;
const LRU: u32 = HASH | BPF_F_NO_COMMON_LRU;

const fn row(map_type: MapType, key: Sizes, value: Sizes, entries: Sizes, flags: u32) -> Row {
    Row {
        map_type,
        key,
        value,
        entries,
        flags,
        further: Further::Nothing,
    }
}

impl Row {
    const fn and(self, further: Further) -> Self {
        Self { further, ..self }
    }
}

const fn storage(map_type: MapType) -> Row {
    let value = Sizes::UpTo(STORAGE_VALUE_MAX);
    let flags = BPF_F_NO_PREALLOC | BPF_F_CLONE;
    row(map_type, FOUR, value, NOTHING, flags).and(Further::Needs(BPF_F_NO_PREALLOC))
}

#[rustfmt::skip]
static ROWS: &[Row] = &[
    row(MapType::PROG_ARRAY, FOUR, FOUR, SOME, PLAIN),
    row(MapType::PERF_EVENT_ARRAY, FOUR, FOUR, SOME, PLAIN | BPF_F_PRESERVE_ELEMS),
    row(MapType::PERCPU_HASH, SOME, Sizes::UpTo(PERCPU_BYTES_MAX), SOME, HASH & !BPF_F_NUMA_NODE).and(Further::Element),
    row(MapType::STACK_TRACE, FOUR, SOME, SOME, PLAIN | BPF_F_STACK_BUILD_ID).and(Further::Frames),
    row(MapType::CGROUP_ARRAY, FOUR, FOUR, SOME, PLAIN),
    row(MapType::LRU_HASH, SOME, SOME, SOME, LRU).and(Further::Lru),
    row(MapType::LRU_PERCPU_HASH, SOME, Sizes::UpTo(PERCPU_BYTES_MAX), SOME, LRU & !BPF_F_NUMA_NODE).and(Further::Lru),
    row(MapType::LPM_TRIE, Sizes::Between(5, 260), Sizes::Between(1, TRIE_VALUE_MAX), SOME, BOTH | BPF_F_NO_PREALLOC).and(Further::Needs(BPF_F_NO_PREALLOC)),
    row(MapType::ARRAY_OF_MAPS, FOUR, FOUR, SOME, PLAIN),
    row(MapType::HASH_OF_MAPS, SOME, FOUR, SOME, HASH).and(Further::Element),
    row(MapType::SOCKMAP, FOUR, EIGHT, SOME, PLAIN),
    row(MapType::SOCKHASH, Sizes::UpTo(512), EIGHT, SOME, PLAIN),
    row(MapType::CPUMAP, FOUR, EIGHT, Sizes::UpTo(CPUS_MAX), BPF_F_NUMA_NODE),
    row(MapType::XSKMAP, FOUR, FOUR, SOME, PLAIN),
    row(MapType::CGROUP_STORAGE, Sizes::OneOf(&[8, 16]), Sizes::UpTo(CGROUP_VALUE_MAX), NOTHING, BOTH),
    row(MapType::PERCPU_CGROUP_STORAGE, Sizes::OneOf(&[8, 16]), Sizes::UpTo(PERCPU_BYTES_MAX), NOTHING, BOTH),
    row(MapType::REUSEPORT_SOCKARRAY, FOUR, EIGHT, SOME, BOTH),
    row(MapType::QUEUE, NOTHING, Sizes::UpTo(PIECE_BYTES_MAX), SOME, BOTH),
    row(MapType::STACK, NOTHING, Sizes::UpTo(PIECE_BYTES_MAX), SOME, BOTH),
    storage(MapType::SK_STORAGE),
    storage(MapType::INODE_STORAGE),
    storage(MapType::TASK_STORAGE),
    storage(MapType::CGRP_STORAGE),
    row(MapType::RINGBUF, NOTHING, NOTHING, Sizes::Pages, BPF_F_NUMA_NODE),
    row(MapType::USER_RINGBUF, NOTHING, NOTHING, Sizes::Pages, BPF_F_NUMA_NODE),
    row(MapType::BLOOM_FILTER, NOTHING, Sizes::UpTo(PIECE_BYTES_MAX), SOME, BOTH | BPF_F_ZERO_SEED).and(Further::Bloom),
    row(MapType::ARENA, NOTHING, NOTHING, Sizes::UpTo(ARENA_PAGES_MAX), BPF_F_MMAPABLE | BPF_F_SEGV_ON_FAULT | BPF_F_NO_USER_CONV).and(Further::Arena),
];

/// Whether Linux creates a map of this definition, for types that have no body.
///
/// # Errors
/// EINVAL, E2BIG, ENOTSUPP, ERANGE as Linux; EINVAL for a type that has no row.
pub(crate) fn check(def: &MapDef) -> Result<(), Errno> {
    let row = ROWS.iter().find(|row| row.map_type == def.map_type);
    let row = row.ok_or(Errno::EINVAL)?;
    if def.map_flags & !row.flags != 0 {
        return Err(Errno::EINVAL);
    }
    row.key.check(def.key_size)?;
    row.value.check(def.value_size)?;
    row.entries.check(def.max_entries)?;
    match row.further {
        Further::Nothing => {}
        Further::Element => element(def)?,
        Further::Lru => {
            let flags = def.map_flags;
            if flags & BPF_F_NO_PREALLOC != 0 {
                return Err(Errno::ENOTSUPP);
            }
            let own_lists = BPF_F_NO_COMMON_LRU | BPF_F_NUMA_NODE;
            if flags & own_lists == own_lists {
                return Err(Errno::EINVAL);
            }
            element(def)?;
        }
        Further::Frames => {
            let frame = if def.map_flags & BPF_F_STACK_BUILD_ID == 0 {
                8
            } else {
                32
            };
            let whole = def.value_size.is_multiple_of(frame);
            if !whole || def.value_size / frame > FRAMES_MAX {
                return Err(Errno::EINVAL);
            }
        }
        Further::Needs(flags) => needs(def, flags)?,
        Further::Arena => {
            needs(def, BPF_F_MMAPABLE)?;
            arena_address(def)?;
        }
        Further::Bloom if def.map_extra > BLOOM_HASHES_MAX => return Err(Errno::EINVAL),
        Further::Bloom => {}
    }
    Ok(())
}

fn needs(def: &MapDef, flags: u32) -> Result<(), Errno> {
    if def.map_flags & flags == flags {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

/// An element of a hash table must fit one piece of memory.
fn element(def: &MapDef) -> Result<(), Errno> {
    let per_cpu = matches!(
        def.map_type,
        MapType::PERCPU_HASH | MapType::LRU_PERCPU_HASH
    );
    let value = if per_cpu { 0 } else { def.value_size };
    let bytes = u64::from(def.key_size) + u64::from(value);
    if bytes >= u64::from(PIECE_BYTES_MAX - ELEMENT_BYTES) {
        return Err(Errno::E2BIG);
    }
    Ok(())
}

/// An arena's address in user space is a page's, and its pages do not cross 4 GiB.
fn arena_address(def: &MapDef) -> Result<(), Errno> {
    if !def.map_extra.is_multiple_of(PAGE_BYTES.into()) {
        return Err(Errno::EINVAL);
    }
    let bytes = u64::from(def.max_entries) * u64::from(PAGE_BYTES);
    let last = def.map_extra.wrapping_add(bytes).wrapping_sub(1);
    if def.map_extra >> 32 == last >> 32 {
        Ok(())
    } else {
        Err(Errno::ERANGE)
    }
}
