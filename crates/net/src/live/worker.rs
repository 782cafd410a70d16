//! The thread that takes one interface's frames through the program.
//!
//! Frames are handled in bursts. For each burst the worker looks up the program (a replacement takes effect there), leases a CPU
//! slot, and gives both back before it waits: others need the slots. Nothing that commands wait for is locked meanwhile, except
//! the place itself, which only detaching from a TAP device waits for. A way that fails ends its worker, which then says so.

use super::background::{Background, Orders};
use super::place::{Attachment, Place};
use super::way::{Destination, Next, Way};
use crate::Verdict;
use skep_exec::{EngineKind, Packet, Redirect, Runner};
use skep_machine::Prog;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most frames of a burst: what one may wait for a CPU slot or a replacement to take effect.
const BURST_FRAMES: u32 = 64;
/// How often the losses of an idle interface are looked at.
const IDLE: Duration = Duration::from_secs(1);
/// After this time without a frame nothing is under way any more: a few times what a ring waits for a block to fill.
const SETTLE: Duration = Duration::from_millis(10);
/// Frames that were taken are handled for so long at most after the end was asked for.
const DRAIN_MAX: Duration = Duration::from_millis(500);

/// What a worker calls when its way has failed, as its last act but one.
pub(crate) type OnFailure = Box<dyn FnOnce(&io::Error) + Send>;

/// Starts a worker, named after the interface. Stopping it lets the interface go, and waits until the frames that were taken have
/// met their verdicts and all changes are undone.
pub(crate) fn start(
    name: &str,
    way: Box<dyn Way>,
    place: Arc<Place>,
    on_failure: OnFailure,
) -> io::Result<Background> {
    let packet = Packet::with_room(Packet::RECEIVED_BYTES_MAX)
        .ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
    Background::start(peer_name(name), move |orders| {
        let mut work = Work {
            way,
            place,
            packet,
            orders,
        };
        // Whatever ends a worker must be known: nobody would run the program any more.
        let ended = catch_unwind(AssertUnwindSafe(|| work.run()));
        let ended = ended.unwrap_or_else(|_| Err(io::Error::other("skep panicked")));
        if let Err(error) = ended {
            on_failure(&error);
        }
    })
}

/// Name of an interface's worker, as a thread and in the trace pipe, where Linux cuts names to 15 bytes.
pub(crate) fn peer_name(interface: &str) -> String {
    let mut name = format!("skep-{interface}").replace('\0', "");
    while name.len() > 15 {
        name.pop();
    }
    name
}

/// The state of the thread.
#[derive(Debug)]
struct Work {
    way: Box<dyn Way>,
    place: Arc<Place>,
    packet: Packet,
    orders: Orders,
}

impl Work {
    fn run(&mut self) -> io::Result<()> {
        while !self.orders.is_over() {
            if self.burst()? == Next::Frame {
                continue;
            }
            if self.way.wait(self.orders.fd(), Some(IDLE))? {
                self.orders.rest();
            }
        }
        self.way.let_go();
        self.drain()
    }

    /// Handles what was taken from the host before the way let go.
    fn drain(&mut self) -> io::Result<()> {
        self.orders.rest();
        let begun = Instant::now();
        let mut seen = begun;
        while seen.elapsed() < SETTLE && begun.elapsed() < DRAIN_MAX {
            if self.burst()? == Next::Frame {
                seen = Instant::now();
            } else {
                self.way.wait(self.orders.fd(), Some(SETTLE / 4))?;
            }
        }
        Ok(())
    }

    /// Handles a burst; `Next::Empty` if there was no frame.
    fn burst(&mut self) -> io::Result<Next> {
        let place = Arc::clone(&self.place);
        let attached = place.hold();
        let first = self.way.next(&mut self.packet);
        let outcome = match (&first, attached.as_deref()) {
            (Ok(Next::Empty) | Err(_), _) => Ok(()),
            (Ok(Next::Frame), Some(attachment)) => self.run_burst(attachment),
            (Ok(Next::Frame), None) => self.pass_burst(),
        };
        self.way.flush();
        let losses = self.way.take_losses();
        if let Some(attachment) = attached.as_deref() {
            attachment.counts.losses(losses);
        }
        drop(attached);
        outcome.and(first)
    }

    /// The frame in the packet and those behind it go on as if there were no program.
    fn pass_burst(&mut self) -> io::Result<()> {
        for left in (0..BURST_FRAMES).rev() {
            self.way.send(Destination::Stack, &mut self.packet);
            if !self.takes_another(left)? {
                break;
            }
        }
        Ok(())
    }

