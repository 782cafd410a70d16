//! Attach, detach, replace and map updates under traffic, after which every packet is accounted for.
//!
//! Three seconds of it are a test; `cargo xtask soak` runs it for as long as one wants ([`SECONDS`]) and shows the table.

use crate::attach::Site;
use crate::tools::udp::{Arrivals, Stream, arrivals, listen};
use std::fmt;
use std::time::{Duration, Instant};

/// Names, in the environment, how long it takes.
const SECONDS: &str = "SKEP_NET_SOAK_SECONDS";
/// The program, as it is loaded twice.
const NAMES: [&str; 2] = ["one", "two"];
const PORT: u16 = 7600;

/// Where the packets went.
#[derive(Default, Debug)]
struct Accounts {
    sent: u64,
    /// Dropped by the sender's own interface, which counts them: the queue of a TAP device is short.
    jammed: u64,
    /// Dropped by this machine for lack of time, between two of its interfaces. It says of all of them together how many, so
    /// that this is the most that can be ours; see [`backlog_drops`].
    backlog: u64,
    received: u64,
    /// Received more than once.
    doubled: u64,
    /// Not fetched in time by the test's own receiver, which its host counts.
    overflown: u64,
    /// As the programs count them.
    dropped: u64,
    passed: u64,
    /// As the trace tells of each detach.
    missed: u64,
    undelivered: u64,
    /// Attaches, each with its detach.
    attaches: u32,
    /// Commands that were carried out, and the longest time that one took.
    commands: u32,
    slowest: Duration,
}

impl Accounts {
    /// Packets that are nowhere, or less than none if some are in two places.
    fn unaccounted(&self) -> i64 {
        let found = self.jammed
            + self.received
            + self.overflown
            + self.dropped
            + self.missed
            + self.undelivered;
        self.sent.cast_signed() - found.cast_signed()
    }

    /// Packets that arrived without having met a program, because none was attached.
    fn unattached(&self) -> i64 {
        let arrived = self.received + self.overflown + self.undelivered;
        arrived.cast_signed() - self.passed.cast_signed()
    }
}

impl fmt::Display for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = [
            ("sent", self.sent.cast_signed()),
            ("left in the sender's queue", self.jammed.cast_signed()),
            ("received by the host", self.received.cast_signed()),
            ("  of these past a detached interface", self.unattached()),
            ("left by the receiver", self.overflown.cast_signed()),
            ("dropped by the program", self.dropped.cast_signed()),
            ("missed", self.missed.cast_signed()),
            ("undelivered", self.undelivered.cast_signed()),
            ("unaccounted", self.unaccounted()),
            (
                "  dropped by Linux between interfaces",
                self.backlog.cast_signed(),
            ),
            ("received twice", self.doubled.cast_signed()),
            ("attaches", self.attaches.into()),
            ("commands", self.commands.into()),
        ];
        for (name, value) in rows {
            writeln!(f, "{name:38}{value:12}")?;
        }
        let slowest = self.slowest.as_secs_f64() * 1e3;
        writeln!(
            f,
            "{:38}{slowest:12.1} ms",
            "slowest command, with its process"
        )
    }
}

pub(crate) fn accounts(site: &Site) {
    let asked = std::env::var(SECONDS).ok();
    let seconds = asked.as_deref().map_or(3, |text| text.parse().unwrap());
    for name in NAMES {
        site.load_as("soak", name);
    }
    let trace = site.trace();
    let host = listen(site.near(), &site.tools(), PORT);
    let to = format!("10.1.0.1:{PORT}");
    let stream = Stream {
        to: &to,
        count: u32::MAX,
        pace: Duration::from_micros(100),
        bytes: 64,
    };
    let sending = stream.start(site.far(), &site.tools());
    let before = backlog_drops();
    let mut accounts = Accounts::default();
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut round = 0;
    while Instant::now() < end {
        bustle(site, round, &mut accounts);
        round += 1;
    }
    accounts.sent = sending.stop().into();
    // While the receiver waits for stragglers, the last lines of the trace are printed.
    let arrivals = arrivals(host);
    accounts.backlog = backlog_drops() - before;
    settle(&mut accounts, site, &arrivals, &trace.text());
    if asked.is_some() {
        use std::io::Write as _;
        let table = format!("\n{}, {seconds} s\n{accounts}", site.attacher.name());
        std::io::stdout().write_all(table.as_bytes()).unwrap();
    }
    check(&accounts);
}

/// One attachment's life.
fn bustle(site: &Site, round: i32, accounts: &mut Accounts) {
    let mut timed = |act: &mut dyn FnMut()| {
        let begun = Instant::now();
        act();
        accounts.slowest = accounts.slowest.max(begun.elapsed());
        accounts.commands += 1;
    };
    timed(&mut || site.attach(NAMES[0]));
    accounts.attaches += 1;
    for step in 0..4_i32 {
        let name = NAMES[usize::from(step % 2 == 0)];
        timed(&mut || site.set(name, "rule", 0, 2 + (round + step) % 5));
        timed(&mut || site.replace(name));
    }
    timed(&mut || drop(site.results("net show dev x0")));
    timed(&mut || site.detach());
}

/// Adds what is known at the end.
fn settle(accounts: &mut Accounts, site: &Site, arrivals: &Arrivals, trace: &str) {
    accounts.received = arrivals.values().copied().map(u64::from).sum();
    accounts.doubled = arrivals.values().filter(|&&times| times > 1).count() as u64;
    accounts.jammed = site.far().counter("f0", "tx", "dropped");
    accounts.overflown = site.near().overflown();
    for line in trace.lines() {
        // `skep_net: detached ifindex=2: missed 7 undelivered 0`
        let Some((_, losses)) = line.split_once(": missed ") else {
            continue;
        };
        let (missed, undelivered) = losses.split_once(" undelivered ").unwrap();
        accounts.missed += missed.parse::<u64>().unwrap();
        accounts.undelivered += undelivered.parse::<u64>().unwrap();
    }
    for name in NAMES {
        accounts.dropped += site.count(name, 1);
        accounts.passed += site.count(name, 2);
    }
}

fn check(accounts: &Accounts) {
    assert!(accounts.sent > 0 && accounts.dropped > 0 && accounts.passed > 0);
    assert_eq!(accounts.doubled, 0, "\n{accounts}");
    let (lost, extra) = match accounts.unaccounted() {
        more @ 0.. => (more.unsigned_abs(), 0),
        less => (0, less.unsigned_abs()),
    };
    assert!(lost <= accounts.backlog, "\n{accounts}");
    assert_eq!(extra, 0, "\n{accounts}");
    assert!(accounts.unattached() >= 0, "\n{accounts}");
}

/// What the machine's CPUs have dropped because too much waited for them (second column, in hexadecimal).
fn backlog_drops() -> u64 {
    let text = std::fs::read_to_string("/proc/net/softnet_stat").unwrap();
    let column = |line: &str| {
        let word = line.split_whitespace().nth(1).unwrap();
        u64::from_str_radix(word, 16).unwrap()
    };
    text.lines().map(column).sum()
}
