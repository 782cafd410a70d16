//! The trace pipe: a bounded ring of lines, each delivered to one reader.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The ring.
#[derive(Debug)]
pub(crate) struct TracePipe {
    ring: Mutex<Ring>,
    written: Condvar,
    lines_max: usize,
}

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<String>,
    /// Lines lost since the machine began.
    lost: u64,
    /// Lines lost since the last read, to be reported to the next reader.
    lost_unread: u64,
}

impl TracePipe {
    pub(crate) fn new(lines_max: usize) -> Self {
        Self {
            ring: Mutex::default(),
            written: Condvar::new(),
            lines_max: lines_max.max(1),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line; the oldest goes when the ring is full.
    pub(crate) fn push(&self, line: String) {
        let mut ring = self.lock();
        if ring.lines.len() == self.lines_max {
            ring.lines.pop_front();
            ring.lost += 1;
            ring.lost_unread += 1;
        }
        ring.lines.push_back(line);
        drop(ring);
        self.written.notify_one();
    }

    /// Takes up to `lines_max` lines, waiting at most `wait` for the first. Losses come first, as in Linux's trace pipe.
    pub(crate) fn read(&self, lines_max: usize, wait: Duration) -> Vec<String> {
        let deadline = Instant::now() + wait;
        let mut ring = self.lock();
        while ring.lines.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Vec::new();
            }
            ring = self
                .written
                .wait_timeout(ring, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let mut taken = Vec::new();
        if ring.lost_unread > 0 {
            taken.push(format!("CPU:0 [LOST {} EVENTS]", ring.lost_unread));
            ring.lost_unread = 0;
        }
        let count = ring.lines.len().min(lines_max.max(1));
        taken.extend(ring.lines.drain(..count));
        taken
    }

    /// Lines lost since the machine began.
    pub(crate) fn lost(&self) -> u64 {
        self.lock().lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_ring_loses_the_oldest_and_says_so() {
        let pipe = TracePipe::new(2);
        for line in ["a", "b", "c"] {
            pipe.push(line.to_owned());
        }
        assert_eq!(
            pipe.read(9, Duration::ZERO),
            ["CPU:0 [LOST 1 EVENTS]", "b", "c"]
        );
        assert_eq!(pipe.read(9, Duration::from_millis(1)), Vec::<String>::new());
        assert_eq!(pipe.lost(), 1);
    }

    #[test]
    fn a_reader_waits_for_a_line() {
        let pipe = TracePipe::new(8);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| pipe.read(1, Duration::from_secs(20)));
            pipe.push("late".to_owned());
            assert_eq!(reader.join().expect("the reader does not panic"), ["late"]);
        });
    }
}
