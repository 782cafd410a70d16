//! `BPF_MAP_TYPE_DEVMAP` and `BPF_MAP_TYPE_DEVMAP_HASH`: interfaces to redirect packets to, by number.
//!
//! Both are chains of slab elements and differ in which chain an index is on: each index of a device map has one of its own, those of
//! a hash share them by their low bits (Linux does not mix them, so that the order of keys is the same). An element's value
//! is eight bytes, interface and id of a program, of which programs and commands see the map's value size.
//! Only commands change these maps; programs may not (the verifier). They are few, so that one lock serves all chains.
//!
//! An entry is made only for an interface that exists ([`Devices`]). Linux removes the entries of an interface that goes; here they
//! go when somebody says so ([`DeviceMap::forget`]) or a command looks at one.
//! Programs in entries (`BPF_XDP_DEVMAP`) are not there yet: a descriptor of one is refused.

use crate::chains::Chains;
use crate::layout::{Demand, array_index, next_array_key};
use crate::slab::{Node, Slab};
use crate::{DeviceMap, Devices, Map, MapDef};
use skep_memory::{Permission, Region};
use skep_uapi::{BPF_F_NUMA_NODE, BPF_F_RDONLY, BPF_F_WRONLY, Errno};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Flags that Linux takes for device maps.
const FLAGS: u32 = BPF_F_NUMA_NODE | BPF_F_RDONLY | BPF_F_WRONLY;
/// Bytes of a value without and with a program.
const IFINDEX_BYTES: usize = 4;
const VALUE_BYTES: usize = 8;
/// Bytes that Linux 6.18 charges, as fitted to fdinfo: the structure, an index or bucket, an entry.
const HEADER_BYTES: u64 = 344;
const BUCKET_BYTES: u64 = 8;
const ENTRY_BYTES: u64 = 64;

/// How indices become chains.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// Indices below the number of entries, each its own chain.
    Array,
    /// Any index; its low bits number the chain.
    Hash,
}

/// A device map.
#[derive(Debug)]
pub(crate) struct DevMap {
    shape: Shape,
    chains: Chains,
    buckets: u32,
    entries: u32,
    value_size: usize,
    /// Entries, as Linux counts them.
    count: AtomicU32,
    changes: Mutex<()>,
    devices: Arc<dyn Devices>,
}

/// What a command asked to be stored.
struct Wanted {
    ifindex: u32,
    /// Descriptor of a program; 0 and below mean none.
    prog: i32,
}

impl Wanted {
    fn parse(value: &[u8]) -> Result<Self, Errno> {
        let word = |at: usize| {
            let bytes = value.get(at..at + 4).map(TryInto::try_into);
            bytes.and_then(Result::ok)
        };
        let ifindex = word(0).map(u32::from_ne_bytes).ok_or(Errno::EINVAL)?;
        let prog = word(IFINDEX_BYTES).map_or(0, i32::from_ne_bytes);
        Ok(Self { ifindex, prog })
    }
}

impl DevMap {
    pub(crate) fn new(
        def: &MapDef,
        shape: Shape,
        devices: &Arc<dyn Devices>,
    ) -> Result<Self, Errno> {
        let value_size = match def.value_size {
            4 => IFINDEX_BYTES,
            8 => VALUE_BYTES,
            _ => return Err(Errno::EINVAL),
        };
        if def.key_size != 4 || def.max_entries == 0 || def.map_flags & !FLAGS != 0 {
            return Err(Errno::EINVAL);
        }
        let buckets = match shape {
            Shape::Array => Some(def.max_entries),
            Shape::Hash => def.max_entries.checked_next_power_of_two(),
        };
        let buckets = buckets.ok_or(Errno::EINVAL)?;
        Ok(Self {
            shape,
            chains: Chains::new(
                buckets,
                Slab::new(def.max_entries, def.key_size, VALUE_BYTES as u64)?,
            )?,
            buckets,
            entries: def.max_entries,
            value_size,
            count: AtomicU32::new(0),
            changes: Mutex::new(()),
            devices: Arc::clone(devices),
        })
    }

    fn slab(&self) -> &Slab {
        &self.chains.slab
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The chain of an index, or `None` beyond a device map's last.
    fn bucket(&self, index: u32) -> Option<u32> {
        match self.shape {
            Shape::Array => (index < self.entries).then_some(index),
            Shape::Hash => Some(index & (self.buckets - 1)),
        }
    }

    fn find(&self, index: u32) -> Option<(u32, Node)> {
        let bucket = self.bucket(index)?;
        let key = index.to_ne_bytes();
        let node = self
            .chains
            .chain(bucket)
            .find(|node| self.slab().key_is(*node, &key))?;
        Some((bucket, node))
    }

    fn ifindex_of(&self, node: Node) -> u32 {
        let mut bytes = [0; IFINDEX_BYTES];
        self.slab().value(node, 0, &mut bytes);
        u32::from_ne_bytes(bytes)
    }

    /// All entries, in the order of keys.
    fn nodes(&self) -> impl Iterator<Item = (u32, Node)> + '_ {
        (0..self.buckets)
            .flat_map(|bucket| self.chains.chain(bucket).map(move |node| (bucket, node)))
    }

