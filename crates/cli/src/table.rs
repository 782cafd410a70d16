//! The commands as rows: name, handler, usage line. Dispatch, help and the man page derive from them.
//!
//! An abbreviated word means the first row that it begins, so the order of rows matters; skep's own objects come after
//! bpftool's, so that no abbreviation of bpftool's changes its meaning. An object without a word means its first row.

use crate::app::Session;
use crate::args::Args;
use crate::failure::Outcome;
use crate::{batch, btf, daemon, link, map, net, objdump, pin, prog, run, verify, version};
use std::fmt::Write as _;

/// Carries a command out; its words come in the cursor.
pub(crate) type Handler = fn(&mut Session, &mut Args) -> Outcome;

/// One command of an object.
pub(crate) struct Command {
    /// Keyword.
    pub(crate) name: &'static str,
    /// Implementation.
    pub(crate) run: Handler,
    /// What follows `skep OBJECT` in the usage, lines separated by newline; empty if an earlier row speaks for this one
    /// or it is not for people.
    usage: &'static str,
}

/// How an object reads its arguments.
pub(crate) enum Commands {
    /// Keywords of the table; global options may stand anywhere.
    Keywords(&'static [Command]),
    /// All words behind the object, options included, go to one function.
    Own(Handler),
}

/// One object.
pub(crate) struct Object {
    /// Keyword.
    pub(crate) name: &'static str,
    /// What can be done with it.
    pub(crate) commands: Commands,
    /// Usage of an object that reads its own arguments.
    usage: &'static str,
    /// Definitions of the words in capitals, one a line.
    terms: &'static [&'static str],
    /// Options beyond `-j`, `-p` and `-d`.
    options: &'static [&'static str],
}

const PROG: &str = "PROG := { id PROG_ID | pinned FILE | tag PROG_TAG | name PROG_NAME }";
const MAP: &str = "MAP := { id MAP_ID | pinned FILE | name MAP_NAME }";

const fn row(name: &'static str, run: Handler, usage: &'static str) -> Command {
    Command { name, run, usage }
}

