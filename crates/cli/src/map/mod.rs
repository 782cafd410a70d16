//! `skep map`: one file per group of commands.

pub(crate) mod access;
pub(crate) mod dump;
mod entry;
pub(crate) mod manage;
pub(crate) mod show;
