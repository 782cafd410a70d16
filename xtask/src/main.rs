//! `cargo xtask TASK`: the command line of the project's tasks.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the output of a command"
)]

use std::process::ExitCode;
use xtask::{bench, fuzz, lines, parity, root, soak, tidy};

const USAGE: &str = "\
usage: cargo xtask TASK
  tidy            check what the compiler cannot: levels, unsafe, sizes, forbidden words
  tidy --bless    the same, and lower the limits of xtask/tidy.ratchet to what is true now
  fuzz [PROGRAMS [SEED [FOLDER]]]
                  run random programs on all engines and, as root, on Linux; with a folder, keep what differs there and go on
  corpus [--cpu v3|v4]
                  compile the kernel's selftests into ~/.cache/skep/corpus: minutes
  parity [OPTION...]
                  every program of the corpus on skep and on Linux, in one table; `parity --help` tells the options
  lines           lines of code and of tests, by crate
  soak [SECONDS] [--via WAY]
                  attach, detach, replace and update maps under traffic, and account for every packet (120 s by the packet way)
  bench load      time to load examples and benchmarks, by stage, beside Linux
  bench verify    time to verify the kernel's selftests, beside Linux
  bench exec      time of a run, by engine, beside Linux
  bench start     time of whole commands, from their start to their end";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args[..] {
        ["tidy"] => run_tidy(tidy::Ratchet::Keep),
        ["tidy", "--bless"] => run_tidy(tidy::Ratchet::Lower),
        ["lines"] => lines::report(&root())
            .map(|text| print!("{text}"))
            .map_err(|e| e.to_string()),
        ["fuzz", ref words @ ..] => fuzz::Request::read(words).and_then(|request| request.run()),
        [task @ ("corpus" | "parity"), ref words @ ..] => parity::run(task, words),
        ["bench", "verify", ref words @ ..] => parity::run("speed", words),
        ["soak", ref words @ ..] => soak::Request::read(words).and_then(|request| request.run()),
        ["bench", name] => bench::run(name),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run_tidy(ratchet: tidy::Ratchet) -> Result<(), String> {
    let complaints = tidy::check(&root(), ratchet).map_err(|error| error.to_string())?;
    for complaint in &complaints {
        println!("{complaint}");
    }
    match complaints.len() {
        0 => Ok(()),
        count => Err(format!("tidy: {count} complaints")),
    }
}
