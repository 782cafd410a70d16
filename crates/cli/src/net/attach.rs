//! `skep net attach` and `skep net detach`.

use super::{Interface, because};
use crate::app::{Session, Target};
use crate::args::Args;
use crate::failure::{Failure, Outcome, errno_code};
use crate::output::escape;
use crate::select;
use skep_uapi::{Command, Errno, Existing, NetAttach, Reply, XdpMode};

/// Attach types in bpftool's order, which decides what an abbreviation means. Those of tc are known to be refused by name.
const TYPES: [(&str, Option<XdpMode>); 6] = [
    ("xdp", Some(XdpMode::Any)),
    ("xdpgeneric", Some(XdpMode::Generic)),
    ("xdpdrv", Some(XdpMode::Driver)),
    ("xdpoffload", Some(XdpMode::Offload)),
    ("tcx_ingress", None),
    ("tcx_egress", None),
];

/// A row of [`TYPES`].
#[derive(Clone, Copy)]
struct AttachType {
    name: &'static str,
    mode: XdpMode,
}

/// Attaches a program.
pub(crate) fn attach(session: &mut Session, args: &mut Args) -> Outcome {
    args.require(5)?;
    let attach_type = attach_type(args)?;
    let bpf = session.lasting_bpf()?;
    let prog = select::prog(&*bpf, args).map_err(invalid)?;
    let interface = Interface::take(args).map_err(invalid)?;
    let existing = existing(args)?;
    let reply = bpf.call(Command::NetAttach(NetAttach {
        prog: prog.handle(),
        ifindex: interface.index,
        mode: attach_type.mode,
        existing,
        via: session.options.via,
    }));
    let what = format!("interface {} attach", attach_type.name);
    finish(session, &what, &interface, reply)
}

/// Detaches what is attached.
pub(crate) fn detach(session: &mut Session, args: &mut Args) -> Outcome {
    args.require(3)?;
    let attach_type = attach_type(args)?;
    let interface = Interface::take(args).map_err(invalid)?;
    let reply = session.bpf()?.call(Command::NetDetach {
        ifindex: interface.index,
        mode: attach_type.mode,
    });
    let what = format!("interface {} detach", attach_type.name);
    finish(session, &what, &interface, reply)
}

fn attach_type(args: &mut Args) -> Outcome<AttachType> {
    let word = args.peek().unwrap_or_default().to_owned();
    let found = TYPES.into_iter().find(|(name, _)| args.take(name));
    match found {
        Some((name, Some(mode))) => Ok(AttachType { name, mode }),
        Some((name, None)) => Err(Failure::errno(
            format!("{name} is not supported: skep attaches to xdp only"),
            Errno::EINVAL,
        )),
        None => Err(Failure::errno(
            format!("invalid net attach/detach type: {word}"),
            Errno::EINVAL,
        )),
    }
}

/// Takes `overwrite`; as in bpftool nobody looks at what follows it.
fn existing(args: &mut Args) -> Outcome<Existing> {
    if args.is_empty() {
        return Ok(Existing::Keep);
    }
    if args.take("overwrite") {
        return Ok(Existing::Replace);
    }
    let got = args.peek().unwrap_or_default();
    Err(Failure::errno(
        format!("expected 'overwrite', got: '{got}'?"),
        Errno::EINVAL,
    ))
}

/// Whatever is wrong with the words exits as an invalid argument.
fn invalid(failure: Failure) -> Failure {
    let code = errno_code(Errno::EINVAL);
    match failure {
        Failure::Message { text, .. } => Failure::Message { text, code },
        Failure::Silent { .. } => Failure::Silent { code },
        Failure::Usage => Failure::Usage,
        Failure::Output(error) => Failure::Output(error),
    }
}

/// Reports a reply. Linux's own explanation comes on a line before the error, as libbpf prints it; skep's is part of it.
fn finish(session: &mut Session, what: &str, interface: &Interface, reply: Reply) -> Outcome {
    let Err(errno) = reply.result else {
        session.out.nothing();
        return Ok(());
    };
    let why = match session.options.target {
        Target::Kernel => {
            if !reply.log.is_empty() {
                let message = escape(&reply.log);
                writeln!(
                    session.out.errors(),
                    "libbpf: Kernel error message: {message}"
                )?;
            }
            String::new()
        }
        Target::Daemon => because(&about(interface, &reply.log)),
    };
    Err(Failure::errno(
        format!("{what} failed: {errno}{why}"),
        errno,
    ))
}

/// The reason with the interface's name, if it does not name it itself.
pub(crate) fn about(interface: &Interface, why: &str) -> String {
    let is_part = |c: char| !c.is_alphanumeric() && !"_.-@".contains(c);
    let named = why.split(is_part).any(|word| word == interface.name);
    if why.is_empty() || named {
        why.to_owned()
    } else {
        format!("{}: {why}", interface.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_names_its_interface_once() {
        let interface = Interface {
            name: "v0".to_owned(),
            index: 3,
        };
        for (why, wanted) in [
            ("", ""),
            ("it is taken", "v0: it is taken"),
            ("v0: it is taken", "v0: it is taken"),
            ("interface v0, taken", "interface v0, taken"),
            ("v01 is taken", "v0: v01 is taken"),
        ] {
            assert_eq!(about(&interface, why), wanted);
        }
    }
}
