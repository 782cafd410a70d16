//! Programs that run: executable pages, relocations, helper shims, and the choice of engine.
//!
//! [`Image`] is a translated program ready to run: its maps, its machine code where this host has a compiler, and its
//! decoded form for the interpreter. A [`Runner`] is one lease of a CPU slot in which an image runs on packets.
//!
//! Invariants: code pages are written, then sealed, never both; compiled code is entered only through [`Runner`], which sets up
//! the run context that helper shims recover their environment from; unwinds never cross compiled code.
//! This crate does not know ids, commands or where packets come from.

mod env;
mod fault;
mod host;
mod image;
mod packet;
mod runner;
mod shims;
mod stack;

pub use env::RunSettings;
pub use fault::RunError;
pub use image::{
    Compiled, Image, Native, PublishError, compile_for, helper_addr, host_arch, relocated,
};
pub use packet::{Packet, PacketSpec, RefillError};
pub use runner::{EngineKind, Outcome, Runner};
pub use skep_helpers::Redirect;
