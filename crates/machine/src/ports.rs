//! Where programs are attached: what `net` implements and the machine is given.

use crate::{LinkObject, Machine};
use skep_uapi::{Errno, NetDevice, NetDeviceAdd, NetLive, Via, XdpMode};
use std::fmt;
use std::sync::Arc;

/// A program's place on an interface, to be taken. The program is the link's, which may change it at any time.
#[derive(Clone, Debug)]
pub struct Attach {
    /// Link that holds the program.
    pub link: Arc<LinkObject>,
    /// Interface index.
    pub ifindex: u32,
    /// How.
    pub mode: XdpMode,
    /// The way to use; `None`: the first that works.
    pub via: Option<Via>,
}

/// What is attached to an interface.
#[derive(Clone, Debug)]
pub struct Attached {
    /// Link that holds the program.
    pub link: Arc<LinkObject>,
    /// Interface index.
    pub ifindex: u32,
    /// Interface name, as it is now.
    pub name: String,
    /// How.
    pub mode: XdpMode,
    /// Way and counts.
    pub live: NetLive,
}

/// Why an interface refused something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortsError {
    /// What Linux would return.
    pub errno: Errno,
    /// A sentence for the user that names the interface, the owner, the remedy.
    pub why: String,
}

impl fmt::Display for PortsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for PortsError {}

/// The interfaces that a machine's programs meet packets on.
///
/// Whoever implements this runs the programs, on connections of its own, and calls [`LinkObject::detached`] when an interface
/// goes by itself. The machine calls it with none of its locks held.
pub trait Ports: Send + Sync + fmt::Debug {
    /// Puts a link's program onto an interface.
    ///
    /// # Errors
    /// ENODEV without the interface, EBUSY if it is taken, EOPNOTSUPP if no way works; what was begun is undone.
    fn attach(&self, machine: &Arc<Machine>, attach: &Attach) -> Result<(), PortsError>;

    /// Takes whatever is attached off an interface, and waits until no run is in progress there; gives the last state of its
    /// counts. Nothing attached is no error.
    ///
    /// # Errors
    /// ENODEV without the interface.
    fn detach(&self, ifindex: u32) -> Result<Option<NetLive>, PortsError>;

    /// What is attached where, by interface index.
    fn query(&self) -> Vec<Attached>;

    /// Makes a network device; gives its interface index.
    ///
    /// # Errors
    /// EEXIST if the name is taken, EACCES if devices cannot be made, EINVAL for a name that is none.
    fn device_add(&self, device: &NetDeviceAdd) -> Result<u32, PortsError>;

    /// Removes a network device that this made, detaching what is on it.
    ///
    /// # Errors
    /// ENODEV if there is none of that name.
    fn device_delete(&self, name: &str) -> Result<(), PortsError>;

    /// The devices made.
    fn devices(&self) -> Vec<NetDevice>;

    /// Detaches everything and removes all devices; afterwards nothing can be attached. The machine's owner calls it at the end.
    fn shut_down(&self);
}
