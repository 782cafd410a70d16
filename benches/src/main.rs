//! The benchmarks of `cargo xtask bench`: skep beside Linux, in one process and one run, interleaved.
//!
//! Machines are noisy, so every figure is the minimum (and the median) of many rounds, and what matters is the ratio.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the output of a command"
)]

mod exec;
mod linux;
mod load;
mod net;
mod sample;
mod start;

use std::path::PathBuf;
use std::process::ExitCode;

/// The folder of the project.
fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Any failure, as text.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    let outcome = match name.as_str() {
        "load" => load::run(),
        "exec" => exec::run(),
        "start" => start::run(),
        "net" => net::run(),
        // What `net` starts inside namespaces.
        "net-inside" => net::run_inside(),
        "net-generate" => net::generate(std::env::args().nth(2)),
        _ => Err("usage: skep-bench { load | exec | start | net }".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
