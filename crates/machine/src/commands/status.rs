//! Counts of the machine, and the trace pipe.

use crate::Connection;
use skep_uapi::{Errno, MachineStatus, Value};
use std::time::Duration;

/// Longest wait that one command may take, so that a connection's thread notices a dead peer.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Lines in one reply at most.
const LINES_MAX: u32 = 4096;

pub(crate) fn trace_read(
    connection: &Connection,
    lines_max: u32,
    wait_ms: u32,
) -> Result<Value, Errno> {
    let wait = Duration::from_millis(wait_ms.into()).min(WAIT_MAX);
    let lines_max = usize::try_from(lines_max.min(LINES_MAX)).map_err(|_| Errno::EINVAL)?;
    Ok(Value::Lines(
        connection.machine().trace.read(lines_max, wait),
    ))
}

pub(crate) fn status(connection: &Connection) -> MachineStatus {
    let machine = connection.machine();
    let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
    MachineStatus {
        progs: count(machine.progs.live().len()),
        maps: count(machine.maps.live().len()),
        btfs: count(machine.btfs.live().len()),
        links: count(machine.links.live().len()),
        pins: count(machine.pins.len()),
        trace_lost: machine.trace.lost(),
    }
}
