//! How fast packets go through a program on a real interface: skep's ways beside Linux's own XDP, with the same object on the
//! same veth, in namespaces of its own.
//!
//! ```text
//!   far              near             other
//!   f0 ----------- x0   y0 ---------- o0
//!   generator (CPU 0)   program: skep's worker on CPU 1, Linux's in the generator's softirq
//! ```
//!
//! Three figures for each trial: frames a second that reached the program; frames a second that came out where the verdict
//! sends them (the IP layer, the far side, the other interface); and CPU nanoseconds a frame of the whole machine, generator
//! included. For skep also those of its worker alone: a core can take no more frames a second than fit into them.

mod report;
mod side;
mod world;

pub(crate) use world::generate;

use crate::Outcome;
use report::{Row, Table};
use side::{Attached, Side};
use skep_uapi::{Via, XdpMode};
use std::time::{Duration, Instant};
use world::{Meter, World};

/// How long each trial's generator sends.
const SECONDS: u64 = 2;

/// The programs of `progs/wire.o`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Drop,
    Pass,
    Tx,
    Redirect,
}

impl Verdict {
    const ALL: [Self; 4] = [Self::Drop, Self::Pass, Self::Tx, Self::Redirect];

    fn program(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Pass => "pass",
            Self::Tx => "tx",
            Self::Redirect => "redirect",
        }
    }
}

/// Begins again inside a network namespace of its own.
pub(crate) fn run() -> Outcome {
    world::inside("net-inside")
}

/// All trials; this process is in the near namespace.
pub(crate) fn run_inside() -> Outcome {
    let world = World::new()?;
    let skep = Side::skep(&world)?;
    let linux = Side::linux();
    let mut table = Table::new(SECONDS);
    table.add(plain(&world)?);
    for verdict in Verdict::ALL {
        if let Some(linux) = &linux {
            for mode in [XdpMode::Generic, XdpMode::Driver] {
                table.add(trial(&world, linux, verdict, mode, None)?);
            }
        }
        for via in [Via::Packet, Via::Tun, Via::AfXdp] {
            table.add(trial(&world, &skep, verdict, XdpMode::Any, Some(via))?);
        }
    }
    table.end();
    Ok(())
}

/// No program at all: what a hop costs.
fn plain(world: &World) -> Outcome<Row> {
    let meter = Meter::begin(world, None)?;
    let sent = world.generate(Duration::from_secs(SECONDS))?;
    let used = meter.end(world)?;
    Ok(Row {
        name: "no program".to_owned(),
        verdict: "pass",
        sent: sent.frames,
        seconds: sent.seconds,
        handled: used.passed,
        delivered: Some(used.passed),
        missed: 0,
        busy_ns: used.busy_ns,
        worker_ns: None,
        answer: None,
        refused: None,
    })
}

fn trial(
    world: &World,
    side: &Side,
    verdict: Verdict,
    mode: XdpMode,
    via: Option<Via>,
) -> Outcome<Row> {
    let name = side.name(mode, via);
    let attached = match Attached::new(side, world, verdict.program(), mode, via)? {
        Ok(attached) => attached,
        Err(why) => return Ok(Row::refused(name, verdict.program(), why)),
    };
    let meter = Meter::begin(world, side.pid())?;
    // The daemon is asked something now and then, while it is busy.
    let asking = std::thread::scope(|scope| -> Outcome<_> {
        let sending = scope.spawn(|| {
            world
                .generate(Duration::from_secs(SECONDS))
                .map_err(|error| error.to_string())
        });
        let mut slowest = Duration::ZERO;
        while !sending.is_finished() {
            let begun = Instant::now();
            attached.ask()?;
            slowest = slowest.max(begun.elapsed());
            std::thread::sleep(Duration::from_millis(50));
        }
        let sent = sending
            .join()
            .map_err(|_| "the generator's thread panicked")??;
        Ok((sent, slowest))
    });
    let (sent, slowest) = asking?;
    // What is under way arrives.
    std::thread::sleep(Duration::from_millis(50));
    let used = meter.end(world)?;
    let handled = attached.handled()?;
    let missed = attached.missed()?;
    attached.detach()?;
    Ok(Row {
        name,
        verdict: verdict.program(),
        sent: sent.frames,
        seconds: sent.seconds,
        handled,
        delivered: match verdict {
            Verdict::Drop => None,
            Verdict::Pass => Some(used.passed),
            Verdict::Tx => Some(used.returned),
            Verdict::Redirect => Some(used.redirected),
        },
        missed,
        busy_ns: used.busy_ns,
        worker_ns: used.worker_ns,
        answer: side.pid().map(|_| slowest),
        refused: None,
    })
}
