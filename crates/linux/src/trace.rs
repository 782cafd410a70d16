//! The kernel's trace pipe, line by line.

use crate::errno;
use skep_sys::{DEBUG_FS, Readiness, TRACE_FS, mounts, open_nonblocking, wait_readable};
use skep_uapi::Errno;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Bytes read at once.
const CHUNK_BYTES: usize = 8192;
/// Longest line that is waited for; the kernel's are below 1 KiB.
const LINE_BYTES_MAX: usize = 64 << 10;
/// Shortest time between two reads that find nothing.
const PAUSE: Duration = Duration::from_millis(5);

/// The pipe, opened with the first read and kept: lines of half a read wait here for the next.
#[derive(Debug, Default)]
pub(crate) struct TraceReader {
    pipe: Mutex<Option<Pipe>>,
}

#[derive(Debug)]
struct Pipe {
    file: File,
    lines: Lines,
}

impl TraceReader {
    /// At most `lines_max` lines; waits at most `wait_ms` for the first. Readers of one connection take turns.
    pub(crate) fn read(&self, lines_max: u32, wait_ms: u32) -> Result<Vec<String>, Errno> {
        let deadline = Instant::now() + Duration::from_millis(wait_ms.into());
        let lines_max = usize::try_from(lines_max).unwrap_or(usize::MAX);
        let mut slot = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        let pipe = match &mut *slot {
            Some(pipe) => pipe,
            None => slot.insert(Pipe::open()?),
        };
        let mut lines = Vec::new();
        while lines.len() < lines_max {
            if let Some(line) = pipe.lines.next() {
                lines.push(line);
                continue;
            }
            let filled = pipe.fill()?;
            if !filled && (!lines.is_empty() || pipe.wait(deadline)? == Readiness::TimedOut) {
                break;
            }
        }
        Ok(lines)
    }
}

impl Pipe {
    fn open() -> Result<Self, Errno> {
        let mounts = mounts().map_err(errno)?;
        let folder = |fs_type: &str| {
            mounts
                .iter()
                .find(|mount| mount.fs_type == fs_type)
                .map(|mount| &mount.target)
        };
        let tracing: PathBuf = folder(TRACE_FS)
            .cloned()
            .or_else(|| folder(DEBUG_FS).map(|debug| debug.join("tracing")))
            .ok_or(Errno::ENOENT)?;
        let file = open_nonblocking(&tracing.join("trace_pipe")).map_err(errno)?;
        Ok(Self {
            file,
            lines: Lines::default(),
        })
    }

    /// Reads what is there; false if nothing is.
    fn fill(&mut self) -> Result<bool, Errno> {
        let mut chunk = [0; CHUNK_BYTES];
        loop {
            return match self.file.read(&mut chunk) {
                Ok(0) => Ok(false),
                Ok(count) => {
                    self.lines.push(&chunk[..count]);
                    Ok(true)
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
                Err(error) => Err(errno(error)),
            };
        }
    }

    fn wait(&self, deadline: Instant) -> Result<Readiness, Errno> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Readiness::TimedOut);
        }
        let begin = Instant::now();
        let readiness = wait_readable(self.file.as_fd(), Some(left)).map_err(errno)?;
        if begin.elapsed() < PAUSE {
            // Ready at once although the last read found nothing: an option of the tracer makes the pipe always so.
            sleep(PAUSE.min(left));
        }
        Ok(readiness)
    }
}

/// Bytes on their way to whole lines.
#[derive(Debug, Default)]
struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }
}

impl Iterator for Lines {
    type Item = String;

    /// The next whole line without its newline, or a piece of a line that is too long.
    fn next(&mut self) -> Option<String> {
        let (end, skip) = match self.pending.iter().position(|&byte| byte == b'\n') {
            Some(end) => (end, 1),
            None if self.pending.len() >= LINE_BYTES_MAX => (self.pending.len(), 0),
            None => return None,
        };
        let line = String::from_utf8_lossy(&self.pending[..end]).into_owned();
        self.pending.drain(..end + skip);
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_only() {
        let mut lines = Lines::default();
        lines.push(b"one\ntw");
        assert_eq!(lines.next().as_deref(), Some("one"));
        assert_eq!(lines.next(), None);
        lines.push(b"o\n\n");
        assert_eq!(lines.next().as_deref(), Some("two"));
        assert_eq!(lines.next().as_deref(), Some(""));
        assert_eq!(lines.next(), None);
        lines.push(&vec![b'x'; LINE_BYTES_MAX]);
        assert_eq!(lines.next().map(|line| line.len()), Some(LINE_BYTES_MAX));
        assert_eq!(lines.next(), None);
    }
}
