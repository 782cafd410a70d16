//! Names and numbers of network interfaces, in the network namespace of the calling thread.

use rustix::net::netdevice::{index_to_name, name_to_index};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use std::io;
use std::os::fd::OwnedFd;

/// Number of the interface.
///
/// # Errors
/// `ENODEV` without one of this name.
pub fn interface_index(name: &str) -> io::Result<u32> {
    Ok(name_to_index(asker()?, name)?)
}

/// Name of the interface.
///
/// # Errors
/// `ENODEV` without one of this number.
pub fn interface_name(ifindex: u32) -> io::Result<String> {
    Ok(index_to_name(asker()?, ifindex)?)
}

/// Any socket answers; the local kind is the one that every kernel has.
fn asker() -> io::Result<OwnedFd> {
    let (family, kind) = (AddressFamily::UNIX, SocketType::DGRAM);
    Ok(socket_with(family, kind, SocketFlags::CLOEXEC, None)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn loopback_is_number_one() {
        assert_eq!(interface_index("lo").unwrap(), 1);
        assert_eq!(interface_name(1).unwrap(), "lo");
        let error = interface_index("no-such-device").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
        assert!(interface_name(u32::MAX).is_err());
    }
}
