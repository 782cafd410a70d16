//! The options of `skep run`.

use crate::app::Session;
use crate::failure::{Failure, Outcome};
use crate::options::{via, via_arg};
use crate::output::Format;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use skep_uapi::{Engine, Via};
use std::path::PathBuf;
use std::time::Duration;

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

/// What to run on what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RunOptions {
    /// Object or C file.
    pub(crate) file: PathBuf,
    /// Program by name, or the first.
    pub(crate) program: Option<String>,
    /// File with a kernel's types, in place of the running kernel's.
    pub(crate) btf: Option<String>,
    /// Where packets come from and go to.
    pub(crate) source: Source,
}

/// Packets at hand, or those that come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// A list.
    Packets(PacketOptions),
    /// An interface.
    Interface(LiveOptions),
}

/// A run on packets at hand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PacketOptions {
    /// Packets.
    pub(crate) input: Input,
    /// Runs of each packet.
    pub(crate) repeat: u32,
    /// Engine.
    pub(crate) engine: Engine,
}

/// A run on an interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LiveOptions {
    /// Its name.
    pub(crate) interface: String,
    /// The way between it and the program; `None`: the first that works.
    pub(crate) via: Option<Via>,
    /// Time after which it ends by itself.
    pub(crate) time: Option<Duration>,
}

/// The rows of options; help derives from them.
pub(crate) fn clap_command() -> Command {
    Command::new("skep run")
        .about("Load an XDP program into a machine of its own and run it on packets, at hand or of an interface")
        .override_usage("skep run [OPTIONS] <FILE> [dev IFACE]")
        .disable_version_flag(true)
        .args([
            Arg::new("file").required(true).value_name("FILE").value_parser(value_parser!(PathBuf))
                .help("Object file (hello.bpf.o), or C source (hello.bpf.c) to compile with clang first"),
            Arg::new("prog").value_name("NAME").long("prog").help("Program to run [default: the first]"),
            Arg::new("btf").value_name("FILE").long("btf")
                .help("Types of the kernel that the program is for [default: the running kernel's]"),
            Arg::new("place").num_args(0..=2).value_names(["dev", "IFACE"])
                .help("Attach to this interface until interrupted, instead of running on packets at hand"),
            Arg::new("dev").value_name("IFACE").long("dev").conflicts_with("place").help("The same as an option"),
            via_arg(),
            Arg::new("for").value_name("SECONDS").long("for").value_parser(seconds)
                .help("Detach from the interface after this time"),
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
    let Some(matches) = matches(session, clap_command(), words)? else {
        return Ok(None);
    };
    let mut options = options(&matches)?;
    if let Source::Interface(live) = &mut options.source {
        live.via = live.via.or(session.options.via);
    }
    Ok(Some(options))
}

fn options(matches: &ArgMatches) -> Outcome<RunOptions> {
    let source = match interface(matches)? {
        Some(interface) => Source::Interface(live_options(matches, interface)?),
        None => Source::Packets(packet_options(matches)?),
    };
    Ok(RunOptions {
        file: path(matches, "file").ok_or(Failure::Usage)?,
        program: matches.get_one::<String>("prog").cloned(),
        btf: matches.get_one::<String>("btf").cloned(),
        source,
    })
}

fn path(matches: &ArgMatches, name: &str) -> Option<PathBuf> {
    matches.get_one::<PathBuf>(name).cloned()
}

/// The first of these options that was given.
fn given<'a>(matches: &ArgMatches, options: &[&'a str]) -> Option<&'a str> {
    let given = |option: &&str| matches.value_source(option) == Some(ValueSource::CommandLine);
    options.iter().copied().find(given)
}

/// `dev IFACE` or `--dev IFACE`.
fn interface(matches: &ArgMatches) -> Outcome<Option<String>> {
    let mut words = matches.get_many::<String>("place").unwrap_or_default();
    match (words.next(), words.next()) {
        (None, _) => Ok(matches.get_one::<String>("dev").cloned()),
        (Some(dev), Some(name)) if "dev".starts_with(dev.as_str()) => Ok(Some(name.clone())),
        (Some(dev), None) if "dev".starts_with(dev.as_str()) => Err(Failure::message(format!(
            "'{dev}' needs at least 1 arguments, 0 found"
        ))),
        (Some(got), _) => Err(Failure::message(format!("expected 'dev', got: '{got}'?"))),
    }
}

