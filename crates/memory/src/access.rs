//! Access to addresses that a program computed: [`Trusted`] on the verifier's word, [`Checked`] against a table of regions.

use crate::{Shared, raw};
use std::fmt;
use std::marker::PhantomData;

/// What a region allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permission {
    /// Loads only.
    Read,
    /// Loads and stores.
    ReadWrite,
}

/// A range of addresses that a program may touch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region {
    /// First address.
    pub start: u64,
    /// Bytes.
    pub len: u64,
    /// What is allowed.
    pub permission: Permission,
}

/// Regions that come into being during a run (values of maps).
pub trait RegionSource {
    /// The region that holds `addr`, if this source has one.
    fn region_of(&self, addr: u64) -> Option<Region>;
}

/// Why an access was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// No region holds the whole access.
    OutOfBounds,
    /// The region is read-only.
    ReadOnly,
    /// An atomic access is not aligned to its size.
    Misaligned,
    /// A pointer that should name a map names none.
    NotAMap,
}

/// A refused access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Why.
    pub kind: FaultKind,
    /// Address.
    pub addr: u64,
    /// Bytes.
    pub bytes: u64,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            FaultKind::OutOfBounds => "is outside of every region",
            FaultKind::ReadOnly => "is in a read-only region",
            FaultKind::Misaligned => "is not aligned",
            FaultKind::NotAMap => "is not a map",
        };
        write!(
            f,
            "access of {} bytes at {:#x} {what}",
            self.bytes, self.addr
        )
    }
}

impl std::error::Error for Fault {}

/// An atomic read-modify-write on 4 or 8 bytes, or an ordered load or store on 1 to 8.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AtomicAccess {
    /// Adds; gives the old value.
    Add(u64),
    /// Ors; gives the old value.
    Or(u64),
    /// Ands; gives the old value.
    And(u64),
    /// Xors; gives the old value.
    Xor(u64),
    /// Exchanges; gives the old value.
    Xchg(u64),
    /// Stores `new` if the value is `expected`; gives the old value.
    Cmpxchg {
        /// Value that must be there.
        expected: u64,
        /// Value to store.
        new: u64,
    },
    /// Loads with acquire order.
    LoadAcquire,
    /// Stores with release order; gives 0.
    StoreRelease(u64),
}

/// Memory of one run, by address. `bytes` is 1, 2, 4 or 8; values are zero-extended, little-endian hosts only for now.
pub trait Memory {
    /// Loads `bytes` bytes.
    fn load(&self, addr: u64, bytes: u32) -> Result<u64, Fault>;
    /// Stores the low `bytes` bytes of `value`.
    fn store(&self, addr: u64, bytes: u32, value: u64) -> Result<(), Fault>;
    /// One atomic access.
    fn atomic(&self, addr: u64, bytes: u32, access: AtomicAccess) -> Result<u64, Fault>;
    /// Copies memory out.
    fn read(&self, addr: u64, out: &mut [u8]) -> Result<(), Fault>;
    /// Copies memory in.
    fn write(&self, addr: u64, bytes: &[u8]) -> Result<(), Fault>;
}

/// Access on the verifier's word: no check at all. Only `exec` makes one, for one run of a verified program.
#[derive(Clone, Copy, Debug)]
pub struct Trusted<'run> {
    run: PhantomData<&'run ()>,
}

impl<'run> Trusted<'run> {
    /// A token for one run.
    ///
    /// # Safety
    /// Until `'run` ends, every address that is given to the token's methods was computed by a program that the verifier
    /// accepted, or by a helper called from it, so that it lies in live memory (a [`Block`](crate::Block), a
    /// [`Shared`] or a stack) which the program may access in that way, and whose provenance was exposed.
    #[must_use]
    pub unsafe fn new() -> Self {
        Self { run: PhantomData }
    }

    /// The object whose header is at `addr`.
    ///
    /// All [`Shared`] objects of a run hold the same `T`; a verified program passes nothing else as a map.
    #[must_use]
    pub fn shared<T>(self, addr: u64) -> &'run Shared<T> {
        let object: *const Shared<T> = raw::pointer(addr);
        // SAFETY: `new`'s caller vouches that `addr` is a live `Shared<T>` for `'run`.
        unsafe { &*object }
    }
}

