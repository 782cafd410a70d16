//! Socket options that take or give plain C structures.

use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A C structure or integer without pointers that the kernel keeps, valid with any bytes.
///
/// # Safety
/// Every byte pattern is a valid value.
pub(super) unsafe trait Plain: Copy {}
// SAFETY: an integer.
unsafe impl Plain for c_int {}
// SAFETY: seven integers.
unsafe impl Plain for libc::tpacket_req3 {}
// SAFETY: three integers.
unsafe impl Plain for libc::tpacket_stats_v3 {}

/// An option: level and name.
pub(super) type OptionName = (c_int, c_int);

/// A packet socket that receives nothing yet (protocol 0), closed on exec.
pub(super) fn packet_socket() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: takes three numbers.
    let fd = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `socket` above returned `fd` as a new descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets an option.
pub(super) fn set<T: Plain>(
    fd: BorrowedFd<'_>,
    (level, name): OptionName,
    value: T,
) -> io::Result<()> {
    let len = socklen::<T>();
    let value = (&raw const value).cast();
    // SAFETY: `value` points to a live local of `len` bytes, which the kernel only reads.
    let rc = unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value, len) };
    outcome(rc)
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

/// Reads an option.
pub(super) fn get<T: Plain>(fd: BorrowedFd<'_>, (level, name): OptionName) -> io::Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut len = socklen::<T>();
    let place = value.as_mut_ptr().cast();
    // SAFETY: `place` is a writable local of `len` bytes; the kernel writes at most so many.
    let rc = unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, place, &raw mut len) };
    outcome(rc)?;
    // SAFETY: `zeroed` initialised all bytes, the kernel overwrote some, and `Plain` takes any.
    Ok(unsafe { value.assume_init() })
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

fn outcome(rc: c_int) -> io::Result<()> {
    match rc {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Bytes of a structure, as socket calls take them.
pub(super) const fn socklen<T>() -> libc::socklen_t {
    const { assert!(size_of::<T>() <= 1024) };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "asserted in the line above"
    )]
    let len = size_of::<T>() as libc::socklen_t;
    len
}
