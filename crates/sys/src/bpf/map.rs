//! Maps: a descriptor together with the sizes that decide how much the kernel copies.

use super::attr::{Attr, Command, call, call_fd, invalid};
use super::info::map_info;
use super::object::Name;
use crate::host::possible_cpus;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Map types whose values are one per CPU (`enum bpf_map_type`): PERCPU_HASH, PERCPU_ARRAY, LRU_PERCPU_HASH and
/// PERCPU_CGROUP_STORAGE.
const PER_CPU_TYPES: [u32; 4] = [5, 6, 10, 21];

/// The last map type whose value layout this module knows (`BPF_MAP_TYPE_ARENA`).
const KNOWN_TYPE_MAX: u32 = 33;

/// A map to make.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields of bpf_attr, by their names there")]
pub struct MapCreate<'a> {
    pub map_type: u32,
    pub key_size: u32,
    pub value_size: u32,
    pub max_entries: u32,
    pub map_flags: u32,
    pub inner_map: Option<BorrowedFd<'a>>,
    pub numa_node: u32,
    pub name: Name,
    pub btf: Option<BorrowedFd<'a>>,
    pub btf_key_type_id: u32,
    pub btf_value_type_id: u32,
    pub map_extra: u64,
}

/// Makes a map.
///
/// # Errors
/// The kernel's.
pub fn map_create(map: &MapCreate<'_>) -> io::Result<OwnedFd> {
    let mut attr = Attr::new();
    attr.set_u32(0, map.map_type)
        .set_u32(4, map.key_size)
        .set_u32(8, map.value_size)
        .set_u32(12, map.max_entries)
        .set_u32(16, map.map_flags)
        .set_u32(24, map.numa_node)
        .set_bytes(28, map.name.bytes())
        .set_u32(52, map.btf_key_type_id)
        .set_u32(56, map.btf_value_type_id)
        .set_u64(64, map.map_extra);
    if let Some(inner) = map.inner_map {
        attr.set_fd(20, inner);
    }
    if let Some(btf) = map.btf {
        attr.set_fd(48, btf);
    }
    // SAFETY: the command has no pointers and returns a new descriptor.
    unsafe { call_fd(Command::MapCreate, &mut attr) }
}

/// A map's descriptor and the bytes that the kernel copies for its keys and values, which never change.
#[derive(Debug)]
pub struct Map {
    fd: OwnedFd,
    map_type: u32,
    key_bytes: usize,
    value_bytes: usize,
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Map {
    /// Asks the kernel for the sizes.
    ///
    /// # Errors
    /// `EINVAL` if it is no map; `EOPNOTSUPP` for a type newer than this module.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        let info = map_info(fd.as_fd())?;
        if info.map_type > KNOWN_TYPE_MAX {
            return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
        }
        let too_big = |_| io::Error::from_raw_os_error(libc::E2BIG);
        let key_bytes = usize::try_from(info.key_size).map_err(too_big)?;
        let one_value = usize::try_from(info.value_size).map_err(too_big)?;
        let value_bytes = if PER_CPU_TYPES.contains(&info.map_type) {
            let cpus = usize::try_from(possible_cpus()?).map_err(too_big)?;
            one_value
                .checked_next_multiple_of(8)
                .and_then(|bytes| bytes.checked_mul(cpus))
                .ok_or_else(|| io::Error::from_raw_os_error(libc::E2BIG))?
        } else {
            one_value
        };
        Ok(Self {
            fd,
            map_type: info.map_type,
            key_bytes,
            value_bytes,
        })
    }

    /// Type of the map (`enum bpf_map_type`).
    #[must_use]
    pub fn map_type(&self) -> u32 {
        self.map_type
    }

    /// Bytes of a value, or of all CPUs' values.
    #[must_use]
    pub fn value_bytes(&self) -> usize {
        self.value_bytes
    }

