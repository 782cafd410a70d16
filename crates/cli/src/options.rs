//! The command line's options.
//!
//! Global options may stand anywhere among the keywords, as with bpftool. An object that reads its own options (`skep
//! objdump -S`) gets every word behind it; global options then stand before it.

use crate::app::{Options, Target};
use crate::output::Format;
use crate::table;
use clap::{Arg, ArgAction, ArgMatches, Command};
use skep_uapi::Via;

/// What the options ask for before any object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Request {
    /// Carry out the words.
    Run,
    /// `-h`.
    Help,
    /// `-V`.
    Version,
}

/// A parsed command line.
#[derive(Debug)]
pub(crate) struct CommandLine {
    /// Global options.
    pub(crate) options: Options,
    /// What to do.
    pub(crate) request: Request,
    /// Words that are no global options.
    pub(crate) words: Vec<String>,
}

/// An option that nobody knows, or one without its value.
#[derive(Debug)]
pub(crate) struct OptionError {
    /// The error line.
    pub(crate) text: String,
    /// The form that was asked for as far as was read.
    pub(crate) options: Options,
}

/// The rows of global options; help and man page derive from them.
pub(crate) fn clap_command() -> Command {
    let flag = |name: &'static str, short: char, help: &'static str| {
        Arg::new(name)
            .long(name)
            .short(short)
            .action(ArgAction::SetTrue)
            .help(help)
    };
    Command::new("skep")
        .disable_help_flag(true)
        .disable_version_flag(true)
        .infer_long_args(true)
        .args_override_self(true)
        .args([
            flag("help", 'h', "Print the usage"),
            // `--v` was unambiguous before `--via` came, and is in bpftool.
            flag("version", 'V', "Print the version").alias("v"),
            flag("json", 'j', "Results as JSON"),
            flag("pretty", 'p', "Results as indented JSON"),
            flag("debug", 'd', "Print the verifier's log"),
            flag("bpffs", 'f', "Show pinned paths"),
            flag(
                "mapcompat",
                'm',
                "Accepted; object files need no compatibility mode",
            ),
            flag("nomount", 'n', "Accepted; skep mounts nothing"),
            flag("use-loader", 'L', "Accepted; there is no loader program"),
            flag("legacy", 'l', "Accepted; the default already"),
            Arg::new("base-btf")
                .long("base-btf")
                .short('B')
                .num_args(1)
                .help("BTF that split BTF builds upon"),
            via_arg(),
            Arg::new("btf")
                .long("btf")
                .num_args(1)
                .value_name("FILE")
                .help("Types of the kernel that loaded programs are for"),
            Arg::new("kernel")
                .long("kernel")
                .action(ArgAction::SetTrue)
                .help("Use Linux's own bpf(2)"),
            Arg::new("words").num_args(0..).action(ArgAction::Append),
        ])
}

/// `--via`, among the global options and among those of `skep run`.
pub(crate) fn via_arg() -> Arg {
    Arg::new("via")
        .long("via")
        .value_name("WAY")
        .value_parser(Via::ALL.map(Via::name))
        .help("The way from an interface to the program and back [default: the first that works]")
}

/// What `--via` says.
pub(crate) fn via(matches: &ArgMatches) -> Option<Via> {
    let name = matches.get_one::<String>("via")?;
    Via::ALL.into_iter().find(|via| via.name() == name)
}

/// Reads the arguments behind the program's name.
pub(crate) fn parse(arguments: Vec<String>) -> Result<CommandLine, OptionError> {
    let (global, own) = split_at_own_object(arguments);
    let matches = match clap_command()
        .no_binary_name(true)
        .try_get_matches_from(&global)
    {
        Ok(matches) => matches,
        Err(error) => return Err(refuse(&global, &error)),
    };
    let mut words: Vec<String> = matches
        .get_many("words")
        .unwrap_or_default()
        .cloned()
        .collect();
    words.extend(own);
    let request = if matches.get_flag("help") {
        Request::Help
    } else if matches.get_flag("version") {
        Request::Version
    } else {
        Request::Run
    };
    Ok(CommandLine {
        options: options(&matches),
        request,
        words,
    })
}

