//! The loop that takes a port's frames through a program, one after the other, until there are none left.

use crate::{Counts, Frame, Port, PortError, Verdict};
use skep_exec::{Packet, PacketSpec, RunError};
use skep_machine::{Connection, Prog};
use skep_uapi::Engine;

/// How each frame is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Runs {
    /// Engine.
    pub engine: Engine,
    /// Runs of each frame, which keeps what the program did to it; the last one's verdict counts.
    pub repeat: u32,
}

/// What became of one frame.
#[derive(Debug)]
pub struct Handled {
    /// Number of the frame, from 1.
    pub number: u64,
    /// The verdict; a run that failed is `Aborted`.
    pub verdict: Verdict,
    /// Bytes of the frame when it came.
    pub bytes_in: usize,
    /// Bytes of the frame as the program left it.
    pub bytes_out: usize,
    /// Nanoseconds of all its runs.
    pub elapsed_ns: u64,
    /// Why the run failed, if it did.
    pub failure: Option<RunError>,
}

/// Takes every frame of a port through a program, on behalf of a connection, and tells `each` what became of it. Programs see
/// `ifindex` as the interface that the frames came in at.
///
/// # Errors
/// If the port breaks; it is finished in any case.
pub fn pump(
    port: &mut dyn Port,
    ifindex: u32,
    prog: &Prog,
    connection: &Connection,
    runs: Runs,
    each: impl FnMut(&Handled),
) -> Result<Counts, PortError> {
    let result = pump_all(port, ifindex, prog, connection, runs, each);
    let finished = port.finish();
    let counts = result?;
    finished.map(|()| counts)
}

fn pump_all(
    port: &mut dyn Port,
    ifindex: u32,
    prog: &Prog,
    connection: &Connection,
    runs: Runs,
    mut each: impl FnMut(&Handled),
) -> Result<Counts, PortError> {
    let mut counts = Counts::default();
    while let Some(frame) = port.receive()? {
        let spec = PacketSpec {
            ifindex,
            rx_queue: frame.rx_queue,
            meta_bytes: 0,
        };
        let no_memory = PortError::NoMemory {
            bytes: frame.bytes.len(),
        };
        let packet = Packet::new(&frame.bytes, &spec).ok_or(no_memory)?;
        let mut elapsed_ns = 0;
        let (verdict, failure) =
            match connection.run_packet(prog, &packet, runs.engine, runs.repeat) {
                Ok(outcome) => {
                    elapsed_ns = outcome.elapsed_ns;
                    (Verdict::from_retval(low(outcome.retval)), None)
                }
                Err(error) => (Verdict::Aborted, Some(error)),
            };
        counts.add(verdict);
        let bytes = packet.bytes().split_off(packet.meta_bytes());
        let (bytes_in, bytes_out) = (frame.bytes.len(), bytes.len());
        each(&Handled {
            number: counts.total(),
            verdict,
            bytes_in,
            bytes_out,
            elapsed_ns,
            failure,
        });
        port.carry_out(verdict, Frame { bytes, ..frame })?;
    }
    Ok(counts)
}

fn low(retval: u64) -> u32 {
    u32::try_from(retval & 0xffff_ffff).expect("masked to 32 bits")
}
