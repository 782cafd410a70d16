//! `skep daemon`: serve as the daemon, look at those that run, stop this one.
//!
//! Nobody needs to start a daemon, see [`connect`]. `status` exits with 3 if none runs, as `systemctl status` does;
//! `stop` succeeds, because what it is asked for is the case.

use crate::app::Session;
use crate::args::{Args, number};
use crate::connect::{self, failure};
use crate::failure::{Failure, Outcome};
use crate::output::{Record, escape, object, plain};
use skep_btf::json::Node;
use skep_daemon::limits::START_TIME;
use skep_daemon::{Guardian, Log, Options, RunError, wait_until_ended};
use skep_net::live::LivePorts;
use skep_sys::TerminationSignals;
use skep_wire::{Client, DaemonStatus, Endpoint, GuardianStatus, list_endpoints};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

/// Exit code of `status` if no daemon runs.
const EXIT_NOT_RUNNING: u8 = 3;

/// What `daemon run` is asked for.
struct Run {
    /// Nobody reads its output: the log goes to a file, and a daemon that runs already is no error.
    detached: bool,
    /// Time without use after which it ends; `None` for the default.
    idle: Option<Idle>,
}

/// A choice of the time without use.
enum Idle {
    Never,
    After(Duration),
}

/// Serves until a signal, `daemon stop` or disuse.
pub(crate) fn run(session: &mut Session, args: &mut Args) -> Outcome {
    let request = parse_run(args)?;
    // Before any thread is there that could take the signal, or keep its rights.
    let signals = TerminationSignals::block()?;
    skep_daemon::drop_rights()?;
    let endpoint = connect::endpoint()?;
    let log = if request.detached {
        let path = endpoint.log_path();
        Log::file(&path)
            .map_err(|error| Failure::message(format!("{}: {error}", path.display())))?
    } else {
        Log::stderr()
    };
    let mut options = Options::new(log, Some(signals));
    match request.idle {
        None => {}
        Some(Idle::Never) => options.idle = None,
        Some(Idle::After(time)) => options.idle = Some(time),
    }
    let guardian = Guardian::of_daemon(connect::guardian_launch(), &endpoint);
    let guardian = Arc::new(guardian);
    let ports = LivePorts::new(Arc::<Guardian>::clone(&guardian));
    let machine = skep_daemon::machine_with_ports(ports, guardian);
    match skep_daemon::run(&endpoint, machine, options) {
        Err(RunError::AlreadyRunning { .. }) if request.detached => {}
        Ok(_) => {}
        Err(error) => return Err(failure(error)),
    }
    session.out.nothing();
    Ok(())
}

/// Guards a process of skep's that changes interfaces; only such a process starts it, with a socket as its input.
pub(crate) fn guard(session: &mut Session, args: &mut Args) -> Outcome {
    if !args.is_empty() {
        return Err(args.unknown());
    }
    skep_daemon::guard().map_err(failure)?;
    session.out.nothing();
    Ok(())
}

fn parse_run(args: &mut Args) -> Outcome<Run> {
    let mut request = Run {
        detached: false,
        idle: None,
    };
    while !args.is_empty() {
        if args.take("detached") {
            request.detached = true;
        } else if args.take("idle") {
            args.require_plain(1)?;
            let word = args.next().unwrap_or_default();
            let seconds = number(&word)
                .ok_or_else(|| Failure::message(format!("can't parse {word} as seconds")))?;
            request.idle = Some(if seconds == 0 {
                Idle::Never
            } else {
                Idle::After(Duration::from_secs(seconds))
            });
        } else {
            return Err(args.unknown());
        }
    }
    Ok(request)
}

/// Shows the daemon of this user and these namespaces.
pub(crate) fn status(session: &mut Session, args: &mut Args) -> Outcome {
    if !args.is_empty() {
        return Err(args.unknown());
    }
    let endpoint = connect::endpoint()?;
    let Some(client) = connect::running(&endpoint)? else {
        if session.out.is_json() {
            session.out.nothing();
        } else {
            writeln!(
                session.out.results(),
                "no daemon is running (socket {})",
                socket(&endpoint)
            )?;
        }
        return Err(Failure::Silent {
            code: EXIT_NOT_RUNNING,
        });
    };
    let status = client.daemon_status().map_err(failure)?;
    session.out.record(&StatusRecord {
        status,
        log: endpoint.log_path().display().to_string(),
    })
}

/// Shows the daemons of this user in all namespaces.
pub(crate) fn list(session: &mut Session, args: &mut Args) -> Outcome {
    if !args.is_empty() {
        return Err(args.unknown());
    }
    let here = connect::endpoint()?;
    let endpoints = list_endpoints().map_err(failure)?;
    let records: Vec<_> = endpoints
        .iter()
        .map(|endpoint| ListRecord::of(endpoint, &here))
        .collect();
    session.out.list(&records)
}

/// Ends the daemon of this user and these namespaces, and waits until it has ended.
pub(crate) fn stop(session: &mut Session, args: &mut Args) -> Outcome {
    if !args.is_empty() {
        return Err(args.unknown());
    }
    let endpoint = connect::endpoint()?;
    if let Some(client) = connect::running(&endpoint)? {
        client.shutdown().map_err(failure)?;
        if !wait_until_ended(&endpoint, START_TIME).map_err(failure)? {
            let text = format!(
                "the daemon (pid {}) has agreed to end and has not done so yet",
                client.daemon().pid
            );
            return Err(Failure::message(text));
        }
    }
    session.out.nothing();
    Ok(())
}

