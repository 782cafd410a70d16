//! Where packets come from and where their verdicts send them.
//!
//! A [`Port`] is one source of frames that ends, with a place for each verdict: a capture file, a list. [`pump`] takes each of its
//! frames through a program and gives it back to the port with the verdict. [`live`] is for those that do not end: interfaces.
//! This crate does not know how programs are loaded or which engine runs them.
#![forbid(unsafe_code)]

mod error;
mod files;
mod list;
pub mod live;
mod pcap;
mod port;
mod pump;
mod verdict;

pub use error::PortError;
pub use files::VerdictFiles;
pub use list::ListPort;
pub use pcap::PcapPort;
pub use port::{Frame, Port};
pub use pump::{Handled, Runs, pump};
pub use verdict::{Counts, Verdict};
