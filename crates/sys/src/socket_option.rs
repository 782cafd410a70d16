//! Sockets, and options that take or give plain C structures: what packet sockets and AF_XDP have in common.

use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A C structure or integer that the kernel copies in or out.
///
/// # Safety
/// Every byte pattern is a valid value, and the kernel follows no pointer in it.
pub(crate) unsafe trait Plain: Copy {}
// SAFETY: an integer.
unsafe impl Plain for c_int {}
// SAFETY: an integer.
unsafe impl Plain for u32 {}
// SAFETY: seven integers.
unsafe impl Plain for libc::tpacket_req3 {}
// SAFETY: three integers.
unsafe impl Plain for libc::tpacket_stats_v3 {}
// SAFETY: sixteen integers.
unsafe impl Plain for libc::xdp_mmap_offsets {}
// SAFETY: six integers.
unsafe impl Plain for libc::xdp_statistics {}

/// An option: level and name.
pub(crate) type OptionName = (c_int, c_int);

/// A raw socket of a family, closed on exec, that receives nothing yet.
pub(crate) fn raw_socket(family: c_int) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: takes three numbers.
    let fd = unsafe { libc::socket(family, kind, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `socket` above returned `fd` as a new descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets an option.
pub(crate) fn set<T: Plain>(
    fd: BorrowedFd<'_>,
    (level, name): OptionName,
    value: T,
) -> io::Result<()> {
    let len = socklen::<T>();
    let value = (&raw const value).cast();
    // SAFETY: `value` points to a live local of `len` bytes, which the kernel only reads; `Plain` has no pointers in it.
    let rc = unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value, len) };
    outcome(rc)
}

/// Reads an option. What a kernel older than the structure leaves out is zero.
pub(crate) fn get<T: Plain>(fd: BorrowedFd<'_>, (level, name): OptionName) -> io::Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut len = socklen::<T>();
    let place = value.as_mut_ptr().cast();
    // SAFETY: `place` is a writable local of `len` bytes; the kernel writes at most so many.
    let rc = unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, place, &raw mut len) };
    outcome(rc)?;
    // SAFETY: `zeroed` initialised all bytes, the kernel overwrote some, and `Plain` takes any.
    Ok(unsafe { value.assume_init() })
}

/// What a call that gives 0 or -1 says.
pub(crate) fn outcome(rc: c_int) -> io::Result<()> {
    match rc {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Bytes of a structure, as socket calls take them.
pub(crate) const fn socklen<T>() -> libc::socklen_t {
    const { assert!(size_of::<T>() <= 1024) };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "asserted in the line above"
    )]
    let len = size_of::<T>() as libc::socklen_t;
    len
}
