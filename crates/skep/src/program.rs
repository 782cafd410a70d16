//! Programs and runs.

use crate::{Error, Verdict};
use skep_exec::{EngineKind, Outcome, Packet, PacketSpec, Redirect};
use skep_machine::{Connection, Prog};
use skep_uapi::{Engine, Handle};
use std::sync::Arc;
use std::time::Duration;

/// Shortest packet that a program is given: an Ethernet header, as in Linux.
const PACKET_BYTES_MIN: usize = 14;

/// A verified, compiled program.
#[derive(Clone, Debug)]
pub struct Program {
    connection: Arc<Connection>,
    prog: Arc<Prog>,
}

/// What one or more runs gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run {
    /// The verdict of the last run.
    pub verdict: Verdict,
    /// r0 of the last run.
    pub retval: u32,
    /// The packet as the program left it, without metadata.
    pub packet: Vec<u8>,
    /// The metadata in front of it.
    pub metadata: Vec<u8>,
    /// Interface that the packet is redirected to, if it is to one; not for a broadcast to all of a map.
    pub redirect: Option<u32>,
    /// Time of all runs together.
    pub elapsed: Duration,
}

impl Program {
    pub(crate) fn open(connection: &Arc<Connection>, handle: Handle) -> Result<Self, Error> {
        let prog = connection.prog(handle).map_err(|errno| Error::Refused {
            what: "program",
            errno,
        })?;
        Ok(Self {
            connection: Arc::clone(connection),
            prog,
        })
    }

    /// Runs the program on a packet.
    ///
    /// # Errors
    /// [`Error::Packet`] for a packet shorter than an Ethernet header, [`Error::Run`] if the run was stopped.
    pub fn run(&self, packet: &[u8]) -> Result<Run, Error> {
        self.run_on(packet, Engine::Auto, 1)
    }

    /// Runs the program `repeat` times on one packet, which keeps what the program did to it, on an engine of choice.
    ///
    /// # Errors
    /// As [`Program::run`], and [`Error::Run`] if the engine cannot run here.
    pub fn run_on(&self, packet: &[u8], engine: Engine, repeat: u32) -> Result<Run, Error> {
        self.prepare(packet)?.run(engine, repeat)
    }

    /// Puts a packet into a frame once, for many runs.
    ///
    /// # Errors
    /// [`Error::Packet`].
    pub fn prepare(&self, packet: &[u8]) -> Result<Prepared<'_>, Error> {
        let refused = |why| Error::Packet {
            bytes: packet.len(),
            why,
        };
        if packet.len() < PACKET_BYTES_MIN {
            return Err(refused("shorter than an Ethernet header (14 bytes)"));
        }
        let spec = PacketSpec {
            ifindex: 1,
            ..PacketSpec::default()
        };
        let packet = Packet::new(packet, &spec).ok_or(refused("no memory"))?;
        Ok(Prepared {
            program: self,
            packet,
        })
    }

    /// Leases a CPU slot for `work`, which may run the program on any number of prepared packets. This is the quickest way: what
    /// a run costs beyond the program is then a few nanoseconds.
    ///
    /// # Errors
    /// [`Error::Run`] for a program that can only be verified and shown.
    pub fn with_runner<R>(&self, work: impl FnOnce(&Runner<'_>) -> R) -> Result<R, Error> {
        let native = self.prog.compiled().is_some();
        let engine = if native {
            EngineKind::Native
        } else {
            EngineKind::Interp
        };
        let run = |inner: &skep_exec::Runner<'_>| work(&Runner { inner, engine });
        Ok(self.connection.with_runner(&self.prog, run)?)
    }

    /// The program as the machine holds it.
    #[must_use]
    pub fn inner(&self) -> &Arc<Prog> {
        &self.prog
    }
}

/// A packet in a frame, ready for runs of one program.
#[derive(Debug)]
pub struct Prepared<'a> {
    program: &'a Program,
    packet: Packet,
}

impl Prepared<'_> {
    /// Runs the program `repeat` times and reads the packet back.
    ///
    /// # Errors
    /// [`Error::Run`].
    pub fn run(&self, engine: Engine, repeat: u32) -> Result<Run, Error> {
        let Outcome {
            retval,
            elapsed_ns,
            redirect,
        } = self
            .program
            .connection
            .run_packet(&self.program.prog, &self.packet, engine, repeat)?;
        let mut metadata = self.packet.bytes();
        let packet = metadata.split_off(self.packet.meta_bytes());
        let retval = u32::try_from(retval & 0xffff_ffff).expect("masked to 32 bits");
        let verdict = Verdict::from_retval(retval);
        let redirect = redirect
            .filter(|_| verdict == Verdict::Redirect)
            .and_then(Redirect::ifindex);
        Ok(Run {
            verdict,
            retval,
            packet,
            metadata,
            redirect,
            elapsed: Duration::from_nanos(elapsed_ns),
        })
    }
}

/// A leased CPU slot, on which a program runs.
#[derive(Debug)]
pub struct Runner<'a> {
    inner: &'a skep_exec::Runner<'a>,
    engine: EngineKind,
}

impl Runner<'_> {
    /// Runs the program once on a packet, which keeps what the program does to it; gives r0.
    ///
    /// # Errors
    /// [`Error::Run`].
    #[inline]
    pub fn run(&self, packet: &Prepared<'_>) -> Result<u32, Error> {
        let (retval, _redirect) = self.inner.once(self.engine, &packet.packet)?;
        Ok(u32::try_from(retval & 0xffff_ffff).expect("masked to 32 bits"))
    }
}
