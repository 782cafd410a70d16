//! Memory that programs touch: blocks with stable addresses, and access to addresses either checked against the regions of a
//! run or trusted on the word of the verifier.
//!
//! Invariants: a [`Block`] never moves; every access to memory that programs share is made of relaxed atomic
//! accesses of 1 to 8 bytes, so that racing programs and commands are torn at worst; plain bytes are lent only to whoever has
//! the block alone and no run in progress ([`Block::bytes_mut`]). (The language leaves races between
//! atomic accesses of different sizes open; the hosts that skep builds for define them, and what a program may race on
//! is its own data: no length, index or pointer that skep relies on lies there.)
//! This crate does not know maps, contexts or engines.

mod access;
mod block;
mod raw;
mod shared;

pub use access::{
    AtomicAccess, Checked, Fault, FaultKind, Memory, Permission, Region, RegionSource, Trusted,
};
pub use block::Block;
pub use shared::Shared;
