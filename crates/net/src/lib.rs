//! Where packets come from and where their verdicts send them.
//!
//! A [`Port`] is one source of frames with a place for each verdict. [`PortSet`] holds ports by interface index, implements the
//! machine's `Ports`, and pumps: it takes each frame through the attached program and gives it back to its port with the
//! verdict. pcap files are the first kind of port; real interfaces come as further ones.
//! This crate does not know how programs are loaded or which engine runs them.
#![forbid(unsafe_code)]

mod error;
mod files;
mod list;
mod pcap;
mod port;
mod set;
mod verdict;

pub use error::PortError;
pub use files::VerdictFiles;
pub use list::ListPort;
pub use pcap::PcapPort;
pub use port::{Frame, Port};
pub use set::{Handled, PortSet, Runs};
pub use verdict::{Counts, Verdict};
