//! The words and options of `skep verify`.

use crate::app::Session;
use crate::failure::{Failure, Outcome};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use skep_loader::ProgKind;

/// What to verify.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct VerifyWords {
    /// Object files.
    pub(super) files: Vec<String>,
    /// Program by name, or all that the object loads by itself.
    pub(super) program: Option<String>,
    /// Type to verify them as, in place of what their sections say.
    pub(super) kind: Option<ProgKind>,
    /// File with a kernel's types, in place of the running kernel's.
    pub(super) btf: Option<String>,
    /// Level of the verifier's log that is shown.
    pub(super) log: u32,
    /// Whether a table of figures follows.
    pub(super) figures: Figures,
    /// Results of an older run.
    pub(super) compare: Option<String>,
}

/// Whether figures are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Figures {
    /// They are.
    Shown,
    /// They are not.
    Hidden,
}

/// The rows of options; help derives from them.
fn clap_command() -> Command {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .action(ArgAction::SetTrue)
            .help(help)
    };
    Command::new("skep verify")
        .about("Verify the programs of object files, and say why those that are rejected are")
        .override_usage("skep verify [OPTIONS] FILE... [prog NAME] [type TYPE]")
        .after_help(
            "Exit code: 0 all accepted, 1 one rejected, 2 no verdict on one (the file or what it needs cannot be had).\n\
             With --compare: 1 if a program was accepted in the older run and no longer is.",
        )
        .disable_version_flag(true)
        .args([
            Arg::new("words")
                .required(true)
                .num_args(1..)
                .value_name("FILE... [prog NAME] [type TYPE]")
                .help("Object files, a program's name [default: all], a type as in 'prog load'"),
            Arg::new("btf").long("btf").value_name("FILE")
                .help("Types of the kernel that the programs are for [default: the running kernel's]"),
            Arg::new("log").long("log").value_name("LEVEL").default_value("0")
                .value_parser(value_parser!(u32).range(0..8))
                .help("Show the verifier's log as Linux has it: 1 failing path, 2 all paths, 4 figures, or a sum"),
            flag("stats", "Show the figures of each verification"),
            Arg::new("compare").long("compare").value_name("OLD.json")
                .help("Show what differs from an older run's --json results"),
            flag("json", "Results as JSON").short('j'),
            flag("pretty", "Results as indented JSON").short('p'),
        ])
}

/// Reads the words behind `verify`; `None` if help was asked for and shown.
pub(super) fn parse(session: &mut Session, words: &[String]) -> Outcome<Option<VerifyWords>> {
    let matches = crate::run::matches(session, clap_command(), words)?;
    matches.as_ref().map(read).transpose()
}

fn read(matches: &ArgMatches) -> Outcome<VerifyWords> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let mut words = VerifyWords {
        files: Vec::new(),
        program: None,
        kind: None,
        btf: text("btf"),
        log: matches.get_one::<u32>("log").copied().unwrap_or(0),
        figures: match matches.get_flag("stats") {
            true => Figures::Shown,
            false => Figures::Hidden,
        },
        compare: text("compare"),
    };
    let mut rest = matches.get_many::<String>("words").unwrap_or_default();
    while let Some(word) = rest.next() {
        let mut value = || {
            let missing =
                || Failure::message(format!("'{word}' needs at least 1 arguments, 0 found"));
            rest.next().ok_or_else(missing)
        };
        match word.as_str() {
            "prog" => words.program = Some(value()?.clone()),
            "type" => words.kind = Some(crate::prog::load::kind(value()?)?),
            file => words.files.push(file.to_owned()),
        }
    }
    match words.files.is_empty() {
        true => Err(Failure::message("no FILE to verify")),
        false => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn words(line: &str) -> Outcome<VerifyWords> {
        let matches = clap_command()
            .no_binary_name(true)
            .try_get_matches_from(line.split(' '))
            .unwrap();
        read(&matches)
    }

    #[test]
    fn keywords_stand_among_files() {
        let words = words("a.o b.o prog main --log 5 --stats").unwrap();
        assert_eq!(words.files, ["a.o", "b.o"]);
        assert_eq!(words.program.as_deref(), Some("main"));
        assert_eq!((words.log, words.figures), (5, Figures::Shown));
    }

    #[test]
    fn what_is_missing_is_said() {
        let text = |line| match words(line) {
            Err(Failure::Message { text, .. }) => text,
            other => format!("{other:?}"),
        };
        assert_eq!(
            text("a.o prog"),
            "'prog' needs at least 1 arguments, 0 found"
        );
        assert_eq!(text("prog x"), "no FILE to verify");
        assert_eq!(
            text("a.o type nonsense"),
            "'nonsense' is not a program type"
        );
    }
}
