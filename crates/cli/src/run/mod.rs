//! `skep run`: the one-command way. Loads an object (or compiles a C file first) into a machine of its own, runs its XDP program
//! on packets, and prints what the program traced and decided. No daemon, and no privileges but for an interface.

mod clang;
mod live;
mod options;
mod packets;
mod report;

use crate::app::Session;
use crate::args::Args;
use crate::failure::{Failure, Outcome};
pub(crate) use options::matches;
use options::{Input, PacketOptions, RunOptions, Source};
use report::{Loaded, Report, Shown};
use skep::{ListPort, Machine, Object, PcapPort, Port, Program, Runs, VerdictFiles};
use std::path::Path;
use std::time::Instant;

/// Interface that programs see the packets of captures come in at.
const IFINDEX: u32 = 1;

/// Carries out `skep run`.
pub(crate) fn run(session: &mut Session, args: &mut Args) -> Outcome {
    let Some(options) = options::parse(session, args.rest())? else {
        return Ok(());
    };
    match &options.source {
        Source::Packets(packets) => on_packets(session, &options, packets),
        Source::Interface(interface) => live::run(session, &options, interface),
    }
}

/// Runs the program on packets at hand.
fn on_packets(session: &mut Session, options: &RunOptions, packets: &PacketOptions) -> Outcome {
    let ready = load(options, &Machine::new())?;
    let mut report = Report::begin(session, &ready.name, ready.load, ready.loaded.warnings())?;
    let mut port = open_port(&packets.input)?;
    let runs = Runs {
        engine: packets.engine,
        repeat: packets.repeat,
    };
    let mut printed = Ok(());
    let (prog, connection) = (ready.program.inner(), ready.loaded.connection());
    let counts = skep::pump(&mut *port, IFINDEX, prog, connection, runs, |handled| {
        let shown = Shown {
            handled,
            trace: ready.loaded.trace_lines(),
            repeat: packets.repeat,
        };
        if printed.is_ok() {
            printed = report.packet(session, shown);
        }
    });
    printed?;
    report.end(
        session,
        &counts.map_err(|error| Failure::message(error.to_string()))?,
    )
}

/// A program that may run.
struct Ready {
    /// What holds it.
    loaded: skep::Loaded,
    name: String,
    program: Program,
    /// How long that took.
    load: Loaded,
}

/// Loads the object, compiled first if need be.
fn load(options: &RunOptions, machine: &Machine) -> Outcome<Ready> {
    let begun = Instant::now();
    let compiled = clang::object_of(&options.file)?;
    let path = compiled
        .as_ref()
        .map_or(options.file.as_path(), |temporary| temporary.path());
    let object = Object::open(path).map_err(|error| refused(&options.file, &error))?;
    let load = skep::Options::new(object.name().clone());
    let load = crate::prog::load::with_kernel(load, object.parsed(), options.btf.as_deref())
        .map_err(Failure::message)?;
    let loaded = machine
        .load_with(&object, &load)
        .map_err(|error| refused(&options.file, &error))?;
    let (name, program) = choose(options, &loaded)?;
    let load = Loaded::new(&object, &program, begun.elapsed());
    Ok(Ready {
        loaded,
        name,
        program,
        load,
    })
}

/// The port that the options name: a capture, packets in hexadecimal, or a few built-in ones.
fn open_port(input: &Input) -> Outcome<Box<dyn Port>> {
    Ok(match input {
        Input::Capture { path, out } => {
            let files = out.as_ref().map(|folder| VerdictFiles::new(folder, path));
            Box::new(
                PcapPort::open(path, files).map_err(|error| Failure::message(error.to_string()))?,
            )
        }
        Input::Packets(packets) => Box::new(ListPort::new(packets.clone())),
        Input::BuiltIn => Box::new(ListPort::new(packets::built_in())),
    })
}

/// The program that the options name, else the first one.
fn choose(options: &RunOptions, loaded: &skep::Loaded) -> Outcome<(String, Program)> {
    let file = options.file.as_path();
    let message = |error: skep::Error| refused(file, &error);
    if let Some(name) = &options.program {
        return Ok((name.clone(), loaded.program(name).map_err(message)?));
    }
    let first = loaded.programs().map_err(message)?.into_iter().next();
    first.ok_or_else(|| Failure::message(format!("{}: no program in it", file.display())))
}

/// The error line for a file; a rejection brings its log.
fn refused(file: &Path, error: &skep::Error) -> Failure {
    let text = shortened(&error.to_string());
    let named = text.contains(&*file.to_string_lossy());
    Failure::message(if named {
        text
    } else {
        format!("{}: {text}", file.display())
    })
}

/// Lines of a log that are shown at its end.
const LOG_LINES_SHOWN: usize = 40;

/// A long log cut to its first line and its end, which says why.
fn shortened(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let Some(left_out) = lines
        .len()
        .checked_sub(LOG_LINES_SHOWN + 1)
        .filter(|count| *count > 0)
    else {
        return text.to_owned();
    };
    let note = format!(
        "({left_out} lines of the verifier's log are left out; skep -d prog load shows all)"
    );
    let end = lines[lines.len() - LOG_LINES_SHOWN..].join("\n");
    format!("{}\n{note}\n{end}", lines[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_shows_its_end() {
        let text = |lines: usize| {
            (0..lines)
                .map(|line| line.to_string())
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert_eq!(
            shortened(&text(LOG_LINES_SHOWN + 1)),
            text(LOG_LINES_SHOWN + 1)
        );
        let short = shortened(&text(1000));
        assert!(
            short.starts_with("0\n(959 lines") && short.ends_with("\n999"),
            "{short}"
        );
        assert_eq!(short.lines().count(), LOG_LINES_SHOWN + 2);
    }
}
