//! `skep run … dev IFACE`: a program on an interface, from attach to detach in one command.
//!
//! The machine is this process' own, and so are its ports: whatever ends the command takes the program off. What the program
//! prints is shown as it comes; on a terminal a line below it counts verdicts, else the counts come at the end.

use super::options::{LiveOptions, RunOptions};
use super::report::Report;
use super::{Ready, load};
use crate::app::Session;
use crate::calls;
use crate::connect::{self, failure};
use crate::failure::{Failure, Outcome};
use crate::net::Interface;
use crate::net::attach::about;
use crate::net::because;
use crate::net::tally::Tally;
use crate::output::{escape, object, plain};
use skep::{Config, Machine, Ports};
use skep_btf::json::Node;
use skep_daemon::Guardian;
use skep_net::live::LivePorts;
use skep_sys::TerminationSignals;
use skep_uapi::{Bpf, Command, Errno, Existing, NetAttach, NetLive, ObjectKind, XdpMode};
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most trace lines of one read.
const LINES_MAX: u32 = 256;
/// Longest wait for a trace line, in milliseconds; how soon an interruption is noticed.
const WAIT_MS: u32 = 200;
/// Time between two states of the line of counts.
const REFRESH: Duration = Duration::from_secs(1);
/// Columns of the line of counts: one that wrapped could not be overwritten.
const STATUS_COLUMNS: usize = 79;
/// Trace lines that a JSON report keeps; later ones are counted.
const JSON_LINES_MAX: usize = 64 << 10;

/// Carries it out on the interfaces of this network namespace.
pub(super) fn run(session: &mut Session, options: &RunOptions, on: &LiveOptions) -> Outcome {
    // Before any thread is there that could take the signal.
    let signals = TerminationSignals::block()?;
    let screen = if !session.out.is_json() && io::stdout().is_terminal() {
        Screen::Terminal
    } else {
        Screen::Plain
    };
    let interface = Interface::find(on.interface.clone())?;
    let place = Place {
        interface,
        options: on,
        ports: live_ports()?,
    };
    live(session, options, &place, screen, &signals)
}

/// What attaches to real interfaces, with a guardian that undoes it should this process die.
fn live_ports() -> Outcome<Arc<dyn Ports>> {
    let guardian = Guardian::of_process(connect::guardian_launch(), &connect::endpoint()?);
    Ok(LivePorts::new(Arc::new(guardian.map_err(failure)?)))
}

/// Where the program goes. Dropping it takes everything off.
struct Place<'a> {
    interface: Interface,
    options: &'a LiveOptions,
    ports: Arc<dyn Ports>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.ports.shut_down();
    }
}

/// What results are shown on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Screen {
    /// One whose last line can be written again.
    Terminal,
    /// A file or a pipe.
    Plain,
}

/// Why a run ended without an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// Somebody wants it, or the time is over.
    Wanted,
    /// The interface has gone.
    Gone,
}

fn live(
    session: &mut Session,
    options: &RunOptions,
    place: &Place<'_>,
    screen: Screen,
    signals: &TerminationSignals,
) -> Outcome {
    let machine = Machine::with_config(Config {
        ports: Some(Arc::clone(&place.ports)),
        ..Config::of_host()
    });
    let Ready {
        loaded,
        name,
        program,
        load,
    } = load(options, &machine)?;
    let bpf: &dyn Bpf = &**loaded.connection();
    let report = Report::begin(session, &name, load, loaded.warnings())?;
    attach(bpf, place, program.inner().id.0)?;
    let mut watch = Watch {
        bpf,
        place,
        screen,
        signals,
        deadline: place.options.time.map(|time| Instant::now() + time),
        counts: None,
        trace: Trace::default(),
    };
    let end = watch.until_end(session);
    watch.detach()?;
    let end = end?;
    watch.lines(session, 0)?;
    watch.finish(session, &report)?;
    match end {
        End::Wanted => Ok(()),
        End::Gone => Err(Failure::message(format!(
            "interface {} has gone",
            place.interface.name
        ))),
    }
}

fn attach(bpf: &dyn Bpf, place: &Place<'_>, prog_id: u32) -> Outcome {
    let interface = &place.interface;
    let prog = calls::open_id(bpf, ObjectKind::Prog, prog_id)
        .map_err(|errno| Failure::errno(format!("get by id ({prog_id}): {errno}"), errno))?;
    let reply = bpf.call(Command::NetAttach(NetAttach {
        prog: prog.handle(),
        ifindex: interface.index,
        mode: XdpMode::Any,
        existing: Existing::Keep,
        via: place.options.via,
    }));
    reply.result.map(|_| ()).map_err(|errno| {
        let why = because(&about(interface, &reply.log));
        Failure::errno(format!("interface xdp attach failed: {errno}{why}"), errno)
    })
}

/// What a JSON report keeps of the trace.
#[derive(Default)]
struct Trace {
    lines: Vec<String>,
    left_out: u64,
}

/// A run in progress.
struct Watch<'a> {
    bpf: &'a dyn Bpf,
    place: &'a Place<'a>,
    screen: Screen,
    signals: &'a TerminationSignals,
    deadline: Option<Instant>,
    /// Counts as they were read last.
    counts: Option<NetLive>,
    trace: Trace,
}

