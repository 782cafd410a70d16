//! A zeroed allocation with a stable address.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Alignment of every block: a cache line, so that neighbouring CPUs' values do not share one.
const ALIGN: usize = 64;

/// Zeroed memory that programs and commands share. Its address holds for its lifetime.
#[derive(Debug)]
pub struct Block {
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
        let start = unsafe { alloc_zeroed(layout) };
        NonNull::new(start).map(|start| Self { start, len })
    }

    /// Like [`Self::new`], ending the process the way `Box::new` does when memory is out. For small blocks.
    #[must_use]
    pub fn new_small(len: usize) -> Self {
        Self::new(len).unwrap_or_else(|| handle_alloc_error(Layout::new::<[u8; ALIGN]>()))
    }

    fn layout(len: usize) -> Option<Layout> {
        Layout::from_size_align(len.max(1).checked_next_multiple_of(ALIGN)?, ALIGN).ok()
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
        self.check(offset, out.len());
        let mut at = offset;
        let (chunks, rest) = out.as_chunks_mut::<8>();
        if at.is_multiple_of(8) {
            for chunk in chunks {
                *chunk = self.word(at).load(Ordering::Relaxed).to_ne_bytes();
                at += 8;
            }
        } else {
            for byte in chunks.as_flattened_mut() {
                *byte = self.byte(at).load(Ordering::Relaxed);
                at += 1;
            }
        }
        for byte in rest {
            *byte = self.byte(at).load(Ordering::Relaxed);
            at += 1;
        }
    }

    /// Copies `bytes` to `offset`.
    ///
    /// # Panics
    /// If the range leaves the block.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        self.check(offset, bytes.len());
        let mut at = offset;
        let (chunks, rest) = bytes.as_chunks::<8>();
        if at.is_multiple_of(8) {
            for chunk in chunks {
                self.word(at)
                    .store(u64::from_ne_bytes(*chunk), Ordering::Relaxed);
                at += 8;
            }
        } else {
            for byte in chunks.as_flattened() {
                self.byte(at).store(*byte, Ordering::Relaxed);
                at += 1;
            }
        }
        for byte in rest {
            self.byte(at).store(*byte, Ordering::Relaxed);
            at += 1;
        }
    }

    /// Fills `len` bytes from `offset` with `value`.
    ///
    /// # Panics
    /// If the range leaves the block.
    pub fn fill(&self, offset: usize, len: usize, value: u8) {
        self.check(offset, len);
        for at in offset..offset + len {
            self.byte(at).store(value, Ordering::Relaxed);
        }
    }

    fn check(&self, offset: usize, len: usize) {
        let end = offset.checked_add(len);
        assert!(
            end.is_some_and(|end| end <= self.len),
            "access of {len} bytes at {offset} in a block of {}",
            self.len
        );
    }

    fn byte(&self, at: usize) -> &AtomicU8 {
        debug_assert!(at < self.len);
        // SAFETY: callers passed `check`, so `at` lies within the allocation.
        let byte = unsafe { self.start.add(at) };
        // SAFETY: `byte` is valid for the life of `self`, and all access to it is atomic.
        unsafe { AtomicU8::from_ptr(byte.as_ptr()) }
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        debug_assert!(at.is_multiple_of(8) && at + 8 <= self.len);
        // SAFETY: callers passed `check`, so `at` lies within the allocation.
        let word = unsafe { self.start.add(at) };
        // SAFETY: `start` is 64-byte aligned and `at` a multiple of 8; the word is valid for the life of `self`.
        unsafe { AtomicU64::from_ptr(word.cast().as_ptr()) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let layout = Self::layout(self.len).expect("the same call succeeded in `new`");
        // SAFETY: `start` came from `alloc_zeroed` with this very layout.
        unsafe { dealloc(self.start.as_ptr(), layout) }
    }
}
