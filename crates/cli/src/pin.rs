//! `skep pin`: the pins themselves, for which bpftool's users have the file system.

use crate::app::Session;
use crate::args::Args;
use crate::calls;
use crate::failure::{Failure, Outcome};
use crate::output::{Record, escape, object, plain};
use crate::select::{absolute, kind_name};
use skep_btf::json::Node;
use skep_uapi::{Command, PinInfo};
use std::io::{self, Write};

struct PinRecord(PinInfo);

/// Lists pins, those below a prefix if one is given.
pub(crate) fn list(session: &mut Session, args: &mut Args) -> Outcome {
    let prefix = args.next().map(|path| absolute(&path)).unwrap_or_default();
    if !args.is_empty() {
        return Err(args.unknown());
    }
    let bpf = session.bpf()?;
    let pins = calls::pins(&*bpf, &prefix)
        .map_err(|errno| Failure::errno(format!("can't list pins: {errno}"), errno))?;
    let records: Vec<PinRecord> = pins.into_iter().map(PinRecord).collect();
    session.out.list(&records)
}

/// Removes pins; what nothing else holds ends with its last one.
pub(crate) fn remove(session: &mut Session, args: &mut Args) -> Outcome {
    if args.is_empty() {
        return Err(Failure::Usage);
    }
    let bpf = session.bpf()?;
    while let Some(path) = args.next() {
        calls::unit(
            &*bpf,
            Command::PinRemove {
                path: absolute(&path),
            },
        )
        .map_err(|errno| Failure::errno(format!("can't remove pin {path}: {errno}"), errno))?;
    }
    session.out.nothing();
    Ok(())
}

impl Record for PinRecord {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{}  {} {}",
            escape(&self.0.path),
            kind_name(self.0.kind),
            self.0.id
        )
    }

    fn json(&self) -> Node {
        object([
            ("path", plain(self.0.path.as_str())),
            ("kind", plain(kind_name(self.0.kind))),
            ("id", plain(self.0.id)),
        ])
    }
}
