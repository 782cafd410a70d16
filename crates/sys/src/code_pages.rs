//! Memory for machine code that is writable or executable, never both, between two guard pages.
//!
//! The two states are two types: [`CodePagesMut`] can be written, [`CodePagesMut::seal`] takes it by value and gives
//! [`CodePages`], which can be read and executed. No other way leads to executable memory. This file does not know
//! what the bytes mean and never jumps into them.

use crate::host::page_bytes;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use std::ffi::c_void;
use std::io;
use std::ptr::NonNull;

/// Farthest distance in bytes of a [`Placement::Near`] mapping: leaves room within a 32-bit displacement (2 GiB) for
/// targets on the other side of the wanted address.
pub const NEAR_BYTES_MAX: usize = 1 << 30;

/// Distance between tried addresses.
const NEAR_STEP: usize = 8 << 20;

/// Where code should lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placement {
    /// Wherever the kernel likes.
    Anywhere,
    /// Within [`NEAR_BYTES_MAX`] of this address if there is room, else anywhere; [`CodePages::addr`] tells.
    Near(usize),
}

/// The whole mapping: guard page, code, guard page.
#[derive(Debug)]
struct Reservation {
    /// Start of the first guard page.
    base: NonNull<c_void>,
    /// Bytes of all, guards included.
    reserved_bytes: usize,
    /// Bytes of the code pages between the guards.
    mapped_bytes: usize,
    /// Bytes that the owner asked for.
    len: usize,
}

// SAFETY: a reservation owns its mapping alone, as a box owns its memory; nothing in it belongs to a thread.
unsafe impl Send for Reservation {}
// SAFETY: shared references give only reads, of memory that is written through unique ones.
unsafe impl Sync for Reservation {}

impl Reservation {
    fn new(len: usize, placement: Placement) -> io::Result<Self> {
        let page = page_bytes();
        let too_long = || io::Error::from_raw_os_error(libc::ENOMEM);
        let mapped_bytes = len
            .max(1)
            .checked_next_multiple_of(page)
            .ok_or_else(too_long)?;
        let reserved_bytes = mapped_bytes.checked_add(2 * page).ok_or_else(too_long)?;
        if isize::try_from(reserved_bytes).is_err() {
            return Err(too_long());
        }
        let base = match placement {
            Placement::Anywhere => None,
            Placement::Near(addr) => reserve_near(addr, reserved_bytes),
        };
        let base = match base {
            Some(base) => base,
            None => reserve(0, reserved_bytes, MapFlags::PRIVATE)?,
        };
        Ok(Self {
            base,
            reserved_bytes,
            mapped_bytes,
            len,
        })
    }

    /// Start of the code pages.
    fn code(&self) -> NonNull<u8> {
        // SAFETY: `new` reserved `2 * page + mapped_bytes` bytes at `base`, so that one page in is inside.
        unsafe { self.base.byte_add(page_bytes()) }.cast()
    }

    fn protect(&self, flags: MprotectFlags) -> io::Result<()> {
        // SAFETY: the range is the code pages, inside the mapping that `new` made and `self` owns; callers hold
        // `self` by value or uniquely, so no slice into it exists that the new protection would invalidate.
        unsafe { mprotect(self.code().as_ptr().cast(), self.mapped_bytes, flags) }?;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: the range is the mapping that `new` made; `self` owned it, so no reference into it is left.
        let result = unsafe { munmap(self.base.as_ptr(), self.reserved_bytes) };
        debug_assert!(
            result.is_ok(),
            "unmapping an owned mapping fails only on a wrong range"
        );
    }
}

/// Maps inaccessible memory; `hint` 0 lets the kernel choose.
fn reserve(hint: usize, len: usize, flags: MapFlags) -> io::Result<NonNull<c_void>> {
    let hint = std::ptr::without_provenance_mut(hint);
    // SAFETY: without `MAP_FIXED` no existing mapping is replaced (`MAP_FIXED_NOREPLACE` fails instead).
    let base =
        unsafe { mmap_anonymous(hint, len, ProtFlags::empty(), flags | MapFlags::NORESERVE) }?;
    NonNull::new(base).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))
}

