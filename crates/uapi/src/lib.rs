//! The bpf(2) command set, typed: the one waist between front ends and whatever implements BPF.
//!
//! [`Bpf`] is implemented by the machine, by the daemon's client, by the real kernel and by fakes in tests.
//! Constants come from `include/uapi/linux/bpf.h`; ids are newtypes over the wire integers, so that unknown values
//! survive to the error message. This crate does not know how any command is carried out.
#![forbid(unsafe_code)]

mod command;
mod errno;
mod flags;
mod ids;
mod net;

pub use command::*;
pub use errno::Errno;
pub use flags::*;
pub use ids::*;
pub use net::*;
