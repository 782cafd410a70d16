//! One session: greeting, then commands until the client goes.
//!
//! Everything that belongs to the session lives on its thread's stack, its `Bpf` connection too: whatever ends the
//! session, a panic included, closes its handles.

use crate::Peer;
use crate::limits::{COMM_BYTES_MAX, DEPARTURE_TIME, REFUSAL_TIME, TRACE_WAIT};
use crate::listen::Shared;
use crate::sessions::Place;
use skep_uapi::{Bpf, Command, Reply, Value};
use skep_wire::{
    Answer, Ask, ClientHello, Connection, DaemonHello, DaemonStatus, Deadlines, Incoming, Refusal,
    Request, SKEP_VERSION, WireError,
};
use std::any::Any;
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Serves a client until it goes, errs or panics us; the log says which.
pub(crate) fn serve(stream: UnixStream, place: Place, shared: &Shared) {
    // Nothing shared is left half changed: the session's own state goes with it, and the machine guards its own.
    let pid = skep_sys::peer(&stream).map_or(0, |peer| peer.pid);
    let outcome = catch_unwind(AssertUnwindSafe(|| converse(stream, &place, shared)));
    let reason = match &outcome {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(payload) => format!("panic: {}", panic_text(&**payload)),
    };
    shared
        .log
        .line(format_args!("session of pid {pid} dropped: {reason}"));
}