/// All objects in order of precedence.
pub(crate) const OBJECTS: &[Object] = &[
    own("help", help, ""),
    own("batch", batch::run, "batch file FILE"),
    Object {
        name: "prog",
        commands: Commands::Keywords(&[
            row("show", prog::show::run, "{ show | list } [PROG]"),
            row("list", prog::show::run, ""),
            row("help", prog_help, ""),
            row(
                "dump",
                prog::dump::run,
                "dump xlated PROG [{ file FILE | [opcodes] [linum] [visual] }]\n\
                 dump jited  PROG [{ file FILE | [opcodes] [linum] [arch { aarch64 | x86_64 }] }]",
            ),
            row("pin", prog::pin::run, "pin   PROG FILE"),
            row(
                "load",
                prog::load::load,
                "{ load | loadall } OBJ  PATH \\\n    [type TYPE] [map { idx IDX | name NAME } MAP]... \\\n    [pinmaps MAP_DIR]",
            ),
            row("loadall", prog::load::load_all, ""),
            row("tracelog", prog::tracelog::run, "tracelog"),
            row(
                "run",
                prog::run::run,
                "run PROG \\\n    data_in FILE \\\n    [data_out FILE [data_size_out L]] \\\n    \
                 [ctx_in FILE [ctx_out FILE [ctx_size_out M]]] \\\n    [repeat N]",
            ),
        ]),
        usage: "",
        terms: &[
            MAP,
            PROG,
            "TYPE := { socket | kprobe | kretprobe | classifier | action | tracepoint | raw_tracepoint |",
            "          xdp | perf_event | cgroup/skb | cgroup/sock | cgroup/dev | lwt_in | lwt_out |",
            "          lwt_xmit | sockops | sk_skb | sk_msg | sk_reuseport | flow_dissector | ... }",
        ],
        options: &["{-f|--bpffs}"],
    },
    Object {
        name: "map",
        commands: Commands::Keywords(&[
            row("show", map::show::run, "{ show | list }   [MAP]"),
            row("list", map::show::run, ""),
            row("help", map_help, ""),
            row("dump", map::dump::run, "dump       MAP"),
            row(
                "update",
                map::access::update,
                "update     MAP [key DATA] [value VALUE] [UPDATE_FLAGS]",
            ),
            row("lookup", map::access::lookup, "lookup     MAP [key DATA]"),
            row("getnext", map::access::getnext, "getnext    MAP [key DATA]"),
            row("delete", map::access::delete, "delete     MAP  key DATA"),
            row("pin", map::manage::pin, "pin        MAP  FILE"),
            row(
                "create",
                map::manage::create,
                "create     FILE type TYPE key KEY_SIZE value VALUE_SIZE \\\n    \
                 entries MAX_ENTRIES name NAME [flags FLAGS] \\\n    [inner_map MAP]",
            ),
            row("peek", map::access::peek, "peek       MAP"),
            row(
                "push",
                map::access::push,
                "{ push | enqueue } MAP value VALUE",
            ),
            row("enqueue", map::access::push, ""),
            row("pop", map::access::pop, "{ pop | dequeue }  MAP"),
            row("dequeue", map::access::pop, ""),
            row("freeze", map::manage::freeze, "freeze     MAP"),
        ]),
        usage: "",
        terms: &[
            MAP,
            "DATA := { [hex] BYTES }",
            PROG,
            "VALUE := { DATA | MAP | PROG }",
            "UPDATE_FLAGS := { any | exist | noexist }",
        ],
        options: &["{-f|--bpffs}"],
    },
    Object {
        name: "link",
        commands: Commands::Keywords(&[
            row("show", link::show, "{ show | list }   [LINK]"),
            row("list", link::show, ""),
            row("help", link_help, ""),
            row("pin", link::pin, "pin        LINK  FILE"),
            row("detach", link::detach, "detach     LINK"),
        ]),
        usage: "",
        terms: &["LINK := { id LINK_ID | pinned FILE }"],
        options: &["{-f|--bpffs}"],
    },
    Object {
        name: "net",
        commands: Commands::Keywords(&[
            row("show", net::show::run, "{ show | list } [dev NAME]"),
            row("list", net::show::run, ""),
            row(
                "attach",
                net::attach::attach,
                "attach ATTACH_TYPE PROG dev NAME [overwrite]",
            ),
            row("detach", net::attach::detach, "detach ATTACH_TYPE dev NAME"),
            row("help", net_help, ""),
            row(
                "dev",
                net::device::run,
                "dev { add tap NAME [peer NAME] | delete NAME | show }",
            ),
            row("repair", net::repair::run, "repair"),
        ]),
        usage: "",
        terms: &[
            PROG,
            "ATTACH_TYPE := { xdp | xdpgeneric | xdpdrv | xdpoffload }",
            "WAY := { packet | tun | afxdp | tap }",
        ],
        options: &["{--via} WAY"],
    },
    Object {
        name: "btf",
        commands: Commands::Keywords(&[
            row("show", btf::show, "{ show | list } [id BTF_ID]"),
            row("list", btf::show, ""),
            row("help", btf_help, ""),
            row(
                "dump",
                btf::dump,
                "dump BTF_SRC [format FORMAT] [root_id ROOT_ID]...",
            ),
        ]),
        usage: "",
        terms: &[
            "BTF_SRC := { id BTF_ID | prog PROG | map MAP [{key | value | kv | all}] | file FILE }",
            "FORMAT  := { raw | c [unsorted] }",
            MAP,
            PROG,
        ],
        options: &[],
    },
    own("version", version::run, "version"),
    own("run", run::run, "run ..."),
    own(
        "verify",
        verify::run,
        "verify FILE... [prog NAME] [type TYPE] [--btf FILE] [--log LEVEL] [--json] [--stats] [--compare OLD.json]",
    ),
    Object {
        name: "daemon",
        commands: Commands::Keywords(&[
            row("status", daemon::status, "status"),
            row("list", daemon::list, "list"),
            row("stop", daemon::stop, "stop"),
            row("run", daemon::run, "run [detached] [idle SECONDS]"),
            row("guard", daemon::guard, ""),
            row("help", daemon_help, ""),
        ]),
        usage: "",
        terms: &[
            "The first command that needs a daemon starts it; it ends by itself when nothing is pinned or attached",
            "and nobody has been connected for SECONDS (60; 0 for ever). 'status' exits with 3 if none runs.",
            "'detached' logs to a file beside the socket and gives way to a daemon that runs already.",
        ],
        options: &[],
    },
    Object {
        name: "pin",
        commands: Commands::Keywords(&[
            row("show", pin::list, "{ show | list } [PREFIX]"),
            row("list", pin::list, ""),
            row("help", pin_help, ""),
            row("rm", pin::remove, "rm PATH..."),
        ]),
        usage: "",
        terms: &[],
        options: &[],
    },
    own(
        "objdump",
        objdump::run,
        "objdump [-S] [-d] [--no-show-raw-insn] [--dwarf] FILE...",
    ),
];

const fn own(name: &'static str, run: Handler, usage: &'static str) -> Object {
    Object {
        name,
        commands: Commands::Own(run),
        usage,
        terms: &[],
        options: &[],
    }
}

