//! What the daemon serves: something that gives each client a `Bpf` of its own. In life it is a [`Machine`].

use skep_machine::{Config, Machine, Peer, Presence};
use skep_uapi::Bpf;
use std::sync::Arc;

/// A machine, as far as the daemon is concerned.
pub trait Backend: Send + Sync {
    /// A connection for a client; dropping it closes its handles. What takes long asks `presence` whether to go on.
    fn connect(self: Arc<Self>, peer: Peer, presence: Arc<dyn Presence>) -> Box<dyn Bpf>;

    /// Whether nothing is pinned or attached, so that only connected clients would miss it.
    fn is_empty(&self) -> bool;
}

impl Backend for Machine {
    fn connect(self: Arc<Self>, peer: Peer, presence: Arc<dyn Presence>) -> Box<dyn Bpf> {
        Box::new(self.connect_watched(peer, presence))
    }

    fn is_empty(&self) -> bool {
        Machine::is_empty(self)
    }
}

/// What `skep daemon run` serves: a machine like its host, without objects.
#[must_use]
pub fn machine() -> Arc<dyn Backend> {
    Machine::new(Config::of_host())
}

/// What a daemon that does not run would say: a connection to a machine of one's own, in which there is nothing. It
/// spares commands that only look the start of a daemon.
#[must_use]
pub fn empty_machine() -> Box<dyn Bpf> {
    let machine = Machine::new(Config::of_host());
    Box::new(Machine::connect(&machine, Peer::this_process()))
}