/// Tries addresses on both sides of `near`, closest first.
fn reserve_near(near: usize, len: usize) -> Option<NonNull<c_void>> {
    let near = near & !(page_bytes() - 1);
    let steps_max = (NEAR_BYTES_MAX.checked_sub(len)?) / NEAR_STEP;
    for step in 1..=steps_max {
        let distance = step * NEAR_STEP;
        for hint in [near.checked_sub(distance), near.checked_add(distance)] {
            let Some(hint) = hint.filter(|&hint| hint != 0) else {
                continue;
            };
            let flags = MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE;
            if let Ok(base) = reserve(hint, len, flags) {
                // Kernels before 4.17 take the flag as a hint only.
                if base.addr().get() == hint {
                    return Some(base);
                }
                release(base, len);
            }
        }
    }
    None
}

fn release(base: NonNull<c_void>, len: usize) {
    // SAFETY: the only caller has just got this mapping from `reserve` with this length and keeps no reference to it.
    let result = unsafe { munmap(base.as_ptr(), len) };
    debug_assert!(
        result.is_ok(),
        "unmapping an owned mapping fails only on a wrong range"
    );
}

/// Code pages that can be written and not executed.
#[derive(Debug)]
pub struct CodePagesMut {
    reservation: Reservation,
}

impl CodePagesMut {
    /// Maps `len` bytes of zeros, writable, between two inaccessible pages.
    ///
    /// # Errors
    /// `ENOMEM` without room.
    pub fn new(len: usize, placement: Placement) -> io::Result<Self> {
        let reservation = Reservation::new(len, placement)?;
        reservation.protect(MprotectFlags::READ | MprotectFlags::WRITE)?;
        Ok(Self { reservation })
    }

    /// Address of the first byte, also after sealing: relocations are resolved against it.
    #[must_use]
    pub fn addr(&self) -> usize {
        self.reservation.code().addr().get()
    }

    /// The bytes.
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: `new` mapped at least `len` bytes there and made them readable and writable; `self` is borrowed
        // uniquely and owns the mapping.
        unsafe {
            std::slice::from_raw_parts_mut(self.reservation.code().as_ptr(), self.reservation.len)
        }
    }

    /// Takes the write permission away, then gives permission to execute.
    ///
    /// # Errors
    /// `EACCES` or `EPERM` where a security module forbids executable memory; the pages are then gone.
    pub fn seal(self) -> io::Result<CodePages> {
        self.reservation.protect(MprotectFlags::READ)?;
        synchronise_instructions(&self.reservation);
        self.reservation
            .protect(MprotectFlags::READ | MprotectFlags::EXEC)?;
        Ok(CodePages {
            reservation: self.reservation,
        })
    }
}

/// Code pages that can be executed and read, and never written again.
#[derive(Debug)]
pub struct CodePages {
    reservation: Reservation,
}

impl CodePages {
    /// Address of the first byte.
    #[must_use]
    pub fn addr(&self) -> usize {
        self.reservation.code().addr().get()
    }

    /// Pointer to the first byte, valid for reads and execution of [`Self::bytes`] while `self` lives.
    #[must_use]
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.reservation.code()
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `Reservation::new` mapped at least `len` bytes there, `seal` left them readable, and nothing can
        // write them for the life of `self`.
        unsafe {
            std::slice::from_raw_parts(self.reservation.code().as_ptr(), self.reservation.len)
        }
    }
}

/// Makes written bytes visible to instruction fetch. x86 keeps its caches coherent by itself.
#[cfg(not(target_arch = "aarch64"))]
fn synchronise_instructions(_: &Reservation) {}

