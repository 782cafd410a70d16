//! The near end's way in: connect, and start the daemon first if none runs.
//!
//! Nobody decides who starts it: everyone who finds none does, and the lock makes all but one of the processes give
//! way. What a process that fails to start could say is found out again by the one who waits for it, because a full
//! disk may have kept it from writing its log.

use crate::limits::{CONNECT_PAUSE_FIRST, CONNECT_PAUSE_MAX, START_TIME};
use crate::log::{open_append, read_tail};
use skep_sys::{Detached, LockFile, LogTarget, spawn_detached};
use skep_wire::{Client, ClientError, Endpoint, EndpointError, IoFailure, WireError};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};
use thiserror::Error;

/// What to do where socket, lock or log cannot be made.
pub(crate) const PLACE_REMEDY: &str =
    "free space there, or set XDG_RUNTIME_DIR to a folder of yours with mode 0700";

/// Bytes of a log's end that are searched for its last line.
const TAIL_BYTES: u64 = 4 << 10;

/// The process to start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Launch {
    /// Program file.
    pub program: PathBuf,
    /// Its arguments. It must exit with success if another daemon holds the place.
    pub args: Vec<OsString>,
}

/// Why there is no daemon to talk to. Each is one line that names what and what to do.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum StartError {
    /// One is there, and something is wrong with it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No room or right for its socket, lock or log.
    #[error("cannot start the daemon: {0}; {PLACE_REMEDY}")]
    Place(#[from] EndpointError),
    /// Its program cannot be started.
    #[error("cannot start the daemon: {program}: {error}", program = program.display())]
    Spawn {
        /// Program file.
        program: PathBuf,
        /// Why not.
        error: IoFailure,
    },
    /// It ended at once.
    #[error("the daemon did not start ({status}): {last_line} (log: {log})", log = log.display())]
    Failed {
        /// How it ended.
        status: String,
        /// What it said last.
        last_line: String,
        /// Its log.
        log: PathBuf,
    },
    /// It neither ended nor answered.
    #[error("the daemon does not answer within {seconds} s: {last_line} (log: {log})", log = log.display())]
    Late {
        /// How long it was waited for.
        seconds: u64,
        /// What it said last.
        last_line: String,
        /// Its log.
        log: PathBuf,
    },
}

/// Connects to the daemon at `endpoint`, starting it if none runs there.
///
/// # Errors
/// If one is there that cannot be used, or none can be started within [`START_TIME`].
pub fn connect_or_start(launch: &Launch, endpoint: &Endpoint) -> Result<Client, StartError> {
    let begin = Instant::now();
    let mut child = None;
    let mut pause = CONNECT_PAUSE_FIRST;
    loop {
        match Client::connect(endpoint) {
            Ok(client) => return Ok(client),
            Err(error) if error.is_absent() => advance(&mut child, launch, endpoint)?,
            // It was about to end when it was reached.
            Err(error) if is_ending(&error) => {}
            Err(error) => return Err(error.into()),
        }
        if begin.elapsed() >= START_TIME {
            let log = endpoint.log_path();
            return Err(StartError::Late {
                seconds: START_TIME.as_secs(),
                last_line: last_line(&log),
                log,
            });
        }
        thread::sleep(pause);
        pause = CONNECT_PAUSE_MAX.min(pause * 2);
    }
}

/// Waits until the daemon at `endpoint`, which has agreed to end, has done so: its lock is free. False if it still
/// holds it after `time`.
///
/// # Errors
/// If the lock cannot be opened.
pub fn wait_until_ended(endpoint: &Endpoint, time: Duration) -> Result<bool, EndpointError> {
    let begin = Instant::now();
    let path = endpoint.lock_path();
    loop {
        match LockFile::try_lock(&path) {
            Ok(Some(_)) => return Ok(true),
            Ok(None) if begin.elapsed() >= time => return Ok(false),
            Ok(None) => thread::sleep(CONNECT_PAUSE_FIRST * 2),
            Err(error) => return Err(place_error(path, error)),
        }
    }
}

/// Starts a process if none is on its way, and looks whether the one that is has failed.
fn advance(
    child: &mut Option<Detached>,
    launch: &Launch,
    endpoint: &Endpoint,
) -> Result<(), StartError> {
    let Some(running) = child else {
        *child = Some(spawn(launch, endpoint)?);
        return Ok(());
    };
    match running.try_wait() {
        Ok(None) => Ok(()),
        // It found another holding the place: that one is about to listen or about to end.
        Ok(Some(status)) if status.success() => {
            *child = None;
            Ok(())
        }
        Ok(Some(status)) => Err(why_failed(status, endpoint)),
        Err(error) => Err(spawn_error(launch, error)),
    }
}

fn spawn(launch: &Launch, endpoint: &Endpoint) -> Result<Detached, StartError> {
    let log_path = endpoint.log_path();
    let log = open_append(&log_path).map_err(|error| place_error(log_path, error))?;
    spawn_detached(&launch.program, &launch.args, LogTarget::File(log))
        .map_err(|error| spawn_error(launch, error))
}

fn spawn_error(launch: &Launch, error: io::Error) -> StartError {
    StartError::Spawn {
        program: launch.program.clone(),
        error: error.into(),
    }
}

fn place_error(path: PathBuf, error: io::Error) -> EndpointError {
    EndpointError::Io {
        path,
        error: error.into(),
    }
}

/// Does what the process did, for its error; its own words only if that works.
fn why_failed(status: ExitStatus, endpoint: &Endpoint) -> StartError {
    match endpoint.claim() {
        Err(error) => StartError::Place(error),
        Ok(_) => {
            let log = endpoint.log_path();
            StartError::Failed {
                status: status.to_string(),
                last_line: last_line(&log),
                log,
            }
        }
    }
}

/// What the log says last.
fn last_line(log: &Path) -> String {
    let tail = open_append(log).and_then(|mut file| read_tail(&mut file, TAIL_BYTES));
    let text = tail.map(|tail| String::from_utf8_lossy(&tail).into_owned());
    let line = text.ok().and_then(|text| {
        let line = text.lines().rfind(|line| !line.trim().is_empty())?;
        Some(line.trim().to_owned())
    });
    line.unwrap_or_else(|| "its log is empty".to_owned())
}

/// Whether the other end accepted and closed without a word, or is telling that it ends.
fn is_ending(error: &ClientError) -> bool {
    const EPIPE: i32 = 32;
    const ECONNRESET: i32 = 104;
    match &error.error {
        WireError::Closed | WireError::Refused(skep_wire::Refusal::ShuttingDown) => true,
        WireError::Io(failure) => matches!(failure.errno, Some(EPIPE | ECONNRESET)),
        WireError::Stalled
        | WireError::NotSkep
        | WireError::Version { .. }
        | WireError::ForeignPeer { .. }
        | WireError::ChunkLength { .. }
        | WireError::MessageTooLong { .. }
        | WireError::Malformed { .. }
        | WireError::WrongAnswer
        | WireError::Refused(
            skep_wire::Refusal::HelloOutOfPlace | skep_wire::Refusal::TooManySessions,
        ) => false,
    }
}
