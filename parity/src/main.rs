//! How far skep's verifier is Linux's: every program of the kernel's selftests on both, and one table.
//!
//! `corpus` compiles the selftests outside of the checkout, `parity` compares. The selftests are under the GPL: neither they nor
//! what is made from them is part of the project.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the output of a command"
)]

mod compare;
mod corpus;
mod expect;
mod folders;
mod job;
mod maps;
mod options;
mod oracle;
mod parity;
mod pattern;
mod pool;
mod reasons;
mod rows;
mod sheet;
mod side;
mod speed;
mod struct_tests;
mod table;
mod worker;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args[..] {
        ["corpus", ref words @ ..] => {
            options::Corpus::read(words).and_then(|options| corpus::run(&options))
        }
        ["parity", ref words @ ..] => {
            options::Parity::read(words).and_then(|options| parity::run(&options))
        }
        ["speed", ref words @ ..] => {
            options::Parity::read(words).and_then(|options| speed::run(&options))
        }
        // What the pool starts.
        ["worker"] => worker::run(),
        _ => Err(options::USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The bytes of hexadecimal digits.
fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.map(byte).collect()
}
