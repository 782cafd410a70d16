//! The table of `bench net`.

use std::time::Duration;

/// One trial.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) verdict: &'static str,
    /// Frames that the generator sent, and how long that took.
    pub(super) sent: u64,
    pub(super) seconds: f64,
    /// Frames that reached the program.
    pub(super) handled: u64,
    /// Frames that came out where the verdict sends them.
    pub(super) delivered: Option<u64>,
    /// Frames that the receiver lost and counted.
    pub(super) missed: u64,
    /// CPU nanoseconds of the whole machine.
    pub(super) busy_ns: u64,
    /// CPU nanoseconds of skep's worker.
    pub(super) worker_ns: Option<u64>,
    /// The daemon's slowest answer meanwhile.
    pub(super) answer: Option<Duration>,
    /// Why there was no trial.
    pub(super) refused: Option<String>,
}

impl Row {
    pub(super) fn refused(name: String, verdict: &'static str, why: String) -> Self {
        Self {
            name,
            verdict,
            sent: 0,
            seconds: 0.0,
            handled: 0,
            delivered: None,
            missed: 0,
            busy_ns: 0,
            worker_ns: None,
            answer: None,
            refused: Some(why),
        }
    }
}

/// Prints rows as they come.
pub(super) struct Table;

impl Table {
    pub(super) fn new(seconds: u64) -> Self {
        println!(
            "64-byte frames over veth, {seconds} s each; Mpps; CPU of generator and kernel included\n"
        );
        println!(
            "{:<9} {:<16} {:>6} {:>8} {:>6} {:>7} {:>8} {:>10} {:>8} {:>9}",
            "verdict",
            "way",
            "sent",
            "handled",
            "out",
            "missed",
            "ns/frame",
            "worker ns",
            "Mpps/core",
            "answer ms"
        );
        Self
    }

    pub(super) fn add(&mut self, row: Row) {
        let Row { name, verdict, .. } = &row;
        if let Some(why) = &row.refused {
            println!("{verdict:<9} {name:<16} - ({why})");
            return;
        }
        let mpps = |frames: u64| format!("{:.2}", ratio(frames, row.seconds * 1e6));
        let worker = row.worker_ns.map(|ns| ratio(ns, float(row.handled)));
        println!(
            "{verdict:<9} {name:<16} {:>6} {:>8} {:>6} {:>6.1}% {:>8.0} {:>10} {:>8} {:>9}",
            mpps(row.sent),
            mpps(row.handled),
            row.delivered.map_or_else(|| "-".to_owned(), mpps),
            ratio(row.missed, float(row.sent)) * 100.0,
            ratio(row.busy_ns, float(row.handled)),
            worker.map_or_else(|| "-".to_owned(), |ns| format!("{ns:.0}")),
            worker.map_or_else(|| "-".to_owned(), |ns| format!("{:.2}", 1e3 / ns)),
            row.answer.map_or_else(
                || "-".to_owned(),
                |time| format!("{:.1}", time.as_secs_f64() * 1e3)
            ),
        );
    }

    pub(super) fn end(self) {
        println!(
            "\nsent, handled, out: frames a second at the generator, the program, and where the verdict sends them.\n\
             worker: CPU of skep's thread for the interface; Mpps/core: what that leaves room for.\n\
             Linux native on veth sends back only to a peer that has a program of its own, which the far side has not."
        );
    }
}

fn ratio(count: u64, by: f64) -> f64 {
    if by > 0.0 {
        float(count) / by
    } else {
        f64::NAN
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a few seconds, to be rounded"
)]
fn float(count: u64) -> f64 {
    count as f64
}
