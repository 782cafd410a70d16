//! `skep net show`: what is attached where.
//!
//! bpftool's sections for tc, flow dissectors and netfilter are kept, so that whoever reads one reads the other; nothing
//! but XDP is looked for, so that they are empty.

use super::Interface;
use super::tally::Tally;
use crate::app::Session;
use crate::args::Args;
use crate::calls;
use crate::failure::{Failure, Outcome};
use crate::output::{Record, escape, object, plain};
use skep_btf::json::Node;
use skep_uapi::{NetAttached, Via, XdpMode};
use std::io::{self, Write};

/// Sections after `xdp`.
const EMPTY: [&str; 3] = ["tc", "flow_dissector", "netfilter"];

/// All attachments, or those of one interface.
struct NetRecord {
    xdp: Vec<NetAttached>,
}

/// Shows all attachments or those of an interface.
pub(crate) fn run(session: &mut Session, args: &mut Args) -> Outcome {
    let only = match args.len() {
        0 => None,
        2 => Some(Interface::take(args)?),
        _ => return Err(Failure::Usage),
    };
    let bpf = session.bpf()?;
    let mut xdp = calls::net_query(&*bpf)
        .map_err(|errno| Failure::errno(format!("can't list attachments: {errno}"), errno))?;
    if let Some(only) = only {
        xdp.retain(|attached| attached.ifindex == only.index);
    }
    session.out.list(&[NetRecord { xdp }])
}

/// What bpftool calls the mode. Who attached without a wish gets what the way amounts to.
fn mode_name(attached: &NetAttached) -> &'static str {
    match (attached.mode, attached.live.map(|live| live.via)) {
        (XdpMode::Driver, _) | (XdpMode::Any, None | Some(Via::Tap | Via::AfXdp)) => "driver",
        (XdpMode::Generic, _) | (XdpMode::Any, Some(Via::Packet | Via::Tun)) => "generic",
        (XdpMode::Offload, _) => "offload",
    }
}

fn entry_text(attached: &NetAttached, out: &mut dyn Write) -> io::Result<()> {
    write!(
        out,
        "{}({}) {} id {}",
        escape(&attached.name),
        attached.ifindex,
        mode_name(attached),
        attached.prog_id
    )?;
    match attached.live {
        None => writeln!(out),
        Some(live) => writeln!(out, " via {}\n\t{}", live.via, Tally(live)),
    }
}

fn entry_json(attached: &NetAttached) -> Node {
    let live = attached.live;
    let [packets, verdicts, missed, undelivered] = Tally::members(live);
    object([
        ("devname", plain(attached.name.as_str())),
        ("ifindex", plain(attached.ifindex)),
        ("mode", plain(mode_name(attached))),
        ("id", plain(attached.prog_id.0)),
        ("via", live.and_then(|live| plain(live.via.name()))),
        ("link_id", attached.link_id.and_then(|id| plain(id.0))),
        packets,
        verdicts,
        missed,
        undelivered,
    ])
}

impl Record for NetRecord {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "xdp:")?;
        for attached in &self.xdp {
            entry_text(attached, out)?;
        }
        writeln!(out)?;
        EMPTY
            .iter()
            .try_for_each(|section| writeln!(out, "{section}:\n"))
    }

    fn json(&self) -> Node {
        let xdp = Node::Array(self.xdp.iter().map(entry_json).collect());
        let empty = EMPTY.map(|section| (section.to_owned(), Node::Array(Vec::new())));
        Node::Object([("xdp".to_owned(), xdp)].into_iter().chain(empty).collect())
    }
}
