//! What can go wrong for an embedder.

use skep_exec::RunError;
use skep_loader::LoadError;
use skep_net::PortError;
use skep_object::ObjectError;
use skep_uapi::Errno;
use std::path::PathBuf;
use thiserror::Error as ThisError;

/// Any failure of this crate.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// A file that cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is no BPF object.
    #[error("{}: {source}", path.display())]
    Object {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ObjectError,
    },
    /// An object that cannot be loaded; the verifier's log is in the source.
    #[error(transparent)]
    Load(Box<LoadError>),
    /// No program or map of that name.
    #[error("the object has no {kind} named '{name}'; it has: {}", there.join(", "))]
    NoSuch {
        /// `program` or `map`.
        kind: &'static str,
        /// Name that was asked for.
        name: String,
        /// Names that are there.
        there: Vec<String>,
    },
    /// A command that the machine refused.
    #[error("{what}: {errno}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// The error number that Linux would give.
        errno: Errno,
    },
    /// A packet that cannot be given to a program.
    #[error("a packet of {bytes} bytes: {why}")]
    Packet {
        /// Its length.
        bytes: usize,
        /// Why.
        why: &'static str,
    },
    /// A run that failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A port that failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl From<LoadError> for Error {
    fn from(error: LoadError) -> Self {
        Self::Load(Box::new(error))
    }
}
