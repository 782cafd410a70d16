//! Nothing that skep does to an interface outlives it.
//!
//! Every change is promised before it is made, to a process that does nothing but wait for its owner's end
//! ([`guard`]) and by it to a file ([`journal`]). So a change is undone by the owner, or, if that dies, by the guardian at
//! once, or, if both die, by the next daemon or [`repair`].
//!
//! ```text
//! ports ── promise ──> Guardian ── stream ──> guard() ── fsync ──> journal
//!                                                │ end of stream      │
//!                                                └──> undo_all <──────┴── repair, next daemon
//! ```
//!
//! What an entry means and how it is carried out, `skep_net::live::Undo` knows.

#[cfg(test)]
mod fake;
mod journal;
mod owner;
mod process;
mod protocol;
mod repair;
mod undoing;

pub use journal::JournalError;
pub use owner::Guardian;
pub use process::{GuardError, guard};
pub(crate) use repair::replay_at_start;
pub use repair::{RepairError, RepairReport, RepairedJournal, repair};
