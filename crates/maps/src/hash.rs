//! `BPF_MAP_TYPE_HASH`: chains of slab elements behind a table of heads.
//!
//! Lookups walk a chain without a lock. Changes to a chain take the lock of its shard. Replacing a value puts a new element in the
//! place of the old one by a single store, so that a reader always finds one of them and an address looked up earlier keeps
//! the old value. (Inserting at the head and then removing the old one would let a reader between the two places miss both.)

use crate::chains::Chains;
use crate::layout::{Demand, len, stride};
use crate::slab::{Node, Slab};
use crate::{Map, MapDef};
use foldhash::fast::FixedState;
use skep_memory::Region;
use skep_uapi::{
    BPF_F_NO_PREALLOC, BPF_F_NUMA_NODE, BPF_F_RDONLY, BPF_F_RDONLY_PROG, BPF_F_WRONLY,
    BPF_F_WRONLY_PROG, BPF_F_ZERO_SEED, Errno,
};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Flags that Linux takes for a hash map.
const FLAGS: u32 = BPF_F_NO_PREALLOC
    | BPF_F_NUMA_NODE
    | BPF_F_RDONLY
    | BPF_F_WRONLY
    | BPF_F_ZERO_SEED
    | BPF_F_RDONLY_PROG
    | BPF_F_WRONLY_PROG;
/// Key and value together stay below this (kernel: one allocation of 4 MiB, less the element's header).
const ELEMENT_BYTES_LIMIT: u64 = (4 << 20) - ELEMENT_HEADER_BYTES;
/// There are fewer buckets (kernel: their table's bytes fit an unsigned int).
const BUCKETS_LIMIT: u32 = 1 << 28;
/// Locks; a chain's lock is its bucket modulo this.
const SHARDS: usize = 64;
/// Bytes that Linux 6.18 charges, as fitted to fdinfo: the structure, a bucket, an element's header.
const HEADER_BYTES: u64 = 896;
const BUCKET_BYTES: u64 = 16;
const ELEMENT_HEADER_BYTES: u64 = 48;

/// A hash map.
#[derive(Debug)]
pub(crate) struct Hash {
    chains: Chains,
    shards: [Mutex<()>; SHARDS],
    count: AtomicU32,
    seed: FixedState,
    bucket_mask: u32,
    key_size: usize,
    value_size: usize,
    entries: u32,
    cpus: u32,
    preallocated: bool,
    element_bytes: u64,
}

/// Where a key hashes to.
#[derive(Clone, Copy)]
struct Bucket {
    number: u32,
    hash: u32,
}

impl Hash {
    pub(crate) fn new(def: &MapDef) -> Result<Self, Errno> {
        if def.map_flags & !FLAGS != 0
            || def.key_size == 0
            || def.value_size == 0
            || def.max_entries == 0
        {
            return Err(Errno::EINVAL);
        }
        if u64::from(def.value_size) + u64::from(def.key_size) >= ELEMENT_BYTES_LIMIT {
            return Err(Errno::E2BIG);
        }
        let buckets = def.max_entries.checked_next_power_of_two();
        let buckets = buckets
            .filter(|buckets| *buckets < BUCKETS_LIMIT)
            .ok_or(Errno::E2BIG)?;
        let seed = if def.map_flags & BPF_F_ZERO_SEED != 0 {
            0
        } else {
            RandomState::new().hash_one(def.id)
        };
        Ok(Self {
            chains: Chains::new(
                buckets,
                Slab::new(def.max_entries, def.key_size, stride(def.value_size))?,
            )?,
            shards: [const { Mutex::new(()) }; SHARDS],
            count: AtomicU32::new(0),
            seed: FixedState::with_seed(seed),
            bucket_mask: buckets - 1,
            key_size: len(def.key_size.into())?,
            value_size: len(def.value_size.into())?,
            entries: def.max_entries,
            cpus: def.cpus,
            preallocated: def.map_flags & BPF_F_NO_PREALLOC == 0,
            element_bytes: ELEMENT_HEADER_BYTES
                + u64::from(def.key_size).next_multiple_of(8)
                + stride(def.value_size),
        })
    }

    fn bucket(&self, key: &[u8]) -> Bucket {
        let full = self.seed.hash_one(key);
        let (high, low) = (u32::try_from(full >> 32), u32::try_from(full & 0xffff_ffff));
        let low = low.expect("masked to 32 bits");
        Bucket {
            number: low & self.bucket_mask,
            hash: high.expect("shifted to 32 bits"),
        }
    }

