//! What failed: the operation, the interface, and why.

use super::attr::Malformed;
use super::{IfIndex, IfName};
use rustix::io::Errno;
use std::error::Error;
use std::fmt;
use std::io;

macro_rules! operations {
    ($($(#[$doc:meta])* $variant:ident = $text:literal;)*) => {
        /// What was tried.
        #[non_exhaustive]
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Operation {
            $($(#[$doc])* $variant,)*
        }

        impl Operation {
            /// The words in an error's text, such as `set the MAC address`.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

operations! {
    /// Opening a socket.
    Open = "open a netlink socket";
    /// Listing all interfaces.
    ListLinks = "list the interfaces";
    /// Looking for one interface.
    FindLink = "look up the interface";
    /// Making a pair of virtual Ethernet devices.
    CreateVeth = "create a veth pair";
    /// Deleting an interface.
    DeleteLink = "delete the interface";
    /// Setting an interface up or down, or its flags.
    SetFlags = "set the flags";
    /// Setting the MAC address.
    SetMac = "set the MAC address";
    /// Setting the alias.
    SetAlias = "set the alias";
    /// Setting the MTU.
    SetMtu = "set the MTU";
    /// Having IPv6 make no address of its own.
    SetAddrGenMode = "set IPv6's way to make addresses";
    /// Switching IPv6 off.
    DisableIpv6 = "disable IPv6";
    /// Listing the queueing disciplines.
    ListQdiscs = "list the queueing disciplines";
    /// Adding a clsact.
    AddClsact = "add a clsact";
    /// Deleting a clsact.
    DeleteClsact = "delete the clsact";
    /// Listing filters.
    ListFilters = "list the filters";
    /// Adding a filter.
    AddFilter = "add a filter";
    /// Deleting a filter.
    DeleteFilter = "delete the filter";
    /// Attaching, replacing or detaching an XDP program of Linux.
    XdpAttach = "set the XDP program";
    /// Asking what a driver tells XDP programs beside the frame.
    RxMetadata = "ask for the driver's XDP metadata";
    /// Watching interfaces.
    Watch = "watch the interfaces";
}

/// The interface that a request named.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Interface {
    /// By its number.
    Index(IfIndex),
    /// By its name.
    Name(IfName),
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "interface {index}"),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl From<IfIndex> for Interface {
    fn from(index: IfIndex) -> Self {
        Self::Index(index)
    }
}

impl From<&IfName> for Interface {
    fn from(name: &IfName) -> Self {
        Self::Name(name.clone())
    }
}

/// Why it failed.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    /// The kernel's answer to the request.
    Refused {
        /// Error number, positive.
        errno: i32,
        /// The kernel's own explanation, if it gave one.
        text: Option<String>,
    },
    /// A system call failed, before or after the request was carried out.
    System {
        /// Error number.
        errno: i32,
    },
    /// The filter's number leaves open which one of several is meant; nothing was asked.
    Unspecific,
    /// The argument is longer than the kernel takes; nothing was asked.
    TooLong,
    /// The answer is no message that this module understands.
    Malformed,
    /// The list changed each time that it was read.
    Unsteady,
}

impl From<Malformed> for Cause {
    fn from(Malformed: Malformed) -> Self {
        Self::Malformed
    }
}

/// Says what failed, on which interface, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetlinkError {
    /// What was tried.
    pub operation: Operation,
    /// The interface, where the operation has one.
    pub interface: Option<Interface>,
    /// Why it failed.
    pub cause: Cause,
}

impl NetlinkError {
    /// The kernel's error number, if the kernel answered or a system call failed.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self.cause {
            Cause::Refused { errno, .. } | Cause::System { errno } => Some(errno),
            Cause::Unspecific | Cause::TooLong | Cause::Malformed | Cause::Unsteady => None,
        }
    }

    /// Whether what was to be deleted is not there: nothing is left to undo. The kernel says `ENODEV` without the
    /// interface and else `ENOENT`, or `EINVAL` where something of another kind is in the place.
    #[must_use]
    pub fn is_already_gone(&self) -> bool {
        let Cause::Refused { errno, .. } = self.cause else {
            return false;
        };
        match self.operation {
            Operation::DeleteLink => errno == libc::ENODEV,
            Operation::DeleteFilter | Operation::DeleteClsact => {
                matches!(errno, libc::ENODEV | libc::ENOENT | libc::EINVAL)
            }
            Operation::Open
            | Operation::ListLinks
            | Operation::FindLink
            | Operation::CreateVeth
            | Operation::SetFlags
            | Operation::SetMac
            | Operation::SetAlias
            | Operation::SetMtu
            | Operation::SetAddrGenMode
            | Operation::DisableIpv6
            | Operation::ListQdiscs
            | Operation::AddClsact
            | Operation::ListFilters
            | Operation::AddFilter
            | Operation::XdpAttach
            | Operation::RxMetadata
            | Operation::Watch => false,
        }
    }

    /// Whether the interface does not exist (`ENODEV`).
    #[must_use]
    pub fn is_no_device(&self) -> bool {
        self.errno() == Some(libc::ENODEV)
    }
}

impl fmt::Display for NetlinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(interface) = &self.interface {
            write!(f, "{interface}: ")?;
        }
        write!(f, "cannot {}: ", self.operation.text())?;
        match &self.cause {
            Cause::Refused {
                errno,
                text: Some(text),
            } => write!(f, "{text} ({})", io::Error::from_raw_os_error(*errno)),
            Cause::Refused { errno, text: None } | Cause::System { errno } => {
                io::Error::from_raw_os_error(*errno).fmt(f)
            }
            Cause::Unspecific => f.write_str("neither preference nor handle may be 0"),
            Cause::TooLong => f.write_str("argument too long"),
            Cause::Malformed => f.write_str("the kernel's answer is malformed"),
            Cause::Unsteady => f.write_str("it changes all the time"),
        }
    }
}

impl Error for NetlinkError {}

/// What an error will say about a request.
#[derive(Debug)]
pub(super) struct Target {
    operation: Operation,
    interface: Option<Interface>,
}

impl Target {
    pub(super) fn none(operation: Operation) -> Self {
        Self {
            operation,
            interface: None,
        }
    }

    pub(super) fn on(operation: Operation, interface: impl Into<Interface>) -> Self {
        Self {
            operation,
            interface: Some(interface.into()),
        }
    }

    pub(super) fn because(&self, cause: Cause) -> NetlinkError {
        NetlinkError {
            operation: self.operation,
            interface: self.interface.clone(),
            cause,
        }
    }

    pub(super) fn system(&self, errno: Errno) -> NetlinkError {
        self.because(Cause::System {
            errno: errno.raw_os_error(),
        })
    }

    pub(super) fn malformed(&self, malformed: Malformed) -> NetlinkError {
        self.because(malformed.into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn texts() {
        let target = Target::on(Operation::SetMtu, IfIndex::new(3).unwrap());
        let error = target.because(Cause::Refused {
            errno: libc::EINVAL,
            text: Some("mtu less than device minimum".to_owned()),
        });
        assert_eq!(
            error.to_string(),
            "interface 3: cannot set the MTU: mtu less than device minimum (Invalid argument (os error 22))"
        );
        let name = IfName::new("x").unwrap();
        let error = Target::on(Operation::DeleteLink, &name).system(Errno::NODEV);
        assert!(error.is_no_device());
        assert_eq!(
            error.to_string(),
            "x: cannot delete the interface: No such device (os error 19)"
        );
    }
}
