//! Maps of types that skep knows the definition of and no more: they are created, listed, held and verified against, but have
//! no elements. Every command and helper on elements is answered with EOPNOTSUPP, and no program that uses one runs.

use crate::Map;
use skep_memory::Region;
use skep_uapi::Errno;

/// A map without elements.
#[derive(Debug)]
pub(crate) struct Defined;

impl Map for Defined {
    fn is_only_defined(&self) -> bool {
        true
    }

    fn lookup(&self, _cpu: u32, _key: &[u8]) -> Option<u64> {
        None
    }

    fn update(&self, _cpu: u32, _key: &[u8], _value: &[u8], _flags: u64) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn delete(&self, _key: &[u8]) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn read(&self, _key: &[u8]) -> Result<Vec<u8>, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn write(&self, _key: &[u8], _value: &[u8], _flags: u64) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn take(&self, _key: &[u8]) -> Result<Vec<u8>, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn next_key(&self, _key: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn region_of(&self, _addr: u64) -> Option<Region> {
        None
    }

    fn memlock_bytes(&self) -> u64 {
        0
    }
}