/// Makes written bytes visible to instruction fetch: clean data to the point of unification, then invalidate
/// instructions, line by line (Arm ARM, "Synchronization and coherency issues between data and instruction accesses").
#[cfg(target_arch = "aarch64")]
fn synchronise_instructions(reservation: &Reservation) {
    use std::arch::asm;
    /// Smallest cache line that the architecture allows, so that no line is stepped over.
    const LINE_BYTES: usize = 16;
    let start = reservation.code().as_ptr();
    for offset in (0..reservation.mapped_bytes).step_by(LINE_BYTES) {
        let line = start.wrapping_byte_add(offset);
        // SAFETY: `line` lies in the mapped, readable code pages; the instruction changes no memory and no register.
        unsafe { asm!("dc cvau, {line}", line = in(reg) line, options(nostack, preserves_flags)) };
    }
    // SAFETY: a barrier changes no memory and no register.
    unsafe { asm!("dsb ish", options(nostack, preserves_flags)) };
    for offset in (0..reservation.mapped_bytes).step_by(LINE_BYTES) {
        let line = start.wrapping_byte_add(offset);
        // SAFETY: `line` lies in the mapped, readable code pages; the instruction changes no memory and no register.
        unsafe { asm!("ic ivau, {line}", line = in(reg) line, options(nostack, preserves_flags)) };
    }
    // SAFETY: barriers change no memory and no register.
    unsafe { asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::fs;

    /// Permissions of the mapping that starts at `addr`, from `/proc/self/maps`.
    fn permissions(addr: usize) -> Option<String> {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().find_map(|line| {
            let (range, rest) = line.split_once(' ')?;
            let (first, last) = range.split_once('-')?;
            let parse = |text| usize::from_str_radix(text, 16).unwrap();
            (parse(first)..parse(last))
                .contains(&addr)
                .then(|| rest[..4].to_owned())
        })
    }

    #[test]
    fn writable_then_executable_between_guards() {
        let page = page_bytes();
        let mut pages = CodePagesMut::new(page + 1, Placement::Anywhere).unwrap();
        let addr = pages.addr();
        assert_eq!(pages.bytes_mut().len(), page + 1);
        pages.bytes_mut()[page] = 0xc3;
        assert_eq!(permissions(addr).unwrap(), "rw-p");
        assert_eq!(permissions(addr - 1).unwrap(), "---p");
        let pages = pages.seal().unwrap();
        assert_eq!(pages.addr(), addr);
        assert_eq!(pages.bytes()[page], 0xc3);
        assert_eq!(permissions(addr).unwrap(), "r-xp");
        assert_eq!(permissions(addr - 1).unwrap(), "---p");
        assert_eq!(permissions(addr + 2 * page).unwrap(), "---p");
        drop(pages);
        assert_ne!(permissions(addr).as_deref(), Some("r-xp"));
    }

    #[test]
    fn near_is_near() {
        let here = near_is_near as fn() as usize;
        let pages = CodePagesMut::new(1, Placement::Near(here)).unwrap();
        assert!(
            pages.addr().abs_diff(here) <= NEAR_BYTES_MAX,
            "{:#x} {here:#x}",
            pages.addr()
        );
        // No room below address zero or beyond user space: anywhere, not an error.
        CodePagesMut::new(1, Placement::Near(0)).unwrap();
        CodePagesMut::new(1, Placement::Near(usize::MAX)).unwrap();
    }

    #[test]
    fn absurd_lengths_are_errors() {
        for len in [usize::MAX, usize::MAX / 2, isize::MAX.cast_unsigned()] {
            assert!(CodePagesMut::new(len, Placement::Anywhere).is_err());
            assert!(CodePagesMut::new(len, Placement::Near(1 << 40)).is_err());
        }
        assert!(
            CodePagesMut::new(0, Placement::Anywhere)
                .unwrap()
                .bytes_mut()
                .is_empty()
        );
    }
}
