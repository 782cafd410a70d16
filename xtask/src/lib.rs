//! Tasks of the project, as functions, so that tests call them too.
//!
//! Knows the checkout's layout, and nothing of BPF.
#![forbid(unsafe_code)]

pub mod bench;
mod files;
pub mod fuzz;
pub mod lines;
pub mod parity;
mod rust;
pub mod tidy;

use std::path::{Path, PathBuf};

/// The top folder of the checkout.
#[must_use]
pub fn root() -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    top.expect("xtask lies below the top").to_owned()
}
