//! The daemon's log: plain lines with their time (UTC), in a file that stays small.
//!
//! A log that cannot be written is no reason to fail: lines are then lost. Control characters are replaced, since
//! clients have a say in what is logged and terminals obey them.

use crate::limits::{LOG_BYTES_MAX, LOG_LINE_BYTES_MAX};
use skep_sys::clock::{Clock, now_ns};
use std::fmt::{self, Display};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Where lines go.
#[derive(Debug)]
pub struct Log {
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Stderr,
    File(Mutex<File>),
}

impl Log {
    /// A log on standard error, for a daemon in the foreground.
    #[must_use]
    pub fn stderr() -> Self {
        Self { sink: Sink::Stderr }
    }

    /// A log at the end of a file.
    ///
    /// # Errors
    /// If the file can be neither opened nor made.
    pub fn file(path: &Path) -> io::Result<Self> {
        let file = open_append(path)?;
        Ok(Self {
            sink: Sink::File(Mutex::new(file)),
        })
    }

    /// Adds a line.
    pub(crate) fn line(&self, text: impl Display) {
        let line = stamped(now_ns(Clock::Realtime) / 1_000_000_000, &text.to_string());
        // A full disk loses lines, and nothing else.
        let _ = match &self.sink {
            Sink::Stderr => io::stderr().write_all(line.as_bytes()),
            Sink::File(file) => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                append(&mut file, &line)
            }
        };
    }
}

/// Opens for reading and for writing at the end, whoever else does so too.
pub(crate) fn open_append(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

fn append(file: &mut File, line: &str) -> io::Result<()> {
    if file.metadata()?.len() > LOG_BYTES_MAX {
        drop_older_half(file)?;
    }
    file.write_all(line.as_bytes())
}

/// Keeps whole lines from the end.
fn drop_older_half(file: &mut File) -> io::Result<()> {
    let tail = read_tail(file, LOG_BYTES_MAX / 2)?;
    let begin = tail
        .iter()
        .position(|&byte| byte == b'\n')
        .map_or(0, |at| at + 1);
    file.set_len(0)?;
    file.write_all(&tail[begin..])
}

/// The last bytes of a file, at most `bytes_max`.
pub(crate) fn read_tail(file: &mut File, bytes_max: u64) -> io::Result<Vec<u8>> {
    let len = file.metadata()?.len();
    file.seek(SeekFrom::Start(len.saturating_sub(bytes_max)))?;
    let mut tail = Vec::new();
    file.take(bytes_max).read_to_end(&mut tail)?;
    Ok(tail)
}

/// The line for a time in seconds since 1970.
fn stamped(seconds: u64, text: &str) -> String {
    let mut line = format!("{} ", Utc(seconds));
    for char in text.chars() {
        if line.len() >= LOG_LINE_BYTES_MAX {
            line.push('…');
            break;
        }
        line.push(if char.is_control() { ' ' } else { char });
    }
    line.push('\n');
    line
}

/// Seconds since 1970, shown as date and time.
struct Utc(u64);

impl Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut day, second) = (self.0 / 86_400, self.0 % 86_400);
        let mut year = 1970;
        while day >= year_days(year) {
            day -= year_days(year);
            year += 1;
        }
        let february = year_days(year) - 337;
        let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let mut month = 1;
        for days in months {
            if day < days {
                break;
            }
            day -= days;
            month += 1;
        }
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let day = day + 1;
        write!(
            f,
            "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

/// Days of a year of the Gregorian calendar.
fn year_days(year: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    365 + u64::from(leap)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn times() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Utc(seconds).to_string(), text);
        }
    }

    #[test]
    fn lines_are_one_line_and_bounded() {
        assert_eq!(stamped(0, "a\n\x1b[2Jb"), "1970-01-01T00:00:00Z a  [2Jb\n");
        let long = stamped(0, &"ä".repeat(LOG_LINE_BYTES_MAX));
        assert!(long.len() <= LOG_LINE_BYTES_MAX + 8);
        assert!(long.ends_with("…\n"));
    }

    #[test]
    fn the_file_stays_small_and_keeps_the_newest() {
        let path = std::env::temp_dir().join(format!("skep-log-test-{}", skep_sys::pid()));
        let log = Log::file(&path).unwrap();
        for number in 0..6000 {
            log.line(format_args!("line {number} {}", "x".repeat(50)));
        }
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(text.len() <= 260 << 10, "{}", text.len());
        assert!(text.lines().all(|line| line.contains("Z line ")));
        assert!(text.lines().last().unwrap().contains("line 5999 "));
    }
}
