//! Which sessions there are, how many may be, and how the listener learns that one has ended.
//!
//! A session's slot holds a second reference to its stream, by which another thread ends its wait. The listener waits
//! for descriptors only, so that what it must learn reaches it as a byte in a socket pair.

use crate::limits::EVICTION_SILENCE;
use skep_machine::Presence;
use skep_sys::is_hung_up;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// All sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    table: Mutex<Table>,
    /// A session has ended.
    ended: Condvar,
    stopping: AtomicBool,
    wake_in: UnixStream,
    wake_out: UnixStream,
    max: usize,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    slots: BTreeMap<u64, Arc<Slot>>,
}

#[derive(Debug)]
struct Slot {
    stream: UnixStream,
    handles: AtomicU32,
    /// Since when nothing is asked; `None` while a command is carried out.
    silent_since: Mutex<Option<Instant>>,
}

impl Slot {
    /// Whether closing the connection would cost its client nothing, and for how long it has been so.
    fn dispensable(&self, now: Instant) -> Option<Duration> {
        let since = (*lock(&self.silent_since))?;
        let silence = now.saturating_duration_since(since);
        let unused = self.handles.load(Ordering::Relaxed) == 0;
        (unused && silence >= EVICTION_SILENCE).then_some(silence)
    }

    /// Whether the client has gone and all that the session has to do is to notice.
    fn is_departed(&self) -> bool {
        lock(&self.silent_since).is_some() && is_hung_up(self.stream.as_fd()).unwrap_or(false)
    }
}

/// A session's place among the others, freed when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    sessions: Arc<Sessions>,
    number: u64,
    slot: Arc<Slot>,
}

/// Why a session has no place.
#[derive(Debug)]
pub(crate) enum NoPlace {
    /// All places are taken.
    Full,
    /// No descriptor left.
    Host(io::Error),
}

impl Sessions {
    pub(crate) fn new(max: usize) -> io::Result<Self> {
        let (wake_in, wake_out) = UnixStream::pair()?;
        wake_in.set_nonblocking(true)?;
        wake_out.set_nonblocking(true)?;
        Ok(Self {
            table: Mutex::default(),
            ended: Condvar::new(),
            stopping: AtomicBool::new(false),
            wake_in,
            wake_out,
            max,
        })
    }

    /// Gives a stream a place, at the cost of a session that nobody would miss if need be.
    pub(crate) fn admit(self: &Arc<Self>, stream: &UnixStream) -> Result<Place, NoPlace> {
        let slot = Arc::new(Slot {
            stream: stream.try_clone().map_err(NoPlace::Host)?,
            handles: AtomicU32::new(0),
            silent_since: Mutex::new(None),
        });
        let mut table = lock(&self.table);
        if table.slots.len() >= self.max && !table.evict(Instant::now()) {
            return Err(NoPlace::Full);
        }
        let number = table.next;
        table.next += 1;
        table.slots.insert(number, Arc::clone(&slot));
        drop(table);
        Ok(Place {
            sessions: Arc::clone(self),
            number,
            slot,
        })
    }

    pub(crate) fn count(&self) -> usize {
        lock(&self.table).slots.len()
    }

