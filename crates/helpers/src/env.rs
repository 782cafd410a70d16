//! What a helper body may ask of the run that calls it.

use skep_maps::MapObject;
use skep_memory::{Fault, Memory};
use skep_uapi::{Errno, MapId};

/// Arguments r1 to r5.
pub type Args = [u64; 5];

/// Clocks that programs can read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clock {
    /// Since boot, suspended time excluded (`CLOCK_MONOTONIC`).
    Monotonic,
    /// Since boot, suspended time included (`CLOCK_BOOTTIME`).
    Boot,
    /// `CLOCK_MONOTONIC_COARSE`.
    Coarse,
    /// International atomic time (`CLOCK_TAI`).
    Tai,
}

/// What the machine offers to runs. Settable, so that runs can be reproduced.
pub trait Services: Send + Sync {
    /// Nanoseconds of a clock.
    fn clock_ns(&self, clock: Clock) -> u64;
    /// A random number.
    fn random_u32(&self) -> u32;
    /// One line for the trace pipe, printed by a program on CPU slot `cpu`.
    fn trace(&self, cpu: u32, line: &[u8]);
}

/// Where the packet goes if the program returns `XDP_REDIRECT`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Redirect {
    /// To an interface that `bpf_redirect` named; whether it exists is for whoever sends to find out.
    Interface {
        /// Interface index.
        ifindex: u32,
    },
    /// To the interface that a map's entry held when `bpf_redirect_map` was called; it may be gone by now.
    Entry {
        /// Interface index.
        ifindex: u32,
        /// Key of the entry.
        index: u32,
    },
    /// To every interface of a map, as it is when the packet is sent. The program's image holds the map.
    Broadcast {
        /// The map, one of the program's.
        map: MapId,
        /// Key given to the helper, which means nothing to a broadcast.
        index: u32,
        /// Whether the interface that the packet came from is left out.
        exclude_ingress: bool,
    },
}

impl Redirect {
    /// The one interface that the packet goes to; `None` for a broadcast.
    #[must_use]
    pub fn ifindex(self) -> Option<u32> {
        match self {
            Self::Interface { ifindex } | Self::Entry { ifindex, .. } => Some(ifindex),
            Self::Broadcast { .. } => None,
        }
    }
}

/// The run that called a helper.
pub trait Env {
    /// How the run's memory is accessed.
    type Memory: Memory;

    /// Memory at addresses that the verifier (or the region table) answers for.
    fn memory(&self) -> &Self::Memory;

    /// Copies from an address that nobody answers for (`%s` of a number): always checked against the run's regions.
    ///
    /// # Errors
    /// A fault if the range is not wholly inside memory that the program may read.
    fn read_unverified(&self, addr: u64, out: &mut [u8]) -> Result<(), Fault>;

    /// The map whose header is at `addr`.
    ///
    /// # Errors
    /// A fault if there is none, in a checked run.
    fn map(&self, addr: u64) -> Result<&MapObject, Fault>;

    /// CPU slot of the run.
    fn cpu(&self) -> u32;

    /// NUMA node of that slot.
    fn numa_node(&self) -> u32;

    /// The machine.
    fn services(&self) -> &dyn Services;

    /// Where to send the packet, as asked for so far.
    fn redirect(&self) -> Option<Redirect>;

    /// Remembers where to send the packet, in place of what was asked for before.
    fn set_redirect(&self, redirect: Redirect);
}

/// An error number as helpers return it: negative, in 64 bits.
pub(crate) fn failed(errno: Errno) -> u64 {
    i64::from(-errno.0).cast_unsigned()
}

/// The low 32 bits of an argument, as C passes an `unsigned int`.
pub(crate) fn low(arg: u64) -> u32 {
    u32::try_from(arg & 0xffff_ffff).expect("masked to 32 bits")
}

/// The low 32 bits of an argument, as C passes an `int`.
pub(crate) fn low_signed(arg: u64) -> i32 {
    low(arg).cast_signed()
}

/// A length that the verifier bounded.
pub(crate) fn length(bytes: u32) -> usize {
    usize::try_from(bytes).expect("skep builds for 64-bit hosts")
}

/// Copies `bytes` bytes from verified memory.
pub(crate) fn copy_in<E: Env>(env: &E, addr: u64, bytes: u32) -> Result<Vec<u8>, Fault> {
    let mut copy = vec![0; length(bytes)];
    env.memory().read(addr, &mut copy)?;
    Ok(copy)
}
