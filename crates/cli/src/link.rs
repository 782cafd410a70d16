//! `skep link`: what is attached.
//!
//! A link outlives what it held: detached, by command or because its interface went away, it has no interface any more.

use crate::app::Session;
use crate::args::Args;
use crate::calls;
use crate::failure::{Failure, Outcome};
use crate::net::because;
use crate::output::{Record, escape, object, plain};
use crate::prog::pin::pin_selected;
use crate::prog::show::{paths, pins, text_array};
use crate::select;
use skep_btf::json::Node;
use skep_sys::interface_name;
use skep_uapi::{Bpf, Command, Errno, Handle, LinkInfo, LinkType, ObjectKind, PinInfo};
use std::io::{self, Write};

struct LinkRecord {
    info: LinkInfo,
    pins: Vec<String>,
}

/// Shows all links or one.
pub(crate) fn show(session: &mut Session, args: &mut Args) -> Outcome {
    let bpf = session.bpf()?;
    let bpf = &*bpf;
    let pins = pins(session, bpf)?;
    match args.len() {
        0 => session.out.list(&all(bpf, &pins)?),
        2 => {
            let held = select::link(bpf, args)?;
            let record = record(bpf, held.handle(), &pins)
                .map_err(|errno| Failure::errno(format!("can't get link info: {errno}"), errno))?;
            session.out.record(&record)
        }
        _ => Err(args.unknown()),
    }
}

/// Pins a link.
pub(crate) fn pin(session: &mut Session, args: &mut Args) -> Outcome {
    pin_selected(session, args, select::link)
}

/// Takes off what a link holds. Whatever is wrong exits with 1, as in bpftool.
pub(crate) fn detach(session: &mut Session, args: &mut Args) -> Outcome {
    if args.len() != 2 {
        // bpftool's text ends with a newline of its own.
        return Err(one(Failure::message(
            "link specifier is invalid or missing\n",
        )));
    }
    let bpf = session.bpf()?;
    let held = select::link(&*bpf, args).map_err(one)?;
    let reply = bpf.call(Command::LinkDetach {
        link: held.handle(),
    });
    if let Err(errno) = reply.result {
        let why = because(&reply.log);
        return Err(one(Failure::message(format!(
            "failed link detach: {errno}{why}"
        ))));
    }
    session.out.nothing();
    Ok(())
}

/// The same failure with exit code 1.
fn one(failure: Failure) -> Failure {
    match failure {
        Failure::Message { text, .. } => Failure::Message { text, code: 1 },
        Failure::Silent { .. } => Failure::Silent { code: 1 },
        Failure::Usage => Failure::Usage,
        Failure::Output(error) => Failure::Output(error),
    }
}

fn all(bpf: &dyn Bpf, pins: &[PinInfo]) -> Outcome<Vec<LinkRecord>> {
    let mut records = Vec::new();
    let ids = calls::ids(bpf, ObjectKind::Link)
        .map_err(|errno| Failure::message(format!("can't get next link: {errno}")))?;
    for id in ids {
        let opened = calls::open_id(bpf, ObjectKind::Link, id);
        match opened.and_then(|held| record(bpf, held.handle(), pins)) {
            Ok(record) => records.push(record),
            Err(Errno::ENOENT) => {}
            Err(errno) => {
                return Err(Failure::message(format!(
                    "can't get link by id ({id}): {errno}"
                )));
            }
        }
    }
    Ok(records)
}

fn record(bpf: &dyn Bpf, link: Handle, pins: &[PinInfo]) -> Result<LinkRecord, Errno> {
    let info = calls::link_info(bpf, link)?;
    let pins = paths(pins, ObjectKind::Link, info.id.0);
    Ok(LinkRecord { info, pins })
}

/// Where an XDP link is.
enum Device {
    /// On an interface of this name.
    Named(String),
    /// On one of another network namespace.
    Unknown,
    /// Nowhere any more.
    Detached,
}

impl Device {
    fn of(ifindex: u32) -> Self {
        match ifindex {
            0 => Self::Detached,
            ifindex => interface_name(ifindex).map_or(Self::Unknown, Self::Named),
        }
    }

    /// What bpftool calls it.
    fn name(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::Unknown => "(unknown)",
            Self::Detached => "(detached)",
        }
    }
}

impl LinkRecord {
    fn is_xdp(&self) -> bool {
        LinkType(self.info.link_type) == LinkType::XDP
    }
}

impl Record for LinkRecord {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let info = &self.info;
        match LinkType(info.link_type).name() {
            Some(name) => write!(out, "{}: {name}  ", info.id)?,
            None => write!(out, "{}: type {}  ", info.id, info.link_type)?,
        }
        write!(out, "prog {}  ", info.prog_id)?;
        if self.is_xdp() {
            let device = Device::of(info.ifindex);
            write!(out, "\n\tifindex {}", escape(device.name()))?;
            if let Device::Named(_) = device {
                write!(out, "({})", info.ifindex)?;
            }
            write!(out, "  ")?;
        }
        for pin in &self.pins {
            write!(out, "\n\tpinned {}", escape(pin))?;
        }
        writeln!(out)
    }

    fn json(&self) -> Node {
        let info = &self.info;
        object([
            ("id", plain(info.id.0)),
            (
                "type",
                LinkType(info.link_type)
                    .name()
                    .map_or_else(|| plain(info.link_type), plain),
            ),
            ("prog_id", plain(info.prog_id.0)),
            (
                "devname",
                plain(Device::of(info.ifindex).name()).filter(|_| self.is_xdp()),
            ),
            ("ifindex", plain(info.ifindex).filter(|_| self.is_xdp())),
            ("pinned", text_array(&self.pins)),
        ])
    }
}
