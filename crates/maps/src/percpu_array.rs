//! `BPF_MAP_TYPE_PERCPU_ARRAY`: one array of values for each CPU slot, in one block, slots a cache line apart.

use crate::layout::{array_index, array_update_index, check_array, len, next_array_key, stride};
use crate::{Map, MapDef};
use skep_memory::{Block, Permission, Region};
use skep_uapi::{BPF_F_RDONLY, BPF_F_RDONLY_PROG, BPF_F_WRONLY, BPF_F_WRONLY_PROG, Errno};

/// Flags that Linux takes for a per-CPU array.
const FLAGS: u32 = BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG;
/// Bytes that Linux 6.18 charges for the array's own structure (seen in fdinfo).
const HEADER_BYTES: u64 = 312;
/// Largest value (kernel `PCPU_MIN_UNIT_SIZE`).
const VALUE_BYTES_MAX: u64 = 32 << 10;

/// A per-CPU array map.
#[derive(Debug)]
pub(crate) struct PercpuArray {
    values: Block,
    value_size: usize,
    stride: usize,
    entries: u32,
    cpus: u32,
    cpu_stride: usize,
}

impl PercpuArray {
    pub(crate) fn new(def: &MapDef) -> Result<Self, Errno> {
        check_array(def, FLAGS)?;
        if stride(def.value_size) > VALUE_BYTES_MAX {
            return Err(Errno::E2BIG);
        }
        let cpu_bytes = (stride(def.value_size) * u64::from(def.max_entries)).next_multiple_of(64);
        let bytes = cpu_bytes.checked_mul(def.cpus.into()).ok_or(Errno::E2BIG)?;
        Ok(Self {
            values: Block::new(len(bytes)?).ok_or(Errno::ENOMEM)?,
            value_size: len(def.value_size.into())?,
            stride: len(stride(def.value_size))?,
            entries: def.max_entries,
            cpus: def.cpus,
            cpu_stride: len(cpu_bytes)?,
        })
    }

    /// Address of the first value of CPU slot 0.
    pub(crate) fn values_addr(&self) -> u64 {
        self.values.addr()
    }

    /// Bytes from one CPU slot's values to the next slot's.
    pub(crate) fn cpu_stride(&self) -> u64 {
        self.cpu_stride as u64
    }

    fn offset(&self, cpu: u32, index: u32) -> usize {
        let at = |number: u32, stride: usize| {
            usize::try_from(number).expect("skep builds for 64-bit hosts") * stride
        };
        at(cpu, self.cpu_stride) + at(index, self.stride)
    }
}

impl Map for PercpuArray {
    fn lookup(&self, cpu: u32, key: &[u8]) -> Option<u64> {
        let index = array_index(key)
            .ok()
            .filter(|index| *index < self.entries && cpu < self.cpus)?;
        Some(self.values.addr() + self.offset(cpu, index) as u64)
    }

    fn update(&self, cpu: u32, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let index = array_update_index(self.entries, key, flags)?;
        if value.len() != self.value_size || cpu >= self.cpus {
            return Err(Errno::EINVAL);
        }
        self.values.write(self.offset(cpu, index), value);
        Ok(())
    }

    fn delete(&self, _key: &[u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn read(&self, key: &[u8]) -> Result<Vec<u8>, Errno> {
        let index = array_index(key)?;
        if index >= self.entries {
            return Err(Errno::ENOENT);
        }
        let mut all = Vec::new();
        for cpu in 0..self.cpus {
            let start = all.len();
            all.resize(start + self.stride, 0);
            self.values.read(
                self.offset(cpu, index),
                &mut all[start..start + self.value_size],
            );
        }
        Ok(all)
    }

    fn write(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let index = array_update_index(self.entries, key, flags)?;
        if value.len() != self.stride * usize::try_from(self.cpus).map_err(|_| Errno::EINVAL)? {
            return Err(Errno::EINVAL);
        }
        for (cpu, value) in (0..self.cpus).zip(value.chunks_exact(self.stride)) {
            self.values
                .write(self.offset(cpu, index), &value[..self.value_size]);
        }
        Ok(())
    }

    fn next_key(&self, key: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        next_array_key(self.entries, key)
    }

    fn region_of(&self, addr: u64) -> Option<Region> {
        let region = Region {
            start: self.values.addr(),
            len: self.values.len() as u64,
            permission: Permission::ReadWrite,
        };
        (region.start..region.start + region.len)
            .contains(&addr)
            .then_some(region)
    }

    fn memlock_bytes(&self) -> u64 {
        let entries = u64::from(self.entries);
        HEADER_BYTES + entries * 8 + entries * self.stride as u64 * u64::from(self.cpus)
    }
}
