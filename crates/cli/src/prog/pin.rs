//! `skep prog pin`, and pinning of other objects.

use crate::app::Session;
use crate::args::Args;
use crate::calls::{self, Held};
use crate::failure::{Failure, Outcome};
use crate::select::{self, absolute};
use skep_uapi::{Bpf, Command, Errno, Handle};

/// Pins a program.
pub(crate) fn run(session: &mut Session, args: &mut Args) -> Outcome {
    pin_selected(session, args, select::prog)
}

/// Pins what `select` takes to the path that follows it.
pub(crate) fn pin_selected(
    session: &mut Session,
    args: &mut Args,
    select: for<'a> fn(&'a dyn Bpf, &mut Args) -> Outcome<Held<'a>>,
) -> Outcome {
    args.require(3)?;
    let bpf = session.bpf()?;
    let held = select(&*bpf, args)?;
    let path = args.next().unwrap_or_default();
    if !args.is_empty() {
        return Err(Failure::Usage);
    }
    pin(&*bpf, held.handle(), &path)?;
    session.out.nothing();
    Ok(())
}

/// Pins an object to a new name.
pub(crate) fn pin(bpf: &dyn Bpf, object: Handle, path: &str) -> Outcome {
    calls::unit(
        bpf,
        Command::Pin {
            object,
            path: absolute(path),
        },
    )
    .map_err(|errno| refused(path, errno))
}

/// Why a path cannot be pinned to.
pub(crate) fn refused(path: &str, errno: Errno) -> Failure {
    let text = match errno {
        Errno::EEXIST => format!("can't pin BPF object: path '{path}' already exists"),
        Errno::ENOENT => {
            let dir = path.rsplit_once('/').map_or(".", |(dir, _)| dir);
            format!("can't pin BPF object: dir '{dir}' doesn't exist")
        }
        errno => format!("can't pin the object ({path}): {errno}"),
    };
    Failure::message(text)
}
