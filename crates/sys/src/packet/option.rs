//! Calls of packet sockets that take structures of their own.

use crate::socket_option::outcome;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

pub(super) use crate::socket_option::{get, set, socklen};

/// A packet socket that receives nothing yet (protocol 0), closed on exec.
pub(super) fn packet_socket() -> io::Result<OwnedFd> {
    crate::socket_option::raw_socket(libc::AF_PACKET)
}

/// Attaches a filter program to a socket.
pub(super) fn attach_filter(
    fd: BorrowedFd<'_>,
    filter: &mut [libc::sock_filter],
) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?,
        filter: filter.as_mut_ptr(),
    };
    let len = socklen::<libc::sock_fprog>();
    let value = (&raw const program).cast();
    let (level, name) = (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER);
    // SAFETY: `value` points to a live local of `len` bytes, which points to `program.len` instructions of `filter`;
    // the kernel copies both.
    let rc = unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value, len) };
    outcome(rc)
}

/// Binds a packet socket to an interface, for frames of this protocol (host's byte order).
pub(super) fn bind(fd: BorrowedFd<'_>, ifindex: u32, protocol: u16) -> io::Result<()> {
    let address = address(ifindex, protocol)?;
    let len = socklen::<libc::sockaddr_ll>();
    let value = (&raw const address).cast();
    // SAFETY: `value` points to a live local of `len` bytes, which the kernel only reads.
    let rc = unsafe { libc::bind(fd.as_raw_fd(), value, len) };
    outcome(rc)
}

/// The address of an interface for a protocol (host's byte order; 0 in sent frames: what their header says).
pub(super) fn address(ifindex: u32, protocol: u16) -> io::Result<libc::sockaddr_ll> {
    Ok(libc::sockaddr_ll {
        sll_family: FAMILY,
        sll_protocol: protocol.to_be(),
        sll_ifindex: i32::try_from(ifindex)
            .map_err(|_| io::Error::from_raw_os_error(libc::ENXIO))?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    })
}

/// `AF_PACKET` as addresses hold it.
const FAMILY: u16 = 17;
const _: () = assert!(libc::AF_PACKET == 17);
