//! What is said: requests and their responses, as postcard bytes.
//!
//! Decoding takes all bytes or fails; lengths inside are checked against what is there before memory is asked for.

use crate::WireError;
use serde::{Deserialize, Serialize};
use skep_uapi::{Command, MachineStatus, Reply};
use std::fmt;

/// Ties a response to its request; chosen by the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// One question.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Its number.
    pub id: RequestId,
    /// What is asked.
    pub ask: Ask,
}

/// What a client can ask.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Ask {
    /// The first question of a connection → [`Answer::Hello`].
    Hello(ClientHello),
    /// A command → [`Answer::Reply`].
    Call(Command),
    /// → [`Answer::DaemonStatus`].
    DaemonStatus,
    /// Asks the daemon to detach everything and end → [`Answer::ShuttingDown`].
    Shutdown,
}

/// Who asks. The daemon takes the process's number and user from the kernel instead.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClientHello {
    /// Name of the client's thread, for the trace pipe's lines; at most 15 bytes are used.
    pub comm: String,
}

/// Who answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DaemonHello {
    /// Number of the daemon's process, as it sees it.
    pub pid: u32,
    /// Version of its skep.
    pub skep: String,
}

/// One answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Response {
    /// The question's number.
    pub id: RequestId,
    /// The answer.
    pub answer: Answer,
}

/// What a daemon can answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Answer {
    /// To [`Ask::Hello`].
    Hello(DaemonHello),
    /// To [`Ask::Call`].
    Reply(Reply),
    /// To [`Ask::DaemonStatus`].
    DaemonStatus(DaemonStatus),
    /// To [`Ask::Shutdown`]: the daemon ends after this.
    ShuttingDown,
    /// To anything: it was not done.
    Refused(Refusal),
}

/// Why a question was not looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Refusal {
    /// [`Ask::Hello`] must come first, and once.
    HelloOutOfPlace,
    /// The daemon is ending.
    ShuttingDown,
    /// There are too many connections.
    TooManySessions,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HelloOutOfPlace => "the greeting must come first, and once",
            Self::ShuttingDown => "it is shutting down",
            Self::TooManySessions => "too many connections",
        })
    }
}

/// What `skep daemon status` prints.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Number of the process, as it sees it.
    pub pid: u32,
    /// Path of the socket.
    pub socket: String,
    /// Its user, as it sees it.
    pub uid: u32,
    /// Inode number of its network namespace.
    pub net_namespace: u64,
    /// Inode number of its user namespace.
    pub user_namespace: u64,
    /// Version of its skep.
    pub skep: String,
    /// Nanoseconds since it started.
    pub uptime_ns: u64,
    /// Connections, this one included.
    pub sessions: u32,
    /// What the machine holds.
    pub machine: MachineStatus,
    /// Who undoes its changes to interfaces, while there are any.
    pub guardian: Option<GuardianStatus>,
}

/// Who undoes a daemon's changes to interfaces if it dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct GuardianStatus {
    /// Number of the guardian's process, 0 if it has died and no other could be started yet.
    pub pid: u32,
    /// What there is to undo.
    pub entries: u32,
}

/// Bytes of a request.
#[must_use]
pub fn encode_request(request: &Request) -> Vec<u8> {
    encode(request)
}

/// Bytes of a response.
#[must_use]
pub fn encode_response(response: &Response) -> Vec<u8> {
    encode(response)
}

/// Reads a request.
///
/// # Errors
/// [`WireError::Malformed`] for short, overlong or senseless bytes.
pub fn decode_request(bytes: &[u8]) -> Result<Request, WireError> {
    decode(bytes, "request")
}

/// Reads a response.
///
/// # Errors
/// As [`decode_request`].
pub fn decode_response(bytes: &[u8]) -> Result<Response, WireError> {
    decode(bytes, "response")
}

fn encode(message: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(message).expect("memory is the only bound, and all lengths are known")
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &'static str) -> Result<T, WireError> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        Ok(_) | Err(_) => Err(WireError::Malformed { what }),
    }
}
