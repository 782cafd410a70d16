//! AF_XDP (Documentation/networking/af_xdp.rst): frames that an XDP program in the kernel redirects to a socket.
//!
//! An [`XskSocket`] is bound to one receive queue of an interface and has memory of its own, so that an interface with many
//! queues has as many sockets, each of which a different thread could serve. [`RedirectProgram`] is the program for the
//! kernel. A frame longer than a chunk comes in several (`XDP_USE_SG`, Linux 6.6) and is shown in one piece.
//!
//! Such a socket receives bytes only: neither that a checksum is still to be computed, nor the size of segments,
//! nor a VLAN tag that was taken out of the frame. Nothing here knows what a frame means.

mod option;
mod program;
mod ring;
mod socket;
mod umem;

pub use program::RedirectProgram;
pub use socket::{TxRefused, XskBind, XskSocket, XskSpec, XskStatistics};
