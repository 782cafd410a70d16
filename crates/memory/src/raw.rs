//! Accesses to raw addresses: relaxed atomics where the address is aligned, byte by byte where it is not.
//!
//! The callers (`access`) have proved or been told that the address is good; this file only says how it is touched.

use crate::access::AtomicAccess;
use std::ptr::with_exposed_provenance_mut;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

/// The pointer of an address that a block, a shared object or a stack exposed.
pub(crate) fn pointer<T>(addr: u64) -> *mut T {
    with_exposed_provenance_mut(usize::try_from(addr).expect("skep builds for 64-bit hosts"))
}

macro_rules! cell {
    ($name:ident, $atomic:ty) => {
        /// The cell at an address.
        ///
        /// # Safety
        /// `addr` is aligned for the cell and live for `'a`, and everybody accesses it atomically.
        pub(crate) unsafe fn $name<'a>(addr: u64) -> &'a $atomic {
            // SAFETY: the caller vouches for address, alignment and life.
            unsafe { <$atomic>::from_ptr(pointer(addr)) }
        }
    };
}
cell!(cell8, AtomicU8);
cell!(cell16, AtomicU16);
cell!(cell32, AtomicU32);
cell!(cell64, AtomicU64);

/// Loads 1, 2, 4 or 8 bytes, zero-extended.
///
/// # Safety
/// The bytes are live memory that others access atomically at most.
#[inline]
pub(crate) unsafe fn load(addr: u64, bytes: u32) -> u64 {
    const R: Ordering = Ordering::Relaxed;
    if addr.is_multiple_of(bytes.into()) {
        match bytes {
            // SAFETY: the caller vouches for the bytes; aligned by the test above. (The same in each arm.)
            1 => return unsafe { cell8(addr) }.load(R).into(),
            // SAFETY: as above.
            2 => return unsafe { cell16(addr) }.load(R).into(),
            // SAFETY: as above.
            4 => return unsafe { cell32(addr) }.load(R).into(),
            // SAFETY: as above.
            8 => return unsafe { cell64(addr) }.load(R),
            // No other number is a cell's, whatever it divides.
            _ => {}
        }
    }
    let mut out = [0; 8];
    let len = usize::try_from(bytes.min(8)).expect("at most 8");
    // SAFETY: the caller vouches for the bytes.
    unsafe { read(addr, &mut out[..len]) };
    u64::from_ne_bytes(out)
}

/// Stores the low 1, 2, 4 or 8 bytes of `value`.
///
/// # Safety
/// As [`load`], and the bytes may be written.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "a store keeps the low bytes"
)]
pub(crate) unsafe fn store(addr: u64, bytes: u32, value: u64) {
    const R: Ordering = Ordering::Relaxed;
    if addr.is_multiple_of(bytes.into()) {
        match bytes {
            // SAFETY: the caller vouches for the bytes; aligned by the test above. (The same in each arm.)
            1 => return unsafe { cell8(addr) }.store(value as u8, R),
            // SAFETY: as above.
            2 => return unsafe { cell16(addr) }.store(value as u16, R),
            // SAFETY: as above.
            4 => return unsafe { cell32(addr) }.store(value as u32, R),
            // SAFETY: as above.
            8 => return unsafe { cell64(addr) }.store(value, R),
            // No other number is a cell's, whatever it divides.
            _ => {}
        }
    }
    let len = usize::try_from(bytes.min(8)).expect("at most 8");
    // SAFETY: the caller vouches for the bytes.
    unsafe { write(addr, &value.to_ne_bytes()[..len]) };
}

/// Copies memory out: by words where the address is aligned, else by bytes.
///
/// # Safety
/// As [`load`].
pub(crate) unsafe fn read(addr: u64, out: &mut [u8]) {
    const R: Ordering = Ordering::Relaxed;
    let (words, bytes) = out.split_at_mut(words_bytes(addr, out.len()));
    for (at, word) in (addr..).step_by(8).zip(words.as_chunks_mut::<8>().0) {
        // SAFETY: the caller vouches for the bytes; `words_bytes` gave 0 unless the address is aligned.
        *word = unsafe { cell64(at) }.load(R).to_ne_bytes();
    }
    for (at, byte) in (addr + words.len() as u64..).zip(bytes) {
        // SAFETY: the caller vouches for the bytes.
        *byte = unsafe { cell8(at) }.load(R);
    }
}

/// Copies memory in, the same way.
///
/// # Safety
/// As [`store`].
pub(crate) unsafe fn write(addr: u64, from: &[u8]) {
    const R: Ordering = Ordering::Relaxed;
    let (words, bytes) = from.split_at(words_bytes(addr, from.len()));
    for (at, word) in (addr..).step_by(8).zip(words.as_chunks::<8>().0) {
        // SAFETY: the caller vouches for the bytes; `words_bytes` gave 0 unless the address is aligned.
        unsafe { cell64(at) }.store(u64::from_ne_bytes(*word), R);
    }
    for (at, byte) in (addr + words.len() as u64..).zip(bytes) {
        // SAFETY: the caller vouches for the bytes.
        unsafe { cell8(at) }.store(*byte, R);
    }
}

/// How many of `len` bytes from `addr` can be copied as aligned words.
fn words_bytes(addr: u64, len: usize) -> usize {
    if addr.is_multiple_of(8) {
        len - len % 8
    } else {
        0
    }
}

macro_rules! rmw {
    ($cell:expr, $access:expr, $word:ty) => {{
        const ALL: Ordering = Ordering::SeqCst;
        let cell = $cell;
        let old = match $access {
            AtomicAccess::Add(value) => cell.fetch_add(value as $word, ALL),
            AtomicAccess::Or(value) => cell.fetch_or(value as $word, ALL),
            AtomicAccess::And(value) => cell.fetch_and(value as $word, ALL),
            AtomicAccess::Xor(value) => cell.fetch_xor(value as $word, ALL),
            AtomicAccess::Xchg(value) => cell.swap(value as $word, ALL),
            AtomicAccess::Cmpxchg { expected, new } => {
                match cell.compare_exchange(expected as $word, new as $word, ALL, ALL) {
                    Ok(old) | Err(old) => old,
                }
            }
            AtomicAccess::LoadAcquire => cell.load(Ordering::Acquire),
            AtomicAccess::StoreRelease(value) => {
                cell.store(value as $word, Ordering::Release);
                0
            }
        };
        u64::from(old)
    }};
}

/// One atomic access to 1, 2, 4 or 8 bytes; gives the old value.
///
/// # Safety
/// As [`store`], `bytes` is one of these four, and `addr` is a multiple of it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "operands are cut to the access"
)]
pub(crate) unsafe fn atomic(addr: u64, bytes: u32, access: AtomicAccess) -> u64 {
    match bytes {
        // SAFETY: the caller vouches for the bytes and their alignment. (The same in each arm.)
        1 => rmw!(unsafe { cell8(addr) }, access, u8),
        // SAFETY: as above.
        2 => rmw!(unsafe { cell16(addr) }, access, u16),
        // SAFETY: as above.
        4 => rmw!(unsafe { cell32(addr) }, access, u32),
        // SAFETY: as above.
        _ => rmw!(unsafe { cell64(addr) }, access, u64),
    }
}
