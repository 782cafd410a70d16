//! What has to be undone, and who remembers it.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One thing to undo. Carrying it out twice, or when there is nothing to undo, does no harm.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Undo {
    /// Delete a link of ours.
    DeleteLink {
        /// Its name, which nobody else would choose.
        name: String,
    },
    /// Delete a tc filter of ours.
    DeleteFilter {
        /// Interface.
        ifindex: u32,
        /// Side of the interface.
        direction: Direction,
        /// Preference.
        preference: u16,
        /// Handle.
        handle: u32,
        /// The action's cookie, by which it is known as ours.
        cookie: Vec<u8>,
    },
    /// Delete the clsact that was made, unless somebody else's filters are in it by now.
    DeleteClsact {
        /// Interface.
        ifindex: u32,
    },
    /// Detach a program from Linux's own XDP, if it is still the one.
    DetachXdp {
        /// Interface.
        ifindex: u32,
        /// Id of the program in Linux.
        prog_id: u32,
        /// `XDP_FLAGS_*` of the mode.
        flags: u32,
    },
}

/// Side of an interface, as tc sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Direction {
    /// What comes in.
    Ingress,
    /// What goes out.
    Egress,
}

/// Number of a promise.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Promise(pub u64);

/// Nobody could be made to remember.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{0}")]
pub struct LedgerError(pub String);

/// Remembers what to undo, beyond the life of this process.
pub trait Ledger: Send + Sync + std::fmt::Debug {
    /// Returns only when the entry is remembered; the change may be made after that.
    ///
    /// # Errors
    /// If it is not; the change must not be made.
    fn promise(&self, undo: &Undo) -> Result<Promise, LedgerError>;

    /// The entry has been carried out (or its change never made).
    fn forget(&self, promise: Promise);
}
