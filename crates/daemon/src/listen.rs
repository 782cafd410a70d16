//! The listener: accepts clients, and decides when the daemon ends.
//!
//! It ends when it is told to (a signal, a client) or when nobody needs it. The order of an end: no new clients (the
//! socket's name goes first, so that they start a new daemon, which waits for our lock), running commands finish,
//! sessions close, what is attached is detached, the machine is dropped, the lock is freed. Who was accepted by the system but not by us is closed
//! without a word, which [`connect_or_start`] takes for what it is.
//!
//! [`connect_or_start`]: crate::connect_or_start

use crate::deserted::Watch;
use crate::guardian::replay_at_start;
use crate::limits;
use crate::session;
use crate::sessions::{NoPlace, Place, Sessions};
use crate::{Backend, Guardian, Log};
use skep_sys::{TerminationSignals, wait_any_readable};
use skep_wire::{
    Claim, Deadlines, Endpoint, EndpointError, GuardianStatus, IoFailure, SKEP_VERSION,
};
use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use thiserror::Error;

/// How a daemon behaves.
#[derive(Debug)]
pub struct Options {
    /// Time without sessions, pins and links after which it ends; `None`: never.
    pub idle: Option<Duration>,
    /// Sessions at once.
    pub sessions_max: usize,
    /// How long clients may take.
    pub deadlines: Deadlines,
    /// Where its lines go.
    pub log: Log,
    /// Signals that end it, blocked before the process had threads; `None` if they are somebody else's business.
    pub signals: Option<TerminationSignals>,
}

impl Options {
    /// What `skep daemon run` uses.
    #[must_use]
    pub fn new(log: Log, signals: Option<TerminationSignals>) -> Self {
        Self {
            idle: Some(limits::IDLE_TIME),
            sessions_max: limits::SESSIONS_MAX,
            deadlines: Deadlines::DAEMON,
            log,
            signals,
        }
    }
}

/// Why a daemon ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndReason {
    /// Nobody was connected and nothing was pinned or attached.
    Idle,
    /// SIGTERM, SIGINT or SIGHUP.
    Signal,
    /// A client asked.
    Asked,
    /// Nobody else was left in the network namespace, and nothing named it.
    Deserted,
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "nobody needs it",
            Self::Signal => "signal",
            Self::Asked => "a client asked",
            Self::Deserted => "its network namespace is deserted",
        })
    }
}

/// How a daemon ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    /// Why.
    pub reason: EndReason,
    /// Sessions that were still at a command and die with the process.
    pub abandoned: usize,
}

/// Why there is no daemon.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum RunError {
    /// Another holds the place.
    #[error("a daemon is already running at {socket}", socket = socket.display())]
    AlreadyRunning {
        /// Its socket.
        socket: PathBuf,
    },
    /// The place cannot be had.
    #[error("{0}; {remedy}", remedy = crate::start::PLACE_REMEDY)]
    Place(#[from] EndpointError),
    /// The host failed it.
    #[error("cannot listen: {0}")]
    Host(#[from] IoFailure),
}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> Self {
        Self::Host(error.into())
    }
}

/// What the listener and all sessions see.
pub(crate) struct Shared {
    pub(crate) endpoint: Endpoint,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) deadlines: Deadlines,
    pub(crate) log: Log,
    pub(crate) started: Instant,
    pub(crate) watch: Watch,
    backend: Arc<dyn Backend>,
    refusals: AtomicUsize,
}

impl Shared {
    pub(crate) fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend)
    }

    pub(crate) fn guardian_status(&self) -> Option<GuardianStatus> {
        self.backend.guardian().and_then(Guardian::status)
    }
}

/// Serves `backend` at `endpoint` until the daemon ends.
///
/// # Errors
/// [`RunError::AlreadyRunning`] if another daemon does so, [`RunError::Place`] without room or right for socket and
/// lock, [`RunError::Host`] if the system refuses what a listener needs.
pub fn run(
    endpoint: &Endpoint,
    backend: Arc<dyn Backend>,
    options: Options,
) -> Result<Ended, RunError> {
    let Some(claim) = endpoint.claim()? else {
        let socket = endpoint.socket_path();
        return Err(RunError::AlreadyRunning { socket });
    };
    claim.listener().set_nonblocking(true)?;
    let shared = Arc::new(Shared {
        endpoint: endpoint.clone(),
        sessions: Arc::new(Sessions::new(options.sessions_max)?),
        deadlines: options.deadlines,
        log: options.log,
        started: Instant::now(),
        watch: Watch::default(),
        backend,
        refusals: AtomicUsize::new(0),
    });
    shared.log.line(format_args!(
        "skep {SKEP_VERSION} listens at {} (pid {})",
        endpoint.socket_path().display(),
        skep_sys::pid()
    ));
    replay_at_start(endpoint, &shared.log);
    let watcher = start_watcher(&shared)?;
    let listener = Listener {
        claim,
        shared,
        watcher,
        signals: options.signals,
        idle: options.idle,
    };
    let outcome = listener.serve();
    // Also when it fails: what is attached must not stay.
    let abandoned = match &outcome {
        Ok(reason) => listener.end(reason),
        Err(error) => listener.end(error),
    };
    Ok(Ended {
        reason: outcome?,
        abandoned,
    })
}

