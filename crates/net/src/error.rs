//! What can go wrong at a port.

use std::path::PathBuf;
use thiserror::Error;

/// A port that cannot go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PortError {
    /// A capture file that cannot be opened or read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is no capture.
    #[error("{}: not a capture that skep can read: {why}", path.display())]
    NoCapture {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A capture that is broken.
    #[error("{}: packet {number} cannot be read: {why}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Packets read before it, plus one.
        number: u64,
        /// Why.
        why: String,
    },
    /// A capture of something else than Ethernet.
    #[error("{}: link type {link_type}: XDP programs see Ethernet frames; capture on an Ethernet interface", path.display())]
    NotEthernet {
        /// The file.
        path: PathBuf,
        /// Its link type.
        link_type: u32,
    },
    /// A file for a verdict's packets that cannot be written.
    #[error("{}: cannot be written: {why}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The host is out of memory.
    #[error("no memory for a packet of {bytes} bytes")]
    NoMemory {
        /// Length of the packet.
        bytes: usize,
    },
}
