//! Interfaces: which exist, and what maps of them offer beyond lookups.

use std::fmt;

/// The interfaces that a machine's maps may name.
pub trait Devices: Send + Sync + fmt::Debug {
    /// Whether an interface of that index exists now.
    fn exists(&self, ifindex: u32) -> bool;
}

/// A map whose entries are interfaces.
pub trait DeviceMap {
    /// Program side: the interface at `index`, or `None`. The caller holds a pin of the epoch.
    fn device(&self, index: u32) -> Option<u32>;

    /// The interfaces of all entries, in the order of keys; one that several entries name, several times.
    fn all(&self) -> Vec<u32>;

    /// Removes the entries of an interface, because it is gone.
    fn forget(&self, ifindex: u32);
}
