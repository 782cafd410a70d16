//! Programs on network interfaces: what Linux offers by rtnetlink (`IFLA_XDP`), and what is skep's own beside it.

use crate::{Handle, LinkId, ProgId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How an XDP program is attached (bpftool's `xdp`, `xdpgeneric`, `xdpdrv`, `xdpoffload`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum XdpMode {
    /// The best that the interface has.
    #[default]
    Any,
    /// On frames as the host's stack gets them (`XDP_FLAGS_SKB_MODE`).
    Generic,
    /// In the driver (`XDP_FLAGS_DRV_MODE`).
    Driver,
    /// In the hardware (`XDP_FLAGS_HW_MODE`), which skep has none of.
    Offload,
}

/// What happens to a program that is attached already.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Existing {
    /// It stays, and the command fails with EBUSY (`XDP_FLAGS_UPDATE_IF_NOEXIST`).
    Keep,
    /// The new one takes its place between two packets (bpftool's `overwrite`).
    Replace,
}

/// How packets get from an interface to the program and back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Via {
    /// A packet socket, with the host's copy sunk by tc.
    Packet,
    /// tc into a tun device.
    Tun,
    /// An AF_XDP socket.
    AfXdp,
    /// The interface is one that the machine made: the machine is its wire.
    Tap,
}

impl Via {
    /// All, in the order in which they are tried.
    pub const ALL: [Self; 4] = [Self::Tap, Self::Packet, Self::Tun, Self::AfXdp];

    /// The word for it (`--via`, `net show`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Packet => "packet",
            Self::Tun => "tun",
            Self::AfXdp => "afxdp",
            Self::Tap => "tap",
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Attaches an XDP program to an interface.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NetAttach {
    /// Program.
    pub prog: Handle,
    /// Interface index.
    pub ifindex: u32,
    /// How.
    pub mode: XdpMode,
    /// What happens to a program that is there.
    pub existing: Existing,
    /// The way to use; `None`: the first that works. Linux has only its own (EOPNOTSUPP).
    pub via: Option<Via>,
}

/// A program on an interface.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NetAttached {
    /// Interface index.
    pub ifindex: u32,
    /// Interface name, as it is now.
    pub name: String,
    /// How.
    pub mode: XdpMode,
    /// Program.
    pub prog_id: ProgId,
    /// Link that holds it; none in Linux, where the interface itself does.
    pub link_id: Option<LinkId>,
    /// What is skep's own; none in Linux.
    pub live: Option<NetLive>,
}

/// How packets reach a program of skep's, and what became of them since it was attached. All counts are of frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NetLive {
    /// Way.
    pub via: Via,
    /// Verdicts by number: `XDP_ABORTED`, `XDP_DROP`, `XDP_PASS`, `XDP_TX`, `XDP_REDIRECT`; then all that mean nothing.
    pub verdicts: [u64; 6],
    /// Lost before a program saw them, because they came faster than they were taken.
    pub missed: u64,
    /// Not delivered after a verdict (the other interface is down, the frame too long, no room to send).
    pub undelivered: u64,
}

/// A network device for the machine to make.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NetDeviceAdd {
    /// Name of the interface.
    pub name: String,
    /// Name of a second one at the other end of the machine's wire; without it the wire ends in the machine.
    pub peer: Option<String>,
}

/// A network device that the machine made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NetDevice {
    /// Name that it was made with.
    pub name: String,
    /// Interface index that it was made with.
    pub ifindex: u32,
    /// Name of the one at the other end.
    pub peer: Option<String>,
}
