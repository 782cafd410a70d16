//! `skep prog`: one file per command.

pub(crate) mod code;
pub(crate) mod dump;
mod graph;
mod hexdump;
mod jited;
pub(crate) mod load;
pub(crate) mod pin;
pub(crate) mod run;
pub(crate) mod show;
pub(crate) mod tracelog;
mod xlated;
