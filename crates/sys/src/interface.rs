//! Names and numbers of network interfaces in the calling thread's network namespace.
//!
//! Asked of a socket and not of `/sys/class/net`, which shows the namespace that sysfs was mounted in.

use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};
use std::io;
use std::os::fd::OwnedFd;

/// Index of the interface of this name (`if_nametoindex(3)`), alternative names included.
///
/// # Errors
/// `ENODEV` if there is none.
pub fn interface_index(name: &str) -> io::Result<u32> {
    Ok(netdevice::name_to_index(any_socket()?, name)?)
}

/// Name of the interface of this index (`if_indextoname(3)`).
///
/// # Errors
/// `ENXIO` or `ENODEV` if there is none.
pub fn interface_name(index: u32) -> io::Result<String> {
    Ok(netdevice::index_to_name(any_socket()?, index)?)
}

/// Any socket serves for questions about interfaces.
fn any_socket() -> io::Result<OwnedFd> {
    Ok(socket_with(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn names_and_numbers() {
        // Every network namespace has its loopback, and Linux numbers it first.
        assert_eq!(interface_index("lo").unwrap(), 1);
        assert_eq!(interface_name(1).unwrap(), "lo");
        for name in ["", "no such", "a_name_of_more_than_fifteen_bytes", "lo\0"] {
            assert!(interface_index(name).is_err(), "{name}");
        }
        assert!(interface_name(0).is_err());
        assert!(interface_name(i32::MAX.cast_unsigned()).is_err());
    }
}