/// Takes the object's word; `None` if there is none or no object begins so.
pub(crate) fn object(args: &mut Args) -> Option<&'static Object> {
    args.peek()?;
    OBJECTS.iter().find(|object| args.take(object.name))
}

/// Takes the command's word; without a word it is the first row.
pub(crate) fn command(rows: &'static [Command], args: &mut Args) -> Option<&'static Command> {
    if args.is_empty() {
        return rows.first();
    }
    rows.iter().find(|row| args.take(row.name))
}

/// Whether `word` selects an object that reads its options itself.
pub(crate) fn reads_own_options(word: &str) -> bool {
    let found = OBJECTS.iter().find(|object| object.name.starts_with(word));
    let keeps_global = ["help", "batch", "version"];
    found.is_some_and(|object| {
        matches!(object.commands, Commands::Own(_)) && !keeps_global.contains(&object.name)
    })
}

/// Shows the tool's usage on standard error, or `null` in JSON.
pub(crate) fn main_help(session: &mut Session) -> Outcome {
    if session.out.is_json() {
        session.out.nothing();
        return Ok(());
    }
    write!(session.out.errors(), "{}", main_usage())?;
    Ok(())
}

/// Shows an object's usage on standard error, or `null` in JSON.
pub(crate) fn object_help(session: &mut Session, object: &Object) -> Outcome {
    if session.out.is_json() {
        session.out.nothing();
        return Ok(());
    }
    write!(session.out.errors(), "{}", object_usage(object))?;
    Ok(())
}

fn main_usage() -> String {
    let listed = OBJECTS
        .iter()
        .map(|object| object.name)
        .filter(|name| !["help", "batch", "version"].contains(name));
    let names = listed.collect::<Vec<_>>().join(" | ");
    format!(
        "Usage: skep [OPTIONS] OBJECT {{ COMMAND | help }}\n       skep batch file FILE\n       skep version\n\n       \
         OBJECT := {{ {names} }}\n       {}",
        options_text(&["{-V|--version}", "{--kernel}"])
    )
}

fn options_text(more: &[&str]) -> String {
    let mut text = "OPTIONS := { {-j|--json} [{-p|--pretty}] | {-d|--debug} |\n".to_owned();
    // Writing to a string does not fail.
    let _ = writeln!(text, "{:20}{} }}", "", more.join(" | "));
    text
}

fn object_usage(object: &Object) -> String {
    let mut text = String::new();
    let mut lead = "Usage:";
    let mut line = |usage: &str| {
        for part in usage.split('\n') {
            // A continued line is indented; any other starts a command of its own.
            let start = match part.strip_prefix(' ') {
                Some(_) => " ".repeat(10),
                None => format!("skep {} ", object.name),
            };
            let _ = writeln!(text, "{lead:6} {start}{part}");
            lead = "";
        }
    };
    match object.commands {
        Commands::Own(_) => line(object.usage.trim_start_matches(object.name).trim_start()),
        Commands::Keywords(rows) => {
            rows.iter()
                .filter(|row| !row.usage.is_empty())
                .for_each(|row| line(row.usage));
            line("help");
        }
    }
    text.push('\n');
    for term in object.terms {
        let _ = writeln!(text, "       {term}");
    }
    let more: Vec<&str> = object
        .options
        .iter()
        .copied()
        .chain(["{--kernel}"])
        .collect();
    let _ = write!(text, "       {}", options_text(&more));
    text
}

fn help(session: &mut Session, _args: &mut Args) -> Outcome {
    main_help(session)
}

/// Shows the usage of the object called `name`.
pub(crate) fn help_of(session: &mut Session, name: &str) -> Outcome {
    match OBJECTS.iter().find(|object| object.name == name) {
        Some(object) => object_help(session, object),
        None => main_help(session),
    }
}

fn prog_help(session: &mut Session, _args: &mut Args) -> Outcome {
    help_of(session, "prog")
}

fn map_help(session: &mut Session, _args: &mut Args) -> Outcome {
    help_of(session, "map")
}

fn link_help(session: &mut Session, _args: &mut Args) -> Outcome {
    help_of(session, "link")
}

fn net_help(session: &mut Session, _args: &mut Args) -> Outcome {
    help_of(session, "net")
}

fn btf_help(session: &mut Session, _args: &mut Args) -> Outcome {
    help_of(session, "btf")
}

fn daemon_help(session: &mut Session, _args: &mut Args) -> Outcome {
    help_of(session, "daemon")
}

fn pin_help(session: &mut Session, _args: &mut Args) -> Outcome {
    help_of(session, "pin")
}
