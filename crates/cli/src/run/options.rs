//! The options of `skep run`.

use crate::app::Session;
use crate::failure::{Failure, Outcome};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use skep_uapi::Engine;
use std::path::PathBuf;

/// Where packets come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Input {
    /// A capture file; with a folder, each verdict's packets go to a file in it.
    Capture {
        /// The capture.
        path: PathBuf,
        /// The folder.
        out: Option<PathBuf>,
    },
    /// Packets given in hexadecimal.
    Packets(Vec<Vec<u8>>),
    /// A few that everybody knows.
    BuiltIn,
}

/// What to run, on what, how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RunOptions {
    /// Object or C file.
    pub(crate) file: PathBuf,
    /// Program by name, or the first.
    pub(crate) program: Option<String>,
    /// Packets.
    pub(crate) input: Input,
    /// Runs of each packet.
    pub(crate) repeat: u32,
    /// Engine.
    pub(crate) engine: Engine,
}

/// The rows of options; help derives from them.
pub(crate) fn clap_command() -> Command {
    Command::new("skep run")
        .about("Load an XDP program into a machine of its own and run it on packets: no daemon, no privileges")
        .disable_version_flag(true)
        .args([
            Arg::new("file").required(true).value_name("FILE").value_parser(value_parser!(PathBuf))
                .help("Object file (hello.bpf.o), or C source (hello.bpf.c) to compile with clang first"),
            Arg::new("prog").value_name("NAME").long("prog").help("Program to run [default: the first]"),
            Arg::new("packet").value_name("HEX").long("packet").action(ArgAction::Append).conflicts_with("pcap")
                .help("Packet in hexadecimal, from the destination address on; may be given several times"),
            Arg::new("pcap").value_name("FILE").long("pcap").value_parser(value_parser!(PathBuf))
                .help("Take packets from a capture (pcap or pcapng)"),
            Arg::new("pcap-out").value_name("DIR").long("pcap-out").requires("pcap").value_parser(value_parser!(PathBuf))
                .help("Write the packets of each verdict to a file of its own in DIR (FILE.pass.pcap, FILE.drop.pcap ...)"),
            Arg::new("repeat").value_name("N").long("repeat").default_value("1")
                .value_parser(value_parser!(u32).range(1..)).help("Run N times on each packet, which keeps its changes"),
            Arg::new("engine").value_name("ENGINE").long("engine").default_value("auto")
                .value_parser(["auto", "jit", "interp", "checked"])
                .help("jit: machine code; interp: the interpreter; checked: the interpreter that checks every access"),
            Arg::new("json").long("json").short('j').action(ArgAction::SetTrue).help("Results as JSON"),
            Arg::new("pretty").long("pretty").short('p').action(ArgAction::SetTrue).help("Results as indented JSON"),
        ])
}

/// Reads the words behind `run`; `None` if help was asked for and shown.
pub(crate) fn parse(session: &mut Session, words: &[String]) -> Outcome<Option<RunOptions>> {
    use clap::error::ErrorKind;
    let matches = match clap_command()
        .no_binary_name(true)
        .try_get_matches_from(words)
    {
        Ok(matches) => matches,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            write!(session.out.results(), "{error}")?;
            return Ok(None);
        }
        Err(error) => {
            return Err(Failure::message(one_line(&error)));
        }
    };
    if matches.get_flag("pretty") {
        session.out.set_format(crate::output::Format::Pretty);
    } else if matches.get_flag("json") {
        session.out.set_format(crate::output::Format::Json);
    }
    options(&matches).map(Some)
}

fn options(matches: &ArgMatches) -> Outcome<RunOptions> {
    let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    let packets = matches
        .get_many::<String>("packet")
        .map(|packets| packets.map(|hex| packet(hex)).collect::<Outcome<_>>());
    let input = match (path("pcap"), packets.transpose()?) {
        (Some(path_in), _) => Input::Capture {
            path: path_in,
            out: path("pcap-out"),
        },
        (None, Some(packets)) => Input::Packets(packets),
        (None, None) => Input::BuiltIn,
    };
    let engine = match matches.get_one::<String>("engine").map(String::as_str) {
        Some("jit") => Engine::Jit,
        Some("interp") => Engine::Interp,
        Some("checked") => Engine::Checked,
        Some(_) | None => Engine::Auto,
    };
    Ok(RunOptions {
        file: path("file").ok_or(Failure::Usage)?,
        program: matches.get_one::<String>("prog").cloned(),
        input,
        repeat: matches.get_one::<u32>("repeat").copied().unwrap_or(1),
        engine,
    })
}

/// What is wrong with the options, without the hints that follow: errors are one line each.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let problem = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = problem
        .trim_start_matches("error: ")
        .split_whitespace()
        .collect();
    words.join(" ")
}

/// A packet from hexadecimal digits; blanks and colons between them do not matter.
fn packet(hex: &str) -> Outcome<Vec<u8>> {
    let digits: Vec<u32> = hex
        .chars()
        .filter(|c| !c.is_whitespace() && *c != ':')
        .map(|c| {
            c.to_digit(16).ok_or_else(|| {
                Failure::message(format!("--packet: '{c}' is not a hexadecimal digit"))
            })
        })
        .collect::<Outcome<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Failure::message(
            "--packet: an odd number of hexadecimal digits",
        ));
    }
    let byte =
        |[high, low]: &[u32; 2]| u8::try_from(high * 16 + low).expect("two hexadecimal digits");
    Ok(pairs.iter().map(byte).collect())
}
