//! Sending frames to interfaces in batches (`sendmmsg(2)`).
//!
//! Frames are copied into one buffer, each behind its [`VnetHeader`], and handed over together; the kernel copies them
//! again, so that nothing of ours is in use afterwards. They go past the queueing discipline (`PACKET_QDISC_BYPASS`),
//! which costs half the time of a frame. One exception: a frame that is to be cut into segments by software is
//! refused there, and goes through the queue by a second socket.
//!
//! Nothing here waits for a receiver. A full send buffer or a full queue is waited for at most [`PAUSES`] times for a
//! batch, each at most [`PAUSE`]; after that each frame has one attempt and is counted as failed, as a network card
//! drops what its queue cannot hold.

use super::option;
use super::vnet::VnetHeader;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Most frames in a batch. More save nothing: the system call is then a hundredth of the cost.
pub const BATCH_FRAMES: usize = 64;

/// Most bytes in a batch, headers of [`VnetHeader::BYTES`] included; a longer frame cannot be sent.
pub const BATCH_BYTES: usize = 256 << 10;

/// How often a batch waits for room in all.
const PAUSES: u32 = 4;

/// How long it waits each time, in nanoseconds.
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 500_000,
};

/// Bytes of frames that may be under way, as far as the system allows.
const SEND_BUFFER_BYTES: i32 = 4 << 20;

/// What became of the frames pushed since the last flush.
#[derive(Default, Debug)]
pub struct TxOutcome {
    /// Frames that the interface took.
    pub sent: u32,
    /// Frames that are lost.
    pub failed: u32,
    /// Why the first of them is: `ENETDOWN` (interface down), `ENXIO` (no such interface), `ENOBUFS` and `EAGAIN` (no room),
    /// `EMSGSIZE` (longer than the interface's MTU), `EINVAL` (shorter than an Ethernet header, impossible [`VnetHeader`]).
    pub first_error: Option<io::Error>,
}

impl TxOutcome {
    fn fail(&mut self, error: io::Error) {
        self.failed = self.failed.saturating_add(1);
        self.first_error.get_or_insert(error);
    }
}

/// A frame in the buffer.
#[derive(Clone, Copy, Debug)]
struct Slot {
    start: usize,
    bytes: usize,
    address: libc::sockaddr_ll,
    is_gso: bool,
}

/// A sender of frames. It receives nothing.
#[derive(Debug)]
pub struct TxSocket {
    /// Past the queueing discipline.
    direct: OwnedFd,
    /// Through it.
    queued: OwnedFd,
    buffer: Box<[u8]>,
    used: usize,
    slots: Vec<Slot>,
    messages: Messages,
    outcome: TxOutcome,
}

impl TxSocket {
    /// Opens a sender whose frames carry `mark` (as `SO_MARK` does), with which filters recognise them on this host.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW` in the user namespace of the network namespace.
    pub fn open(mark: Option<u32>) -> io::Result<Self> {
        let direct = sender(mark)?;
        let bypass = (libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS);
        option::set(direct.as_fd(), bypass, 1)?;
        Ok(Self {
            direct,
            queued: sender(mark)?,
            buffer: vec![0; BATCH_BYTES].into_boxed_slice(),
            used: 0,
            slots: Vec::with_capacity(BATCH_FRAMES),
            messages: Messages::default(),
            outcome: TxOutcome::default(),
        })
    }

    /// Adds a frame, made of `parts` one behind the other, that is to leave by the interface `ifindex`. Sends the batch first if
    /// the frame has no room in it.
    pub fn push(&mut self, ifindex: u32, vnet: &VnetHeader, parts: &[&[u8]]) {
        let frame_bytes: usize = parts.iter().map(|part| part.len()).sum();
        let bytes = frame_bytes.saturating_add(VnetHeader::BYTES);
        if bytes > BATCH_BYTES {
            let error = io::Error::from_raw_os_error(libc::EMSGSIZE);
            return self.outcome.fail(error);
        }
        // Protocol zero: the kernel reads the frame's own header.
        let address = match option::address(ifindex, 0) {
            Ok(address) => address,
            Err(error) => return self.outcome.fail(error),
        };
        if self.slots.len() == BATCH_FRAMES || self.buffer.len() - self.used < bytes {
            self.send();
        }
        let start = self.used;
        self.append(&vnet.to_bytes());
        for part in parts {
            self.append(part);
        }
        self.slots.push(Slot {
            start,
            bytes,
            address,
            is_gso: vnet.is_gso(),
        });
    }

    /// Sends what was pushed, and says what became of everything since the last call.
    pub fn flush(&mut self) -> TxOutcome {
        self.send();
        std::mem::take(&mut self.outcome)
    }

