//! A thread that waits for packets or announcements, and can be told to end.

use super::wake::{Sleeper, Waker, pair};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};

/// The running thread. [`Background::stop`] ends it; dropping this leaves it running.
#[derive(Debug)]
pub(crate) struct Background {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
    waker: Waker,
}

/// What the thread itself has of that.
#[derive(Debug)]
pub(crate) struct Orders {
    stop: Arc<AtomicBool>,
    sleeper: Sleeper,
}

impl Background {
    /// Starts a thread.
    pub(crate) fn start(
        name: String,
        body: impl FnOnce(Orders) + Send + 'static,
    ) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (waker, sleeper) = pair()?;
        let orders = Orders {
            stop: Arc::clone(&stop),
            sleeper,
        };
        let thread = Builder::new().name(name).spawn(move || body(orders))?;
        Ok(Self {
            thread,
            stop,
            waker,
        })
    }

    /// Tells it to end, and waits until it has.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Release);
        self.waker.wake();
        // The thread itself may be the one who ends it.
        if self.thread.thread().id() != std::thread::current().id() {
            drop(self.thread.join());
        }
    }

    /// Whether it has ended by itself.
    pub(crate) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}

impl Orders {
    /// Whether the thread is to end.
    pub(crate) fn is_over(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// What to wait for beside the thread's own work: readable once it is to end, until [`Orders::rest`].
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.sleeper.fd()
    }

    /// Forgets that it was woken.
    pub(crate) fn rest(&self) {
        self.sleeper.rest();
    }
}