fn live_options(matches: &ArgMatches, interface: String) -> Outcome<LiveOptions> {
    if let Some(option) = given(matches, &["packet", "pcap", "pcap-out", "repeat", "engine"]) {
        return Err(Failure::message(format!(
            "--{option} is for packets at hand, not for those of an interface"
        )));
    }
    Ok(LiveOptions {
        interface,
        via: via(matches),
        time: matches.get_one::<Duration>("for").copied(),
    })
}

fn packet_options(matches: &ArgMatches) -> Outcome<PacketOptions> {
    if let Some(option) = given(matches, &["via", "for"]) {
        return Err(Failure::message(format!(
            "--{option} needs an interface: dev IFACE"
        )));
    }
    let packets = matches
        .get_many::<String>("packet")
        .map(|packets| packets.map(|hex| packet(hex)).collect::<Outcome<_>>());
    let input = match (path(matches, "pcap"), packets.transpose()?) {
        (Some(path_in), _) => Input::Capture {
            path: path_in,
            out: path(matches, "pcap-out"),
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
    Ok(PacketOptions {
        input,
        repeat: matches.get_one::<u32>("repeat").copied().unwrap_or(1),
        engine,
    })
}

/// A time that is more than none.
fn seconds(text: &str) -> Result<Duration, String> {
    let time = text.parse().ok().map(Duration::try_from_secs_f64);
    match time {
        Some(Ok(time)) if !time.is_zero() => Ok(time),
        Some(Ok(_) | Err(_)) | None => Err("not a number of seconds above 0".to_owned()),
    }
}

/// Reads the words of a command that reads its own options, and its choice of JSON; `None` if help was asked for and shown.
pub(crate) fn matches(
    session: &mut Session,
    command: Command,
    words: &[String],
) -> Outcome<Option<ArgMatches>> {
    use clap::error::ErrorKind;
    let matches = match command.no_binary_name(true).try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            write!(session.out.results(), "{error}")?;
            return Ok(None);
        }
        Err(error) => return Err(Failure::message(one_line(&error))),
    };
    if matches.get_flag("pretty") {
        session.out.set_format(Format::Pretty);
    } else if matches.get_flag("json") {
        session.out.set_format(Format::Json);
    }
    Ok(Some(matches))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;

    fn parsed(words: &str) -> Outcome<RunOptions> {
        let words = words.split(' ');
        let matches = clap_command()
            .no_binary_name(true)
            .try_get_matches_from(words);
        options(&matches.map_err(|error| Failure::message(one_line(&error)))?)
    }

    fn refusal(words: &str) -> String {
        match parsed(words) {
            Err(Failure::Message { text, .. }) => text,
            other => panic!("{words}: {other:?}"),
        }
    }

    #[test]
    fn an_interface_in_two_forms() {
        let live = |via, time| {
            Source::Interface(LiveOptions {
                interface: "eth0".to_owned(),
                via,
                time,
            })
        };
        let tenth = Some(Duration::from_millis(100));
        for (words, wanted) in [
            ("x.o dev eth0", live(None, None)),
            ("x.o --dev eth0", live(None, None)),
            ("--dev eth0 x.o", live(None, None)),
            ("x.o d eth0 --via tun", live(Some(Via::Tun), None)),
            ("--for 0.1 --prog p x.o dev eth0", live(None, tenth)),
        ] {
            assert_eq!(parsed(words).unwrap().source, wanted, "{words}");
        }
        let plain = parsed("x.o --packet 00").unwrap();
        assert!(matches!(plain.source, Source::Packets(_)));
    }

    #[test]
    fn what_does_not_go_together() {
        for (words, wanted) in [
            ("x.o dev", "'dev' needs at least 1 arguments, 0 found"),
            ("x.o eth0", "expected 'dev', got: 'eth0'?"),
            (
                "x.o dev eth0 --repeat 2",
                "--repeat is for packets at hand, not for those of an interface",
            ),
            ("x.o --via tun", "--via needs an interface: dev IFACE"),
            ("x.o --for 1", "--for needs an interface: dev IFACE"),
            (
                "x.o dev eth0 --for 0",
                "invalid value '0' for '--for <SECONDS>': not a number of seconds above 0",
            ),
        ] {
            assert_eq!(refusal(words), wanted);
        }
        assert!(refusal("x.o dev a --dev b").contains("cannot be used with"));
        assert!(refusal("x.o dev a b").contains("unexpected"));
    }
}
