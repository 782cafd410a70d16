//! Rights of the calling thread beyond those of an ordinary user (capabilities(7)), and giving them up.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};
use std::{fs, io};

/// A capability, by its number in linux/capability.h.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capability(u8);

impl Capability {
    /// Ignoring the permissions of files.
    pub const DAC_OVERRIDE: Self = Self(1);
    /// Taking capabilities out of the bounding set.
    pub const SETPCAP: Self = Self(8);
    /// Configuring interfaces, traffic control, attaching XDP programs.
    pub const NET_ADMIN: Self = Self(12);
    /// Packet sockets.
    pub const NET_RAW: Self = Self(13);
    /// Mounting and much else.
    pub const SYS_ADMIN: Self = Self(21);
    /// Exceeding limits of resources.
    pub const SYS_RESOURCE: Self = Self(24);
    /// Tracing and measuring.
    pub const PERFMON: Self = Self(38);
    /// The bpf(2) system call.
    pub const BPF: Self = Self(39);

    /// The capability of this number, `None` above 63.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0..=63 => Some(Self(number)),
            _ => None,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    fn set(self) -> CapabilitySet {
        CapabilitySet::from_bits_retain(1 << self.0)
    }
}

/// Several capabilities: one bit for each number.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Capabilities(u64);

impl Capabilities {
    /// Whether it is among them.
    #[must_use]
    pub const fn contains(self, capability: Capability) -> bool {
        self.0 >> capability.0 & 1 != 0
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The bits, lowest number first.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }
}

/// The capabilities in force for the calling thread, in its own user namespace.
///
/// # Errors
/// Those of `capget(2)`.
pub fn effective_capabilities() -> io::Result<Capabilities> {
    Ok(Capabilities(capabilities(None)?.effective.bits()))
}

/// Gives up all capabilities but these, for ever: in the permitted, effective, inheritable and ambient sets, and where the
/// process may (it needs [`Capability::SETPCAP`]) in the bounding set, so that programs it starts do not get them back.
/// None is gained.
///
/// # Errors
/// `EBUSY` if the process has other threads, which would keep theirs; those of `capset(2)`.
pub fn drop_capabilities_except(kept: &[Capability]) -> io::Result<()> {
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(Errno::BUSY.into());
    }
    let kept = kept
        .iter()
        .fold(CapabilitySet::empty(), |set, one| set | one.set());
    bound(kept)?;
    let CapabilitySets {
        effective,
        permitted,
        inheritable,
    } = capabilities(None)?;
    // The kernel keeps the ambient set within the permitted and the inheritable one.
    let sets = CapabilitySets {
        effective: effective & kept,
        permitted: permitted & kept,
        inheritable: inheritable & kept,
    };
    Ok(set_capabilities(None, sets)?)
}

/// Reduces the bounding set to `kept`, if that is allowed.
fn bound(kept: CapabilitySet) -> io::Result<()> {
    for capability in (0..=63).map(Capability) {
        match capability_is_in_bounding_set(capability.set()) {
            Ok(true) if !kept.contains(capability.set()) => {}
            Ok(_) => continue,
            // Beyond the last that the kernel knows.
            Err(Errno::INVAL) => break,
            Err(errno) => return Err(errno.into()),
        }
        match remove_capability_from_bounding_set(capability.set()) {
            Ok(()) => {}
            Err(Errno::PERM) => break,
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Makes sure that no program that this thread starts gains rights by its file's owner or capabilities.
///
/// # Errors
/// Those of `prctl(2)`.
pub fn no_new_privileges() -> io::Result<()> {
    Ok(set_no_new_privs(true)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn numbers_and_bits() {
        assert_eq!(Capability::from_number(12), Some(Capability::NET_ADMIN));
        assert_eq!(Capability::from_number(64), None);
        let set = Capabilities(1 << 12);
        assert!(set.contains(Capability::NET_ADMIN) && !set.contains(Capability::NET_RAW));
        assert!(Capabilities::default().is_empty());
        assert_eq!(Capability::NET_RAW.set(), CapabilitySet::NET_RAW);
        assert_eq!(Capability::BPF.set(), CapabilitySet::BPF);
        effective_capabilities().unwrap();
    }
}
