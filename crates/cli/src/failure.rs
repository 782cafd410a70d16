//! Why a command failed, and which exit code and line that becomes.
//!
//! The exit codes are bpftool's: 255 for an error found by the tool, and 256 minus the error number where the tool hands
//! the system's answer through (`map lookup` of a missing key exits 254).

use skep_uapi::Errno;
use std::io;

/// Exit code of usage errors and of most others.
pub(crate) const EXIT_ERROR: u8 = 255;
/// Exit code after the reader of our output went away, as if `SIGPIPE` had ended us.
pub(crate) const EXIT_PIPE: u8 = 141;

/// The outcome of a command.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// What ended a command early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments do not fit: the object's usage is printed.
    Usage,
    /// One line for the user.
    Message {
        /// What went wrong, without `Error: `.
        text: String,
        /// Exit code.
        code: u8,
    },
    /// Everything that is to be said has been said.
    Silent {
        /// Exit code.
        code: u8,
    },
    /// Our own output could not be written.
    Output(io::Error),
}

impl Failure {
    /// An error that the tool itself found.
    pub(crate) fn message(text: impl Into<String>) -> Self {
        Self::Message {
            text: text.into(),
            code: EXIT_ERROR,
        }
    }

    /// An error whose number is the exit code.
    pub(crate) fn errno(text: impl Into<String>, errno: Errno) -> Self {
        Self::Message {
            text: text.into(),
            code: errno_code(errno),
        }
    }

    /// No line, the exit code only.
    pub(crate) fn silent(errno: Errno) -> Self {
        Self::Silent {
            code: errno_code(errno),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// The low byte of the negative error number, as `exit(-errno)` leaves it.
pub(crate) fn errno_code(errno: Errno) -> u8 {
    errno.0.wrapping_neg().to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_negative_errnos() {
        assert_eq!(errno_code(Errno::ENOENT), 254);
        assert_eq!(errno_code(Errno::E2BIG), 249);
        assert_eq!(errno_code(Errno::ENOTSUPP), 244);
    }
}
