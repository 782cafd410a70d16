//! A zeroed allocation with a stable address.

use crate::raw;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::AtomicU32;

/// Alignment of every block: a cache line, so that neighbouring CPUs' values do not share one.
const ALIGN: usize = 64;
/// Alignment that is asked of the allocator (C `max_align_t` of the hosts that skep builds for).
const ALLOC_ALIGN: usize = 16;

/// Zeroed memory that programs and commands share. Its address holds for its lifetime.
#[derive(Debug)]
pub struct Block {
    /// What the allocator gave.
    base: NonNull<u8>,
    /// The first aligned address of it.
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the block owns its allocation, and all access to its bytes is atomic.
unsafe impl Send for Block {}
// SAFETY: as above; `&Block` only reads and writes through atomics.
unsafe impl Sync for Block {}

impl Block {
    /// `len` zeroed bytes, 64-byte aligned, or `None` if the host has no memory for them.
    #[must_use]
    pub fn new(len: usize) -> Option<Self> {
        let layout = Self::layout(len)?;
        // SAFETY: `layout` has a size of at least ALIGN (see `layout`).
        let base = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        let slack = base.as_ptr().align_offset(ALIGN);
        // SAFETY: `layout` holds ALIGN - ALLOC_ALIGN bytes more than the block, and no more lie in front of an aligned address.
        let start = unsafe { base.add(slack) };
        Some(Self { base, start, len })
    }

    /// Like [`Self::new`], ending the process the way `Box::new` does when memory is out. For small blocks.
    #[must_use]
    pub fn new_small(len: usize) -> Self {
        Self::new(len).unwrap_or_else(|| handle_alloc_error(Layout::new::<[u8; ALIGN]>()))
    }

    /// Room for an aligned block, itself only aligned as allocators align anyway: they have zeroed pages for that, and would
    /// otherwise write zeros to all of a large map.
    fn layout(len: usize) -> Option<Layout> {
        let bytes = len.max(1).checked_next_multiple_of(ALIGN)?;
        Layout::from_size_align(bytes.checked_add(ALIGN - ALLOC_ALIGN)?, ALLOC_ALIGN).ok()
    }

    /// Address of the first byte.
    #[must_use]
    pub fn addr(&self) -> u64 {
        self.start.as_ptr().expose_provenance() as u64
    }

    /// Bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies `out.len()` bytes from `offset` out.
    ///
    /// # Panics
    /// If the range leaves the block.
    pub fn read(&self, offset: usize, out: &mut [u8]) {
        let addr = self.check(offset, out.len());
        // SAFETY: `check` found the range within the allocation.
        unsafe { raw::read(addr, out) }
    }

    /// Copies `bytes` to `offset`.
    ///
    /// # Panics
    /// If the range leaves the block.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        let addr = self.check(offset, bytes.len());
        // SAFETY: `check` found the range within the allocation.
        unsafe { raw::write(addr, bytes) }
    }

    /// The bytes themselves, for whoever has the block to himself: copies go at full speed whatever their alignment.
    ///
    /// Nobody else sees them meanwhile: who reaches a block through its address ([`Trusted`](crate::Trusted),
    /// [`Checked`](crate::Checked), compiled code) borrows the block for as long as he does.
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: `new` allocated `len` bytes from `start` and zeroed them; `&mut self` excludes every other access through the
        // block, and those through its address are made under a shared borrow of it (see above), which cannot be alive now.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }

    /// Fills `len` bytes from `offset` with `value`.
    ///
    /// # Panics
    /// If the range leaves the block.
    pub fn fill(&self, offset: usize, len: usize, value: u8) {
        const PIECE: usize = 256;
        let end = offset.saturating_add(len);
        self.check(offset, len);
        for at in (offset..end).step_by(PIECE) {
            self.write(at, &[value; PIECE][..PIECE.min(end - at)]);
        }
    }

    /// The four bytes at `offset` as an atomic cell, for data structures within a block.
    ///
    /// # Panics
    /// If they leave the block or `offset` is not a multiple of 4.
    #[must_use]
    pub fn cell32(&self, offset: usize) -> &AtomicU32 {
        let addr = self.check(offset, 4);
        assert!(addr.is_multiple_of(4), "a cell at {offset} is not aligned");
        // SAFETY: checked and aligned by the two lines above; live as long as `self`.
        unsafe { raw::cell32(addr) }
    }

    /// Address of byte `offset`, after checking that `len` bytes are there.
    fn check(&self, offset: usize, len: usize) -> u64 {
        let end = offset.checked_add(len);
        assert!(
            end.is_some_and(|end| end <= self.len),
            "access of {len} bytes at {offset} in a block of {}",
            self.len
        );
        self.addr() + offset as u64
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let layout = Self::layout(self.len).expect("the same call succeeded in `new`");
        // SAFETY: `base` came from `alloc_zeroed` with this very layout.
        unsafe { dealloc(self.base.as_ptr(), layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_was_written_at_any_offset() {
        let block = Block::new_small(40);
        assert_eq!(block.addr() % 64, 0);
        let bytes: Vec<u8> = (1..=19).collect();
        for offset in 0..=21 {
            block.fill(0, 40, 0);
            block.write(offset, &bytes);
            let mut out = [0; 19];
            block.read(offset, &mut out);
            assert_eq!(out.as_slice(), bytes);
            let mut all = [0; 40];
            block.read(0, &mut all);
            assert_eq!(all.iter().filter(|byte| **byte != 0).count(), 19);
        }
    }

    #[test]
    fn lends_its_bytes_to_whoever_has_it_alone() {
        let mut block = Block::new_small(24);
        block.write(3, b"through the address");
        assert_eq!(&block.bytes_mut()[3..10], b"through");
        block.bytes_mut()[3..6].copy_from_slice(b"abc");
        let mut out = [0; 7];
        block.read(3, &mut out);
        assert_eq!(&out, b"abcough");
        assert!(Block::new_small(0).bytes_mut().is_empty());
    }

    #[test]
    #[should_panic(expected = "in a block of 8")]
    fn refuses_a_range_that_leaves_it() {
        Block::new_small(8).write(usize::MAX, &[0; 2]);
    }

    /// A map of gigabytes costs what is written to it, as far as the host's allocator allows.
    #[test]
    fn a_huge_block_is_zeroed_by_the_host() {
        if let Some(block) = Block::new(4 << 30) {
            let mut end = [1; 2];
            block.read((4 << 30) - 2, &mut end);
            assert_eq!((end, block.addr() % 64), ([0; 2], 0));
        }
    }

    #[test]
    fn an_empty_block_has_an_address() {
        assert!(Block::new_small(0).is_empty());
        assert!(Block::new(usize::MAX).is_none());
    }
}
