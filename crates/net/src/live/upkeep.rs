//! What keeps a way working while others change the interfaces around it.

use skep_sys::netlink::{IfIndex, LinkInfo};
use thiserror::Error;

/// What a check has put back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Restored {
    /// All was there.
    Nothing,
    /// A filter that somebody had removed: until now packets may have reached the host without a verdict, or twice.
    Filter,
}

/// Something is missing that cannot be put back.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{0}")]
pub(crate) struct Broken(pub(crate) String);

/// The part of a way that the monitor calls, from its own thread.
pub(crate) trait Upkeep: Send + Sync + std::fmt::Debug {
    /// An interface changed, the way's own or another.
    fn changed(&self, link: &LinkInfo);

    /// Whether a device is one of the way's own, so that its deletion calls for a check at once.
    fn uses(&self, index: IfIndex) -> bool;

    /// Looks whether all is there that verdicts depend on, and puts back what is not.
    fn check(&self) -> Result<Restored, Broken>;
}
