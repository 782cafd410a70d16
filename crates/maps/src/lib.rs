//! Map types: one file each, one constructor table.
//!
//! A map has two sides. Programs get *addresses* of values ([`Map::lookup`]); commands get *copies* ([`Map::read`]), of all
//! CPUs' values for per-CPU types. The address of a value holds until the reader's epoch ends: a run pins the epoch
//! ([`pin`]) before it starts, and deleted elements are reused only after every pin that could have seen them is gone.
//! Lookups take no lock.
//!
//! Tearing: values are copied by 8-byte words where they are aligned (they are, to 8), so that a command that reads while a
//! program writes sees each aligned word whole, but not the value as a whole; as in Linux.
//! This crate does not know programs, ids' lifetimes or BTF; which interfaces exist, whoever makes a map tells it ([`Devices`]).
#![forbid(unsafe_code)]

mod array;
mod chains;
mod create;
mod def;
mod defined;
mod device;
mod devmap;
mod hash;
mod layout;
mod map;
mod percpu_array;
mod rules;
mod slab;

pub use create::create;
pub use def::MapDef;
pub use device::{DeviceMap, Devices};
pub use map::{Map, MapObject, MapRef, Pin, pin, renew};
