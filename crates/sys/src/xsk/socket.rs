//! The socket: four rings and the memory that they speak of.
//!
//! Chunks for receiving go round from the fill ring to the receive ring and back; chunks for sending from `idle` to the send
//! ring, and by the completion ring back. Each ring has room for all chunks that can be in it, so that giving one back
//! never fails.

use super::option;
use super::ring::{Consumer, Place, Producer};
use super::umem::{CHUNK_BYTES, Chunk, Umem};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Chunks that one sent frame may have: its first part and `MAX_SKB_FRAGS` as most kernels have it.
const TX_CHUNKS_MAX: usize = 17;
const CHUNK: usize = CHUNK_BYTES as usize;

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
    /// Chunks of 4 KiB for receiving: a power of two. A frame takes one for each 3,840 bytes.
    pub rx_chunks: u32,
    /// Chunks of 4 KiB for sending: a power of two.
    pub tx_chunks: u32,
    /// How frames get there.
    pub bind: XskBind,
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
    /// Descriptors for sending that the kernel refused.
    pub tx_invalid: u64,
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

/// Why a frame was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TxRefused {
    /// All chunks are on their way: try again later.
    Full,
    /// It is longer than a socket like this can send.
    TooLong,
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
    completion: Consumer<u64>,
    rx: Consumer<libc::xdp_desc>,
    tx: Producer<libc::xdp_desc>,
    umem: Umem,
    /// Chunks for sending that are ours.
    idle: Vec<Chunk>,
    shown: Shown,
    malformed: u64,
    many_chunks: bool,
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
        let count = |chunks| usize::try_from(chunks).map_err(|_| invalid());
        let (rx_chunks, tx_chunks) = (count(spec.rx_chunks)?, count(spec.tx_chunks)?);
        let chunks = rx_chunks.checked_add(tx_chunks).ok_or_else(invalid)?;
        let mut umem = Umem::new(chunks)?;
        // SAFETY: `umem` has just mapped this memory and goes by its own book of who owns which chunk; it is dropped
        // after the socket is closed (order of the fields, and of the locals if this function fails half-way).
        unsafe { option::register_memory(fd, &umem.registration()) }?;
        option::set(fd, libc::XDP_UMEM_FILL_RING, spec.rx_chunks)?;
        option::set(fd, libc::XDP_UMEM_COMPLETION_RING, spec.tx_chunks)?;
        option::set(fd, libc::XDP_RX_RING, spec.rx_chunks)?;
        option::set(fd, libc::XDP_TX_RING, spec.tx_chunks)?;
        let offsets: libc::xdp_mmap_offsets = option::get(fd, libc::XDP_MMAP_OFFSETS)?;
        let mut fill = Producer::map(fd, &place(FILL, offsets.fr, spec.rx_chunks))?;
        let completion = Consumer::map(fd, &place(COMPLETION, offsets.cr, spec.tx_chunks))?;
        let rx = Consumer::map(fd, &place(RX, offsets.rx, spec.rx_chunks))?;
        let tx = Producer::map(fd, &place(TX, offsets.tx, spec.tx_chunks))?;
        for chunk in umem.chunks(0..rx_chunks) {
            // The ring has room for all of them.
            let _ = fill.put(umem.lend(chunk));
        }
        fill.publish();
        let many_chunks = bind(fd, spec)?;
        Ok(Self {
            idle: umem.chunks(rx_chunks..chunks).collect(),
            socket,
            fill,
            completion,
            rx,
            tx,
            umem,
            shown: Shown::default(),
            malformed: 0,
            many_chunks,
        })
    }

    /// Whether the driver itself writes frames into the memory, so that nothing is copied.
    ///
    /// # Errors
    /// `ENOPROTOOPT` on kernels before 5.3.
    pub fn is_zero_copy(&self) -> io::Result<bool> {
        let flags: u32 = option::get(self.as_fd(), libc::XDP_OPTIONS)?;
        Ok(flags & libc::XDP_OPTIONS_ZEROCOPY != 0)
    }

    /// The next frame that came in, valid until the next call. `None` if there is none now.
    pub fn receive(&mut self) -> Option<&[u8]> {
        self.give_back();
        let first = loop {
            let first = self.rx.peek(0)?;
            let parts = self.parts()?;
            let taken = self.take(parts);
            // Frames of length 0 do not exist; of those that make no sense the chunks are given back.
            if taken.is_some() {
                break first;
            }
            self.malformed += 1;
            self.give_back();
        };
        match self.shown.chunks.len() {
            1 => self.umem.get(first.addr, first.len),
            _ => Some(&self.shown.joined),
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

    /// Sends a frame out of the interface; it may wait until [`flush`](Self::flush).
    ///
    /// # Errors
    /// If it was not taken.
    pub fn transmit(&mut self, frame: &[u8]) -> Result<(), TxRefused> {
        let parts = frame.len().div_ceil(CHUNK);
        let parts_max = if self.many_chunks { TX_CHUNKS_MAX } else { 1 };
        if parts == 0 || parts > parts_max {
            return Err(TxRefused::TooLong);
        }
        self.reap();
        if self.idle.len() < parts {
            return Err(TxRefused::Full);
        }
        let mut left = parts;
        for bytes in frame.chunks(CHUNK) {
            left -= 1;
            let chunk = self.idle.pop().ok_or(TxRefused::Full)?;
            self.umem.write(chunk, bytes);
            let descriptor = libc::xdp_desc {
                addr: self.umem.lend(chunk),
                len: u32::try_from(bytes.len()).map_err(|_| TxRefused::TooLong)?,
                options: if left > 0 { libc::XDP_PKT_CONTD } else { 0 },
            };
            // The ring has room for all chunks for sending.
            let _ = self.tx.put(descriptor);
        }
        self.tx.publish();
        Ok(())
    }

    /// Lets the kernel send what waits.
    ///
    /// # Errors
    /// `ENETDOWN` if the interface is down, `ENXIO` if it is gone. That the kernel is busy, or its queue full, is none: it
    /// goes on at the next call.
    pub fn flush(&mut self) -> io::Result<()> {
        if !self.tx.needs_wakeup() {
            return Ok(());
        }
        let sent = send(&self.socket, &[], SendFlags::DONTWAIT);
        self.reap();
        match sent.map_err(io::Error::from) {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                Some(libc::EAGAIN | libc::EBUSY | libc::ENOBUFS) => Ok(()),
                _ => Err(error),
            },
        }
    }

    /// Takes back chunks of frames that were sent.
    fn reap(&mut self) {
        while let Some(addr) = self.completion.take() {
            match self.umem.take_back(addr) {
                Some(chunk) => self.idle.push(chunk),
                None => self.malformed += 1,
            }
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
            tx_invalid: counts.tx_invalid_descs,
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

/// Offsets of the four rings for `mmap(2)`.
const RX: u64 = 0;
const TX: u64 = 0x8000_0000;
const FILL: u64 = libc::XDP_UMEM_PGOFF_FILL_RING;
const COMPLETION: u64 = libc::XDP_UMEM_PGOFF_COMPLETION_RING;

fn place(page_offset: u64, parts: libc::xdp_ring_offset, entries: u32) -> Place {
    Place {
        page_offset,
        parts,
        entries,
    }
}

/// Binds; true if frames may be in several chunks, which kernels before 6.6 refuse.
fn bind(fd: BorrowedFd<'_>, spec: &XskSpec) -> io::Result<bool> {
    let copy = match spec.bind {
        XskBind::Copy => libc::XDP_COPY,
        XskBind::Driver => 0,
    };
    let flags = copy | libc::XDP_USE_NEED_WAKEUP;
    let many = option::bind(fd, spec.ifindex, spec.queue, flags | libc::XDP_USE_SG);
    let Err(error) = many else { return Ok(true) };
    match error.raw_os_error() {
        Some(libc::EINVAL | libc::EOPNOTSUPP) => {
            option::bind(fd, spec.ifindex, spec.queue, flags).map(|()| false)
        }
        _ => Err(error),
    }
}

fn invalid() -> io::Error {
    io::Error::from_raw_os_error(libc::EINVAL)
}
