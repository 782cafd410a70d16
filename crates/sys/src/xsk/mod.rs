//! AF_XDP (Documentation/networking/af_xdp.rst): frames that an XDP program in the kernel redirects to a socket.
//!
//! An [`XskSocket`] is bound to one receive queue of an interface and has memory of its own, so that an interface with many
//! queues has as many sockets, each of which a different thread could serve. [`RedirectProgram`] is the program for the
//! kernel. A frame longer than a chunk comes in several (`XDP_USE_SG`, Linux 6.6) and is shown in one piece.
//!
//! Such a socket receives bytes only: neither that a checksum is still to be computed, nor the size of segments.
//! A VLAN tag that was taken out of the frame is lost, unless the program runs in a driver that can tell of it ([`VlanTags`]).
//! Nothing here knows what a frame means, and nothing is sent.

mod metadata;
mod option;
mod program;
mod ring;
mod socket;
mod umem;

pub use metadata::VlanTags;
pub use program::{RedirectProgram, TagSource};
pub use socket::{XskBind, XskFrame, XskSocket, XskSpec, XskStatistics};
