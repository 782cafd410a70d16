//! Which implementation of BPF the commands reach, and who starts the daemon.
//!
//! A command whose effect must outlast it (`prog load`, `map create`), or that waits for what others will do
//! (`prog tracelog`), starts the daemon if none runs: [`start`]. All others speak to the daemon that runs
//! ([`existing`]), or else to an empty machine of their own ([`empty_machine`]): a daemon that nobody has started could
//! show nothing else, and looking should leave nothing behind.

use crate::app::Target;
use crate::failure::{Failure, Outcome};
use skep_daemon::{Launch, connect_or_start};
use skep_linux::LinuxBpf;
use skep_uapi::Bpf;
use skep_wire::{Client, Endpoint};
use std::io;
use std::sync::Arc;

/// A connection that a session keeps.
pub(crate) enum Connection {
    /// Linux itself, or a test's fake.
    Direct(Arc<dyn Bpf>),
    /// The user's daemon.
    Daemon(Arc<Client>),
}

impl Connection {
    /// What answers commands.
    pub(crate) fn bpf(&self) -> Arc<dyn Bpf> {
        match self {
            Self::Direct(bpf) => Arc::clone(bpf),
            Self::Daemon(client) => Arc::<Client>::clone(client),
        }
    }

    /// Why it no longer serves, if so: what a command says of it is then only `Broken pipe`.
    pub(crate) fn failure(&self) -> Option<String> {
        match self {
            Self::Direct(_) => None,
            Self::Daemon(client) => client.failure().map(|error| error.to_string()),
        }
    }
}

/// The implementation that the options ask for, the daemon only if it runs.
pub(crate) fn existing(target: Target) -> Outcome<Option<Connection>> {
    match target {
        Target::Kernel => Ok(Some(kernel())),
        Target::Daemon => {
            Ok(running(&endpoint()?)?.map(|client| Connection::Daemon(Arc::new(client))))
        }
    }
}

/// The implementation that the options ask for, the daemon started if need be.
pub(crate) fn start(target: Target) -> Outcome<Connection> {
    match target {
        Target::Kernel => Ok(kernel()),
        Target::Daemon => {
            let client = connect_or_start(&launch()?, &endpoint()?).map_err(failure)?;
            Ok(Connection::Daemon(Arc::new(client)))
        }
    }
}

/// What answers in place of a daemon that does not run.
pub(crate) fn empty_machine() -> Arc<dyn Bpf> {
    Arc::from(skep_daemon::empty_machine())
}

/// Where this user's daemon in these namespaces is or would be.
pub(crate) fn endpoint() -> Outcome<Endpoint> {
    Endpoint::for_current().map_err(failure)
}

/// A connection to the daemon, if one runs.
pub(crate) fn running(endpoint: &Endpoint) -> Outcome<Option<Client>> {
    match Client::connect(endpoint) {
        Ok(client) => Ok(Some(client)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(failure(error)),
    }
}

/// An error that is one whole line by itself.
pub(crate) fn failure(error: impl std::error::Error) -> Failure {
    Failure::message(error.to_string())
}

fn kernel() -> Connection {
    Connection::Direct(Arc::new(LinuxBpf::new()))
}

/// This program as a daemon.
fn launch() -> Outcome<Launch> {
    let program = std::env::current_exe().map_err(|error| {
        Failure::message(format!(
            "cannot start the daemon: which program am I: {error}"
        ))
    })?;
    Ok(Launch {
        program,
        args: ["daemon", "run", "detached"].map(Into::into).into(),
    })
}

/// This program as the guardian of changes to interfaces.
///
/// By the name that the kernel has for it: the guardian must be of the owner's own version, also where the program's file was
/// replaced since.
pub(crate) fn guardian_launch() -> Launch {
    Launch {
        program: "/proc/self/exe".into(),
        args: ["daemon", "guard"].map(Into::into).into(),
    }
}

/// Makes the folder that pins will be put into. Linux's pins are files in real folders; those of skep's machine are
/// names, which need none.
pub(crate) fn make_pin_folder(target: Target, path: &str) -> io::Result<()> {
    match target {
        Target::Daemon => Ok(()),
        Target::Kernel => match std::fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        },
    }
}