    /// Whether anything was pushed that [`Self::flush`] has not reported.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.outcome.sent == 0 && self.outcome.failed == 0
    }

    /// Copies behind the used part, where `push` has checked for room.
    fn append(&mut self, bytes: &[u8]) {
        let end = self.used + bytes.len();
        self.buffer[self.used..end].copy_from_slice(bytes);
        self.used = end;
    }

    fn send(&mut self) {
        let mut pauses = PAUSES;
        let mut at = 0;
        let count = self.slots.len();
        while at < count {
            match self.send_some(Way::Direct, at..count) {
                Ok(sent) => at += self.note_sent(sent),
                Err(error) => match self.recover(at, &mut pauses, error) {
                    Recovery::Again => {}
                    Recovery::Sent => at += self.note_sent(1),
                    Recovery::Lost(error) => {
                        self.outcome.fail(error);
                        at += 1;
                    }
                },
            }
        }
        self.slots.clear();
        self.used = 0;
    }

    fn note_sent(&mut self, sent: usize) -> usize {
        let count = u32::try_from(sent).unwrap_or(u32::MAX);
        self.outcome.sent = self.outcome.sent.saturating_add(count);
        sent
    }

    /// What to do about the frame `at`, which was refused.
    fn recover(&mut self, at: usize, pauses: &mut u32, error: io::Error) -> Recovery {
        match error.raw_os_error() {
            Some(libc::EINTR) => Recovery::Again,
            // Also what the kernel says of a frame that has to be cut by software.
            Some(libc::ENOBUFS) if self.slots[at].is_gso => {
                match self.send_some(Way::Queued, at..at + 1) {
                    Ok(_) => Recovery::Sent,
                    Err(error) => self.pause(Way::Queued, pauses, error),
                }
            }
            Some(libc::ENOBUFS | libc::EAGAIN) => self.pause(Way::Direct, pauses, error),
            _ => Recovery::Lost(error),
        }
    }

    /// Waits for room if the batch may still wait.
    fn pause(&self, way: Way, pauses: &mut u32, error: io::Error) -> Recovery {
        if *pauses == 0 {
            return Recovery::Lost(error);
        }
        *pauses -= 1;
        match error.raw_os_error() {
            Some(libc::EAGAIN) => {
                let mut polled = [PollFd::from_borrowed_fd(self.socket(way), PollFlags::OUT)];
                // However the wait ends, the next attempt shows whether there is room.
                let _: rustix::io::Result<usize> = poll(&mut polled, Some(&PAUSE));
                Recovery::Again
            }
            // The queue of the receiving CPU: let it run.
            Some(libc::ENOBUFS) => {
                std::thread::yield_now();
                Recovery::Again
            }
            _ => Recovery::Lost(error),
        }
    }

    fn socket(&self, way: Way) -> BorrowedFd<'_> {
        match way {
            Way::Direct => self.direct.as_fd(),
            Way::Queued => self.queued.as_fd(),
        }
    }

    /// Sends frames of the batch, at least one; gives how many.
    fn send_some(&mut self, way: Way, range: std::ops::Range<usize>) -> io::Result<usize> {
        let fd = match way {
            Way::Direct => self.direct.as_fd(),
            Way::Queued => self.queued.as_fd(),
        };
        let slots = &mut self.slots[range];
        self.messages.send(fd, &mut self.buffer, slots)
    }
}

/// A socket that frames leave by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Direct,
    Queued,
}

/// What became of a frame that was refused at first.
enum Recovery {
    Again,
    Sent,
    Lost(io::Error),
}

fn sender(mark: Option<u32>) -> io::Result<OwnedFd> {
    let socket = option::packet_socket()?;
    let fd = socket.as_fd();
    option::set(fd, (libc::SOL_PACKET, libc::PACKET_VNET_HDR), 1)?;
    if let Some(mark) = mark {
        let name = (libc::SOL_SOCKET, libc::SO_MARK);
        option::set(fd, name, mark.cast_signed())?;
    }
    // Beyond the system's limit only the network's owner may go; others get what the limit allows.
    let forced = (libc::SOL_SOCKET, libc::SO_SNDBUFFORCE);
    if option::set(fd, forced, SEND_BUFFER_BYTES).is_err() {
        option::set(fd, (libc::SOL_SOCKET, libc::SO_SNDBUF), SEND_BUFFER_BYTES)?;
    }
    Ok(socket)
}

/// The arguments of a system call. Kept for their memory alone: the pointers are written anew before each call.
#[derive(Default)]
struct Messages {
    parts: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

// SAFETY: the pointers are not used between calls of `send`, which takes `self` mutably and writes all of them first.
unsafe impl Send for Messages {}

impl std::fmt::Debug for Messages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Messages").finish_non_exhaustive()
    }
}

impl Messages {
    /// Sends the frames that `slots` says are in `buffer`, without waiting; gives how many were, at least one.
    fn send(
        &mut self,
        fd: BorrowedFd<'_>,
        buffer: &mut [u8],
        slots: &mut [Slot],
    ) -> io::Result<usize> {
        self.parts.clear();
        self.headers.clear();
        self.parts.extend(slots.iter().map(|slot| {
            let frame = &mut buffer[slot.start..slot.start + slot.bytes];
            libc::iovec {
                iov_base: frame.as_mut_ptr().cast(),
                iov_len: frame.len(),
            }
        }));
        let pairs = slots.iter_mut().zip(&mut self.parts);
        self.headers
            .extend(pairs.map(|(slot, part)| message(&mut slot.address, part)));
        // Never more than `BATCH_FRAMES`.
        let count = u32::try_from(self.headers.len()).unwrap_or(u32::MAX);
        let (first, flags) = (self.headers.as_mut_ptr(), libc::MSG_DONTWAIT);
        // SAFETY: `first` points to `count` headers, each made above of an address in `slots` and a part that covers
        // bytes of `buffer`; all three stay borrowed until the call returns, and it keeps none of them.
        let sent = unsafe { libc::sendmmsg(fd.as_raw_fd(), first, count, flags) };
        match usize::try_from(sent) {
            // A count of zero would be for ever; the kernel gives none unless asked for none.
            Ok(0) => Err(io::Error::from_raw_os_error(libc::EIO)),
            Ok(sent) => Ok(sent),
            Err(_) => Err(io::Error::last_os_error()),
        }
    }
}

fn message(address: &mut libc::sockaddr_ll, part: &mut libc::iovec) -> libc::mmsghdr {
    // SAFETY: a C structure of numbers and pointers, for which zeros mean none.
    let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
    header.msg_hdr.msg_name = (&raw mut *address).cast();
    header.msg_hdr.msg_namelen = option::socklen::<libc::sockaddr_ll>();
    header.msg_hdr.msg_iov = part;
    header.msg_hdr.msg_iovlen = 1;
    header
}