    /// Takes an entry out; the lock is held.
    fn remove(&self, (bucket, node): (u32, Node)) {
        self.chains.unlink(bucket, node);
        self.count.fetch_sub(1, Ordering::Relaxed);
    }

    /// Empties an index of a device map by an update; the lock is held. Linux 6.18 counts an update that finds no entry as one more and
    /// one that finds one as none less, whatever it stores, which shows in what it charges.
    fn clear(&self, old: Option<(u32, Node)>) {
        match old {
            Some((bucket, node)) => self.chains.unlink(bucket, node),
            None => {
                self.count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn store(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let demand = Demand::from_flags(flags)?;
        let index = array_index(key)?;
        let wanted = Wanted::parse(value)?;
        let bucket = self.bucket(index).ok_or(Errno::E2BIG)?;
        let _lock = self.lock();
        let old = self.find(index);
        // Every index of a device map counts as there; of `BPF_EXIST`, Linux takes no notice in either.
        let exists = self.shape == Shape::Array || old.is_some();
        if demand == Demand::Missing && exists {
            return Err(Errno::EEXIST);
        }
        if self.shape == Shape::Array && wanted.ifindex == 0 && wanted.prog <= 0 {
            self.clear(old);
            return Ok(());
        }
        if wanted.prog > 0 || !self.devices.exists(wanted.ifindex) {
            return Err(Errno::EINVAL);
        }
        let is_full = || self.count.load(Ordering::Relaxed) >= self.entries;
        if self.shape == Shape::Hash && old.is_none() && is_full() {
            return Err(Errno::E2BIG);
        }
        let node = self.slab().take()?;
        self.slab().set_key(node, key);
        self.slab()
            .set_value(node, 0, &wanted.ifindex.to_ne_bytes());
        self.slab().set_value(node, IFINDEX_BYTES, &[0; 4]);
        if let Some((bucket, old)) = old {
            self.chains.replace(bucket, old, node);
        } else {
            self.chains.push(bucket, node);
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Map for DevMap {
    fn lookup(&self, _cpu: u32, key: &[u8]) -> Option<u64> {
        let (_, node) = self.find(array_index(key).ok()?)?;
        Some(self.slab().value_addr(node))
    }

    fn update(&self, _cpu: u32, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        self.store(key, value, flags)
    }

    fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        let index = array_index(key)?;
        if self.bucket(index).is_none() {
            return Err(Errno::EINVAL);
        }
        let _lock = self.lock();
        match (self.find(index), self.shape) {
            (Some(found), Shape::Array | Shape::Hash) => self.remove(found),
            (None, Shape::Array) => {}
            (None, Shape::Hash) => return Err(Errno::ENOENT),
        }
        Ok(())
    }

    fn read(&self, key: &[u8]) -> Result<Vec<u8>, Errno> {
        let index = array_index(key)?;
        let mut value = vec![0; self.value_size];
        let ifindex = {
            let _pin = crate::pin();
            let (_, node) = self.find(index).ok_or(Errno::ENOENT)?;
            self.slab().value(node, 0, &mut value);
            self.ifindex_of(node)
        };
        if self.devices.exists(ifindex) {
            Ok(value)
        } else {
            self.forget(ifindex);
            Err(Errno::ENOENT)
        }
    }

    fn write(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        if value.len() == self.value_size {
            self.store(key, value, flags)
        } else {
            Err(Errno::EINVAL)
        }
    }

    fn next_key(&self, key: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        if self.shape == Shape::Array {
            return next_array_key(self.entries, key);
        }
        let _pin = crate::pin();
        let found = key.map(array_index).transpose()?;
        let found = found.and_then(|index| self.find(index));
        let next = self.chains.next(found, self.buckets).ok_or(Errno::ENOENT)?;
        let mut key = vec![0; 4];
        self.slab().key(next, &mut key);
        Ok(key)
    }

    fn devices(&self) -> Option<&dyn DeviceMap> {
        Some(self)
    }

    fn region_of(&self, addr: u64) -> Option<Region> {
        let region = self.slab().region_of(addr)?;
        Some(Region {
            permission: Permission::Read,
            ..region
        })
    }

    fn memlock_bytes(&self) -> u64 {
        HEADER_BYTES
            + BUCKET_BYTES * u64::from(self.buckets)
            + ENTRY_BYTES * u64::from(self.count.load(Ordering::Relaxed))
    }
}

impl DeviceMap for DevMap {
    fn device(&self, index: u32) -> Option<u32> {
        self.find(index).map(|(_, node)| self.ifindex_of(node))
    }

    fn all(&self) -> Vec<u32> {
        let _pin = crate::pin();
        self.nodes()
            .map(|(_, node)| self.ifindex_of(node))
            .collect()
    }

    fn forget(&self, ifindex: u32) {
        let _lock = self.lock();
        let gone: Vec<_> = self
            .nodes()
            .filter(|(_, node)| self.ifindex_of(*node) == ifindex)
            .collect();
        gone.into_iter().for_each(|entry| self.remove(entry));
    }
}
