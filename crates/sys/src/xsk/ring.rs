//! Rings of entries in memory shared with the kernel: one side puts entries in, the other takes them out.
//!
//! ```text
//! producer: u32   entries put in so far      written by the producing side (release), read by the other (acquire)
//! consumer: u32   entries taken out so far   written by the consuming side (release), read by the other (acquire)
//! flags: u32      written by the kernel
//! entries: [T]    a power of two; entry n is at n modulo that
//! ```
//!
//! Both counts wrap around at 2^32. Entries between consumer and producer belong to the consuming side, the others to the
//! producing side, so that no entry is ever accessed by both. A [`Producer`] is a ring that we put into, a [`Consumer`] one
//! that we take from: two types, because the words that may be written differ. Whatever the kernel writes into its words, no
//! index leaves the mapping: indices are masked.

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::io;
use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// What lies in a ring: integers, valid with any bytes.
///
/// # Safety
/// Every byte pattern is a valid value; the alignment is at most 8.
pub(super) unsafe trait Entry: Copy {}
// SAFETY: an integer.
unsafe impl Entry for u64 {}
// SAFETY: three integers.
unsafe impl Entry for libc::xdp_desc {}

/// Where a ring is: from `mmap(2)`'s offset and `XDP_MMAP_OFFSETS`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Offset in the socket.
    pub(super) page_offset: u64,
    /// Offsets of the parts in the mapping.
    pub(super) parts: libc::xdp_ring_offset,
    /// Number of entries, a power of two.
    pub(super) entries: u32,
}

/// The mapping with the parts found in it.
#[derive(Debug)]
struct Shared<T> {
    base: NonNull<c_void>,
    bytes: usize,
    producer: usize,
    consumer: usize,
    flags: usize,
    entries: usize,
    mask: u32,
    holds: PhantomData<T>,
}

// SAFETY: a ring owns its mapping alone, as a box owns its memory; nothing in it belongs to a thread.
unsafe impl<T: Send> Send for Shared<T> {}

impl<T: Entry> Shared<T> {
    fn map(socket: BorrowedFd<'_>, place: &Place) -> io::Result<Self> {
        let odd = || io::Error::from_raw_os_error(libc::EINVAL);
        let offset = |value: u64| usize::try_from(value).map_err(|_| odd());
        let entries = offset(place.parts.desc)?;
        let count = usize::try_from(place.entries).map_err(|_| odd())?;
        let bytes = count
            .checked_mul(size_of::<T>())
            .and_then(|bytes| bytes.checked_add(entries))
            .filter(|&bytes| isize::try_from(bytes).is_ok())
            .ok_or_else(odd)?;
        let word = |value| {
            offset(value).and_then(|at| match at % 4 == 0 && at < bytes && bytes - at >= 4 {
                true => Ok(at),
                false => Err(odd()),
            })
        };
        if !place.entries.is_power_of_two() || entries % 8 != 0 {
            return Err(odd());
        }
        let (producer, consumer) = (word(place.parts.producer)?, word(place.parts.consumer)?);
        let flags = word(place.parts.flags)?;
        let (access, sharing) = (
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED | MapFlags::POPULATE,
        );
        let nowhere = std::ptr::null_mut();
        // SAFETY: without `MAP_FIXED` no existing mapping is replaced.
        let base = unsafe { mmap(nowhere, bytes, access, sharing, socket, place.page_offset) }?;
        Ok(Self {
            base: NonNull::new(base).ok_or_else(odd)?,
            bytes,
            producer,
            consumer,
            flags,
            entries,
            mask: place.entries - 1,
            holds: PhantomData,
        })
    }

    /// A word at one of the offsets that `map` found.
    fn word(&self, at: usize) -> &AtomicU32 {
        // SAFETY: `map` checked that four bytes at `at` are inside the mapping.
        let place = unsafe { self.base.byte_add(at) };
        // SAFETY: `map` checked that `at` is a multiple of four, of a mapping that begins at a page and lives as long as
        // `self`; both sides access the word atomically only.
        unsafe { AtomicU32::from_ptr(place.as_ptr().cast()) }
    }

    /// The entry of this number.
    fn entry(&self, number: u32) -> NonNull<T> {
        let index = usize::try_from(number & self.mask).expect("32 bits fit");
        // SAFETY: `map` mapped `mask + 1` entries behind `entries`, and `index` is at most `mask`.
        unsafe { self.base.byte_add(self.entries + index * size_of::<T>()) }.cast()
    }

