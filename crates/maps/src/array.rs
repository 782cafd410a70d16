//! `BPF_MAP_TYPE_ARRAY`: values side by side in one block; never deleted, so that addresses hold for the map's life.

use crate::layout::{array_index, array_update_index, check_array, len, next_array_key, stride};
use crate::{Map, MapDef};
use skep_memory::{Block, Permission, Region};
use skep_uapi::{
    BPF_F_INNER_MAP, BPF_F_MMAPABLE, BPF_F_NUMA_NODE, BPF_F_RDONLY, BPF_F_RDONLY_PROG,
    BPF_F_WRONLY, BPF_F_WRONLY_PROG, Errno,
};

/// Flags that Linux takes for an array.
const FLAGS: u32 = BPF_F_NUMA_NODE
    | BPF_F_MMAPABLE
    | BPF_F_RDONLY
    | BPF_F_WRONLY
    | BPF_F_RDONLY_PROG
    | BPF_F_WRONLY_PROG
    | BPF_F_INNER_MAP;
/// Bytes that Linux 6.18 charges for the array's own structure (seen in fdinfo).
const HEADER_BYTES: u64 = 312;
/// Page size by which Linux rounds mappable arrays.
const PAGE_BYTES: u64 = 4096;

/// An array map.
#[derive(Debug)]
pub(crate) struct Array {
    values: Block,
    value_size: usize,
    stride: usize,
    entries: u32,
    mappable: bool,
    permission: Permission,
}

impl Array {
    pub(crate) fn new(def: &MapDef) -> Result<Self, Errno> {
        check_array(def, FLAGS)?;
        if i32::try_from(def.value_size).is_err() {
            return Err(Errno::E2BIG);
        }
        let bytes = stride(def.value_size)
            .checked_mul(def.max_entries.into())
            .ok_or(Errno::E2BIG)?;
        Ok(Self {
            values: Block::new(len(bytes)?).ok_or(Errno::ENOMEM)?,
            value_size: len(def.value_size.into())?,
            stride: len(stride(def.value_size))?,
            entries: def.max_entries,
            mappable: def.map_flags & BPF_F_MMAPABLE != 0,
            permission: if def.map_flags & BPF_F_RDONLY_PROG != 0 {
                Permission::Read
            } else {
                Permission::ReadWrite
            },
        })
    }

    /// Address of the first value.
    pub(crate) fn values_addr(&self) -> u64 {
        self.values.addr()
    }

    fn offset(&self, index: u32) -> usize {
        usize::try_from(index).expect("skep builds for 64-bit hosts") * self.stride
    }

    fn store(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let index = array_update_index(self.entries, key, flags)?;
        if value.len() != self.value_size {
            return Err(Errno::EINVAL);
        }
        self.values.write(self.offset(index), value);
        Ok(())
    }
}

impl Map for Array {
    fn lookup(&self, _cpu: u32, key: &[u8]) -> Option<u64> {
        let index = array_index(key)
            .ok()
            .filter(|index| *index < self.entries)?;
        Some(self.values.addr() + self.offset(index) as u64)
    }

    fn update(&self, _cpu: u32, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        self.store(key, value, flags)
    }

    fn delete(&self, _key: &[u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn read(&self, key: &[u8]) -> Result<Vec<u8>, Errno> {
        let index = array_index(key)?;
        if index >= self.entries {
            return Err(Errno::ENOENT);
        }
        let mut value = vec![0; self.value_size];
        self.values.read(self.offset(index), &mut value);
        Ok(value)
    }

    fn write(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        self.store(key, value, flags)
    }

    fn next_key(&self, key: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        next_array_key(self.entries, key)
    }

    fn direct_value(&self) -> Option<Region> {
        let region = Region {
            start: self.values.addr(),
            len: self.value_size as u64,
            permission: self.permission,
        };
        (self.entries == 1).then_some(region)
    }

    fn region_of(&self, addr: u64) -> Option<Region> {
        let region = Region {
            start: self.values.addr(),
            len: self.values.len() as u64,
            permission: self.permission,
        };
        (region.start..region.start + region.len)
            .contains(&addr)
            .then_some(region)
    }

    fn memlock_bytes(&self) -> u64 {
        let values = self.values.len() as u64;
        if self.mappable {
            PAGE_BYTES + values.next_multiple_of(PAGE_BYTES)
        } else {
            HEADER_BYTES + values
        }
    }
}
