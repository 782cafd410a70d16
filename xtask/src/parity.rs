//! The comparison with Linux over the kernel's selftests: `parity/` compares, this builds it with the profile that users have.
//!
//! It is no part of this program because it links most of the project.

use crate::root;
use std::process::Command;

/// Runs `corpus` or `parity` with the words behind it, its output on this process's.
///
/// # Errors
/// If it cannot be built or fails; it tells unknown words itself.
pub fn run(task: &str, words: &[&str]) -> Result<(), String> {
    // Cargo names itself to what it runs, such as `cargo xtask`.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["run", "--release", "--quiet", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .args(["--package", "skep-parity", "--", task])
        .args(words);
    let status = command
        .status()
        .map_err(|error| format!("cargo: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("{task}: {status}")),
    }
}
