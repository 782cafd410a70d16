//! What every map type can do.

use crate::{DeviceMap, slab};
use skep_memory::{Region, Shared};
use skep_uapi::Errno;
use std::fmt;
use std::sync::Arc;

/// The body of a map.
pub trait Map: Send + Sync + fmt::Debug {
    /// Program side: the address of the value under `key` (of CPU slot `cpu`), or `None`.
    fn lookup(&self, cpu: u32, key: &[u8]) -> Option<u64>;

    /// Program side: creates or replaces a value (of CPU slot `cpu`).
    ///
    /// # Errors
    /// As Linux: EINVAL (flags), EEXIST (`BPF_NOEXIST`), ENOENT (`BPF_EXIST`), E2BIG (full, or index out of range).
    fn update(&self, cpu: u32, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno>;

    /// Both sides: removes an element.
    ///
    /// # Errors
    /// ENOENT if there is none, EINVAL where the type has no deletion.
    fn delete(&self, key: &[u8]) -> Result<(), Errno>;

    /// Command side: a copy of the value; of all CPUs, each rounded up to 8 bytes, for per-CPU types.
    ///
    /// # Errors
    /// ENOENT if there is none.
    fn read(&self, key: &[u8]) -> Result<Vec<u8>, Errno>;

    /// Command side: creates or replaces a value, in the form that [`Map::read`] gives.
    ///
    /// # Errors
    /// As [`Map::update`]; EINVAL if `value` has the wrong length.
    fn write(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno>;

    /// Command side: removes an element and gives its value, so that of several that take it only one gets it.
    ///
    /// # Errors
    /// ENOENT if there is none, ENOTSUPP where the type cannot do both at once.
    fn take(&self, _key: &[u8]) -> Result<Vec<u8>, Errno> {
        Err(Errno::ENOTSUPP)
    }

    /// Command side: the key after `key`, or the first one if `key` is `None` or gone.
    ///
    /// # Errors
    /// ENOENT after the last.
    fn next_key(&self, key: Option<&[u8]>) -> Result<Vec<u8>, Errno>;

    /// Address and size of the value that `ld_imm64` may point into, for types with global data.
    fn direct_value(&self) -> Option<Region> {
        None
    }

    /// What the map offers if its entries are interfaces.
    fn devices(&self) -> Option<&dyn DeviceMap> {
        None
    }

    /// Whether there is nothing behind the definition: a program that uses the map must not run.
    fn is_only_defined(&self) -> bool {
        false
    }

    /// The region of values that holds `addr`, for checked runs.
    fn region_of(&self, addr: u64) -> Option<Region>;

    /// Bytes that the map is charged with, as Linux 6.18 counts them.
    fn memlock_bytes(&self) -> u64;
}

/// A map's body behind its header, as programs know it.
pub type MapObject = Shared<Box<dyn Map>>;

/// A shared map.
pub type MapRef = Arc<MapObject>;

/// Holds values' addresses good for the thread that made it.
pub type Pin = crossbeam_epoch::Guard;

/// Pins the epoch: until the pin is dropped, no value that this thread looks up is reused.
#[must_use]
pub fn pin() -> Pin {
    crossbeam_epoch::pin()
}

/// Lets a long batch of runs go on in a new epoch: addresses looked up before are no longer good, and what was freed can be used
/// again. (Moving on alone would leave freed elements waiting as long as the thread stays pinned.)
pub fn renew(pin: &mut Pin) {
    pin.repin();
    let mut waiting = slab::waiting();
    while waiting > 0 {
        pin.flush();
        let left = slab::waiting();
        if left >= waiting {
            return;
        }
        waiting = left;
    }
}