impl Watch<'_> {
    /// Shows what happens until somebody or something ends it.
    fn until_end(&mut self, session: &mut Session) -> Outcome<End> {
        let mut refresh = Instant::now();
        loop {
            let now = Instant::now();
            if now >= refresh {
                if self.count()? == End::Gone {
                    return Ok(End::Gone);
                }
                self.status(session)?;
                refresh = now + REFRESH;
            }
            let over = self.deadline.is_some_and(|deadline| now >= deadline);
            if over || self.signals.wait(Some(Duration::ZERO))? {
                return self.count();
            }
            let next = self
                .deadline
                .map_or(refresh, |deadline| deadline.min(refresh));
            let wait = next.saturating_duration_since(now).as_millis();
            let wait = u32::try_from(wait).unwrap_or(WAIT_MS).min(WAIT_MS);
            // At least a little, so that what is left of a millisecond is not spent asking.
            self.lines(session, wait.max(1))?;
        }
    }

    /// Reads the counts; without an attachment those read last stay.
    fn count(&mut self) -> Outcome<End> {
        let attached = calls::net_query(self.bpf)
            .map_err(|errno| Failure::errno(format!("can't list attachments: {errno}"), errno))?;
        let ifindex = self.place.interface.index;
        let found = attached
            .into_iter()
            .find(|attached| attached.ifindex == ifindex);
        match found {
            None => Ok(End::Gone),
            Some(attached) => {
                self.counts = attached.live;
                Ok(End::Wanted)
            }
        }
    }

    /// Shows trace lines, waiting for the first at most `wait_ms`.
    fn lines(&mut self, session: &mut Session, wait_ms: u32) -> Outcome {
        let lines = calls::trace_read(self.bpf, LINES_MAX, wait_ms).map_err(|errno| {
            Failure::errno(format!("failed to read the trace pipe: {errno}"), errno)
        })?;
        if lines.is_empty() {
            return Ok(());
        }
        if session.out.is_json() {
            let room = JSON_LINES_MAX - self.trace.lines.len();
            let more = u64::try_from(lines.len().saturating_sub(room)).unwrap_or(u64::MAX);
            self.trace.left_out = self.trace.left_out.saturating_add(more);
            self.trace.lines.extend(lines.into_iter().take(room));
            return Ok(());
        }
        self.clear(session)?;
        let out = session.out.results();
        for line in lines {
            writeln!(out, "{}", escape(&line))?;
        }
        out.flush()?;
        self.status(session)
    }

    /// Takes the line of counts away.
    fn clear(&self, session: &mut Session) -> Outcome {
        match self.screen {
            Screen::Terminal => write!(session.out.results(), "\r\x1b[K")?,
            Screen::Plain => {}
        }
        Ok(())
    }

    /// Writes the line of counts, where there can be one.
    fn status(&self, session: &mut Session) -> Outcome {
        let (Screen::Terminal, Some(counts)) = (self.screen, self.counts) else {
            return Ok(());
        };
        let name = escape(&self.place.interface.name);
        let line = format!("{name} via {}: {}", counts.via, Tally(counts).brief());
        let line: String = line.chars().take(STATUS_COLUMNS).collect();
        let out = session.out.results();
        write!(out, "\r\x1b[K{line}")?;
        out.flush()?;
        Ok(())
    }

    /// Takes the program off, after which the counts are the last.
    fn detach(&mut self) -> Outcome {
        match self.place.ports.detach(self.place.interface.index) {
            Ok(counts) => {
                self.counts = counts.or(self.counts);
                Ok(())
            }
            // With the interface the program has gone too.
            Err(error) if error.errno == Errno::ENODEV => Ok(()),
            Err(error) => {
                let why = because(&about(&self.place.interface, &error.why));
                Err(Failure::errno(
                    format!("interface xdp detach failed: {}{why}", error.errno),
                    error.errno,
                ))
            }
        }
    }

    /// Shows the counts as they were at the end.
    fn finish(&mut self, session: &mut Session, report: &Report) -> Outcome {
        let name = self.place.interface.name.as_str();
        if session.out.is_json() {
            let lines = std::mem::take(&mut self.trace.lines);
            let lines = lines.into_iter().map(Node::string).collect();
            let [program, load] = report.head();
            let counts = self.counts;
            let [packets, verdicts, missed, undelivered] = Tally::members(counts);
            session.out.json(object([
                program,
                load,
                ("devname", plain(name)),
                ("ifindex", plain(self.place.interface.index)),
                ("via", counts.and_then(|counts| plain(counts.via.name()))),
                ("trace", Some(Node::Array(lines))),
                ("trace_left_out", plain(self.trace.left_out)),
                packets,
                verdicts,
                missed,
                undelivered,
            ]));
            return Ok(());
        }
        self.clear(session)?;
        if let Some(counts) = self.counts {
            let (name, tally) = (escape(name), Tally(counts));
            writeln!(session.out.results(), "{name} via {}: {tally}", counts.via)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
