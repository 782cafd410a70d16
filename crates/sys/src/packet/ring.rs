//! Receiving from one interface through memory shared with the kernel (`TPACKET_V3`).
//!
//! The ring is a circle of blocks. A block belongs to the kernel or to us, as its status word says; the kernel hands it over
//! when it is full or its time is up, we hand it back behind its last frame. While it is ours the kernel writes
//! nothing in it, so that it can be read as a slice. Frames are lost (and counted) only when all blocks are ours.

use super::block::{Cursor, RxFrame, STATUS_OFFSET};
use super::option;
use crate::ClassicInsn;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::net::sockopt;
use std::ffi::c_void;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The size that the kernel checks blocks against; in this layout frames are as long as they are.
const FRAME_BYTES: u32 = 2048;

/// `ETH_P_ALL` as a protocol in addresses.
const ALL_PROTOCOLS: u16 = 3;
const _: () = assert!(libc::ETH_P_ALL == 3);

/// Sizes of a ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RingSpec {
    /// Bytes of a block: a multiple of the page size. A frame, up to 64 KiB and its headers, must fit or is cut.
    pub block_bytes: u32,
    /// Blocks; at least two, so that the kernel fills one while another is read.
    pub blocks: u32,
    /// How long a block with a frame may wait for more before it is handed over; whole milliseconds, rounded up.
    pub retire: Duration,
}

/// What happened since the last question.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct RxStatistics {
    /// Frames that passed the filter, lost ones included.
    pub packets: u32,
    /// Frames that were lost, because all blocks were full.
    pub drops: u32,
    /// Blocks that the kernel filled wrongly; whatever was in the rest of them is lost. Always zero unless it has a bug.
    pub malformed_blocks: u32,
}

/// The receiving end of an interface.
#[derive(Debug)]
pub struct RxRing {
    socket: OwnedFd,
    blocks: Blocks,
    /// Which block is read, or is to be read next.
    index: usize,
    /// Where in the block, if it is ours.
    cursor: Option<Cursor>,
    malformed_blocks: u32,
}

impl RxRing {
    /// Opens a ring for all frames that enter `ifindex` and pass `filter` (an empty one passes all). Nothing that enters before
    /// is seen, nothing that the host sends, nothing unfiltered.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW` in the user namespace of the network namespace, `ENODEV` without the interface,
    /// `EINVAL` for impossible sizes or a filter that the kernel refuses, `ENOMEM`.
    pub fn open(ifindex: u32, spec: RingSpec, filter: &[ClassicInsn]) -> io::Result<Self> {
        let socket = option::packet_socket()?;
        let fd = socket.as_fd();
        let packet = |name| (libc::SOL_PACKET, name);
        // Layout and header have to be chosen before there is a ring.
        option::set(fd, packet(libc::PACKET_VERSION), VERSION_3)?;
        option::set(fd, packet(libc::PACKET_VNET_HDR), 1)?;
        option::set(fd, packet(libc::PACKET_IGNORE_OUTGOING), 1)?;
        option::set(fd, packet(libc::PACKET_RX_RING), request(spec)?)?;
        let blocks = Blocks::map(fd, spec)?;
        attach_filter(fd, filter)?;
        option::bind(fd, ifindex, ALL_PROTOCOLS)?;
        Ok(Self {
            socket,
            blocks,
            index: 0,
            cursor: None,
            malformed_blocks: 0,
        })
    }

    /// The next frame, `None` if there is none yet: then wait for input on the descriptor. A block goes back to the kernel
    /// with the call behind its last frame, so call until `None` before waiting.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator's items cannot borrow from it"
    )]
    pub fn next(&mut self) -> Option<RxFrame<'_>> {
        loop {
            let cursor = match &mut self.cursor {
                Some(cursor) if !cursor.is_done() => cursor,
                Some(_) => {
                    self.cursor = None;
                    self.blocks.release(self.index);
                    self.index = (self.index + 1) % self.blocks.count;
                    continue;
                }
                None => {
                    if !self.blocks.is_ours(self.index) {
                        return None;
                    }
                    // SAFETY: `is_ours` said so in the line above; only `release` changes it, after which `cursor` is `None`.
                    let block = unsafe { self.blocks.get(self.index) };
                    let first = Cursor::first(block).unwrap_or_else(|_| {
                        self.malformed_blocks = self.malformed_blocks.saturating_add(1);
                        Cursor::DONE
                    });
                    self.cursor.insert(first)
                }
            };
            // SAFETY: `cursor` is only set while the block is ours; the frame borrows `self`, so that no other call of
            // this function can release the block while the frame is used.
            let block = unsafe { self.blocks.get(self.index) };
            match cursor.take(block) {
                Ok(Some(frame)) => return Some(frame),
                Ok(None) => {}
                Err(_) => self.malformed_blocks = self.malformed_blocks.saturating_add(1),
            }
        }
    }

    /// What happened since the last call.
    ///
    /// # Errors
    /// Those of `getsockopt(2)`.
    pub fn take_statistics(&mut self) -> io::Result<RxStatistics> {
        let name = (libc::SOL_PACKET, libc::PACKET_STATISTICS);
        let counts: libc::tpacket_stats_v3 = option::get(self.socket.as_fd(), name)?;
        Ok(RxStatistics {
            packets: counts.tp_packets,
            drops: counts.tp_drops,
            malformed_blocks: std::mem::take(&mut self.malformed_blocks),
        })
    }

    /// The error that waits on the socket, which is thereby cleared: `ENETDOWN` after the interface went down (frames come
    /// again when it is up again) or away (none will). Until it is taken, waiting for input returns at once.
    #[must_use]
    pub fn take_error(&mut self) -> Option<io::Error> {
        match sockopt::socket_error(&self.socket) {
            Ok(Ok(())) => None,
            Ok(Err(errno)) | Err(errno) => Some(errno.into()),
        }
    }
}