/// Tells a client that there are too many, if it greets soon.
pub(crate) fn refuse(stream: UnixStream) -> Result<(), WireError> {
    let deadlines = Deadlines {
        preamble: REFUSAL_TIME,
        message: REFUSAL_TIME,
        write: REFUSAL_TIME,
    };
    let mut connection = Connection::accept(stream, deadlines)?;
    match connection.read_request(Some(REFUSAL_TIME))? {
        Incoming::Request(Request { id, ask: _ }) => {
            connection.write_answer(id, Answer::Refused(Refusal::TooManySessions))
        }
        Incoming::Closed | Incoming::Idle => Ok(()),
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

fn converse(stream: UnixStream, place: &Place, shared: &Shared) -> Result<(), WireError> {
    let mut connection = Connection::accept(stream, shared.deadlines)?;
    let Some(bpf) = greet(&mut connection, place, shared)? else {
        return Ok(());
    };
    let session = Session { bpf, place, shared };
    loop {
        let Request { id, ask } = match connection.read_request(None)? {
            Incoming::Request(request) => request,
            Incoming::Closed | Incoming::Idle => return Ok(()),
        };
        place.set_busy();
        let (answer, next) = session.answer(ask);
        // Before the answer: who has read it may be gone at once, see `Sessions::wait_departed`.
        place.set_silent();
        connection.write_answer(id, answer)?;
        if next.is_break() {
            // Only now, so that whoever asked for the end hears of it before the streams are shut.
            shared.sessions.stop();
            return Ok(());
        }
    }
}

/// The greeting; `None` if the client went or began with something else.
fn greet(
    connection: &mut Connection,
    place: &Place,
    shared: &Shared,
) -> Result<Option<Box<dyn Bpf>>, WireError> {
    match connection.read_request(Some(shared.deadlines.preamble))? {
        Incoming::Request(Request {
            id,
            ask: Ask::Hello(hello),
        }) => {
            shared.sessions.wait_departed(DEPARTURE_TIME);
            let peer = peer_of(connection, hello);
            let bpf = shared.backend().connect(peer, place.presence());
            let daemon = DaemonHello {
                pid: skep_sys::pid(),
                skep: SKEP_VERSION.to_owned(),
            };
            place.set_silent();
            connection.write_answer(id, Answer::Hello(daemon))?;
            Ok(Some(bpf))
        }
        Incoming::Request(Request {
            id,
            ask: Ask::Call(_) | Ask::DaemonStatus | Ask::Shutdown,
        }) => {
            connection.write_answer(id, Answer::Refused(Refusal::HelloOutOfPlace))?;
            Ok(None)
        }
        Incoming::Closed => Ok(None),
        Incoming::Idle => Err(WireError::Stalled),
    }
}

fn peer_of(connection: &Connection, hello: ClientHello) -> Peer {
    let mut comm = hello.comm;
    let mut end = comm.len().min(COMM_BYTES_MAX);
    while !comm.is_char_boundary(end) {
        end -= 1;
    }
    comm.truncate(end);
    let credentials = connection.peer();
    Peer {
        uid: credentials.uid,
        pid: credentials.pid,
        comm,
    }
}

struct Session<'a> {
    bpf: Box<dyn Bpf>,
    place: &'a Place,
    shared: &'a Shared,
}

impl Session<'_> {
    /// The answer, and whether the daemon is to go on.
    fn answer(&self, ask: Ask) -> (Answer, ControlFlow<()>) {
        if self.shared.sessions.is_stopping() {
            return (
                Answer::Refused(Refusal::ShuttingDown),
                ControlFlow::Continue(()),
            );
        }
        match ask {
            Ask::Hello(_) => (
                Answer::Refused(Refusal::HelloOutOfPlace),
                ControlFlow::Continue(()),
            ),
            Ask::Call(command) => (Answer::Reply(self.call(command)), ControlFlow::Continue(())),
            Ask::DaemonStatus => (
                Answer::DaemonStatus(self.status()),
                ControlFlow::Continue(()),
            ),
            Ask::Shutdown => (Answer::ShuttingDown, ControlFlow::Break(())),
        }
    }

    fn call(&self, command: Command) -> Reply {
        if let Command::TraceRead { lines_max, wait_ms } = command {
            return self.trace_read(lines_max, Duration::from_millis(wait_ms.into()));
        }
        let closes = matches!(command, Command::Close { .. });
        let attaches = matches!(command, Command::NetAttach(_) | Command::NetDeviceAdd(_));
        let reply = self.bpf.call(command);
        match &reply.result {
            Ok(Value::Handle(_) | Value::Opened(..)) => self.place.count_open(),
            Ok(_) if closes => self.place.count_close(),
            Ok(_) | Err(_) => {}
        }
        if attaches {
            self.shared.watch.poke();
        }
        reply
    }

    /// Waits in pieces, so that the session of a client that died waiting does not take a line from the living.
    fn trace_read(&self, lines_max: u32, wait: Duration) -> Reply {
        let deadline = Instant::now() + wait;
        let presence = self.place.presence();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let piece = left.min(TRACE_WAIT);
            let wait_ms = u32::try_from(piece.as_millis()).expect("at most TRACE_WAIT");
            let reply = self.bpf.call(Command::TraceRead { lines_max, wait_ms });
            let nothing = matches!(&reply.result, Ok(Value::Lines(lines)) if lines.is_empty());
            if !nothing || piece == left || presence.is_gone() {
                return reply;
            }
        }
    }

    fn status(&self) -> DaemonStatus {
        let machine = match self.bpf.call(Command::Status).result {
            Ok(Value::Status(status)) => status,
            // A backend that cannot count shows zeros.
            Ok(_) | Err(_) => Default::default(),
        };
        let shared = self.shared;
        DaemonStatus {
            pid: skep_sys::pid(),
            socket: shared.endpoint.socket_path().display().to_string(),
            uid: skep_sys::effective_uid(),
            net_namespace: shared.endpoint.net_namespace(),
            user_namespace: shared.endpoint.user_namespace(),
            skep: SKEP_VERSION.to_owned(),
            uptime_ns: u64::try_from(shared.started.elapsed().as_nanos()).unwrap_or(u64::MAX),
            sessions: u32::try_from(shared.sessions.count()).unwrap_or(u32::MAX),
            machine,
            guardian: shared.guardian_status(),
        }
    }
}
