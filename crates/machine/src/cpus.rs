//! CPU slots: a run leases one, so that per-CPU values have one writer at a time.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, PoisonError};

/// The free slots.
#[derive(Debug)]
pub(crate) struct CpuSlots {
    free: Mutex<BTreeSet<u32>>,
    returned: Condvar,
}

/// A leased slot; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct CpuSlot<'a> {
    slots: &'a CpuSlots,
    /// Its number.
    pub(crate) number: u32,
}

impl CpuSlots {
    pub(crate) fn new(count: u32) -> Self {
        Self {
            free: Mutex::new((0..count.max(1)).collect()),
            returned: Condvar::new(),
        }
    }

    /// Waits for a free slot and takes the lowest, so that one run after the other finds the per-CPU values of slot 0.
    pub(crate) fn lease(&self) -> CpuSlot<'_> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(number) = free.pop_first() {
                return CpuSlot {
                    slots: self,
                    number,
                };
            }
            free = self
                .returned
                .wait(free)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for CpuSlot<'_> {
    fn drop(&mut self) {
        self.slots
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(self.number);
        self.slots.returned.notify_one();
    }
}