    /// Attribute of the commands on one element, with the key checked against the map's size.
    fn element(&self, key: &[u8], flags: u64) -> io::Result<Attr> {
        if key.len() != self.key_bytes {
            return Err(invalid());
        }
        let mut attr = Attr::new();
        attr.set_fd(0, self.fd.as_fd())
            .set_input(8, key)
            .set_u64(24, flags);
        Ok(attr)
    }

    /// Space for a value; never less than the 8 bytes that some types write whatever their value's size.
    fn value_space(&self) -> Vec<u8> {
        vec![0; self.value_bytes.max(8)]
    }

    fn read_value(&self, command: Command, mut attr: Attr) -> io::Result<Vec<u8>> {
        let mut value = self.value_space();
        attr.set_output(16, &mut value);
        // SAFETY: `element` checked that the key has the map's size, which is what the kernel reads; it writes one
        // value of the size that it reported to `from_fd`, which `value` has.
        unsafe { call(command, &mut attr) }?;
        value.truncate(self.value_bytes);
        Ok(value)
    }

    /// Reads a value.
    ///
    /// # Errors
    /// `ENOENT` without the key, `EINVAL` for a key of another size.
    pub fn lookup(&self, key: &[u8], flags: u64) -> io::Result<Vec<u8>> {
        self.read_value(Command::MapLookup, self.element(key, flags)?)
    }

    /// Reads a value and deletes the element.
    ///
    /// # Errors
    /// As [`Self::lookup`]; `ENOTSUPP` for types that lack it.
    pub fn lookup_and_delete(&self, key: &[u8]) -> io::Result<Vec<u8>> {
        self.read_value(Command::MapLookupAndDelete, self.element(key, 0)?)
    }

    /// Writes a value.
    ///
    /// # Errors
    /// `EEXIST` and `ENOENT` by `flags`, `E2BIG` if full, `EINVAL` for other sizes.
    pub fn update(&self, key: &[u8], value: &[u8], flags: u64) -> io::Result<()> {
        if value.len() != self.value_bytes {
            return Err(invalid());
        }
        let mut attr = self.element(key, flags)?;
        attr.set_input(16, value);
        // SAFETY: the kernel reads a key and a value of the map's sizes, which were checked against the slices.
        unsafe { call(Command::MapUpdate, &mut attr) }?;
        Ok(())
    }

    /// Deletes an element.
    ///
    /// # Errors
    /// `ENOENT` without the key; `EINVAL` for arrays.
    pub fn delete(&self, key: &[u8]) -> io::Result<()> {
        let mut attr = self.element(key, 0)?;
        // SAFETY: the kernel reads a key of the map's size, which `element` checked.
        unsafe { call(Command::MapDelete, &mut attr) }?;
        Ok(())
    }

    /// The key after `key`, or the first.
    ///
    /// # Errors
    /// `ENOENT` after the last.
    pub fn next_key(&self, key: Option<&[u8]>) -> io::Result<Vec<u8>> {
        let mut attr = match key {
            Some(key) => self.element(key, 0)?,
            None => {
                let mut attr = Attr::new();
                attr.set_fd(0, self.fd.as_fd());
                attr
            }
        };
        let mut next = vec![0; self.key_bytes.max(8)];
        attr.set_output(16, &mut next);
        // SAFETY: the kernel reads a key of the map's size, which `element` checked, or none; it writes one key,
        // for which `next` has room.
        unsafe { call(Command::MapNextKey, &mut attr) }?;
        next.truncate(self.key_bytes);
        Ok(next)
    }

    /// Forbids writes from bpf(2) for good.
    ///
    /// # Errors
    /// `EBUSY` if frozen already or mapped writable.
    pub fn freeze(&self) -> io::Result<()> {
        let mut attr = Attr::new();
        attr.set_fd(0, self.fd.as_fd());
        // SAFETY: the command has no pointers.
        unsafe { call(Command::MapFreeze, &mut attr) }?;
        Ok(())
    }
}
