//! The socket: two rings and the memory that they speak of.
//!
//! Chunks go round from the fill ring to the receive ring and back. Each ring has room for all of them, so that giving one
//! back never fails. Nothing is sent: packet sockets know of checksums and segments, and cost less for each frame. But
//! the kernel binds no memory without a completion ring, which gets the least size and is not mapped.

use super::metadata::{self, VlanTags};
use super::option;
use super::ring::{Consumer, Place, Producer};
use super::umem::{Chunk, Umem};
use crate::packet::VlanTag;
use rustix::net::{RecvFlags, recv};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Entries of the completion ring, in which nothing ever is.
const COMPLETIONS: u32 = 1;

/// How frames get between the interface and the memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum XskBind {
    /// The kernel copies them: works with every driver, and is the only way with generic XDP.
    Copy,
    /// The driver writes them there itself if it can, else the kernel copies them.
    Driver,
}

/// What a socket is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct XskSpec {
    /// Number of the interface.
    pub ifindex: u32,
    /// Its receive queue.
    pub queue: u32,
    /// Chunks of 4 KiB: a power of two. A frame takes one for each 3,840 bytes.
    pub chunks: u32,
    /// How frames get there.
    pub bind: XskBind,
    /// Whether the program that redirects to it tells of tags ([`RedirectProgram::tags`](super::RedirectProgram::tags)).
    pub tags: VlanTags,
}

/// Frames that were lost, since the socket was opened.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct XskStatistics {
    /// Too long, or for other reasons.
    pub rx_dropped: u64,
    /// There was no chunk to receive into.
    pub rx_no_chunk: u64,
    /// The receive ring was full.
    pub rx_ring_full: u64,
    /// Frames that were dropped here, because the rings said what cannot be. Always zero unless the kernel has a bug.
    pub malformed: u64,
}

impl XskStatistics {
    /// Frames that the interface received and nobody got.
    #[must_use]
    pub fn missed(&self) -> u64 {
        [self.rx_no_chunk, self.rx_ring_full, self.malformed]
            .into_iter()
            .fold(self.rx_dropped, u64::saturating_add)
    }
}

/// A frame that came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct XskFrame<'a> {
    /// Its bytes, from the Ethernet header on.
    pub bytes: &'a [u8],
    /// The tag that was beside it, if tags are kept.
    pub vlan: Option<VlanTag>,
}

/// The parts of a frame that was shown last.
#[derive(Debug, Default)]
struct Shown {
    chunks: Vec<Chunk>,
    joined: Vec<u8>,
}

/// A socket of one receive queue.
#[derive(Debug)]
pub struct XskSocket {
    // Closed first: the kernel then writes no more.
    socket: OwnedFd,
    fill: Producer<u64>,
    rx: Consumer<libc::xdp_desc>,
    umem: Umem,
    tags: VlanTags,
    shown: Shown,
    malformed: u64,
}

impl XskSocket {
    /// Opens a socket and binds it. It receives what a program redirects to it by a map.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW`, `ENODEV` without the interface, `EINVAL` without the queue or for impossible sizes,
    /// `EBUSY` if another socket has the queue, `ENOBUFS` if too much memory is locked, `EAFNOSUPPORT` without AF_XDP.
    pub fn open(spec: &XskSpec) -> io::Result<Self> {
        let socket = option::socket()?;
        let fd = socket.as_fd();
        let chunks = usize::try_from(spec.chunks).map_err(|_| invalid())?;
        let mut umem = Umem::new(chunks)?;
        // SAFETY: `umem` has just mapped this memory and goes by its own book of who owns which chunk; it is dropped
        // after the socket is closed (order of the fields, and of the locals if this function fails half-way).
        unsafe { option::register_memory(fd, &umem.registration()) }?;
        option::set(fd, libc::XDP_UMEM_FILL_RING, spec.chunks)?;
        option::set(fd, libc::XDP_UMEM_COMPLETION_RING, COMPLETIONS)?;
        option::set(fd, libc::XDP_RX_RING, spec.chunks)?;
        let offsets: libc::xdp_mmap_offsets = option::get(fd, libc::XDP_MMAP_OFFSETS)?;
        let mut fill = Producer::map(fd, &place(FILL, offsets.fr, spec.chunks))?;
        let rx = Consumer::map(fd, &place(RX, offsets.rx, spec.chunks))?;
        for chunk in umem.chunks(0..chunks) {
            // The ring has room for all of them.
            let _ = fill.put(umem.lend(chunk));
        }
        fill.publish();
        bind(fd, spec)?;
        Ok(Self {
            socket,
            fill,
            rx,
            umem,
            tags: spec.tags,
            shown: Shown::default(),
            malformed: 0,
        })
    }