/// Looks after what is attached.
fn start_watcher(shared: &Arc<Shared>) -> io::Result<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    let watch = move || {
        let deserted = || shared.sessions.stop();
        shared.watch.run(&*shared.backend, &shared.log, deserted);
    };
    thread::Builder::new()
        .name("skep-watch".to_owned())
        .spawn(watch)
}

struct Listener {
    claim: Claim,
    shared: Arc<Shared>,
    watcher: JoinHandle<()>,
    signals: Option<TerminationSignals>,
    idle: Option<Duration>,
}

/// What the listener waits for.
#[derive(Clone, Copy)]
enum Event {
    Signal,
    Wake,
    Client,
}

impl Listener {
    fn serve(&self) -> Result<EndReason, RunError> {
        let mut unused_since = Instant::now();
        loop {
            match self.wait(self.idle_left(unused_since))? {
                None if self.is_unused() => return Ok(EndReason::Idle),
                // Something is pinned: nothing changes that without a session.
                None => unused_since = Instant::now(),
                Some(Event::Signal) => {
                    if self.took_signal()? {
                        return Ok(EndReason::Signal);
                    }
                }
                Some(Event::Wake) => {
                    self.shared.sessions.take_wake();
                    if self.shared.sessions.is_stopping() {
                        return Ok(match self.shared.watch.is_deserted() {
                            true => EndReason::Deserted,
                            false => EndReason::Asked,
                        });
                    }
                    unused_since = Instant::now();
                }
                Some(Event::Client) => self.accept(),
            }
        }
    }

    /// Time until the daemon may end; `None` while it is used.
    fn idle_left(&self, unused_since: Instant) -> Option<Duration> {
        let idle = self.idle?;
        (self.shared.sessions.count() == 0).then(|| idle.saturating_sub(unused_since.elapsed()))
    }

    fn is_unused(&self) -> bool {
        self.shared.sessions.count() == 0 && self.shared.backend.is_empty()
    }

    fn wait(&self, timeout: Option<Duration>) -> io::Result<Option<Event>> {
        let mut events = vec![
            (self.shared.sessions.wake_fd(), Event::Wake),
            (self.claim.listener().as_fd(), Event::Client),
        ];
        if let Some(signals) = &self.signals {
            // First, so that no flood of clients keeps a signal waiting.
            events.insert(0, (signals.as_fd(), Event::Signal));
        }
        let fds: Vec<_> = events.iter().map(|(fd, _)| *fd).collect();
        let first = wait_any_readable(&fds, timeout)?;
        Ok(first.map(|index| events[index].1))
    }

    fn took_signal(&self) -> io::Result<bool> {
        match &self.signals {
            Some(signals) => signals.wait(Some(Duration::ZERO)),
            None => Ok(false),
        }
    }

    /// Takes one client in, or says why not; nothing that goes wrong here concerns the others.
    fn accept(&self) {
        let stream = match self.claim.listener().accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) => {
                self.shared.log.line(format_args!("accept: {error}"));
                thread::sleep(limits::ACCEPT_PAUSE);
                return;
            }
        };
        match self.shared.sessions.admit(&stream) {
            Ok(place) => self.start_session(stream, place),
            Err(NoPlace::Full) => self.start_refusal(stream),
            Err(NoPlace::Host(error)) => self.shared.log.line(format_args!("accept: {error}")),
        }
    }

    fn start_session(&self, stream: UnixStream, place: Place) {
        let shared = Arc::clone(&self.shared);
        self.spawn("skep-session", move || {
            session::serve(stream, place, &shared)
        });
    }

    fn start_refusal(&self, stream: UnixStream) {
        let shared = Arc::clone(&self.shared);
        if shared.refusals.fetch_add(1, Ordering::Relaxed) >= limits::REFUSALS_MAX {
            shared.refusals.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        self.shared.log.line("client refused: too many connections");
        self.spawn("skep-refusal", move || {
            // A client that does not even hear it has gone.
            let _ = session::refuse(stream);
            shared.refusals.fetch_sub(1, Ordering::Relaxed);
        });
    }

    fn spawn(&self, name: &str, body: impl FnOnce() + Send + 'static) {
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .stack_size(limits::SESSION_STACK_BYTES);
        if let Err(error) = thread.spawn(body) {
            self.shared
                .log
                .line(format_args!("client dropped: no thread: {error}"));
        }
    }

    /// Gives how many sessions did not end.
    fn end(self, reason: &dyn fmt::Display) -> usize {
        let Self {
            claim,
            shared,
            watcher,
            ..
        } = self;
        shared.sessions.stop();
        // The claim does it again, after which there is no socket either way.
        let _ = std::fs::remove_file(shared.endpoint.socket_path());
        while claim.listener().accept().is_ok() {}
        shared.sessions.shut(Shutdown::Read);
        let mut abandoned = shared.sessions.wait_empty(limits::FINISH_TIME);
        if abandoned > 0 {
            shared.sessions.shut(Shutdown::Both);
            abandoned = shared.sessions.wait_empty(limits::CLOSE_TIME);
        }
        shared.watch.end();
        if watcher.join().is_err() {
            shared.log.line("the watch over what is attached panicked");
        }
        shared.backend.shut_down();
        shared.log.line(format_args!(
            "ends: {reason}; sessions cut short: {abandoned}"
        ));
        // All of it before the lock: a new daemon must find everything detached.
        drop(shared);
        drop(claim);
        abandoned
    }
}
