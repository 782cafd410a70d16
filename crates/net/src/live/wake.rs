//! Waking a thread that waits for packets.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// The end that wakes.
#[derive(Debug)]
pub(crate) struct Waker(UnixStream);

/// The end that is waited for: readable once it was woken, until [`Sleeper::rest`].
#[derive(Debug)]
pub(crate) struct Sleeper(UnixStream);

/// Both ends.
pub(crate) fn pair() -> io::Result<(Waker, Sleeper)> {
    let (waker, sleeper) = UnixStream::pair()?;
    waker.set_nonblocking(true)?;
    sleeper.set_nonblocking(true)?;
    Ok((Waker(waker), Sleeper(sleeper)))
}

impl Waker {
    /// Wakes; a waker of a sleeper that has gone does nothing.
    pub(crate) fn wake(&self) {
        // A full buffer means that it was woken often enough.
        let _: io::Result<usize> = (&self.0).write(&[1]);
    }
}

impl Sleeper {
    /// What to wait for.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Forgets how often it was woken.
    pub(crate) fn rest(&self) {
        let mut bytes = [0; 64];
        while matches!((&self.0).read(&mut bytes), Ok(count) if count == bytes.len()) {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use skep_sys::{Readiness, wait_readable};
    use std::time::Duration;

    #[test]
    fn woken_until_it_rests() {
        let (waker, sleeper) = pair().unwrap();
        let ready = || wait_readable(sleeper.fd(), Some(Duration::ZERO)).unwrap();
        assert_eq!(ready(), Readiness::TimedOut);
        (0..200).for_each(|_| waker.wake());
        assert_eq!(ready(), Readiness::Ready);
        sleeper.rest();
        assert_eq!(ready(), Readiness::TimedOut);
        drop(sleeper);
        waker.wake();
    }
}
