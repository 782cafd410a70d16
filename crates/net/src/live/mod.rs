//! Programs on real interfaces.
//!
//! [`LivePorts`] is the machine's `Ports`: one worker thread for each attached interface, which takes frames from a [`way`] in
//! bursts, runs the link's program on each, and gives the frame back to the way with the verdict's destination. Every change to
//! an interface is promised to a [`Ledger`] first, so that somebody else can undo it if this process dies.
//!
//! [`LivePorts`]: crate::live::LivePorts

mod changes;
mod check;
mod devices;
mod ledger;
mod mark;
mod monitor;
mod outlets;
mod packet_way;
mod place;
mod ports;
mod refusal;
mod tap_way;
mod undo;
mod upkeep;
mod wake;
mod way;
mod wires;
mod wiring;
mod worker;

pub use ledger::{Direction, Ledger, LedgerError, Promise, Undo};
pub use ports::LivePorts;
pub use undo::{FoundFilter, Kernel, KernelError, UndoError, Undone};
