//! The machine: programs, maps, BTF objects, links, pins and ids, behind the typed bpf(2) commands.
//!
//! Lifetimes are the kernel's. An object lives while something holds it: a handle of a connection, a pin, a link, or another
//! object (a program holds its maps and BTF, a map its BTF). Holding is an `Arc`; the id tables hold nothing. Handles belong to
//! a [`Connection`] and are closed with it. Pins are names in the machine's own bpffs and die with the machine.
//!
//! Locks, in the order in which they may be taken: attaching, pins, handles of a connection, id tables, a program's bound maps, a map's own.
//! None is held while a program runs or is verified, nor while an object is dropped. A run holds a CPU slot; whoever runs
//! programs from within a run (a `Host`, the `work` of [`Connection::with_runner`]) needs a second one and waits for ever on
//! a machine that has no more. The trace pipe's lock is innermost.
//! The machine does not know ELF, the wire protocol, interfaces (see [`Ports`]) or the command line.
#![forbid(unsafe_code)]

mod commands;
mod config;
mod connection;
mod cpus;
mod ids;
mod name;
mod objects;
mod pins;
mod ports;
mod services;
mod tag;
mod trace;

pub use commands::examine::{Examined, Refusal};
pub use config::{Config, Host, HostClock};
pub use connection::{Connection, Peer, Presence};
pub use objects::{Body, BtfObject, LinkObject, MapBody, Object, Prog};
pub use ports::{Attach, Attached, Ports, PortsError};

use crate::cpus::CpuSlots;
use crate::ids::IdTable;
use crate::pins::Pins;
use crate::services::HostDevices;
use crate::trace::TracePipe;
use skep_maps::Devices;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One machine. Shared by its connections.
#[derive(Debug)]
pub struct Machine {
    config: Config,
    progs: IdTable<Prog>,
    maps: IdTable<MapBody>,
    btfs: IdTable<BtfObject>,
    links: IdTable<LinkObject>,
    pins: Pins,
    trace: TracePipe,
    cpus: CpuSlots,
    /// Held while something is attached or detached, so that two commands do not meet at one interface.
    attaching: Mutex<()>,
    devices: Arc<dyn Devices>,
}

impl Machine {
    /// A machine without objects.
    #[must_use]
    pub fn new(config: Config) -> Arc<Self> {
        Arc::new(Self {
            progs: IdTable::default(),
            maps: IdTable::default(),
            btfs: IdTable::default(),
            links: IdTable::default(),
            pins: Pins::default(),
            trace: TracePipe::new(config.trace_lines_max),
            cpus: CpuSlots::new(config.cpus),
            attaching: Mutex::new(()),
            devices: Arc::new(HostDevices(Arc::clone(&config.host))),
            config,
        })
    }

    /// A connection of a peer: what answers commands.
    #[must_use]
    pub fn connect(self: &Arc<Self>, peer: Peer) -> Connection {
        Connection::new(Arc::clone(self), peer, None)
    }

    /// A connection as [`Machine::connect`] gives it, of a peer that may go while it waits for an answer; its long runs
    /// then end with `EINTR`.
    #[must_use]
    pub fn connect_watched(
        self: &Arc<Self>,
        peer: Peer,
        presence: Arc<dyn Presence>,
    ) -> Connection {
        Connection::new(Arc::clone(self), peer, Some(presence))
    }

    /// Removes the entries of device maps that name an interface, because it is gone, as Linux does. Whoever watches interfaces
    /// calls it; without it, an entry goes when a command looks at it.
    pub fn device_gone(&self, ifindex: u32) {
        for map in self.maps.live() {
            if let Some(devices) = map.map.object().devices() {
                devices.forget(ifindex);
            }
        }
    }

    /// What it was made with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The one command that may attach or detach now.
    pub(crate) fn attaching(&self) -> MutexGuard<'_, ()> {
        self.attaching
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing is pinned or attached and no device was made, so that the machine means nothing to anybody who is not
    /// connected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let devices = self.config.ports.as_ref().map(|ports| ports.devices());
        self.pins.is_empty()
            && self.links.live().is_empty()
            && devices.is_none_or(|devices| devices.is_empty())
    }
}
