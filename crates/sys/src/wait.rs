//! Waiting for input with a limit, and descriptors that can be waited for.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Whether input came within the time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// Input, or the end of it, is there.
    Ready,
    /// The time ran out first.
    TimedOut,
}

/// Opens a file for reading so that a read without input fails (`EAGAIN`) instead of waiting.
///
/// # Errors
/// Those of `open(2)`.
pub fn open_nonblocking(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
}

/// Waits until `fd` has input (or its end), at most `timeout` (`None`: forever). A signal does not end the wait.
///
/// # Errors
/// Those of `poll(2)`.
pub fn wait_readable(fd: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<Readiness> {
    Ok(match wait_any_readable(&[fd], timeout)? {
        Some(_) => Readiness::Ready,
        None => Readiness::TimedOut,
    })
}

/// Waits as [`wait_readable`] for any of `fds`; gives the index of the first that is ready, `None` if the time ran out.
///
/// # Errors
/// Those of `poll(2)`.
pub fn wait_any_readable(
    fds: &[BorrowedFd<'_>],
    timeout: Option<Duration>,
) -> io::Result<Option<usize>> {
    let begin = Instant::now();
    let mut polled: Vec<_> = fds
        .iter()
        .map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN))
        .collect();
    loop {
        let left = timeout.map(|timeout| timeout.saturating_sub(begin.elapsed()));
        // A wait too long to express is a wait without limit.
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut polled, left.as_ref()) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(polled.iter().position(|fd| !fd.revents().is_empty())),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Whether the other end of a stream has closed, or stopped sending; unread input does not matter.
///
/// # Errors
/// Those of `poll(2)`.
pub fn is_hung_up(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    let mut polled = [PollFd::from_borrowed_fd(fd, PollFlags::RDHUP)];
    loop {
        match poll(&mut polled, Some(&Timespec::default())) {
            Ok(_) => return Ok(polled[0].revents().intersects(gone)),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_first_ready_one_and_hang_up() {
        let (mut a, b) = UnixStream::pair().unwrap();
        let (c, d) = UnixStream::pair().unwrap();
        let fds = [d.as_fd(), b.as_fd()];
        assert_eq!(wait_any_readable(&fds, Some(Duration::ZERO)).unwrap(), None);
        a.write_all(b"x").unwrap();
        assert_eq!(wait_any_readable(&fds, None).unwrap(), Some(1));
        assert!(!is_hung_up(b.as_fd()).unwrap());
        drop(a);
        assert!(is_hung_up(b.as_fd()).unwrap());
        drop(c);
        assert_eq!(wait_any_readable(&fds, None).unwrap(), Some(0));
    }
}