    fn count(&self) -> u32 {
        self.mask + 1
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // SAFETY: the range is the mapping that `map` made; references into it borrow `self`, so none is left.
        let result = unsafe { munmap(self.base.as_ptr(), self.bytes) };
        debug_assert!(result.is_ok(), "unmapping an owned mapping");
    }
}

/// A ring that we put into and the kernel takes from.
#[derive(Debug)]
pub(super) struct Producer<T> {
    shared: Shared<T>,
    /// Entries that we put in, published or not.
    put: u32,
}

impl<T: Entry> Producer<T> {
    pub(super) fn map(socket: BorrowedFd<'_>, place: &Place) -> io::Result<Self> {
        let shared = Shared::map(socket, place)?;
        let put = shared.word(shared.producer).load(Ordering::Relaxed);
        Ok(Self { shared, put })
    }

    /// Entries that there is room for.
    pub(super) fn room(&self) -> u32 {
        let taken = self.shared.word(self.shared.consumer);
        let waiting = self.put.wrapping_sub(taken.load(Ordering::Acquire));
        self.shared.count().saturating_sub(waiting)
    }

    /// Puts an entry in, unless the ring is full; the kernel sees it after `publish`.
    pub(super) fn put(&mut self, entry: T) -> Result<(), T> {
        if self.room() == 0 {
            return Err(entry);
        }
        let place = self.shared.entry(self.put);
        // SAFETY: the entry is inside the mapping (`Shared::entry`), aligned (`Shared::map` checked the first one's
        // offset), and ours, because `room` found that the kernel has taken what was in it.
        unsafe { place.write(entry) };
        self.put = self.put.wrapping_add(1);
        Ok(())
    }

    /// Shows the kernel all that was put in.
    pub(super) fn publish(&self) {
        let word = self.shared.word(self.shared.producer);
        word.store(self.put, Ordering::Release);
    }

    /// Whether the kernel sleeps until it is kicked.
    pub(super) fn needs_wakeup(&self) -> bool {
        let flags = self.shared.word(self.shared.flags);
        flags.load(Ordering::Relaxed) & libc::XDP_RING_NEED_WAKEUP != 0
    }
}

/// A ring that the kernel puts into and we take from.
#[derive(Debug)]
pub(super) struct Consumer<T> {
    shared: Shared<T>,
    /// Entries that we took out.
    taken: u32,
    /// Entries that the kernel had put in when we last looked.
    seen: u32,
}

impl<T: Entry> Consumer<T> {
    pub(super) fn map(socket: BorrowedFd<'_>, place: &Place) -> io::Result<Self> {
        let shared = Shared::map(socket, place)?;
        let taken = shared.word(shared.consumer).load(Ordering::Relaxed);
        Ok(Self {
            shared,
            taken,
            seen: taken,
        })
    }

    /// The entry `ahead` of the next, if the kernel has put it in.
    pub(super) fn peek(&mut self, ahead: u32) -> Option<T> {
        if ahead >= self.waiting() {
            let word = self.shared.word(self.shared.producer);
            self.seen = word.load(Ordering::Acquire);
        }
        if ahead >= self.waiting() {
            return None;
        }
        let place = self.shared.entry(self.taken.wrapping_add(ahead));
        // SAFETY: the entry is inside the mapping (`Shared::entry`), aligned (`Shared::map` checked the first one's
        // offset), any bytes are a value (`Entry`), and it is ours until `release`.
        Some(unsafe { place.read() })
    }

    fn waiting(&self) -> u32 {
        self.seen.wrapping_sub(self.taken).min(self.shared.count())
    }

    /// Gives the first `count` entries, all of which were peeked at, back to the kernel.
    pub(super) fn release(&mut self, count: u32) {
        debug_assert!(count <= self.waiting(), "only what was there");
        self.taken = self.taken.wrapping_add(count);
        let word = self.shared.word(self.shared.consumer);
        word.store(self.taken, Ordering::Release);
    }

    /// Takes the next entry out.
    pub(super) fn take(&mut self) -> Option<T> {
        let entry = self.peek(0)?;
        self.release(1);
        Some(entry)
    }
}
