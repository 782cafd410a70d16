//! The near end: `Bpf` over a connection to the daemon.
//!
//! One question at a time; threads that share a client take turns, so whoever waits long (a trace reader) takes a
//! client of its own. Once a connection has broken, every call answers `EPIPE` and [`Client::failure`] says why:
//! handles of a lost connection are gone, so that connecting again silently would be wrong.

use crate::error::{ClientError, WireError};
use crate::frame::{stream_error, write_message};
use crate::message::{
    Answer, Ask, ClientHello, DaemonHello, DaemonStatus, Request, RequestId, decode_response,
    encode_request,
};
use crate::preamble::{PREAMBLE_BYTES, Preamble};
use crate::reader::{Fill, MessageReader};
use crate::{Endpoint, MESSAGE_BYTES_MAX};
use skep_sys::{comm, connect_within, effective_uid, peer};
use skep_uapi::{Bpf, Command, Errno, Reply};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Longest time that connecting, and each step of the greeting, may take. Commands have no limit: runs are as long as
/// their user wants.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection to a daemon.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    daemon: DaemonHello,
    link: Mutex<Link>,
}

/// The stream, and whether it still serves.
#[derive(Debug)]
struct Link {
    stream: UnixStream,
    reader: MessageReader,
    last_id: u64,
    failure: Option<WireError>,
}

impl Client {
    /// Connects to the daemon at an endpoint.
    ///
    /// # Errors
    /// [`ClientError::is_absent`] if none runs there; otherwise what is wrong with it.
    pub fn connect(endpoint: &Endpoint) -> Result<Self, ClientError> {
        Self::connect_path(&endpoint.socket_path())
    }

    /// Connects to the daemon that listens on `socket`.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub fn connect_path(socket: &Path) -> Result<Self, ClientError> {
        let fail = |error| ClientError {
            socket: socket.to_owned(),
            error,
        };
        let mut link = Link::open(socket).map_err(fail)?;
        let hello = Ask::Hello(ClientHello { comm: comm() });
        let daemon = match link.ask(hello).map_err(fail)? {
            Answer::Hello(daemon) => daemon,
            answer => return Err(fail(unexpected(answer))),
        };
        link.stream
            .set_read_timeout(None)
            .map_err(|error| fail(error.into()))?;
        link.stream
            .set_write_timeout(None)
            .map_err(|error| fail(error.into()))?;
        Ok(Self {
            socket: socket.to_owned(),
            daemon,
            link: Mutex::new(link),
        })
    }

    /// The daemon, as it introduced itself.
    #[must_use]
    pub fn daemon(&self) -> &DaemonHello {
        &self.daemon
    }

    /// Why the connection is broken, if it is.
    #[must_use]
    pub fn failure(&self) -> Option<ClientError> {
        let error = self.link().failure.clone()?;
        Some(self.client_error(error))
    }

    /// What the daemon says of itself.
    ///
    /// # Errors
    /// A broken connection, or the daemon's refusal.
    pub fn daemon_status(&self) -> Result<DaemonStatus, ClientError> {
        match self.ask(Ask::DaemonStatus)? {
            Answer::DaemonStatus(status) => Ok(status),
            answer => Err(self.client_error(unexpected(answer))),
        }
    }

    /// Asks the daemon to end; it has agreed when this returns, and ended when its lock is free.
    ///
    /// # Errors
    /// A broken connection, or the daemon's refusal.
    pub fn shutdown(&self) -> Result<(), ClientError> {
        match self.ask(Ask::Shutdown)? {
            Answer::ShuttingDown => Ok(()),
            answer => Err(self.client_error(unexpected(answer))),
        }
    }

    fn ask(&self, ask: Ask) -> Result<Answer, ClientError> {
        self.link()
            .ask(ask)
            .map_err(|error| self.client_error(error))
    }

    fn client_error(&self, error: WireError) -> ClientError {
        ClientError {
            socket: self.socket.clone(),
            error,
        }
    }

    /// A panic between question and answer leaves `failure` set, so that a poisoned lock is safe to take.
    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bpf for Client {
    fn call(&self, command: Command) -> Reply {
        match self.link().ask(Ask::Call(command)) {
            Ok(Answer::Reply(reply)) => reply,
            Err(WireError::MessageTooLong { .. }) => Reply::err(Errno::EMSGSIZE),
            Ok(Answer::Refused(_)) => Reply::err(Errno::EBUSY),
            Ok(Answer::Hello(_) | Answer::DaemonStatus(_) | Answer::ShuttingDown) => {
                Reply::err(Errno::EPROTO)
            }
            Err(_) => Reply::err(Errno::EPIPE),
        }
    }
}

fn unexpected(answer: Answer) -> WireError {
    match answer {
        Answer::Refused(refusal) => WireError::Refused(refusal),
        Answer::Hello(_) | Answer::Reply(_) | Answer::DaemonStatus(_) | Answer::ShuttingDown => {
            WireError::WrongAnswer
        }
    }
}

impl Link {
    /// Connects, checks whose daemon it is, and exchanges preambles.
    fn open(socket: &Path) -> Result<Self, WireError> {
        let mut stream = connect_within(socket, CONNECT_TIMEOUT)?;
        let (ours, theirs) = (effective_uid(), peer(&stream)?.uid);
        if ours != theirs {
            return Err(WireError::ForeignPeer { ours, theirs });
        }
        stream.set_read_timeout(Some(CONNECT_TIMEOUT))?;
        stream.set_write_timeout(Some(CONNECT_TIMEOUT))?;
        stream
            .write_all(&Preamble::ours().encode())
            .map_err(stream_error)?;
        let mut theirs = [0; PREAMBLE_BYTES];
        stream.read_exact(&mut theirs).map_err(stream_error)?;
        Preamble::accept(&theirs)?;
        Ok(Self {
            stream,
            reader: MessageReader::new(),
            last_id: 0,
            failure: None,
        })
    }

    /// Asks and waits for the answer. A question too long to send leaves the connection whole; any other error breaks
    /// it for good.
    fn ask(&mut self, ask: Ask) -> Result<Answer, WireError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let id = RequestId(self.last_id.wrapping_add(1));
        let bytes = encode_request(&Request { id, ask });
        if bytes.len() > MESSAGE_BYTES_MAX {
            let limit = MESSAGE_BYTES_MAX;
            return Err(WireError::MessageTooLong { limit });
        }
        self.last_id = id.0;
        // Whatever ends this call early, the stream is then in the middle of something.
        self.failure = Some(WireError::Closed);
        let result = self.exchange(id, &bytes);
        self.failure = result.as_ref().err().cloned();
        result
    }

    fn exchange(&mut self, id: RequestId, bytes: &[u8]) -> Result<Answer, WireError> {
        write_message(&mut self.stream, bytes)?;
        let response = decode_response(&self.read_message()?)?;
        if response.id == id {
            Ok(response.answer)
        } else {
            Err(WireError::WrongAnswer)
        }
    }

    fn read_message(&mut self) -> Result<Vec<u8>, WireError> {
        loop {
            if let Some(message) = self.reader.buffered()? {
                // Nothing was asked that more bytes could answer.
                let alone = self.reader.is_between_messages();
                return if alone {
                    Ok(message)
                } else {
                    Err(WireError::WrongAnswer)
                };
            }
            match self.reader.fill(&mut self.stream)? {
                Fill::Bytes => {}
                Fill::End => return Err(WireError::Closed),
            }
        }
    }
}
