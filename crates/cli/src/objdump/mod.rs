//! `skep objdump`: an object file's code with its source, in the lines of `llvm-objdump` (LLVM 19).
//!
//! `-S` puts the source lines between the instructions. They come from BTF.ext, which holds their text, so that the
//! source files need not be there; `--dwarf` takes the DWARF records and reads the files, as `llvm-objdump` does.
//!
//! `elf` reads the container, `source` and `dwarf` find lines, `listing` prints. Needs neither kernel nor daemon.

mod dwarf;
mod elf;
mod listing;
pub(crate) mod sections;
mod source;

pub(crate) use source::DwarfLines;

use crate::app::Session;
use crate::args::Args;
use crate::batch::system_text;
use crate::failure::{EXIT_ERROR, Failure, Outcome};
use crate::output::{Format, escape};
use clap::{Arg, ArgAction, Command};
use elf::ObjectFile;
use listing::Listing;
use source::Source;

/// Exit code of an unreadable file, as `llvm-objdump`'s.
const EXIT_UNREADABLE: u8 = 1;

/// What to show.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Request {
    source: Wanted,
    raw: Raw,
    files: Vec<String>,
    json: Option<Format>,
}

/// Where source lines come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wanted {
    Nothing,
    Btf,
    Dwarf,
}

/// Whether the bytes of instructions are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Raw {
    Shown,
    Hidden,
}

/// The rows of options.
fn clap_command() -> Command {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .action(ArgAction::SetTrue)
            .help(help)
    };
    Command::new("objdump")
        .disable_help_flag(true)
        .no_binary_name(true)
        .args_override_self(true)
        .args([
            flag("help", "Print the usage").short('h'),
            flag("disassemble", "Show instructions (the default)").short('d'),
            flag("source", "Show source lines between the instructions").short('S'),
            flag("no-show-raw-insn", "Leave the bytes of instructions out"),
            flag(
                "dwarf",
                "Source lines from DWARF and the source files instead of BTF",
            ),
            flag("json", "Results as JSON").short('j'),
            flag("pretty", "Results as indented JSON").short('p'),
            Arg::new("files").num_args(0..).action(ArgAction::Append),
        ])
}

/// Shows object files.
pub(crate) fn run(session: &mut Session, args: &mut Args) -> Outcome {
    let Some(request) = parse(session, args)? else {
        return crate::table::help_of(session, "objdump");
    };
    if let Some(format) = request.json {
        session.out.set_format(format);
    }
    let mut nodes = Vec::new();
    for path in &request.files {
        let listing = listing(session, &request, path)?;
        if session.out.is_json() {
            nodes.push(listing.json());
        } else {
            listing.text(request.raw, session.out.results())?;
        }
    }
    if session.out.is_json() {
        session.out.json(skep_btf::json::Node::Array(nodes));
    }
    Ok(())
}

/// `None` for a request for help.
fn parse(session: &mut Session, args: &Args) -> Outcome<Option<Request>> {
    let matches = match clap_command().try_get_matches_from(args.rest()) {
        Ok(matches) => matches,
        Err(error) => {
            let text = error.to_string();
            let text = text
                .lines()
                .next()
                .unwrap_or_default()
                .trim_start_matches("error: ");
            session.out.error(text)?;
            crate::table::help_of(session, "objdump")?;
            return Err(Failure::Silent { code: EXIT_ERROR });
        }
    };
    if matches.get_flag("help") {
        return Ok(None);
    }
    let source = match (matches.get_flag("source"), matches.get_flag("dwarf")) {
        (_, true) => Wanted::Dwarf,
        (true, false) => Wanted::Btf,
        (false, false) => Wanted::Nothing,
    };
    let json = match (matches.get_flag("json"), matches.get_flag("pretty")) {
        (_, true) => Some(Format::Pretty),
        (true, false) => Some(Format::Json),
        (false, false) => None,
    };
    let files: Vec<String> = matches
        .get_many("files")
        .unwrap_or_default()
        .cloned()
        .collect();
    if files.is_empty() {
        session.out.error("no object file given")?;
        crate::table::help_of(session, "objdump")?;
        return Err(Failure::Silent { code: EXIT_ERROR });
    }
    let raw = if matches.get_flag("no-show-raw-insn") {
        Raw::Hidden
    } else {
        Raw::Shown
    };
    Ok(Some(Request {
        source,
        raw,
        files,
        json,
    }))
}

fn listing(session: &mut Session, request: &Request, path: &str) -> Outcome<Listing> {
    let failed = |text: String| Failure::Message {
        text: format!("{path}: {}", escape(&text)),
        code: EXIT_UNREADABLE,
    };
    let bytes = std::fs::read(path).map_err(|error| failed(system_text(&error)))?;
    let file = ObjectFile::parse(&bytes).map_err(|error| failed(error.to_string()))?;
    let mut source = match request.source {
        Wanted::Nothing => Source::none(),
        Wanted::Btf => Source::from_btf(&bytes),
        Wanted::Dwarf => Source::from_dwarf(&bytes, &file).map_err(failed)?,
    };
    let listing = Listing::new(path, &file, &mut source);
    for missing in source.missing_files() {
        writeln!(
            session.out.errors(),
            "warning: '{}': failed to find source {}",
            escape(path),
            escape(missing)
        )?;
    }
    Ok(listing)
}
