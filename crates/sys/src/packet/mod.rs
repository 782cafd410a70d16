//! Packet sockets (packet(7)): receiving from an interface through a ring, sending to interfaces in batches.
//!
//! Frames begin at the Ethernet header and come with a [`VnetHeader`], in both directions, because on the way within one host
//! a frame may be up to 64 KiB long (to be cut into segments later) and its checksum may be still to be computed.
//! [`RxRing`] and [`TxSocket`] are independent of each other. Nothing here knows what a frame means.

mod block;
mod option;
mod ring;
mod send;
mod vnet;

pub use block::{PacketType, RxFrame, VlanTag, parse_block};
pub use ring::{RingSpec, RxRing, RxStatistics};
pub use send::{BATCH_BYTES, BATCH_FRAMES, TxOutcome, TxSocket};
pub use vnet::{Gso, VnetHeader};
