//! CPU slots: a run leases one, so that per-CPU values have one writer at a time.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The slots. Whoever waits gets one in turn: a worker that needs one for each burst of packets must not keep others waiting
/// by being quicker.
#[derive(Debug)]
pub(crate) struct CpuSlots {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    free: BTreeSet<u32>,
    /// Number of the next who comes.
    next: u64,
    /// Number of the next who gets a slot.
    turn: u64,
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
            state: Mutex::new(State {
                free: (0..count.max(1)).collect(),
                next: 0,
                turn: 0,
            }),
            changed: Condvar::new(),
        }
    }

    /// Waits for a free slot and takes the lowest, so that one run after the other finds the per-CPU values of slot 0.
    pub(crate) fn lease(&self) -> CpuSlot<'_> {
        let mut state = self.lock();
        let mine = state.next;
        state.next += 1;
        loop {
            if state.turn == mine
                && let Some(number) = state.free.pop_first()
            {
                state.turn += 1;
                // There may be a slot for the next as well.
                if state.turn != state.next {
                    self.changed.notify_all();
                }
                return CpuSlot {
                    slots: self,
                    number,
                };
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CpuSlot<'_> {
    fn drop(&mut self) {
        let mut state = self.slots.lock();
        state.free.insert(self.number);
        if state.turn != state.next {
            self.slots.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    /// Somebody who takes the only slot again as soon as it is free does not keep it from others.
    #[test]
    fn in_turn() {
        let slots = CpuSlots::new(1);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let slot = slots.lease();
                    std::thread::sleep(Duration::from_millis(1));
                    drop(slot);
                }
            });
            let begin = Instant::now();
            for _ in 0..20 {
                assert_eq!(slots.lease().number, 0);
            }
            done.store(true, Ordering::Relaxed);
            assert!(begin.elapsed() < Duration::from_secs(10));
        });
    }
}
