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
pub mod soak;
pub mod tidy;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The top folder of the checkout.
#[must_use]
pub fn root() -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    top.expect("xtask lies below the top").to_owned()
}

/// Runs cargo at the top, with these variables in its environment.
fn cargo(args: &[&str], variables: &[(&str, &str)]) -> Result<(), String> {
    // Cargo names itself to what it runs, such as `cargo xtask`.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(args).envs(variables.iter().copied());
    let status = command.current_dir(root()).status();
    let status = status.map_err(|error| format!("cargo: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("cargo {}: {status}", args.join(" ")))
    }
}
