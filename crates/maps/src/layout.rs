//! Sizes of values and flags that several types share.

use crate::MapDef;
use skep_uapi::{BPF_ANY, BPF_EXIST, BPF_NOEXIST, Errno};

/// Bytes from one value to the next: the value size rounded up to 8.
pub(crate) fn stride(value_size: u32) -> u64 {
    u64::from(value_size).next_multiple_of(8)
}

/// A count of bytes as a length.
pub(crate) fn len(bytes: u64) -> Result<usize, Errno> {
    usize::try_from(bytes).map_err(|_| Errno::ENOMEM)
}

/// What an update demands of the element that is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    Any,
    Missing,
    Present,
}

impl Demand {
    /// Reads update flags; everything above `BPF_EXIST` is refused (there are no spin locks in values yet).
    pub(crate) fn from_flags(flags: u64) -> Result<Self, Errno> {
        match flags {
            BPF_ANY => Ok(Self::Any),
            BPF_NOEXIST => Ok(Self::Missing),
            BPF_EXIST => Ok(Self::Present),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// The index in an array's key, within bounds or not.
pub(crate) fn array_index(key: &[u8]) -> Result<u32, Errno> {
    key.try_into()
        .map(u32::from_ne_bytes)
        .map_err(|_| Errno::EINVAL)
}

/// The key after `key` in an array of `entries`.
pub(crate) fn next_array_key(entries: u32, key: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
    let next = match key.map(array_index).transpose()? {
        Some(index) if index < entries => index + 1,
        Some(_) | None => 0,
    };
    if next < entries {
        Ok(next.to_ne_bytes().to_vec())
    } else {
        Err(Errno::ENOENT)
    }
}

/// What an array update demands: every index below `entries` exists already.
pub(crate) fn array_update_index(entries: u32, key: &[u8], flags: u64) -> Result<u32, Errno> {
    let demand = Demand::from_flags(flags)?;
    let index = array_index(key)?;
    if index >= entries {
        return Err(Errno::E2BIG);
    }
    if demand == Demand::Missing {
        Err(Errno::EEXIST)
    } else {
        Ok(index)
    }
}

/// Refuses attributes that no array takes.
pub(crate) fn check_array(def: &MapDef, flags_allowed: u32) -> Result<(), Errno> {
    let bad = def.key_size != 4
        || def.value_size == 0
        || def.max_entries == 0
        || def.map_flags & !flags_allowed != 0;
    if bad { Err(Errno::EINVAL) } else { Ok(()) }
}
