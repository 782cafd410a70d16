//! Benchmarks: `benches/` measures, this builds it and the command with the profile that users have.
//!
//! Results are times of this machine in this minute: each benchmark runs the other side beside skep, and what matters
//! is the ratio.

use crate::root;
use std::process::Command;

/// Runs a benchmark (`load`, `exec`, `start`, `net`), which prints its report.
///
/// # Errors
/// If it cannot be built or fails; it tells an unknown name itself.
pub fn run(name: &str) -> Result<(), String> {
    cargo(&["build", "--release", "--package", "skep-cli"])?;
    cargo(&[
        "run",
        "--release",
        "--quiet",
        "--package",
        "skep-bench",
        "--",
        name,
    ])
}

fn cargo(args: &[&str]) -> Result<(), String> {
    // Cargo names itself to what it runs, such as `cargo xtask`.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).args(args).current_dir(root()).status();
    let status = status.map_err(|error| format!("cargo: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("cargo {}: {status}", args.join(" ")))
    }
}
