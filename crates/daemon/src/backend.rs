//! What the daemon serves: something that gives each client a `Bpf` of its own. In life it is a [`Machine`].

use crate::Guardian;
use skep_machine::{Config, Machine, Peer, Ports, Presence};
use skep_uapi::Bpf;
use std::sync::Arc;

/// A machine, as far as the daemon is concerned.
pub trait Backend: Send + Sync {
    /// A connection for a client; dropping it closes its handles. What takes long asks `presence` whether to go on.
    fn connect(self: Arc<Self>, peer: Peer, presence: Arc<dyn Presence>) -> Box<dyn Bpf>;

    /// Whether nothing is pinned or attached, so that only connected clients would miss it.
    fn is_empty(&self) -> bool;

    /// Whether a program is attached to an interface, or a device was made.
    fn uses_network(&self) -> bool {
        false
    }

    /// Who would undo changes to interfaces.
    fn guardian(&self) -> Option<&Guardian> {
        None
    }

    /// Detaches everything, for ever. Called once, when no session is left but those that hang.
    fn shut_down(&self) {}
}

impl Backend for Machine {
    fn connect(self: Arc<Self>, peer: Peer, presence: Arc<dyn Presence>) -> Box<dyn Bpf> {
        Box::new(self.connect_watched(peer, presence))
    }

    fn is_empty(&self) -> bool {
        Machine::is_empty(self)
    }
}

/// A machine like its host, without objects and without interfaces.
#[must_use]
pub fn machine() -> Arc<dyn Backend> {
    Machine::new(Config::of_host())
}

/// What `skep daemon run` serves: a machine like its host, without objects, whose programs meet packets on `ports`.
/// `guardian` is the ledger that the ports promise their changes to.
#[must_use]
pub fn machine_with_ports(ports: Arc<dyn Ports>, guardian: Arc<Guardian>) -> Arc<dyn Backend> {
    let mut config = Config::of_host();
    config.ports = Some(Arc::clone(&ports));
    Arc::new(Ported {
        machine: Machine::new(config),
        ports,
        guardian,
    })
}

/// A machine with interfaces.
struct Ported {
    machine: Arc<Machine>,
    ports: Arc<dyn Ports>,
    guardian: Arc<Guardian>,
}

impl Backend for Ported {
    fn connect(self: Arc<Self>, peer: Peer, presence: Arc<dyn Presence>) -> Box<dyn Bpf> {
        Arc::clone(&self.machine).connect(peer, presence)
    }

    fn is_empty(&self) -> bool {
        self.machine.is_empty()
    }

    fn uses_network(&self) -> bool {
        !self.ports.query().is_empty() || !self.ports.devices().is_empty()
    }

    fn guardian(&self) -> Option<&Guardian> {
        Some(&self.guardian)
    }

    fn shut_down(&self) {
        self.ports.shut_down();
    }
}

/// What a daemon that does not run would say: a connection to a machine of one's own, in which there is nothing. It
/// spares commands that only look the start of a daemon.
#[must_use]
pub fn empty_machine() -> Box<dyn Bpf> {
    let machine = Machine::new(Config::of_host());
    Box::new(Machine::connect(&machine, Peer::this_process()))
}