impl Memory for Trusted<'_> {
    #[inline]
    fn load(&self, addr: u64, bytes: u32) -> Result<u64, Fault> {
        // SAFETY: `new`'s caller vouches for every address of the run.
        Ok(unsafe { raw::load(addr, bytes) })
    }

    #[inline]
    fn store(&self, addr: u64, bytes: u32, value: u64) -> Result<(), Fault> {
        // SAFETY: as in `load`.
        unsafe { raw::store(addr, bytes, value) };
        Ok(())
    }

    #[inline]
    fn atomic(&self, addr: u64, bytes: u32, access: AtomicAccess) -> Result<u64, Fault> {
        aligned(addr, bytes)?;
        // SAFETY: as in `load`; aligned by the check above.
        Ok(unsafe { raw::atomic(addr, bytes, access) })
    }

    fn read(&self, addr: u64, out: &mut [u8]) -> Result<(), Fault> {
        // SAFETY: as in `load`.
        unsafe { raw::read(addr, out) };
        Ok(())
    }

    fn write(&self, addr: u64, bytes: &[u8]) -> Result<(), Fault> {
        // SAFETY: as in `load`.
        unsafe { raw::write(addr, bytes) };
        Ok(())
    }
}

/// Access checked against the regions of a run: the reference engine's, and the only one for unverified code.
pub struct Checked<'run> {
    regions: Vec<Region>,
    source: &'run dyn RegionSource,
}

impl fmt::Debug for Checked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked")
            .field("regions", &self.regions)
            .finish_non_exhaustive()
    }
}

impl<'run> Checked<'run> {
    /// Access to `regions` (stack, context, packet) and whatever `source` knows of (values of maps).
    ///
    /// # Safety
    /// For `'run`, every region given here or by `source` is live memory (a [`Block`](crate::Block) or a stack) that nobody
    /// else accesses but atomically, and whose provenance was exposed.
    #[must_use]
    pub unsafe fn new(regions: Vec<Region>, source: &'run dyn RegionSource) -> Self {
        Self { regions, source }
    }

    fn check(&self, addr: u64, bytes: u64, write: Permission) -> Result<(), Fault> {
        if bytes == 0 {
            return Ok(());
        }
        let fault = |kind| Fault { kind, addr, bytes };
        let holds = |region: &Region| {
            addr >= region.start && bytes <= region.len && addr - region.start <= region.len - bytes
        };
        let region = self.regions.iter().find(|region| holds(region)).copied();
        let region = region.or_else(|| self.source.region_of(addr).filter(holds));
        let region = region.ok_or_else(|| fault(FaultKind::OutOfBounds))?;
        if write == Permission::ReadWrite && region.permission == Permission::Read {
            return Err(fault(FaultKind::ReadOnly));
        }
        Ok(())
    }
}

impl Memory for Checked<'_> {
    fn load(&self, addr: u64, bytes: u32) -> Result<u64, Fault> {
        self.check(addr, bytes.into(), Permission::Read)?;
        // SAFETY: `check` found a region that holds the access; `new`'s caller vouches for regions.
        Ok(unsafe { raw::load(addr, bytes) })
    }

    fn store(&self, addr: u64, bytes: u32, value: u64) -> Result<(), Fault> {
        self.check(addr, bytes.into(), Permission::ReadWrite)?;
        // SAFETY: as in `load`, and the region may be written.
        unsafe { raw::store(addr, bytes, value) };
        Ok(())
    }

    fn atomic(&self, addr: u64, bytes: u32, access: AtomicAccess) -> Result<u64, Fault> {
        let permission = match access {
            AtomicAccess::LoadAcquire => Permission::Read,
            _ => Permission::ReadWrite,
        };
        self.check(addr, bytes.into(), permission)?;
        aligned(addr, bytes)?;
        // SAFETY: as in `store`; aligned by the check above.
        Ok(unsafe { raw::atomic(addr, bytes, access) })
    }

    fn read(&self, addr: u64, out: &mut [u8]) -> Result<(), Fault> {
        self.check(addr, out.len() as u64, Permission::Read)?;
        // SAFETY: as in `load`.
        unsafe { raw::read(addr, out) };
        Ok(())
    }

    fn write(&self, addr: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.check(addr, bytes.len() as u64, Permission::ReadWrite)?;
        // SAFETY: as in `store`.
        unsafe { raw::write(addr, bytes) };
        Ok(())
    }
}

