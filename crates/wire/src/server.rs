//! The daemon's end of one connection, for a thread of its own.
//!
//! Between messages a connection may be silent as long as it likes; within one, and in the preamble, it has a deadline.
//! Any error means: drop the connection. Others are not touched by it.

use crate::frame::{stream_error, write_message};
use crate::message::{Answer, Request, RequestId, Response, decode_request, encode_response};
use crate::preamble::{PREAMBLE_BYTES, Preamble};
use crate::reader::{Fill, MessageReader};
use crate::{MESSAGE_BYTES_MAX, WireError};
use skep_sys::{Peer, Readiness, effective_uid, peer, wait_readable};
use skep_uapi::{Errno, Reply};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How long the other end may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deadlines {
    /// For its preamble.
    pub preamble: Duration,
    /// For the rest of a message that has begun.
    pub message: Duration,
    /// To read an answer.
    pub write: Duration,
}

impl Deadlines {
    /// What the daemon uses.
    pub const DAEMON: Self = Self {
        preamble: Duration::from_secs(2),
        message: Duration::from_secs(10),
        write: Duration::from_secs(10),
    };
}

/// What came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Incoming {
    /// A question.
    Request(Request),
    /// The other end closed between messages.
    Closed,
    /// Nothing began within the time that the caller gave.
    Idle,
}

/// One accepted connection.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    peer: Peer,
    deadlines: Deadlines,
    reader: MessageReader,
}

impl Connection {
    /// Checks who connected, and exchanges preambles.
    ///
    /// # Errors
    /// [`WireError::ForeignPeer`] if it is another user, [`WireError::NotSkep`], [`WireError::Version`] (after telling
    /// the other end ours), [`WireError::Stalled`].
    pub fn accept(mut stream: UnixStream, deadlines: Deadlines) -> Result<Self, WireError> {
        let peer = peer(&stream)?;
        let ours = effective_uid();
        if peer.uid != ours {
            let theirs = peer.uid;
            return Err(WireError::ForeignPeer { ours, theirs });
        }
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(deadlines.write))?;
        let theirs = read_preamble(&mut stream, Instant::now() + deadlines.preamble)?;
        stream
            .write_all(&Preamble::ours().encode())
            .map_err(stream_error)?;
        Preamble::accept(&theirs)?;
        Ok(Self {
            stream,
            peer,
            deadlines,
            reader: MessageReader::new(),
        })
    }

    /// The process that connected.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// A second reference to the stream, to shut it down from another thread and so end a wait.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn stream(&self) -> Result<UnixStream, WireError> {
        Ok(self.stream.try_clone()?)
    }

    /// The next question; `idle` bounds the wait for its beginning (`None`: no bound).
    ///
    /// # Errors
    /// [`WireError::Stalled`] and [`WireError::Closed`] within a message, and what [`FrameDecoder::take`] and
    /// [`decode_request`] refuse.
    ///
    /// [`FrameDecoder::take`]: crate::FrameDecoder::take
    pub fn read_request(&mut self, idle: Option<Duration>) -> Result<Incoming, WireError> {
        let mut deadline = None;
        loop {
            if let Some(message) = self.reader.buffered()? {
                return Ok(Incoming::Request(decode_request(&message)?));
            }
            if self.reader.is_between_messages() {
                match wait_readable(self.stream.as_fd(), idle)? {
                    Readiness::TimedOut => return Ok(Incoming::Idle),
                    Readiness::Ready => {}
                }
                match self.reader.fill(&mut self.stream)? {
                    Fill::Bytes => continue,
                    Fill::End => return Ok(Incoming::Closed),
                }
            }
            wait_until(
                &self.stream,
                *deadline.get_or_insert_with(|| Instant::now() + self.deadlines.message),
            )?;
            match self.reader.fill(&mut self.stream)? {
                Fill::Bytes => {}
                Fill::End => return Err(WireError::Closed),
            }
        }
    }

    /// Sends an answer. A reply too long for a message becomes the error `EMSGSIZE`.
    ///
    /// # Errors
    /// [`WireError::Stalled`] if the other end does not read, [`WireError::Closed`] if it is gone.
    pub fn write_answer(&mut self, id: RequestId, answer: Answer) -> Result<(), WireError> {
        let mut bytes = encode_response(&Response { id, answer });
        if bytes.len() > MESSAGE_BYTES_MAX {
            let answer = Answer::Reply(Reply::err(Errno::EMSGSIZE));
            bytes = encode_response(&Response { id, answer });
        }
        let deadline = Instant::now() + self.deadlines.write;
        let stream = &mut self.stream;
        write_message(&mut UntilDeadline { stream, deadline }, &bytes)
    }
}

/// Bounds the whole of a message: the stream's own limit bounds only the wait for room, so that an end which reads a
/// byte now and then could hold a thread for ever.
struct UntilDeadline<'a> {
    stream: &'a mut UnixStream,
    deadline: Instant,
}

impl Write for UntilDeadline<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if Instant::now() >= self.deadline {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Reads the first bytes, and not one more.
fn read_preamble(
    stream: &mut UnixStream,
    deadline: Instant,
) -> Result<[u8; PREAMBLE_BYTES], WireError> {
    let mut preamble = [0; PREAMBLE_BYTES];
    let mut filled = 0;
    while filled < PREAMBLE_BYTES {
        wait_until(stream, deadline)?;
        match stream.read(&mut preamble[filled..]) {
            Ok(0) => return Err(WireError::Closed),
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(stream_error(error)),
        }
    }
    Ok(preamble)
}

/// Waits for bytes or the end of the stream.
fn wait_until(stream: &UnixStream, deadline: Instant) -> Result<(), WireError> {
    let left = deadline.saturating_duration_since(Instant::now());
    match wait_readable(stream.as_fd(), Some(left))? {
        Readiness::TimedOut => Err(WireError::Stalled),
        Readiness::Ready => Ok(()),
    }
}
