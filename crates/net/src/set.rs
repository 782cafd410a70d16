//! Ports by interface index, and the loop that takes frames through programs.

use crate::{Counts, Frame, ListPort, Port, PortError, Verdict};
use skep_exec::{Packet, PacketSpec, RunError};
use skep_machine::{AttachError, AttachMode, Attached, Connection, Ports, Prog};
use skep_uapi::Engine;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Ports of one machine, by interface index.
#[derive(Debug, Default)]
pub struct PortSet {
    ports: Mutex<BTreeMap<u32, Place>>,
}

#[derive(Debug)]
struct Place {
    name: String,
    /// `None` while it is being pumped.
    port: Option<Box<dyn Port>>,
    attached: Option<(Arc<Prog>, AttachMode)>,
}

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

impl PortSet {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Place>> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a port under a new interface index, which it gives.
    pub fn add(&self, name: &str, port: Box<dyn Port>) -> u32 {
        let mut ports = self.lock();
        let ifindex = ports.keys().next_back().map_or(1, |last| last + 1);
        ports.insert(
            ifindex,
            Place {
                name: name.to_owned(),
                port: Some(port),
                attached: None,
            },
        );
        ifindex
    }

    /// Takes every frame of a port through its program, on behalf of a connection, and tells `each` what became of it.
    ///
    /// # Errors
    /// If there is no such port or no program, or the port breaks.
    pub fn pump(
        &self,
        ifindex: u32,
        connection: &Connection,
        runs: Runs,
        mut each: impl FnMut(&Handled),
    ) -> Result<Counts, PortError> {
        let (mut taken, prog) = self.take(ifindex)?;
        let port = &mut *taken.port;
        let result = pump(port, ifindex, &prog, connection, runs, &mut each);
        let finished = port.finish();
        let counts = result?;
        finished.map(|()| counts)
    }

    fn take(&self, ifindex: u32) -> Result<(Taken<'_>, Arc<Prog>), PortError> {
        let missing = |what| PortError::Empty { ifindex, what };
        let mut ports = self.lock();
        let place = ports.get_mut(&ifindex).ok_or(missing("no such port"))?;
        let (prog, _) = place
            .attached
            .as_ref()
            .ok_or(missing("no program is attached"))?;
        let prog = Arc::clone(prog);
        let port = place
            .port
            .take()
            .ok_or(missing("it is being pumped already"))?;
        let taken = Taken {
            set: self,
            ifindex,
            port,
        };
        Ok((taken, prog))
    }
}

/// A port that is being pumped. Dropping it, in whatever way the pumping ended, puts the port back.
struct Taken<'set> {
    set: &'set PortSet,
    ifindex: u32,
    port: Box<dyn Port>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let port = std::mem::replace(&mut self.port, Box::new(ListPort::default()));
        if let Some(place) = self.set.lock().get_mut(&self.ifindex) {
            place.port = Some(port);
        }
    }
}

fn pump(
    port: &mut dyn Port,
    ifindex: u32,
    prog: &Prog,
    connection: &Connection,
    runs: Runs,
    each: &mut impl FnMut(&Handled),
) -> Result<Counts, PortError> {
    let mut counts = Counts::default();
    while let Some(frame) = port.receive()? {
        let spec = PacketSpec {
            ifindex,
            rx_queue: frame.rx_queue,
            meta_bytes: 0,
        };
        let no_memory = PortError::Empty {
            ifindex,
            what: "no memory for a packet",
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

impl Ports for PortSet {
    fn attach(&self, ifindex: u32, prog: &Arc<Prog>, mode: AttachMode) -> Result<(), AttachError> {
        let mut ports = self.lock();
        let place = ports
            .get_mut(&ifindex)
            .ok_or(AttachError::NoSuchPort(ifindex))?;
        if place.attached.is_some() {
            return Err(AttachError::Busy(ifindex));
        }
        place.attached = Some((Arc::clone(prog), mode));
        Ok(())
    }

    fn detach(&self, ifindex: u32) -> Result<(), AttachError> {
        let mut ports = self.lock();
        let place = ports
            .get_mut(&ifindex)
            .ok_or(AttachError::NoSuchPort(ifindex))?;
        let detached = place.attached.take();
        // The program may end with this, which needs no lock.
        drop(ports);
        drop(detached);
        Ok(())
    }

    fn query(&self) -> Vec<Attached> {
        let attached = |(ifindex, place): (&u32, &Place)| {
            let (prog, mode) = place.attached.as_ref()?;
            Some(Attached {
                ifindex: *ifindex,
                name: place.name.clone(),
                mode: *mode,
                prog: Arc::clone(prog),
            })
        };
        self.lock().iter().filter_map(attached).collect()
    }
}
