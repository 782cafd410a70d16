//! A netlink socket, and the messages of a datagram.
//!
//! Only the kernel's datagrams are taken: any process of the namespace may send some to a socket whose number it
//! guesses.

use super::attr::Malformed;
use netlink_packet_core::NetlinkBuffer;
use rustix::io::Errno;
use rustix::net::netlink::{GENERIC, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recvfrom, sendto,
    socket_with,
};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Linux sends at most 32 KiB of a list at once; a single interface takes some 2 KiB.
const DATAGRAM_BYTES_MAX: usize = 64 << 10;
/// No protocol is number 0, `NETLINK_ROUTE`.
const ROUTE: Option<Protocol> = None;

/// The socket with the buffer that its datagrams are received in.
#[derive(Debug)]
pub(super) struct Socket {
    fd: OwnedFd,
    buffer: Box<[u8]>,
}

impl Socket {
    /// A blocking socket that also gets the messages of these groups (a bit each).
    pub(super) fn open(groups: u32) -> Result<Self, Errno> {
        Self::open_with(ROUTE, groups, SocketFlags::CLOEXEC)
    }

    /// The same, but receiving does not wait.
    pub(super) fn open_nonblocking(groups: u32) -> Result<Self, Errno> {
        Self::open_with(ROUTE, groups, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)
    }

    /// A blocking socket of generic netlink.
    pub(super) fn open_generic() -> Result<Self, Errno> {
        Self::open_with(Some(GENERIC), 0, SocketFlags::CLOEXEC)
    }

    fn open_with(
        protocol: Option<Protocol>,
        groups: u32,
        flags: SocketFlags,
    ) -> Result<Self, Errno> {
        let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
        // Texts with errors, without the request that failed. Kernels before 4.12 know neither; errors then have
        // their number alone.
        let _ = switch_on(fd.as_fd(), libc::NETLINK_EXT_ACK);
        let _ = switch_on(fd.as_fd(), libc::NETLINK_CAP_ACK);
        bind(&fd, &SocketAddrNetlink::new(0, groups))?;
        Ok(Self {
            fd,
            buffer: vec![0; DATAGRAM_BYTES_MAX].into_boxed_slice(),
        })
    }

    /// Sends a message to the kernel, which has carried it out when this returns.
    pub(super) fn send(&self, message: &[u8]) -> Result<(), Errno> {
        let kernel = SocketAddrNetlink::new(0, 0);
        rustix::io::retry_on_intr(|| sendto(&self.fd, message, SendFlags::empty(), &kernel))
            .map(drop)
    }

    /// The next datagram; nothing if it is too long for the buffer.
    pub(super) fn receive(&mut self) -> Result<Option<&[u8]>, Errno> {
        let length = loop {
            let received = rustix::io::retry_on_intr(|| {
                recvfrom(&self.fd, &mut *self.buffer, RecvFlags::TRUNC)
            });
            let (_, length, from) = received?;
            let from = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
            if from.is_some_and(|from| from.pid() == 0) {
                break length;
            }
        };
        Ok(self.buffer.get(..length))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Sets a flag of the socket.
fn switch_on(fd: BorrowedFd<'_>, option: libc::c_int) -> Result<(), Errno> {
    const SIZE: libc::socklen_t = 4;
    const _: () = assert!(size_of::<libc::c_int>() == 4);
    let on: libc::c_int = 1;
    // SAFETY: the kernel reads SIZE bytes at the address of `on`, which is as long and outlives the call.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_NETLINK,
            option,
            (&raw const on).cast(),
            SIZE,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)),
    }
}

/// One message of a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Message<'a> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) sequence: u32,
    /// What stands behind the header.
    pub(super) body: &'a [u8],
}

/// The messages of a datagram, in order; after one that is malformed there are no more.
pub(super) fn messages(
    mut datagram: &[u8],
) -> impl Iterator<Item = Result<Message<'_>, Malformed>> {
    std::iter::from_fn(move || {
        if datagram.is_empty() {
            return None;
        }
        let Ok(buffer) = NetlinkBuffer::new_checked(datagram) else {
            datagram = &[];
            return Some(Err(Malformed));
        };
        let message = Message {
            kind: buffer.message_type(),
            flags: buffer.flags(),
            sequence: buffer.sequence_number(),
            body: buffer.payload(),
        };
        // The padding of the last message may be missing.
        let length = usize::try_from(buffer.length()).map_or(datagram.len(), |length| {
            length.next_multiple_of(4).min(datagram.len())
        });
        datagram = &datagram[length..];
        Some(Ok(message))
    })
}

#[cfg(test)]
mod tests {
    use super::super::attr::torture;
    use super::*;

    /// Two messages, of 20 and 17 bytes.
    fn datagram() -> Vec<u8> {
        let mut bytes = Vec::new();
        for (length, kind) in [(20_u32, 16_u16), (17, 3)] {
            bytes.extend(length.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(2_u16.to_ne_bytes());
            bytes.extend(7_u32.to_ne_bytes());
            bytes.extend([0; 4]);
            bytes.extend([9; 4].iter().take(length as usize - 16));
        }
        bytes
    }

    #[test]
    fn splits() {
        let bytes = datagram();
        let found: Vec<_> = messages(&bytes).collect();
        let message = |kind, body| {
            Ok(Message {
                kind,
                flags: 2,
                sequence: 7,
                body,
            })
        };
        assert_eq!(found, [message(16, &[9, 9, 9, 9][..]), message(3, &[9])]);
    }

    #[test]
    fn hostile() {
        torture(&datagram(), |bytes| {
            assert!(messages(bytes).count() <= 3);
        });
        assert_eq!(messages(&[0; 16]).collect::<Vec<_>>(), [Err(Malformed)]);
    }
}
