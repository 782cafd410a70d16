//! `skep map show`: what is known of maps.

use crate::app::Session;
use crate::args::Args;
use crate::calls;
use crate::failure::{Failure, Outcome};
use crate::output::{Record, escape, object, plain};
use crate::prog::show::{members, paths, pins, text_array};
use crate::select;
use skep_btf::json::Node;
use skep_uapi::{Bpf, Errno, Handle, MapInfo, ObjectKind, PinInfo};
use std::io::{self, Write};

/// A map and where it is pinned.
pub(crate) struct MapRecord {
    info: MapInfo,
    pins: Vec<String>,
}

/// Shows all maps or those of a selector.
pub(crate) fn run(session: &mut Session, args: &mut Args) -> Outcome {
    let bpf = session.bpf()?;
    let bpf = &*bpf;
    let pins = pins(session, bpf)?;
    if args.is_empty() {
        return session.out.list(&all(bpf, &pins)?);
    }
    if args.len() != 2 {
        return Err(args.unknown());
    }
    let records: Outcome<Vec<MapRecord>> = select::maps(bpf, args)?
        .iter()
        .map(|held| {
            record(bpf, held.handle(), &pins)
                .map_err(|errno| Failure::message(format!("can't get map info: {errno}")))
        })
        .collect();
    session.out.found(&records?)
}

fn all(bpf: &dyn Bpf, pins: &[PinInfo]) -> Outcome<Vec<MapRecord>> {
    let mut records = Vec::new();
    let ids = calls::ids(bpf, ObjectKind::Map)
        .map_err(|errno| Failure::message(format!("can't get next map: {errno}")))?;
    for id in ids {
        let opened = calls::open_id(bpf, ObjectKind::Map, id);
        match opened.and_then(|held| record(bpf, held.handle(), pins)) {
            Ok(record) => records.push(record),
            Err(Errno::ENOENT) => {}
            Err(errno) => {
                return Err(Failure::message(format!(
                    "can't get map by id ({id}): {errno}"
                )));
            }
        }
    }
    Ok(records)
}

fn record(bpf: &dyn Bpf, map: Handle, pins: &[PinInfo]) -> Result<MapRecord, Errno> {
    let info = calls::map_info(bpf, map)?;
    let pins = paths(pins, ObjectKind::Map, info.id.0);
    Ok(MapRecord { info, pins })
}

/// The first line of the text form.
pub(crate) fn header_text(info: &MapInfo, out: &mut dyn Write) -> io::Result<()> {
    match info.map_type.name() {
        Some(name) => write!(out, "{}: {name}  ", info.id)?,
        None => write!(out, "{}: type {}  ", info.id, info.map_type.0)?,
    }
    if !info.name.is_empty() {
        write!(out, "name {}  ", escape(&info.name))?;
    }
    writeln!(out, "flags {:#x}", info.map_flags)
}

/// The members that head the JSON form.
pub(crate) fn header_members(info: &MapInfo) -> Vec<(String, Node)> {
    members(object([
        ("id", plain(info.id.0)),
        (
            "type",
            info.map_type
                .name()
                .map_or_else(|| plain(info.map_type.0), plain),
        ),
        (
            "name",
            (!info.name.is_empty()).then(|| Node::string(&info.name)),
        ),
        ("flags", plain(info.map_flags)),
    ]))
}

impl Record for MapRecord {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let info = &self.info;
        header_text(info, out)?;
        write!(
            out,
            "\tkey {}B  value {}B  max_entries {}",
            info.key_size, info.value_size, info.max_entries
        )?;
        if let Some(bytes) = info.bytes_memlock {
            write!(out, "  memlock {bytes}B")?;
        }
        if let Some(owner) = info.owner_prog_type {
            let jited = if info.owner_jited {
                "jited"
            } else {
                "not jited"
            };
            write!(out, "\n\towner_prog_type {owner}  owner {jited}")?;
        }
        for pin in &self.pins {
            write!(out, "\n\tpinned {}", escape(pin))?;
        }
        if info.btf_id.0 != 0 {
            write!(out, "\n\tbtf_id {}", info.btf_id)?;
        }
        if info.frozen {
            write!(
                out,
                "{}frozen",
                if info.btf_id.0 == 0 { "\n\t" } else { "  " }
            )?;
        }
        writeln!(out)
    }

    fn json(&self) -> Node {
        let info = &self.info;
        let owner = info.owner_prog_type;
        let mut all = header_members(info);
        all.extend(members(object([
            ("bytes_key", plain(info.key_size)),
            ("bytes_value", plain(info.value_size)),
            ("max_entries", plain(info.max_entries)),
            ("bytes_memlock", info.bytes_memlock.and_then(plain)),
            (
                "owner_prog_type",
                owner.and_then(|owner| owner.name().map_or_else(|| plain(owner.0), plain)),
            ),
            ("owner_jited", owner.and_then(|_| plain(info.owner_jited))),
            ("frozen", plain(u32::from(info.frozen))),
            (
                "btf_id",
                plain(info.btf_id.0).filter(|_| info.btf_id.0 != 0),
            ),
            ("pinned", text_array(&self.pins)),
        ])));
        Node::Object(all)
    }
}