fn options(matches: &ArgMatches) -> Options {
    let format = if matches.get_flag("pretty") {
        Format::Pretty
    } else if matches.get_flag("json") {
        Format::Json
    } else {
        Format::Text
    };
    Options {
        format,
        target: if matches.get_flag("kernel") {
            Target::Kernel
        } else {
            Target::Daemon
        },
        debug: matches.get_flag("debug"),
        show_pins: matches.get_flag("bpffs"),
        base_btf: matches.get_one::<String>("base-btf").cloned(),
        btf: matches.get_one::<String>("btf").cloned(),
        via: via(matches),
    }
}

/// Cuts the words at the first one if that is an object with options of its own.
fn split_at_own_object(arguments: Vec<String>) -> (Vec<String>, Vec<String>) {
    let mut takes_value = false;
    let first = arguments.iter().position(|argument| {
        let is_value = std::mem::replace(
            &mut takes_value,
            matches!(argument.as_str(), "-B" | "--base-btf" | "--btf" | "--via"),
        );
        !is_value && !argument.starts_with('-')
    });
    match first {
        Some(at)
            if arguments
                .get(at)
                .is_some_and(|word| table::reads_own_options(word)) =>
        {
            let mut global = arguments;
            let own = global.split_off(at);
            (global, own)
        }
        Some(_) | None => (arguments, Vec::new()),
    }
}

fn refuse(arguments: &[String], error: &clap::Error) -> OptionError {
    let text = invalid_value(error).unwrap_or_else(|| unknown_option(error));
    // bpftool knows the form only if its option came first; so do we.
    let json = arguments
        .first()
        .is_some_and(|first| first == "-j" || first == "--json");
    let format = if json { Format::Json } else { Format::Text };
    OptionError {
        text,
        options: Options {
            format,
            ..Options::default()
        },
    }
}

/// The option that nobody knows, or clap's first line.
fn unknown_option(error: &clap::Error) -> String {
    match error.get(clap::error::ContextKind::InvalidArg) {
        Some(clap::error::ContextValue::String(option)) => {
            format!(
                "unrecognized option '{}'",
                option.split(['=', ' ']).next().unwrap_or_default()
            )
        }
        Some(_) | None => error
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("error: ")
            .to_owned(),
    }
}

/// What is wrong with an option's value, if it is that. An option without its value is unrecognized, as in bpftool.
fn invalid_value(error: &clap::Error) -> Option<String> {
    use clap::error::{ContextKind, ContextValue};
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        Some(_) | None => None,
    };
    let option = text(ContextKind::InvalidArg)?;
    let value = text(ContextKind::InvalidValue).filter(|value| !value.is_empty())?;
    let valid = text(ContextKind::ValidValue)?;
    let option = option.split(['=', ' ']).next()?;
    Some(format!(
        "invalid value '{value}' for '{option}', which is one of: {valid}"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn line(text: &str) -> CommandLine {
        parse(text.split(' ').map(str::to_owned).collect()).unwrap()
    }

    #[test]
    fn options_stand_anywhere() {
        let line = line("prog show -j name hello --kernel");
        assert_eq!(line.words, ["prog", "show", "name", "hello"]);
        assert_eq!(line.options.format, Format::Json);
        assert_eq!(line.options.target, Target::Kernel);
    }

    #[test]
    fn the_way_is_a_word_of_its_own() {
        let via = |text| line(text).options.via;
        assert_eq!(via("net attach --via tun xdp"), Some(Via::Tun));
        assert_eq!(via("--via=packet run x.o"), Some(Via::Packet));
        let run = line("--via afxdp run x.o --via tap");
        assert_eq!(run.options.via, Some(Via::AfXdp));
        assert_eq!(run.words, ["run", "x.o", "--via", "tap"]);
        assert_eq!(line("--v").request, Request::Version);
        let error = parse(vec!["--via".to_owned(), "air".to_owned()]).unwrap_err();
        assert_eq!(
            error.text,
            "invalid value 'air' for '--via', which is one of: tap, packet, tun, afxdp"
        );
    }

    #[test]
    fn own_objects_keep_their_options() {
        let line = line("-p objdump -S -d a.o --no-show-raw-insn");
        assert_eq!(
            line.words,
            ["objdump", "-S", "-d", "a.o", "--no-show-raw-insn"]
        );
        assert_eq!(line.options.format, Format::Pretty);
    }

    #[test]
    fn unknown_options_are_named() {
        assert_eq!(
            parse(vec!["--foo".to_owned()]).unwrap_err().text,
            "unrecognized option '--foo'"
        );
    }
}
