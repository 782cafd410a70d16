//! `skep prog`: one file per command.

pub(crate) mod code;
pub(crate) mod dump;
pub(crate) mod graph;
mod hexdump;
pub(crate) mod jited;
pub(crate) mod load;
pub(crate) mod pin;
pub(crate) mod run;
pub(crate) mod show;
pub(crate) mod tracelog;
pub(crate) mod xlated;
