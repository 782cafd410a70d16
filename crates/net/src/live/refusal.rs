//! Why an interface, or a way to it, was refused.

use skep_machine::PortsError;
use skep_sys::netlink::NetlinkError;
use skep_uapi::{Errno, Via};
use std::io;
use thiserror::Error;

/// What stands in the way.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    /// There is no interface of this number.
    #[error("there is no interface with index {0}")]
    NoDevice(u32),
    /// The loopback interface.
    #[error(
        "{name}: programs cannot be attached to a loopback interface; a veth pair or `skep net dev add` gives one to try with"
    )]
    Loopback {
        /// Name.
        name: String,
    },
    /// Frames without an Ethernet header.
    #[error(
        "{name}: not an Ethernet interface (hardware type {hardware}), and XDP programs see Ethernet frames"
    )]
    NotEthernet {
        /// Name.
        name: String,
        /// `ARPHRD_*`.
        hardware: u16,
    },
    /// A program in Linux's own XDP.
    #[error(
        "{name}: Linux's own XDP program {id} is attached; detach it first (`ip link set dev {name} xdp off`)"
    )]
    LinuxXdp {
        /// Name.
        name: String,
        /// Its id.
        id: u32,
    },
    /// Another daemon's interface.
    #[error(
        "{name}: the skep daemon with pid {pid} of uid {uid} has a program there (its device: {device}); detach it there"
    )]
    OtherDaemon {
        /// Name.
        name: String,
        /// Its device.
        device: String,
        /// Its process.
        pid: u32,
        /// Its user.
        uid: u32,
    },
    /// What a daemon left that is no more.
    #[error(
        "{name}: a skep daemon that is no more (pid {pid} of uid {uid}) left its device {device} behind; `skep net repair` removes it"
    )]
    DeadDaemon {
        /// Name.
        name: String,
        /// Its device.
        device: String,
        /// Its process.
        pid: u32,
        /// Its user.
        uid: u32,
    },
    /// Somebody's filters are where ours must be.
    #[error(
        "{name}: preference {preference} of its ingress is taken by tc filters of kind {kind}; move them (`tc filter del dev {name} ingress pref {preference}`, then add them with a higher one)"
    )]
    PreferenceTaken {
        /// Name.
        name: String,
        /// Preference.
        preference: u16,
        /// Kind of the filters.
        kind: String,
    },
    /// The rights are missing.
    #[error(
        "{what} needs CAP_NET_ADMIN and CAP_NET_RAW in this network namespace: run skep as root, or the daemon and what it is to see in `unshare -Urn` ({why})"
    )]
    NoRights {
        /// What was tried.
        what: String,
        /// What the kernel said.
        why: String,
    },
    /// Nobody could be made to remember what has to be undone.
    #[error("nothing was changed, because no guardian could be made to undo it: {0}")]
    NoLedger(String),
    /// The kernel refused a change.
    #[error("{0}")]
    Netlink(NetlinkError),
    /// A system call failed.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: String,
        /// Why it failed.
        error: io::Error,
    },
    /// This way does not exist here.
    #[error("{0}")]
    Missing(&'static str),
    /// A device of ours was gone as soon as it was made.
    #[error("{0}: somebody deleted or renamed it as soon as it was made")]
    Vanished(String),
    /// No way works.
    #[error("{name}: no way to its packets works: {}", list(tried))]
    NoWay {
        /// Name.
        name: String,
        /// The ways, with what each lacks.
        tried: Vec<(Via, String)>,
    },
    /// A name that is none, or is taken.
    #[error("{name}: {why}")]
    BadName {
        /// The name.
        name: String,
        /// What is wrong.
        why: &'static str,
        /// The number.
        errno: Errno,
    },
    /// Everything was shut down.
    #[error("the machine is ending")]
    Ending,
}

fn list(tried: &[(Via, String)]) -> String {
    let lines = tried.iter().map(|(via, why)| format!("{via}: {why}"));
    lines.collect::<Vec<_>>().join("; ")
}

impl Refusal {
    /// A system call that failed.
    pub(crate) fn system(what: impl Into<String>, error: io::Error) -> Self {
        let what = what.into();
        match error.raw_os_error() {
            Some(number) if Errno(number) == Errno::EPERM => Self::NoRights {
                what,
                why: error.to_string(),
            },
            _ => Self::System { what, error },
        }
    }

    /// Whether another way may work where this one does not.
    pub(crate) fn is_of_the_way(&self) -> bool {
        matches!(
            self,
            Self::Missing(_) | Self::System { .. } | Self::Netlink(_)
        )
    }

    /// What Linux would return.
    fn errno(&self) -> Errno {
        match self {
            Self::NoDevice(_) => Errno::ENODEV,
            Self::Loopback { .. }
            | Self::NotEthernet { .. }
            | Self::Missing(_)
            | Self::NoWay { .. } => Errno::EOPNOTSUPP,
            Self::LinuxXdp { .. }
            | Self::OtherDaemon { .. }
            | Self::DeadDaemon { .. }
            | Self::PreferenceTaken { .. } => Errno::EBUSY,
            Self::NoRights { .. } => Errno::EPERM,
            Self::NoLedger(_) | Self::Vanished(_) | Self::Ending => Errno::EIO,
            Self::Netlink(error) => error.errno().map_or(Errno::EIO, Errno),
            Self::System { error, .. } => match error.raw_os_error() {
                Some(number) => Errno(number),
                None if error.kind() == io::ErrorKind::PermissionDenied => Errno::EACCES,
                None => Errno::EIO,
            },
            Self::BadName { errno, .. } => *errno,
        }
    }
}

impl From<NetlinkError> for Refusal {
    fn from(error: NetlinkError) -> Self {
        match error.errno() {
            Some(number) if Errno(number) == Errno::EPERM => Self::NoRights {
                what: "attaching".to_owned(),
                why: error.to_string(),
            },
            _ => Self::Netlink(error),
        }
    }
}

impl From<Refusal> for PortsError {
    fn from(refusal: Refusal) -> Self {
        Self {
            errno: refusal.errno(),
            why: refusal.to_string(),
        }
    }
}