fn socket(endpoint: &Endpoint) -> String {
    escape(&endpoint.socket_path().display().to_string())
}

struct StatusRecord {
    status: DaemonStatus,
    log: String,
}

impl StatusRecord {
    /// Connections but for the one that asks.
    fn sessions(&self) -> u32 {
        self.status.sessions.saturating_sub(1)
    }
}

impl Record for StatusRecord {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let DaemonStatus {
            pid,
            uid,
            skep,
            uptime_ns,
            machine,
            guardian,
            ..
        } = &self.status;
        let DaemonStatus {
            net_namespace,
            user_namespace,
            socket,
            ..
        } = &self.status;
        writeln!(
            out,
            "pid {pid}  uid {uid}  skep v{}  up {}s",
            escape(skep),
            uptime_ns / 1_000_000_000
        )?;
        writeln!(out, "\tsocket {}", escape(socket))?;
        writeln!(out, "\tlog {}", escape(&self.log))?;
        writeln!(
            out,
            "\tnetwork namespace {net_namespace}  user namespace {user_namespace}"
        )?;
        writeln!(
            out,
            "\tprogs {}  maps {}  btfs {}  links {}  pins {}  other connections {}  trace lines lost {}",
            machine.progs,
            machine.maps,
            machine.btfs,
            machine.links,
            machine.pins,
            self.sessions(),
            machine.trace_lost
        )?;
        match guardian {
            Some(GuardianStatus { pid, entries }) => {
                writeln!(out, "\tguardian pid {pid}  changes to undo {entries}")
            }
            None => Ok(()),
        }
    }

    fn json(&self) -> Node {
        let status = &self.status;
        let guardian = status.guardian.map(|guardian| {
            object([
                ("pid", plain(guardian.pid)),
                ("changes_to_undo", plain(guardian.entries)),
            ])
        });
        object([
            ("pid", plain(status.pid)),
            ("uid", plain(status.uid)),
            ("version", plain(status.skep.as_str())),
            ("uptime_ns", plain(status.uptime_ns)),
            ("socket", plain(status.socket.as_str())),
            ("log", plain(self.log.as_str())),
            ("net_namespace", plain(status.net_namespace)),
            ("user_namespace", plain(status.user_namespace)),
            ("progs", plain(status.machine.progs)),
            ("maps", plain(status.machine.maps)),
            ("btfs", plain(status.machine.btfs)),
            ("links", plain(status.machine.links)),
            ("pins", plain(status.machine.pins)),
            ("other_connections", plain(self.sessions())),
            ("trace_lost", plain(status.machine.trace_lost)),
            ("guardian", guardian),
        ])
    }
}

struct ListRecord {
    endpoint: Endpoint,
    /// Whether it is the one that commands of this process speak to.
    here: bool,
    state: State,
}

enum State {
    Running {
        pid: u32,
    },
    /// Its socket is left from one that was killed; the next daemon there replaces it.
    Dead,
    Unusable(String),
}

impl ListRecord {
    fn of(endpoint: &Endpoint, here: &Endpoint) -> Self {
        let state = match Client::connect(endpoint) {
            Ok(client) => State::Running {
                pid: client.daemon().pid,
            },
            Err(error) if error.is_absent() => State::Dead,
            Err(error) => State::Unusable(error.error.to_string()),
        };
        Self {
            endpoint: endpoint.clone(),
            here: endpoint == here,
            state,
        }
    }

    fn pid(&self) -> Option<u32> {
        match self.state {
            State::Running { pid } => Some(pid),
            State::Dead | State::Unusable(_) => None,
        }
    }

    fn state(&self) -> &str {
        match &self.state {
            State::Running { .. } => "running",
            State::Dead => "dead",
            State::Unusable(error) => error,
        }
    }
}

impl Record for ListRecord {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{}: {}", socket(&self.endpoint), escape(self.state()))?;
        if let Some(pid) = self.pid() {
            write!(out, "  pid {pid}")?;
        }
        let (net, user) = (
            self.endpoint.net_namespace(),
            self.endpoint.user_namespace(),
        );
        let here = if self.here { "  (here)" } else { "" };
        writeln!(
            out,
            "  network namespace {net}  user namespace {user}{here}"
        )
    }

    fn json(&self) -> Node {
        object([
            (
                "socket",
                plain(self.endpoint.socket_path().display().to_string()),
            ),
            ("state", plain(self.state())),
            ("pid", self.pid().and_then(plain)),
            ("net_namespace", plain(self.endpoint.net_namespace())),
            ("user_namespace", plain(self.endpoint.user_namespace())),
            ("here", plain(self.here)),
        ])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn status_shows_a_guardian_that_has_something_to_do() {
        let record = |guardian| StatusRecord {
            status: DaemonStatus {
                guardian,
                ..DaemonStatus::default()
            },
            log: "l".to_owned(),
        };
        let text = |record: &StatusRecord| {
            let mut out = Vec::new();
            record.text(&mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let guarded = record(Some(GuardianStatus { pid: 7, entries: 3 }));
        let line = "\tguardian pid 7  changes to undo 3\n";
        assert!(text(&guarded).ends_with(line));
        assert!(!text(&record(None)).contains("guardian"));
        let json = format!("{:?}", guarded.json());
        assert!(json.contains("changes_to_undo"), "{json}");
        assert!(!format!("{:?}", record(None).json()).contains("guardian"));
    }
}
