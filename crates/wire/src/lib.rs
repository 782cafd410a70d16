//! The daemon protocol and its client.
