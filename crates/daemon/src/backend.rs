//! What the daemon serves: something that gives each client a `Bpf` of its own.

use skep_uapi::Bpf;
use std::sync::Arc;

/// Who is connected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Uid.
    pub uid: u32,
    /// Process id, for the trace pipe.
    pub pid: u32,
    /// Command name, for the trace pipe.
    pub comm: String,
}

/// A machine, as far as the daemon is concerned.
pub trait Backend: Send + Sync {
    /// A connection for a client; dropping it closes its handles.
    fn connect(self: Arc<Self>, peer: Peer) -> Box<dyn Bpf>;

    /// Whether nothing is pinned or attached, so that only connected clients would miss it.
    fn is_empty(&self) -> bool;
}
