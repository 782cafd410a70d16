//! Measurements of the product as it is built for users, from outside.
//!
//! A row of [`BENCHES`] is a name, what it measures, and how. Results are times of this machine in this minute: they
//! are compared with a run of the other side beside them, never with a number in a file.

use crate::root;
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A measurement.
struct Bench {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result<String, String>,
}

const BENCHES: [Bench; 1] = [Bench {
    name: "start",
    what: "the whole process of `skep run examples/hello.bpf.o`: load, verify, compile, run, print",
    run: start,
}];

/// What can be measured.
#[must_use]
pub fn list() -> String {
    let mut text = String::new();
    for Bench { name, what, .. } in BENCHES {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<6} {what}");
    }
    text
}

/// Runs one measurement and gives its report.
///
/// # Errors
/// If there is no such measurement, or if what it measures fails.
pub fn run(name: &str) -> Result<String, String> {
    let bench = BENCHES.iter().find(|bench| bench.name == name);
    let bench = bench.ok_or_else(|| format!("no measurement `{name}`; there are:\n{}", list()))?;
    Ok(format!(
        "{}: {}\n{}",
        bench.name,
        bench.what,
        (bench.run)()?
    ))
}

/// Repetitions of a whole process: enough for a median, few enough to wait for.
const PROCESS_RUNS: usize = 31;

fn start() -> Result<String, String> {
    let skep = build()?;
    let mut command = Command::new(skep);
    command
        .args(["run", "examples/hello.bpf.o"])
        .current_dir(root())
        .stdout(Stdio::null());
    let mut times = Vec::new();
    for _ in 0..PROCESS_RUNS {
        let start = Instant::now();
        let status = command.status().map_err(|error| format!("skep: {error}"))?;
        times.push(start.elapsed());
        if !status.success() {
            return Err(format!("`skep run examples/hello.bpf.o` fails: {status}"));
        }
    }
    Ok(spread(&mut times))
}

/// Builds the command as users have it; its path.
fn build() -> Result<std::path::PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--release", "--package", "skep-cli"])
        .current_dir(root());
    let status = command
        .status()
        .map_err(|error| format!("cargo: {error}"))?;
    if !status.success() {
        return Err(format!("cargo build: {status}"));
    }
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    Ok(target.join("release/skep"))
}

/// Least, median and greatest.
fn spread(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let middle = times[times.len() / 2];
    let (least, greatest) = (times[0], times[times.len() - 1]);
    format!(
        "least {least:.2?}, median {middle:.2?}, greatest {greatest:.2?} of {}\n",
        times.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_are_told_the_known() {
        assert!(run("nothing").is_err_and(|message| message.contains("start")));
    }

    #[test]
    fn spread_is_sorted() {
        let mut times = [30, 10, 20].map(Duration::from_millis);
        assert_eq!(
            spread(&mut times),
            "least 10.00ms, median 20.00ms, greatest 30.00ms of 3\n"
        );
    }
}
