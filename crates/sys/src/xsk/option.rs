//! Socket calls of AF_XDP (linux/if_xdp.h), each with the structure that it takes.

use crate::socket_option::{self, Plain, outcome, socklen};
use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// An unbound socket, closed on exec.
pub(super) fn socket() -> io::Result<OwnedFd> {
    socket_option::raw_socket(libc::AF_XDP)
}

/// Sets an option.
pub(super) fn set<T: Plain>(fd: BorrowedFd<'_>, name: c_int, value: T) -> io::Result<()> {
    socket_option::set(fd, (libc::SOL_XDP, name), value)
}

/// Reads an option. What a kernel older than the structure leaves out is zero.
pub(super) fn get<T: Plain>(fd: BorrowedFd<'_>, name: c_int) -> io::Result<T> {
    socket_option::get(fd, (libc::SOL_XDP, name))
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