    /// Takes the next frame of a burst that may have `left` more; false if there is none. What is taken must be handled.
    fn takes_another(&mut self, left: u32) -> io::Result<bool> {
        Ok(left > 0 && self.way.next(&mut self.packet)? == Next::Frame)
    }

    /// Runs the program on the frame in the packet and on those behind it.
    fn run_burst(&mut self, attachment: &Attachment) -> io::Result<()> {
        let prog = attachment.link.prog();
        let mut failures = Vec::new();
        let outcome = attachment.connection.with_runner(&prog, |runner| {
            for left in (0..BURST_FRAMES).rev() {
                self.run_one(attachment, &prog, runner, &mut failures);
                if !self.takes_another(left)? {
                    break;
                }
            }
            Ok(())
        });
        // What nothing can run, the machine attaches nowhere.
        let outcome = outcome.unwrap_or_else(|error| {
            failures.push(Failure::Run(error.to_string()));
            Ok(())
        });
        // Without the slot, which a reader of the trace pipe may need.
        for failure in failures {
            tell(attachment, &prog, &failure);
        }
        outcome
    }

    fn run_one(
        &mut self,
        attachment: &Attachment,
        prog: &Prog,
        runner: &Runner<'_>,
        failures: &mut Vec<Failure>,
    ) {
        let engine = match prog.compiled() {
            Some(_) => EngineKind::Native,
            None => EngineKind::Interp,
        };
        let (way, packet) = (&mut self.way, &mut self.packet);
        // Neither the packet nor the way is used by what panicked: the next frame fills the packet anew.
        let run = catch_unwind(AssertUnwindSafe(|| runner.once(engine, packet)));
        let (verdict, redirect) = match run {
            Ok(Ok((retval, redirect))) => (Verdict::from_retval(low(retval)), redirect),
            Ok(Err(error)) => {
                failures.push(Failure::Run(error.to_string()));
                (Verdict::Aborted, None)
            }
            Err(_) => {
                failures.push(Failure::Run("skep panicked".to_owned()));
                (Verdict::Aborted, None)
            }
        };
        attachment.counts.verdict(verdict);
        match verdict {
            Verdict::Drop => {}
            Verdict::Pass => way.send(Destination::Stack, packet),
            Verdict::Tx => way.send(Destination::Wire, packet),
            Verdict::Redirect => match redirect {
                Some(redirect) => {
                    redirect_to(redirect, prog, attachment.ifindex, |ifindex| {
                        way.send(Destination::Interface(ifindex), packet);
                    });
                }
                None => attachment.counts.undelivered(),
            },
            Verdict::Aborted | Verdict::Unknown(_) => failures.push(Failure::Verdict(verdict)),
        }
    }
}

/// Calls with each interface that a frame goes to that came in at `from`.
fn redirect_to(redirect: Redirect, prog: &Prog, from: u32, mut send: impl FnMut(u32)) {
    match redirect {
        Redirect::Interface { ifindex } | Redirect::Entry { ifindex, .. } => send(ifindex),
        Redirect::Broadcast {
            map,
            exclude_ingress,
            ..
        } => {
            let but_not = exclude_ingress.then_some(from);
            let targets = prog
                .image()
                .map(|image| image.broadcast_targets(map, but_not));
            targets.into_iter().flatten().for_each(send);
        }
    }
}

/// Why a frame was dropped that the program did not drop.
#[derive(Debug)]
enum Failure {
    /// The run failed.
    Run(String),
    /// The verdict was `XDP_ABORTED`, or none that exists.
    Verdict(Verdict),
}

/// Puts a failure into the trace pipe, as Linux's tracepoint `xdp_exception` does.
fn tell(attachment: &Attachment, prog: &Prog, failure: &Failure) {
    let (id, ifindex) = (prog.id.0, attachment.ifindex);
    let connection = &attachment.connection;
    match failure {
        Failure::Run(why) => connection.trace("skep_run_failed", &format!("prog_id={id} {why}")),
        Failure::Verdict(verdict) => {
            let action = match verdict {
                // As the tracepoint prints a number that has no name.
                Verdict::Unknown(retval) => format!("{retval:#x}"),
                known => known.to_string().replace("XDP_", ""),
            };
            let text = format!("prog_id={id} action={action} ifindex={ifindex}");
            connection.trace("xdp_exception", &text);
        }
    }
}

fn low(retval: u64) -> u32 {
    u32::try_from(retval & 0xffff_ffff).expect("masked to 32 bits")
}

#[cfg(test)]
mod tests;