    /// Asks the listener to end the daemon.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.wake();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// What becomes readable when the listener should look: a stop, or the last session's end.
    pub(crate) fn wake_fd(&self) -> BorrowedFd<'_> {
        self.wake_out.as_fd()
    }

    /// Takes the wake-ups.
    pub(crate) fn take_wake(&self) {
        let mut bytes = [0; 64];
        while matches!((&self.wake_out).read(&mut bytes), Ok(count) if count > 0) {}
    }

    fn wake(&self) {
        // If it is full, the listener is woken anyway.
        let _ = (&self.wake_in).write(&[0]);
    }

    /// Shuts all streams down. With [`Shutdown::Read`] sessions still send the answer they are at.
    pub(crate) fn shut(&self, how: Shutdown) {
        for slot in lock(&self.table).slots.values() {
            // One that has ended by itself needs no ending.
            let _ = slot.stream.shutdown(how);
        }
    }

    /// Waits until no session is left, at most `time`; gives how many are.
    pub(crate) fn wait_empty(&self, time: Duration) -> usize {
        let table = lock(&self.table);
        let (table, _) = self
            .ended
            .wait_timeout_while(table, time, |table| !table.slots.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        table.slots.len()
    }

    /// Waits for the end of the sessions whose clients have gone before now, at most `time`. With it, a command that is
    /// started after another has ended never meets the handles of the first.
    ///
    /// Those at a command are not waited for: nobody who saw their answer can have gone yet.
    pub(crate) fn wait_departed(&self, time: Duration) {
        let table = lock(&self.table);
        let departed: Vec<u64> = table
            .slots
            .iter()
            .filter(|(_, slot)| slot.is_departed())
            .map(|(&number, _)| number)
            .collect();
        let any_left = |table: &mut Table| {
            departed
                .iter()
                .any(|number| table.slots.contains_key(number))
        };
        drop(self.ended.wait_timeout_while(table, time, any_left));
    }
}

impl Table {
    /// Ends the session that has been dispensable longest. Its thread notices by itself.
    fn evict(&mut self, now: Instant) -> bool {
        let longest = self
            .slots
            .iter()
            .filter_map(|(&number, slot)| Some((slot.dispensable(now)?, number)))
            .max();
        let Some(slot) = longest.and_then(|(_, number)| self.slots.remove(&number)) else {
            return false;
        };
        // If it has ended by itself, it needs no ending.
        let _ = slot.stream.shutdown(Shutdown::Both);
        true
    }
}

/// Whether a session's client still waits.
#[derive(Debug)]
struct Client {
    sessions: Arc<Sessions>,
    slot: Arc<Slot>,
}

impl Presence for Client {
    /// Also true when the daemon is to end, which long commands must not delay.
    fn is_gone(&self) -> bool {
        // A stream that cannot be asked fails at the answer.
        self.sessions.is_stopping() || is_hung_up(self.slot.stream.as_fd()).unwrap_or(true)
    }
}

impl Place {
    /// What tells whether anybody waits for the answer of a long command.
    pub(crate) fn presence(&self) -> Arc<dyn Presence> {
        Arc::new(Client {
            sessions: Arc::clone(&self.sessions),
            slot: Arc::clone(&self.slot),
        })
    }

    /// A command begins.
    pub(crate) fn set_busy(&self) {
        *lock(&self.slot.silent_since) = None;
    }

    /// Nothing more is to be done but to send the answer and await the next command.
    pub(crate) fn set_silent(&self) {
        *lock(&self.slot.silent_since) = Some(Instant::now());
    }

    /// The session got a handle.
    pub(crate) fn count_open(&self) {
        self.slot.handles.fetch_add(1, Ordering::Relaxed);
    }

    /// The session gave one back.
    pub(crate) fn count_close(&self) {
        self.slot.handles.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = lock(&self.sessions.table);
        table.slots.remove(&self.number);
        let empty = table.slots.is_empty();
        drop(table);
        self.sessions.ended.notify_all();
        if empty {
            self.sessions.wake();
        }
    }
}

/// Nothing done under these locks can leave what they guard half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_full_table_gives_up_only_who_loses_nothing() {
        let sessions = Arc::new(Sessions::new(2).unwrap());
        let (stream, _peer) = UnixStream::pair().unwrap();
        let holder = sessions.admit(&stream).unwrap();
        let idler = sessions.admit(&stream).unwrap();
        assert!(matches!(sessions.admit(&stream), Err(NoPlace::Full)));

        holder.count_open();
        holder.set_silent();
        idler.set_silent();
        let later = Instant::now() + EVICTION_SILENCE;
        let mut table = lock(&sessions.table);
        assert!(!table.evict(Instant::now()), "not silent long enough");
        assert!(table.evict(later));
        assert!(!table.evict(later), "the other holds a handle");
        drop(table);
        assert_eq!(sessions.count(), 1);

        drop(idler);
        assert_eq!(sessions.count(), 1, "the evicted place is not freed twice");
        drop(holder);
        assert_eq!(sessions.wait_empty(Duration::ZERO), 0);
    }
}