    fn lock(&self, bucket: Bucket) -> MutexGuard<'_, ()> {
        self.shards[bucket.number as usize % SHARDS]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn slab(&self) -> &Slab {
        &self.chains.slab
    }

    fn find(&self, bucket: Bucket, key: &[u8]) -> Option<Node> {
        let matches = |node: &Node| {
            self.slab().hash(*node).load(Ordering::Relaxed) == bucket.hash
                && self.slab().key_is(*node, key)
        };
        self.chains.chain(bucket.number).find(matches)
    }

    fn insert(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let demand = Demand::from_flags(flags)?;
        if key.len() != self.key_size || value.len() != self.value_size {
            return Err(Errno::EINVAL);
        }
        let bucket = self.bucket(key);
        let _lock = self.lock(bucket);
        let old = self.find(bucket, key);
        match (demand, old) {
            (Demand::Missing, Some(_)) => return Err(Errno::EEXIST),
            (Demand::Present, None) => return Err(Errno::ENOENT),
            _ => {}
        }
        if old.is_none() {
            let room = |count| (count < self.entries).then(|| count + 1);
            self.count
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
                .map_err(|_| Errno::E2BIG)?;
        }
        let node = match (self.slab().take(), old) {
            (Ok(node), _) => node,
            // Without another element the value changes where it is, under the eyes of those who looked it up, as in Linux, where
            // elements are used again at once.
            (Err(_), Some(old)) => {
                self.slab().set_value(old, 0, value);
                return Ok(());
            }
            (Err(errno), None) => {
                self.count.fetch_sub(1, Ordering::Relaxed);
                return Err(errno);
            }
        };
        self.slab().set_key(node, key);
        self.slab().set_value(node, 0, value);
        self.slab().hash(node).store(bucket.hash, Ordering::Relaxed);
        match old {
            Some(old) => self.chains.replace(bucket.number, old, node),
            None => self.chains.push(bucket.number, node),
        }
        Ok(())
    }

    /// Removes an element, of which `last` gets what it wants while nobody else can.
    fn remove<R>(&self, key: &[u8], last: impl FnOnce(Node) -> R) -> Result<R, Errno> {
        if key.len() != self.key_size {
            return Err(Errno::EINVAL);
        }
        let bucket = self.bucket(key);
        let _lock = self.lock(bucket);
        let node = self.find(bucket, key).ok_or(Errno::ENOENT)?;
        let kept = last(node);
        self.chains.unlink(bucket.number, node);
        self.count.fetch_sub(1, Ordering::Relaxed);
        Ok(kept)
    }

    fn value_of(&self, node: Node) -> Vec<u8> {
        let mut value = vec![0; self.value_size];
        self.slab().value(node, 0, &mut value);
        value
    }

    fn key_of(&self, node: Node) -> Vec<u8> {
        let mut key = vec![0; self.key_size];
        self.slab().key(node, &mut key);
        key
    }
}

impl Map for Hash {
    fn lookup(&self, _cpu: u32, key: &[u8]) -> Option<u64> {
        self.find(self.bucket(key), key)
            .map(|node| self.slab().value_addr(node))
    }

    fn update(&self, _cpu: u32, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        self.insert(key, value, flags)
    }

    fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        self.remove(key, |_| ())
    }

    fn take(&self, key: &[u8]) -> Result<Vec<u8>, Errno> {
        self.remove(key, |node| self.value_of(node))
    }

    fn read(&self, key: &[u8]) -> Result<Vec<u8>, Errno> {
        let _pin = crate::pin();
        let node = self.find(self.bucket(key), key).ok_or(Errno::ENOENT)?;
        Ok(self.value_of(node))
    }

    fn write(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        self.insert(key, value, flags)
    }

    fn next_key(&self, key: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        let _pin = crate::pin();
        let found = key.and_then(|key| {
            let bucket = self.bucket(key);
            self.find(bucket, key).map(|node| (bucket.number, node))
        });
        let node = self.chains.next(found, self.bucket_mask + 1);
        node.map(|node| self.key_of(node)).ok_or(Errno::ENOENT)
    }

    fn region_of(&self, addr: u64) -> Option<Region> {
        self.slab().region_of(addr)
    }

    fn memlock_bytes(&self) -> u64 {
        let table = HEADER_BYTES + BUCKET_BYTES * (u64::from(self.bucket_mask) + 1);
        let cpus = u64::from(self.cpus);
        if self.preallocated {
            table + self.element_bytes * (u64::from(self.entries) + cpus) + 8 * cpus
        } else {
            table + (self.element_bytes + 8) * u64::from(self.count.load(Ordering::Relaxed))
        }
    }
}