impl AsFd for RxRing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// `TPACKET_V3` as the option takes it.
const VERSION_3: libc::c_int = 2;

fn request(spec: RingSpec) -> io::Result<libc::tpacket_req3> {
    let invalid = || io::Error::from_raw_os_error(libc::EINVAL);
    let millis = spec.retire.as_nanos().div_ceil(1_000_000).max(1);
    let frames_per_block = spec.block_bytes / FRAME_BYTES;
    Ok(libc::tpacket_req3 {
        tp_block_size: spec.block_bytes,
        tp_block_nr: spec.blocks,
        tp_frame_size: FRAME_BYTES,
        tp_frame_nr: frames_per_block
            .checked_mul(spec.blocks)
            .ok_or_else(invalid)?,
        tp_retire_blk_tov: u32::try_from(millis).map_err(|_| invalid())?,
        tp_sizeof_priv: 0,
        tp_feature_req_word: 0,
    })
}

fn attach_filter(fd: BorrowedFd<'_>, filter: &[ClassicInsn]) -> io::Result<()> {
    if filter.is_empty() {
        return Ok(());
    }
    let mut filter: Vec<_> = filter.iter().copied().map(sock_filter).collect();
    option::attach_filter(fd, &mut filter)
}

fn sock_filter(insn: ClassicInsn) -> libc::sock_filter {
    let ClassicInsn { code, jt, jf, k } = insn;
    libc::sock_filter { code, jt, jf, k }
}

/// The mapped blocks.
#[derive(Debug)]
struct Blocks {
    base: NonNull<u8>,
    /// Bytes of a block.
    bytes: usize,
    /// At least one.
    count: usize,
}

// SAFETY: the mapping is owned alone, as a box owns its memory; nothing in it belongs to a thread.
unsafe impl Send for Blocks {}
// SAFETY: shared references give reads of blocks that are ours, and atomic operations on status words.
unsafe impl Sync for Blocks {}

impl Blocks {
    /// Maps the ring that `request(spec)` has made on `fd`.
    fn map(fd: BorrowedFd<'_>, spec: RingSpec) -> io::Result<Self> {
        let invalid = || io::Error::from_raw_os_error(libc::EINVAL);
        let bytes = usize::try_from(spec.block_bytes).map_err(|_| invalid())?;
        let count = usize::try_from(spec.blocks).map_err(|_| invalid())?;
        let len = bytes.checked_mul(count).ok_or_else(invalid)?;
        if bytes < super::block::BLOCK_HEADER_BYTES || len == 0 || isize::try_from(len).is_err() {
            return Err(invalid());
        }
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: the kernel chooses an address where nothing is.
        let base = unsafe { mmap(std::ptr::null_mut(), len, protection, flags, fd, 0) }?;
        let base = NonNull::new(base.cast()).ok_or_else(invalid)?;
        Ok(Self { base, bytes, count })
    }

    /// The block's first byte.
    fn start(&self, index: usize) -> NonNull<u8> {
        assert!(index < self.count, "the index is taken modulo the count");
        // SAFETY: `map` mapped `bytes * count` bytes at `base`, and `index` is below `count`.
        unsafe { self.base.add(index * self.bytes) }
    }

    fn status(&self, index: usize) -> &AtomicU32 {
        // SAFETY: `map` checked that a block has room for its header, in which the status lies.
        let status = unsafe { self.start(index).add(STATUS_OFFSET) };
        // SAFETY: blocks begin at multiples of the page size and the offset is one of 4, so that the word is aligned;
        // it is mapped for the life of `self` and accessed atomically here and in the kernel.
        unsafe { AtomicU32::from_ptr(status.as_ptr().cast()) }
    }

    fn is_ours(&self, index: usize) -> bool {
        self.status(index).load(Ordering::Acquire) & libc::TP_STATUS_USER != 0
    }

    /// Gives the block back to the kernel, which may write in it from now on.
    fn release(&self, index: usize) {
        self.status(index)
            .store(libc::TP_STATUS_KERNEL, Ordering::Release);
    }

    /// The block's bytes.
    ///
    /// # Safety
    /// The block is ours, and stays so while the slice is used.
    unsafe fn get(&self, index: usize) -> &[u8] {
        let start = self.start(index).as_ptr();
        // SAFETY: `map` mapped `bytes` readable bytes there for the life of `self`; the caller vouches that the kernel writes
        // none of them.
        unsafe { std::slice::from_raw_parts(start, self.bytes) }
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        let base = self.base.as_ptr().cast::<c_void>();
        // SAFETY: `map` mapped exactly this, and nobody can reach it after `self`.
        let unmapped = unsafe { munmap(base, self.bytes * self.count) };
        debug_assert!(unmapped.is_ok(), "unmapping one's own mapping");
    }
}
