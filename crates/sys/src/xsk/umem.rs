//! The memory of a socket's frames: chunks of equal size, each owned by the kernel or by us.
//!
//! A chunk is the kernel's from the moment it is lent (put into a ring) until the kernel gives it back in the other ring.
//! The book of who owns which is kept here and not believed from the rings: bytes are shown only of chunks that are
//! ours, so that no reference ever points to what the kernel may write.

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::ffi::c_void;
use std::io;
use std::ops::Range;
use std::ptr::NonNull;

/// Bytes of a chunk: the most that the kernel takes without huge pages, on any machine.
pub(super) const CHUNK_BYTES: u32 = 4096;
const CHUNK: usize = CHUNK_BYTES as usize;

/// Who may access a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Owner {
    Us,
    Kernel,
}

/// Number of a chunk of ours, or lent by us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Chunk(usize);

/// The memory.
#[derive(Debug)]
pub(super) struct Umem {
    base: NonNull<c_void>,
    owners: Box<[Owner]>,
}

// SAFETY: a umem owns its mapping alone, as a box owns its memory; nothing in it belongs to a thread.
unsafe impl Send for Umem {}

impl Umem {
    /// So many chunks, all ours.
    pub(super) fn new(chunks: usize) -> io::Result<Self> {
        let no_memory = || io::Error::from_raw_os_error(libc::ENOMEM);
        let bytes = chunks
            .checked_mul(CHUNK)
            .filter(|&bytes| isize::try_from(bytes).is_ok())
            .ok_or_else(no_memory)?;
        let nowhere = std::ptr::null_mut();
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: without `MAP_FIXED` no existing mapping is replaced.
        let base = unsafe { mmap_anonymous(nowhere, bytes, access, MapFlags::PRIVATE) }?;
        Ok(Self {
            base: NonNull::new(base).ok_or_else(no_memory)?,
            owners: vec![Owner::Us; chunks].into_boxed_slice(),
        })
    }

    /// What the kernel is told of it.
    pub(super) fn registration(&self) -> libc::xdp_umem_reg {
        libc::xdp_umem_reg {
            addr: self.base.as_ptr().expose_provenance() as u64,
            len: self.bytes() as u64,
            chunk_size: CHUNK_BYTES,
            headroom: 0,
            flags: 0,
            tx_metadata_len: 0,
        }
    }

    fn bytes(&self) -> usize {
        self.owners.len() * CHUNK
    }

    /// The chunks of these numbers that exist.
    pub(super) fn chunks(&self, numbers: Range<usize>) -> impl Iterator<Item = Chunk> + use<> {
        (numbers.start..numbers.end.min(self.owners.len())).map(Chunk)
    }

    /// Lends a chunk to the kernel: its address, for a ring.
    pub(super) fn lend(&mut self, chunk: Chunk) -> u64 {
        self.owners[chunk.0] = Owner::Kernel;
        chunk.0 as u64 * u64::from(CHUNK_BYTES)
    }

    /// Takes back the chunk that an address from a ring is in. Nothing if the kernel had no such chunk.
    pub(super) fn take_back(&mut self, addr: u64) -> Option<Chunk> {
        let number = usize::try_from(addr / u64::from(CHUNK_BYTES)).ok()?;
        let owner = self.owners.get_mut(number)?;
        match std::mem::replace(owner, Owner::Us) {
            Owner::Kernel => Some(Chunk(number)),
            Owner::Us => None,
        }
    }

    /// The bytes from an address on, inside a chunk of ours.
    pub(super) fn get(&self, addr: u64, len: u32) -> Option<&[u8]> {
        let (at, len) = self.inside(addr, len)?;
        // SAFETY: `inside` checked that the bytes are inside the mapping.
        let place = unsafe { self.base.byte_add(at) }.cast::<u8>();
        // SAFETY: the mapping was zeroed when made, lives as long as `self`, and the chunk that the bytes are in is ours,
        // so that nobody writes into it while `self` is borrowed: `lend` borrows it uniquely.
        Some(unsafe { std::slice::from_raw_parts(place.as_ptr(), len) })
    }

    /// The `N` bytes before an address, inside the same chunk of ours.
    pub(super) fn before<const N: usize>(&self, addr: u64) -> Option<&[u8; N]> {
        let start = addr.checked_sub(N as u64)?;
        // The byte at the address is looked at, too: it must be in the same chunk.
        self.get(start, u32::try_from(N + 1).ok()?)?.first_chunk()
    }

    /// Offset and length, if all is within one chunk that is ours.
    fn inside(&self, addr: u64, len: u32) -> Option<(usize, usize)> {
        let at = usize::try_from(addr).ok()?;
        let len = usize::try_from(len).ok()?;
        let owner = self.owners.get(at / CHUNK)?;
        (*owner == Owner::Us && len <= CHUNK - at % CHUNK).then_some((at, len))
    }
}

impl Drop for Umem {
    fn drop(&mut self) {
        // SAFETY: the range is the mapping that `new` made; references into it borrow `self`, so none is left. The kernel
        // holds pages of its own accord until it is done with them.
        let result = unsafe { munmap(self.base.as_ptr(), self.bytes()) };
        debug_assert!(result.is_ok(), "unmapping an owned mapping");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn only_our_chunks_are_shown() {
        let mut umem = Umem::new(2).unwrap();
        let chunk = umem.chunks(1..9).next().unwrap();
        assert_eq!(umem.get(4096, 3), Some(&[0; 3][..]));
        assert_eq!(umem.get(4097, 4096), None);
        assert_eq!(umem.get(8192, 1), None);
        assert_eq!(umem.get(u64::MAX, u32::MAX), None);
        assert_eq!(umem.take_back(4096), None);
        assert_eq!(umem.lend(chunk), 4096);
        assert_eq!(umem.get(4096, 3), None);
        assert_eq!(umem.take_back(4096 + 256), Some(chunk));
        assert_eq!(umem.take_back(1 << 40), None);
        assert_eq!(umem.get(4096, 3), Some(&[0; 3][..]));
    }

    #[test]
    fn before_is_in_the_same_chunk() {
        let mut umem = Umem::new(2).unwrap();
        assert_eq!(umem.before(4096 + 8), Some(&[0; 8]));
        assert_eq!(umem.before::<8>(4096 + 7), None);
        assert_eq!(umem.before::<8>(4096), None);
        assert_eq!(umem.before::<8>(7), None);
        assert_eq!(umem.before::<8>(8192), None);
        assert_eq!(umem.before::<8>(u64::MAX), None);
        let chunk = umem.chunks(1..2).next().unwrap();
        umem.lend(chunk);
        assert_eq!(umem.before::<8>(4096 + 256), None);
    }
}
