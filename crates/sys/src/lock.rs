//! A lock that the kernel drops with its holder, however the holder dies.

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// An exclusive `flock(2)` on a file; released when dropped, and by the kernel when the process dies.
///
/// The file stays: removing it would let two holders lock two different files under one name.
#[derive(Debug)]
pub struct LockFile {
    file: File,
}

impl LockFile {
    /// Takes the lock, making the file (mode 0600, never through a symbolic link) if need be; `None` if another holds it.
    ///
    /// # Errors
    /// If the file cannot be opened or the file system does not know locks.
    pub fn try_lock(path: &Path) -> io::Result<Option<Self>> {
        let file = Self::open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { file })),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Takes the lock as [`Self::try_lock`], waiting for its holder without limit.
    ///
    /// # Errors
    /// As [`Self::try_lock`].
    pub fn lock(path: &Path) -> io::Result<Self> {
        let file = Self::open(path)?;
        loop {
            match flock(&file, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(Self { file }),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn open(path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path)
    }

    /// The locked file, to keep its holder's pid in.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl AsFd for LockFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn one_holder() {
        let path = std::env::temp_dir().join(format!("skep-lock-test-{}", std::process::id()));
        let first = LockFile::try_lock(&path).unwrap().unwrap();
        assert!(LockFile::try_lock(&path).unwrap().is_none());
        drop(first);
        assert!(LockFile::try_lock(&path).unwrap().is_some());
        drop(LockFile::lock(&path).unwrap());
        std::fs::remove_file(&path).unwrap();
    }
}
