//! Benchmarks: `benches/` measures, this builds it and the command with the profile that users have.
//!
//! Results are times of this machine in this minute: each benchmark runs the other side beside skep, and what matters
//! is the ratio.

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
    crate::cargo(args, &[])
}
