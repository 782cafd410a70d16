//! The daemon: a machine that outlives the commands that use it.
//!
//! One process per owner, user namespace and network namespace ([`skep_wire::Endpoint`]). [`run`] listens and gives
//! every connection a thread and a [`Backend`] connection of its own, whose handles die with it. [`connect_or_start`]
//! is the near end's way in: it starts the daemon if none runs. What a session does wrong (garbage, half a message, a
//! flood, a panic) ends that session; the others notice nothing. Bounds are in [`limits`].
//!
//! What is done to interfaces is promised to a [`Guardian`] first, a second process that undoes it if this one dies.
//!
//! This crate does not know what commands do, how messages look, or who prints what.
#![forbid(unsafe_code)]

mod backend;
mod deserted;
mod guardian;
pub mod limits;
mod listen;
mod log;
mod rights;
mod session;
mod sessions;
mod start;

pub use backend::{Backend, empty_machine, machine, machine_with_ports};
pub use guardian::{
    GuardError, Guardian, JournalError, RepairError, RepairReport, RepairedJournal, guard, repair,
};
pub use listen::{EndReason, Ended, Options, RunError, run};
pub use log::Log;
pub use rights::drop_rights;
pub use skep_machine::{Peer, Presence};
pub use start::{Launch, StartError, connect_or_start, wait_until_ended};
