//! `skep net dev`: network devices whose wire is the machine. They are the daemon's and go with it.

use super::because;
use crate::app::Session;
use crate::args::Args;
use crate::calls;
use crate::failure::{Failure, Outcome};
use crate::output::{Record, escape, object, plain};
use skep_btf::json::Node;
use skep_uapi::{Command, NetDevice, NetDeviceAdd, Reply};
use std::io::{self, Write};

/// Carries out the word that follows; without one, shows them all.
pub(crate) fn run(session: &mut Session, args: &mut Args) -> Outcome {
    if args.is_empty() || args.take("show") || args.take("list") {
        show(session, args)
    } else if args.take("add") {
        add(session, args)
    } else if args.take("delete") {
        delete(session, args)
    } else {
        Err(Failure::Usage)
    }
}

fn show(session: &mut Session, args: &mut Args) -> Outcome {
    if !args.is_empty() {
        return Err(args.unknown());
    }
    let devices = calls::net_devices(&*session.bpf()?)
        .map_err(|errno| Failure::errno(format!("can't list devices: {errno}"), errno))?;
    session.out.list(&devices)
}

fn add(session: &mut Session, args: &mut Args) -> Outcome {
    args.require(2)?;
    if !args.take("tap") {
        let got = args.peek().unwrap_or_default();
        return Err(Failure::message(format!("expected 'tap', got: '{got}'?")));
    }
    let name = args.next().unwrap_or_default();
    let peer = if args.take("peer") {
        args.require(1)?;
        args.next()
    } else {
        None
    };
    if !args.is_empty() {
        return Err(args.unknown());
    }
    let device = NetDeviceAdd {
        name: name.clone(),
        peer,
    };
    let reply = session.lasting_bpf()?.call(Command::NetDeviceAdd(device));
    finish(session, &format!("can't make device {name}"), &reply)
}

fn delete(session: &mut Session, args: &mut Args) -> Outcome {
    args.require(1)?;
    let name = args.next().unwrap_or_default();
    if !args.is_empty() {
        return Err(args.unknown());
    }
    let what = format!("can't delete device {name}");
    let reply = session.bpf()?.call(Command::NetDeviceDelete { name });
    finish(session, &what, &reply)
}

fn finish(session: &mut Session, what: &str, reply: &Reply) -> Outcome {
    if let Err(errno) = reply.result {
        let why = because(&reply.log);
        return Err(Failure::errno(format!("{what}: {errno}{why}"), errno));
    }
    session.out.nothing();
    Ok(())
}

impl Record for NetDevice {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{}({}) tap", escape(&self.name), self.ifindex)?;
        if let Some(peer) = &self.peer {
            write!(out, " peer {}", escape(peer))?;
        }
        writeln!(out)
    }

    fn json(&self) -> Node {
        object([
            ("devname", plain(self.name.as_str())),
            ("ifindex", plain(self.ifindex)),
            ("kind", plain("tap")),
            ("peer", self.peer.as_deref().and_then(plain)),
        ])
    }
}
