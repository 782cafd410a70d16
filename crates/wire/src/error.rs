//! What can go wrong between the two ends.
//!
//! Errors are plain data that can be kept and told again: a client whose connection broke says so at every later call.

use std::fmt;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// A host failure, by number and text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IoFailure {
    /// The system's number, if it had one.
    pub errno: Option<i32>,
    /// What it means.
    pub text: String,
}

impl From<io::Error> for IoFailure {
    fn from(error: io::Error) -> Self {
        Self {
            errno: error.raw_os_error(),
            text: error.to_string(),
        }
    }
}

impl fmt::Display for IoFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for IoFailure {}

/// Why a connection is of no more use.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum WireError {
    /// The system refused.
    #[error(transparent)]
    Io(#[from] IoFailure),
    /// The other end closed in the middle of something.
    #[error("the connection was closed in the middle of a message")]
    Closed,
    /// The rest of a message did not come, or nobody read ours, in time.
    #[error("the other end stopped in the middle of a message")]
    Stalled,
    /// The first bytes are not skep's.
    #[error("the other end does not speak skep's protocol")]
    NotSkep,
    /// The other end is of another version.
    #[error("protocol version {theirs} (skep {their_skep}) at the other end, {ours} here")]
    Version {
        /// The version spoken here.
        ours: u32,
        /// The version spoken there.
        theirs: u32,
        /// The skep there.
        their_skep: String,
    },
    /// The process at the other end belongs to another user.
    #[error("the other end belongs to user {theirs}, not {ours}")]
    ForeignPeer {
        /// The user here.
        ours: u32,
        /// The user there.
        theirs: u32,
    },
    /// A chunk without bytes or of more than is allowed.
    #[error("a chunk of {bytes} bytes; 1 to {limit} are allowed")]
    ChunkLength {
        /// Bytes announced.
        bytes: u32,
        /// Bytes allowed.
        limit: u32,
    },
    /// A message of more bytes than is allowed.
    #[error("a message of more than {limit} bytes")]
    MessageTooLong {
        /// Bytes allowed.
        limit: usize,
    },
    /// Bytes that are no message, or more than one.
    #[error("not a {what}")]
    Malformed {
        /// What they should have been.
        what: &'static str,
    },
    /// An answer to something else than was asked.
    #[error("the answer does not belong to the question")]
    WrongAnswer,
    /// The daemon did not do what was asked.
    #[error("the daemon refused: {0}")]
    Refused(crate::Refusal),
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.into())
    }
}

/// What failed, at which daemon, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientError {
    /// The daemon's socket.
    pub socket: PathBuf,
    /// What went wrong.
    pub error: WireError,
}

impl ClientError {
    /// Whether nobody listens there: no daemon runs, or it died without tidying up.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        const ENOENT: i32 = 2;
        const ECONNREFUSED: i32 = 111;
        matches!(
            &self.error,
            WireError::Io(IoFailure {
                errno: Some(ENOENT | ECONNREFUSED),
                ..
            })
        )
    }

    /// What the user can do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match &self.error {
            WireError::Io(_) if self.is_absent() => {
                "no daemon runs there; start one with `skep daemon run`"
            }
            WireError::Io(_) | WireError::Closed | WireError::Stalled | WireError::WrongAnswer => {
                "the daemon died or hangs; see `skep daemon list`, then try again"
            }
            WireError::Version { .. } => {
                "stop that daemon with its own `skep daemon stop`, then try again"
            }
            WireError::NotSkep | WireError::ForeignPeer { .. } => {
                "remove the socket if it is not skep's"
            }
            WireError::ChunkLength { .. }
            | WireError::MessageTooLong { .. }
            | WireError::Malformed { .. } => {
                "stop the daemon with `skep daemon stop`, then try again"
            }
            WireError::Refused(_) => "try again",
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "daemon at {}: {} ({})",
            self.socket.display(),
            self.error,
            self.remedy()
        )
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