    /// The next frame that came in, valid until the next call. `None` if there is none now.
    pub fn receive(&mut self) -> Option<XskFrame<'_>> {
        self.give_back();
        let (first, vlan) = loop {
            let first = self.rx.peek(0)?;
            let parts = self.parts()?;
            let taken = self.take(parts);
            // Frames of length 0 do not exist; of those that make no sense the chunks are given back.
            if let Some(vlan) = taken.and_then(|()| self.vlan(first.addr)) {
                break (first, vlan);
            }
            self.malformed += 1;
            self.give_back();
        };
        let bytes = match self.shown.chunks.len() {
            1 => self.umem.get(first.addr, first.len)?,
            _ => &self.shown.joined,
        };
        Some(XskFrame { bytes, vlan })
    }

    /// The tag beside a frame, if it has one; `None` if nothing can tell.
    fn vlan(&self, addr: u64) -> Option<Option<VlanTag>> {
        match self.tags {
            VlanTags::Lost => Some(None),
            VlanTags::Kept => self.umem.before(addr).map(metadata::read),
        }
    }

    /// How many descriptors the next frame has; `None` if the last of them is not there yet.
    fn parts(&mut self) -> Option<u32> {
        let mut parts = 0;
        loop {
            let part = self.rx.peek(parts)?;
            parts += 1;
            if part.options & libc::XDP_PKT_CONTD == 0 {
                return Some(parts);
            }
        }
    }

    /// Takes a frame's chunks from the kernel; joins the bytes if they are in several. `None` if they are not all chunks
    /// that the kernel had.
    fn take(&mut self, parts: u32) -> Option<()> {
        let mut sound = Some(());
        for _ in 0..parts {
            let part = self.rx.take()?;
            let Some(chunk) = self.umem.take_back(part.addr) else {
                sound = None;
                continue;
            };
            self.shown.chunks.push(chunk);
            match self.umem.get(part.addr, part.len) {
                Some(bytes) if parts > 1 => self.shown.joined.extend_from_slice(bytes),
                Some(_) => {}
                None => sound = None,
            }
        }
        sound
    }

    /// Gives the chunks of the frame shown last back to the kernel.
    fn give_back(&mut self) {
        self.shown.joined.clear();
        if self.shown.chunks.is_empty() {
            return;
        }
        for chunk in self.shown.chunks.drain(..) {
            // The ring has room for all chunks that were ever in it.
            let _ = self.fill.put(self.umem.lend(chunk));
        }
        self.fill.publish();
    }

    /// Before waiting for the socket to become readable: gives back the last frame's memory and wakes the driver if it
    /// waits for memory.
    pub fn before_wait(&mut self) {
        self.give_back();
        if self.fill.needs_wakeup() {
            // What it returns says only that there is nothing to receive in this manner.
            let _ = recv(&self.socket, &mut [0_u8; 0][..], RecvFlags::DONTWAIT);
        }
    }

    /// What was lost.
    ///
    /// # Errors
    /// None that a working kernel gives.
    pub fn statistics(&self) -> io::Result<XskStatistics> {
        let counts: libc::xdp_statistics = option::get(self.as_fd(), libc::XDP_STATISTICS)?;
        Ok(XskStatistics {
            rx_dropped: counts.rx_dropped,
            rx_no_chunk: counts.rx_fill_ring_empty_descs,
            rx_ring_full: counts.rx_ring_full,
            malformed: self.malformed,
        })
    }
}

/// Readable when a frame is there.
impl AsFd for XskSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Offsets of the rings for `mmap(2)`.
const RX: u64 = 0;
const FILL: u64 = libc::XDP_UMEM_PGOFF_FILL_RING;

fn place(page_offset: u64, parts: libc::xdp_ring_offset, entries: u32) -> Place {
    Place {
        page_offset,
        parts,
        entries,
    }
}

/// Binds, so that frames may be in several chunks, if the kernel can do that (6.6).
fn bind(fd: BorrowedFd<'_>, spec: &XskSpec) -> io::Result<()> {
    let copy = match spec.bind {
        XskBind::Copy => libc::XDP_COPY,
        XskBind::Driver => 0,
    };
    let flags = copy | libc::XDP_USE_NEED_WAKEUP;
    let many = option::bind(fd, spec.ifindex, spec.queue, flags | libc::XDP_USE_SG);
    many.or_else(|error| match error.raw_os_error() {
        Some(libc::EINVAL | libc::EOPNOTSUPP) => option::bind(fd, spec.ifindex, spec.queue, flags),
        _ => Err(error),
    })
}

fn invalid() -> io::Error {
    io::Error::from_raw_os_error(libc::EINVAL)
}
