//! `skep link`: what is attached.

use crate::app::Session;
use crate::args::Args;
use crate::calls;
use crate::failure::{Failure, Outcome};
use crate::output::{Record, escape, object, plain};
use crate::prog::pin::pin_selected;
use crate::prog::show::{paths, pins, text_array};
use crate::select;
use skep_btf::json::Node;
use skep_uapi::{Bpf, Errno, Handle, LinkInfo, LinkType, ObjectKind, PinInfo};
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

/// The name of a network interface in this process' namespace.
fn interface_name(ifindex: u32) -> Option<String> {
    let interfaces = std::fs::read_dir("/sys/class/net").ok()?;
    interfaces.flatten().find_map(|interface| {
        let text = std::fs::read_to_string(interface.path().join("ifindex")).ok()?;
        let found = text.trim().parse() == Ok(ifindex);
        found.then(|| interface.file_name().to_string_lossy().into_owned())
    })
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
            match interface_name(info.ifindex) {
                Some(name) => write!(out, "\n\tifindex {}({})  ", escape(&name), info.ifindex)?,
                None => write!(out, "\n\tifindex {}  ", info.ifindex)?,
            }
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
                interface_name(info.ifindex)
                    .filter(|_| self.is_xdp())
                    .and_then(plain),
            ),
            ("ifindex", plain(info.ifindex).filter(|_| self.is_xdp())),
            ("pinned", text_array(&self.pins)),
        ])
    }
}