/// Whether an atomic access has a size that there are cells of, and is aligned to it.
fn aligned(addr: u64, bytes: u32) -> Result<(), Fault> {
    if matches!(bytes, 1 | 2 | 4 | 8) && addr.is_multiple_of(bytes.into()) {
        Ok(())
    } else {
        Err(Fault {
            kind: FaultKind::Misaligned,
            addr,
            bytes: bytes.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Block;

    struct NoMore;
    impl RegionSource for NoMore {
        fn region_of(&self, _addr: u64) -> Option<Region> {
            None
        }
    }

    fn region(block: &Block, permission: Permission) -> Region {
        Region {
            start: block.addr(),
            len: block.len() as u64,
            permission,
        }
    }

    #[test]
    fn checked_refuses_what_leaves_a_region() {
        let block = Block::new_small(16);
        // SAFETY: the block outlives the token.
        let memory = unsafe { Checked::new(vec![region(&block, Permission::ReadWrite)], &NoMore) };
        let start = block.addr();
        assert_eq!(memory.store(start + 8, 8, 0x0102_0304_0506_0708), Ok(()));
        assert_eq!(memory.load(start + 8, 8), Ok(0x0102_0304_0506_0708));
        assert_eq!(memory.load(start + 9, 2), Ok(0x0607));
        assert_eq!(memory.load(start + 12, 4), Ok(0x0102_0304));
        assert_eq!(memory.write(start + 16, &[]), Ok(()));
        for (addr, bytes) in [
            (start + 9, 8),
            (start + 16, 1),
            (start - 1, 1),
            (start - 1, 8),
            (u64::MAX - 3, 8),
            (0, 1),
        ] {
            assert_eq!(
                memory.load(addr, bytes).map_err(|fault| fault.kind),
                Err(FaultKind::OutOfBounds),
                "{addr:#x}"
            );
            assert_eq!(
                memory.store(addr, bytes, 1).map_err(|fault| fault.kind),
                Err(FaultKind::OutOfBounds)
            );
        }
        assert_eq!(
            memory.read(start, &mut [0; 17]).map_err(|fault| fault.kind),
            Err(FaultKind::OutOfBounds)
        );
    }

    /// An access of three bytes at a multiple of three is no aligned access of eight.
    #[test]
    fn odd_sizes_touch_no_more_than_they_say() {
        let block = Block::new_small(64);
        block.fill(0, 64, 0xff);
        let at = (block.addr()..).find(|at| at % 3 == 0 && at % 8 != 0);
        let at = at.expect("within a few bytes");
        let regions = vec![Region {
            start: at,
            len: 3,
            permission: Permission::ReadWrite,
        }];
        // SAFETY: the block outlives the token.
        let memory = unsafe { Checked::new(regions, &NoMore) };
        assert_eq!(memory.load(at, 3), Ok(0x00ff_ffff));
        assert_eq!(memory.store(at, 3, 0), Ok(()));
        let refused = memory.atomic(at, 3, AtomicAccess::Add(1));
        assert_eq!(
            refused.map_err(|fault| fault.kind),
            Err(FaultKind::Misaligned)
        );
        let mut all = [0; 64];
        block.read(0, &mut all);
        assert_eq!(all.iter().filter(|byte| **byte == 0).count(), 3);
    }

    #[test]
    fn checked_refuses_writes_to_read_only_regions() {
        let block = Block::new_small(8);
        // SAFETY: the block outlives the token.
        let memory = unsafe { Checked::new(vec![region(&block, Permission::Read)], &NoMore) };
        assert_eq!(memory.load(block.addr(), 8), Ok(0));
        let refused = memory.store(block.addr(), 1, 1).map_err(|fault| fault.kind);
        assert_eq!(refused, Err(FaultKind::ReadOnly));
        let refused = memory
            .atomic(block.addr(), 8, AtomicAccess::Add(1))
            .map_err(|fault| fault.kind);
        assert_eq!(refused, Err(FaultKind::ReadOnly));
    }

    #[test]
    fn atomics_give_the_old_value_and_need_alignment() {
        let block = Block::new_small(16);
        // SAFETY: the block outlives the token.
        let memory = unsafe { Checked::new(vec![region(&block, Permission::ReadWrite)], &NoMore) };
        let at = block.addr();
        let run = |access| memory.atomic(at, 4, access);
        assert_eq!(run(AtomicAccess::Add(u64::MAX)), Ok(0));
        assert_eq!(run(AtomicAccess::And(0xff)), Ok(0xffff_ffff));
        assert_eq!(run(AtomicAccess::Or(0x100)), Ok(0xff));
        assert_eq!(run(AtomicAccess::Xor(1)), Ok(0x1ff));
        assert_eq!(run(AtomicAccess::Xchg(7)), Ok(0x1fe));
        assert_eq!(
            run(AtomicAccess::Cmpxchg {
                expected: 6,
                new: 9
            }),
            Ok(7)
        );
        assert_eq!(
            run(AtomicAccess::Cmpxchg {
                expected: 7,
                new: 9
            }),
            Ok(7)
        );
        assert_eq!(run(AtomicAccess::LoadAcquire), Ok(9));
        assert_eq!(run(AtomicAccess::StoreRelease(3)), Ok(0));
        assert_eq!(memory.load(at, 8), Ok(3));
        let refused = memory
            .atomic(at + 2, 4, AtomicAccess::Add(1))
            .map_err(|fault| fault.kind);
        assert_eq!(refused, Err(FaultKind::Misaligned));
    }
}
