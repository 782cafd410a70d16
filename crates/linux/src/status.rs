//! Ids and counts.

use crate::{Outcome, errno, id_kind, pins};
use skep_sys::bpf;
use skep_uapi::{Errno, MachineStatus, ObjectKind, Value};

/// Most objects of a kind that are counted.
const COUNT_MAX: u32 = 1 << 20;

pub(crate) fn next_id(kind: ObjectKind, after: u32) -> Result<u32, Errno> {
    bpf::next_id(id_kind(kind), after).map_err(errno)
}

/// Linux keeps no such counts: its objects are counted one by one, those of other processes too.
pub(crate) fn status() -> Outcome {
    Ok(Value::Status(MachineStatus {
        progs: count(ObjectKind::Prog)?,
        maps: count(ObjectKind::Map)?,
        btfs: count(ObjectKind::Btf)?,
        links: count(ObjectKind::Link)?,
        pins: u32::try_from(pins::list("")?.len()).unwrap_or(u32::MAX),
        trace_lost: 0,
    }))
}

fn count(kind: ObjectKind) -> Result<u32, Errno> {
    let mut id = 0;
    for count in 0..COUNT_MAX {
        id = match next_id(kind, id) {
            Ok(id) => id,
            Err(Errno::ENOENT) => return Ok(count),
            Err(errno) => return Err(errno),
        };
    }
    Ok(COUNT_MAX)
}
