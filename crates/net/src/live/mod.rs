//! Programs on real interfaces.
//!
//! [`LivePorts`] is the machine's `Ports`: one worker thread for each attached interface, which takes frames from a way in
//! bursts, runs the link's program on each, and gives the frame back to the way with the verdict's destination. Every change to
//! an interface is promised to a [`Ledger`] first, so that somebody else can undo it if this process dies.
//!
//! | File | What it knows |
//! |---|---|
//! | `ports` | what is attached where; commands, monitor and workers meet there |
//! | `worker`, `place` | running a program on frames, in bursts; counts |
//! | `way` | what a way must do; `packet_way`, `tun_way`, `afxdp_way`, `tap_way` do it |
//! | `wiring`, `mark` | our devices and filters around an interface, by which a frame that passed gets back into it |
//! | `xdp_hook`, `xdp_programs` | Linux's own XDP, which the AF_XDP way gets frames from; what becomes of VLAN tags there |
//! | `outlets`, `wires` | sending out of an interface, or into the wire of a device that the machine made (`devices`) |
//! | `check`, `refusal` | what is refused before any change, and in which words |
//! | `changes`, `ledger`, `undo` | promising, making and undoing changes |
//! | `monitor`, `upkeep` | what others do to the interfaces meanwhile |
//!
//! [`LivePorts`]: crate::live::LivePorts

mod afxdp_way;
mod background;
mod changes;
mod check;
mod devices;
mod ledger;
mod mark;
mod monitor;
mod outlets;
mod packet_way;
mod partial;
mod place;
mod ports;
mod refusal;
mod tap_way;
mod tun_way;
mod undo;
mod upkeep;
mod wake;
mod way;
mod wires;
mod wiring;
mod worker;
mod xdp_hook;
mod xdp_programs;

pub use ledger::{Direction, Ledger, LedgerError, Promise, Undo};
pub use ports::LivePorts;
pub use undo::{FoundFilter, Kernel, KernelError, UndoError, Undone};
