//! BTF as text: bpftool's `btf dump` in its three forms.
//!
//! All three are total on whatever [`crate::Btf::parse`] accepted: they end, and either print or say which type nests too
//! deeply or that the text became too long.

pub mod c;
mod raw;

pub use c::{DumpError, c};
pub use raw::{raw, raw_json};
