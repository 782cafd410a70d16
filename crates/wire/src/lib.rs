//! The daemon protocol and its client.
//!
//! A connection is: a preamble of fixed bytes each way ([`preamble`]), then messages in length-prefixed chunks
//! ([`frame`]), each a [`Request`] or [`Response`] ([`message`]), one at a time. [`Client`] is the near end and
//! implements `Bpf`; [`Connection`] is the daemon's end, for one thread per connection; [`Endpoint`] is where they
//! meet. Nothing that the other end says makes this one panic, allocate on its word, or wait for ever in the middle of
//! a message.
//!
//! This crate does not know what commands do, nor how a daemon is started or which sessions it has.
#![forbid(unsafe_code)]

mod client;
mod endpoint;
mod error;
mod frame;
mod message;
mod preamble;
mod reader;
mod server;

pub use client::{CONNECT_TIMEOUT, Client};
pub use endpoint::{Claim, Endpoint, EndpointError, JournalPlace, list_endpoints};
pub use error::{ClientError, IoFailure, WireError};
pub use frame::{CHUNK_BYTES_MAX, FrameDecoder, MESSAGE_BYTES_MAX, write_message};
pub use message::{
    Answer, Ask, ClientHello, DaemonHello, DaemonStatus, GuardianStatus, Refusal, Request,
    RequestId, Response, decode_request, decode_response, encode_request, encode_response,
};
pub use preamble::{PREAMBLE_BYTES, PROTOCOL_VERSION, Preamble};
pub use server::{Connection, Deadlines, Incoming};

/// Version of this skep, as both ends tell each other.
pub const SKEP_VERSION: &str = env!("CARGO_PKG_VERSION");
