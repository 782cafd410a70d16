//! Which implementation of BPF the commands reach.

use crate::app::Target;
use crate::failure::{Failure, Outcome};
use skep_linux::LinuxBpf;
use skep_uapi::Bpf;
use std::io;

/// Opens the implementation that the options ask for.
pub(crate) fn open(target: Target) -> Outcome<Box<dyn Bpf>> {
    match target {
        Target::Kernel => Ok(Box::new(LinuxBpf::new())),
        Target::Daemon => daemon_client(),
    }
}

/// The client of the user's daemon, which is started if none runs.
fn daemon_client() -> Outcome<Box<dyn Bpf>> {
    Err(Failure::message(
        "the daemon is not available in this build; use --kernel",
    ))
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
