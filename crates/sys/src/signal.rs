//! Waiting for SIGTERM and SIGINT like for input, so that no code runs inside a signal handler.

use crate::wait::{Readiness, wait_readable};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// The termination signals, blocked and readable through a `signalfd(2)`.
#[derive(Debug)]
pub struct TerminationSignals {
    fd: OwnedFd,
}

impl TerminationSignals {
    /// Blocks SIGTERM, SIGINT and SIGHUP for this thread and those that it starts later; call it before starting any.
    ///
    /// # Errors
    /// Those of `signalfd(2)`: no descriptor left.
    pub fn block() -> io::Result<Self> {
        let set = termination_set();
        // SAFETY: `set` is initialised by `termination_set`; a null old set is allowed.
        let rc =
            unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
        if rc != 0 {
            return Err(io::Error::from_raw_os_error(rc));
        }
        // SAFETY: `set` is initialised by `termination_set`; -1 asks for a new descriptor.
        let fd =
            unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `signalfd` above returned `fd` as a new descriptor, which nobody else owns.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { fd })
    }

    /// Waits at most `timeout` (`None`: forever); true if a termination signal came. The signal is taken.
    ///
    /// # Errors
    /// Those of `poll(2)` and `read(2)`.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        match wait_readable(self.fd.as_fd(), timeout)? {
            Readiness::TimedOut => Ok(false),
            Readiness::Ready => {
                let mut info = [0; size_of::<libc::signalfd_siginfo>()];
                match rustix::io::read(&self.fd, &mut info) {
                    Ok(_) => Ok(true),
                    // Another thread was faster.
                    Err(rustix::io::Errno::AGAIN) => Ok(false),
                    Err(errno) => Err(errno.into()),
                }
            }
        }
    }
}

impl AsFd for TerminationSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn termination_set() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `set` is a writable place for one set, which the call initialises.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        // SAFETY: `sigemptyset` initialised `set`; the signal numbers are constants of this system.
        unsafe { libc::sigaddset(set.as_mut_ptr(), signal) };
    }
    // SAFETY: `sigemptyset` initialised `set`.
    unsafe { set.assume_init() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_signal_to_this_thread_is_read() {
        let signals = TerminationSignals::block().unwrap();
        assert!(!signals.wait(Some(Duration::ZERO)).unwrap());
        // SAFETY: raises a signal that this thread has just blocked; it stays pending for this thread.
        let rc = unsafe { libc::raise(libc::SIGTERM) };
        assert_eq!(rc, 0);
        assert!(signals.wait(Some(Duration::from_secs(5))).unwrap());
        assert!(!signals.wait(Some(Duration::ZERO)).unwrap());
    }
}
