//! Access to addresses that a program computed: [`Trusted`] on the verifier's word, [`Checked`] against a table of regions.

use crate::Shared;
use std::fmt;

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
    run: std::marker::PhantomData<&'run ()>,
}

impl<'run> Trusted<'run> {
    /// A token for one run.
    ///
    /// # Safety
    /// Until `'run` ends, every address that is given to the token's methods was computed by a program that the verifier
    /// accepted, or by a helper called from it, so that it lies in live memory which the program may access in that way.
    #[must_use]
    pub unsafe fn new() -> Self {
        Self {
            run: std::marker::PhantomData,
        }
    }

    /// The object whose header is at `addr`.
    #[must_use]
    pub fn shared<T>(self, addr: u64) -> &'run Shared<T> {
        let _ = addr;
        unreachable!("written with the maps")
    }
}

/// Access checked against the regions of a run.
pub struct Checked<'run> {
    /// Regions known from the start: stack, context, packet.
    pub regions: Vec<Region>,
    /// Where further regions come from.
    pub source: &'run dyn RegionSource,
}
