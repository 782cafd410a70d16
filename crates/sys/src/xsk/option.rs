//! Socket calls of AF_XDP (linux/if_xdp.h), each with the structure that it takes.

use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A C structure or integer that the kernel copies in or out, whose every byte pattern is a value.
///
/// # Safety
/// Every byte pattern is a valid value, and the kernel follows no pointer in it.
pub(super) unsafe trait Plain: Copy {}
// SAFETY: an integer.
unsafe impl Plain for u32 {}
// SAFETY: sixteen integers.
unsafe impl Plain for libc::xdp_mmap_offsets {}
// SAFETY: six integers.
unsafe impl Plain for libc::xdp_statistics {}

/// An unbound socket, closed on exec.
pub(super) fn socket() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: takes three numbers.
    let fd = unsafe { libc::socket(libc::AF_XDP, kind, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `socket` above returned `fd` as a new descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets an option.
pub(super) fn set<T: Plain>(fd: BorrowedFd<'_>, name: c_int, value: T) -> io::Result<()> {
    let len = socklen::<T>();
    let value = (&raw const value).cast();
    // SAFETY: `value` points to a live local of `len` bytes, which the kernel only reads; `Plain` has no pointers in it.
    let rc = unsafe { libc::setsockopt(fd.as_raw_fd(), libc::SOL_XDP, name, value, len) };
    outcome(rc)
}

/// Reads an option. What a kernel older than the structure leaves out is zero.
pub(super) fn get<T: Plain>(fd: BorrowedFd<'_>, name: c_int) -> io::Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut len = socklen::<T>();
    let place = value.as_mut_ptr().cast();
    // SAFETY: `place` is a writable local of `len` bytes; the kernel writes at most so many.
    let rc = unsafe { libc::getsockopt(fd.as_raw_fd(), libc::SOL_XDP, name, place, &raw mut len) };
    outcome(rc)?;
    // SAFETY: `zeroed` initialised all bytes, the kernel overwrote some, and `Plain` takes any.
    Ok(unsafe { value.assume_init() })
}

/// Registers memory that the kernel writes frames into, and reads frames from, until the socket and its mappings are gone.
///
/// # Safety
/// The `len` bytes at `addr` are mapped, and while the socket is open nobody makes a reference into a chunk that the kernel
/// owns (has been told of through a ring and has not yet given back).
pub(super) unsafe fn register_memory(
    fd: BorrowedFd<'_>,
    memory: &libc::xdp_umem_reg,
) -> io::Result<()> {
    let len = socklen::<libc::xdp_umem_reg>();
    let value = std::ptr::from_ref(memory).cast();
    // SAFETY: `value` points to `len` bytes, which the kernel only reads; the caller vouches for the memory named in them.
    let rc = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_XDP,
            libc::XDP_UMEM_REG,
            value,
            len,
        )
    };
    outcome(rc)
}

/// Binds the socket to a queue of an interface.
pub(super) fn bind(fd: BorrowedFd<'_>, ifindex: u32, queue: u32, flags: u16) -> io::Result<()> {
    let address = libc::sockaddr_xdp {
        sxdp_family: FAMILY,
        sxdp_flags: flags,
        sxdp_ifindex: ifindex,
        sxdp_queue_id: queue,
        sxdp_shared_umem_fd: 0,
    };
    let len = socklen::<libc::sockaddr_xdp>();
    let value = (&raw const address).cast();
    // SAFETY: `value` points to a live local of `len` bytes, which the kernel only reads.
    let rc = unsafe { libc::bind(fd.as_raw_fd(), value, len) };
    outcome(rc)
}

/// `AF_XDP` as addresses hold it.
const FAMILY: u16 = 44;
const _: () = assert!(libc::AF_XDP == 44);

fn outcome(rc: c_int) -> io::Result<()> {
    match rc {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Bytes of a structure, as socket calls take them.
const fn socklen<T>() -> libc::socklen_t {
    const { assert!(size_of::<T>() <= 1024) };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "asserted in the line above"
    )]
    let len = size_of::<T>() as libc::socklen_t;
    len
}
