//! The skep command: bpftool's commands and skep's own, on any implementation of BPF.
//!
//! `options` reads global options, `table` finds the command, each command's file carries it out through
//! [`skep_uapi::Bpf`] and hands a record to `output`. Nothing here knows how a machine works inside.
#![forbid(unsafe_code)]

mod app;
mod args;
mod batch;
mod btf;
mod calls;
mod connect;
mod daemon;
mod disasm;
mod failure;
mod link;
mod map;
mod net;
mod objdump;
mod options;
mod output;
mod pin;
mod prog;
mod run;
mod select;
mod table;
#[cfg(test)]
mod tests;
mod types;
mod verify;
mod version;

use app::{Options, Session};
use options::Request;
use output::Out;
use std::io::{self, BufWriter};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let outcome = match options::parse(arguments) {
        Ok(line) => carry_out(session(line.options), line.request, line.words),
        Err(error) => refuse(session(error.options), &error.text),
    };
    ExitCode::from(outcome.unwrap_or_else(|error| app::output_failed(&error, &mut io::stderr())))
}

fn session(options: Options) -> Session {
    let results = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let out = Out::new(Box::new(results), Box::new(io::stderr()), options.format);
    Session::new(options, out)
}

fn carry_out(mut session: Session, request: Request, words: Vec<String>) -> io::Result<u8> {
    let words = match request {
        Request::Run => words,
        Request::Help => vec!["help".to_owned()],
        Request::Version => vec!["version".to_owned()],
    };
    let code = app::run(&mut session, words)?;
    session.out.finish()?;
    Ok(code)
}

fn refuse(mut session: Session, text: &str) -> io::Result<u8> {
    // Both lines go to standard error; a failure to write them has no better place to be reported.
    let _ = session.out.error(text);
    if !session.out.is_json() {
        let _ = table::main_help(&mut session);
    }
    session.out.finish()?;
    Ok(failure::EXIT_ERROR)
}
