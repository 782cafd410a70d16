//! The place of a program on an interface, and what became of the frames that met it.

use skep_machine::{Connection, LinkObject};
use skep_uapi::{NetLive, Via, XdpMode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::way::Losses;
use crate::Verdict;

/// What is attached: shared by the worker that runs the program and the table that answers for it.
#[derive(Debug)]
pub(crate) struct Attachment {
    /// Link that holds the program.
    pub(crate) link: Arc<LinkObject>,
    /// On whose behalf it runs.
    pub(crate) connection: Connection,
    /// Interface index.
    pub(crate) ifindex: u32,
    /// How it was asked to be attached.
    pub(crate) mode: XdpMode,
    /// The way that was taken.
    pub(crate) via: Via,
    /// Counts since it was attached.
    pub(crate) counts: LiveCounts,
}

/// Counts of frames, written by one worker and read by anybody.
#[derive(Debug, Default)]
pub(crate) struct LiveCounts {
    verdicts: [AtomicU64; 6],
    missed: AtomicU64,
    undelivered: AtomicU64,
}

impl LiveCounts {
    pub(crate) fn verdict(&self, verdict: Verdict) {
        self.verdicts[verdict.index()].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn undelivered(&self) {
        self.undelivered.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn losses(&self, losses: Losses) {
        self.missed.fetch_add(losses.missed, Ordering::Relaxed);
        self.undelivered
            .fetch_add(losses.undelivered, Ordering::Relaxed);
    }
}

impl Attachment {
    /// What `net show` tells.
    pub(crate) fn live(&self) -> NetLive {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        NetLive {
            via: self.via,
            verdicts: self.counts.verdicts.each_ref().map(read),
            missed: read(&self.counts.missed),
            undelivered: read(&self.counts.undelivered),
        }
    }
}

/// Where a worker looks for the program before each burst. It is held during the burst, so that after [`Place::take`] no run of
/// what was taken is in progress.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// Whoever waits for the place holds this meanwhile. The worker, which is back at once after each burst, then waits behind it:
    /// the lock of the place alone gives no turns, and a command could wait as long as packets come.
    turn: Mutex<()>,
    attached: Mutex<Option<Arc<Attachment>>>,
}

impl Place {
    /// A place with something attached.
    pub(crate) fn of(attachment: Arc<Attachment>) -> Self {
        Self {
            turn: Mutex::default(),
            attached: Mutex::new(Some(attachment)),
        }
    }

    /// What is there, for one burst.
    pub(crate) fn hold(&self) -> MutexGuard<'_, Option<Arc<Attachment>>> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.attached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Attaches.
    pub(crate) fn put(&self, attachment: Arc<Attachment>) {
        *self.hold() = Some(attachment);
    }

    /// Detaches, when no run is in progress.
    pub(crate) fn take(&self) -> Option<Arc<Attachment>> {
        self.hold().take()
    }
}
