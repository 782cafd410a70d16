//! Where programs are attached: what `net` implements and the machine is given.

use crate::Prog;
use std::fmt;
use std::sync::Arc;

/// How an XDP program is attached (bpftool's `xdp`, `xdpgeneric`, `xdpdrv`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttachMode {
    /// The best that the port has.
    Any,
    /// After the host's stack has its copy.
    Generic,
    /// In the driver.
    Native,
}

/// What is attached to a port.
#[derive(Clone, Debug)]
pub struct Attached {
    /// Interface index.
    pub ifindex: u32,
    /// Interface name.
    pub name: String,
    /// How.
    pub mode: AttachMode,
    /// The program.
    pub prog: Arc<Prog>,
}

/// Why a program could not be attached.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AttachError {
    /// This machine has no port of that index.
    NoSuchPort(u32),
    /// Another program is there.
    Busy(u32),
    /// The port cannot do that.
    Unsupported(String),
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchPort(ifindex) => write!(f, "no port with interface index {ifindex}"),
            Self::Busy(ifindex) => write!(f, "interface {ifindex} has a program already"),
            Self::Unsupported(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for AttachError {}

/// The interfaces (or files) that a machine's programs meet packets on.
pub trait Ports: Send + Sync + fmt::Debug {
    /// Attaches a program.
    ///
    /// # Errors
    /// If the port does not exist, is taken or cannot do it.
    fn attach(&self, ifindex: u32, prog: &Arc<Prog>, mode: AttachMode) -> Result<(), AttachError>;

    /// Detaches whatever program is attached.
    ///
    /// # Errors
    /// If the port does not exist.
    fn detach(&self, ifindex: u32) -> Result<(), AttachError>;

    /// What is attached where.
    fn query(&self) -> Vec<Attached>;
}
