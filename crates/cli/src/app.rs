//! One run of the tool: options, the connection that commands share, dispatch, errors.
//!
//! A command sees a [`Session`]. It reaches programs and maps only through the `dyn Bpf` that [`Session::bpf`] or
//! [`Session::lasting_bpf`] opens on first use, so that `skep help` connects to nothing and the same command runs on the
//! daemon, on Linux and on a fake.

use crate::args::Args;
use crate::connect::{self, Connection};
use crate::failure::{EXIT_ERROR, EXIT_PIPE, Failure, Outcome};
use crate::output::{Format, Out};
use crate::table::{self, Commands, Object};
use skep_uapi::{Bpf, Via};
use std::io;
use std::sync::Arc;

/// Which BPF the commands speak to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Target {
    /// skep's own machine, in the user's daemon.
    #[default]
    Daemon,
    /// Linux's bpf(2).
    Kernel,
}

/// The global options.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Options {
    /// Form of results.
    pub(crate) format: Format,
    /// Which BPF.
    pub(crate) target: Target,
    /// `-d`: print the verifier's log.
    pub(crate) debug: bool,
    /// `-f`: show pinned paths.
    pub(crate) show_pins: bool,
    /// `-B`: BTF that split BTF builds upon.
    pub(crate) base_btf: Option<String>,
    /// `--btf`: types of the kernel that programs are for.
    pub(crate) btf: Option<String>,
    /// `--via`: the way between an interface and a program.
    pub(crate) via: Option<Via>,
}

/// What a command works with.
pub(crate) struct Session {
    /// Global options.
    pub(crate) options: Options,
    /// Sinks.
    pub(crate) out: Out,
    /// Nesting of `batch` files.
    pub(crate) batch_depth: u32,
    connection: Option<Connection>,
}

impl Session {
    /// A session that has not connected yet.
    pub(crate) fn new(options: Options, out: Out) -> Self {
        Self {
            options,
            out,
            batch_depth: 0,
            connection: None,
        }
    }

    /// A session on a given implementation.
    #[cfg(test)]
    pub(crate) fn on(bpf: Arc<dyn Bpf>, options: Options, out: Out) -> Self {
        Self {
            options,
            out,
            batch_depth: 0,
            connection: Some(Connection::Direct(bpf)),
        }
    }

    /// The implementation that commands go to; if that is a daemon and none runs, an empty machine in its place.
    pub(crate) fn bpf(&mut self) -> Outcome<Arc<dyn Bpf>> {
        if self.connection.is_none() {
            self.connection = connect::existing(self.options.target)?;
        }
        Ok(self
            .connection
            .as_ref()
            .map_or_else(connect::empty_machine, Connection::bpf))
    }

    /// The implementation that commands go to, for one whose effect is to outlast it: the daemon is started if need be.
    pub(crate) fn lasting_bpf(&mut self) -> Outcome<Arc<dyn Bpf>> {
        if self.connection.is_none() {
            self.connection = Some(connect::start(self.options.target)?);
        }
        self.bpf()
    }

    /// What to say of a failed command: that the connection broke, if it did.
    fn explain(&self, text: String) -> String {
        self.connection
            .as_ref()
            .and_then(Connection::failure)
            .unwrap_or(text)
    }
}

/// Runs one command line (without program name and options) and gives the exit code, errors shown.
pub(crate) fn run(session: &mut Session, words: Vec<String>) -> Result<u8, io::Error> {
    match dispatch(session, words) {
        Ok(()) => Ok(0),
        Err(Failure::Output(error)) => Err(error),
        Err(Failure::Silent { code }) => Ok(code),
        Err(Failure::Message { text, code }) => {
            let text = session.explain(text);
            show(session.out.error(&text), code)
        }
        // `dispatch` shows the usage itself, because it knows the object.
        Err(Failure::Usage) => Ok(EXIT_ERROR),
    }
}

fn show(shown: Outcome, code: u8) -> Result<u8, io::Error> {
    match shown {
        Err(Failure::Output(error)) => Err(error),
        Ok(()) | Err(Failure::Usage | Failure::Message { .. } | Failure::Silent { .. }) => Ok(code),
    }
}

/// Finds the object and the command and runs it.
fn dispatch(session: &mut Session, words: Vec<String>) -> Outcome {
    if let (Target::Kernel, Some(via)) = (session.options.target, session.options.via) {
        return Err(Failure::message(format!(
            "--via {via} is a way of skep's own; with --kernel Linux takes its own"
        )));
    }
    let mut args = Args::new(words);
    let Some(object) = table::object(&mut args) else {
        let outcome = if args.is_empty() {
            Ok(())
        } else {
            Err(Failure::Usage)
        };
        table::main_help(session)?;
        return outcome;
    };
    match object.commands {
        Commands::Own(run) => run(session, &mut args),
        Commands::Keywords(rows) => {
            let Some(row) = table::command(rows, &mut args) else {
                table::object_help(session, object)?;
                return Err(Failure::Usage);
            };
            usage_on_failure(session, object, |session| (row.run)(session, &mut args))
        }
    }
}

fn usage_on_failure(
    session: &mut Session,
    object: &Object,
    run: impl FnOnce(&mut Session) -> Outcome,
) -> Outcome {
    let outcome = run(session);
    if let Err(Failure::Usage) = outcome {
        table::object_help(session, object)?;
    }
    outcome
}

/// The exit code of a process whose output failed: quiet if the reader is gone, with a line on `errors` if the results found no
/// room.
pub(crate) fn output_failed(error: &io::Error, errors: &mut dyn io::Write) -> u8 {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return EXIT_PIPE;
    }
    let text = crate::batch::system_text(error);
    // Where this cannot be written either, the exit code alone tells.
    let _ = writeln!(errors, "Error: cannot write the results: {text}");
    EXIT_ERROR
}
