//! What owner and guardian say to each other: a JSON text a line, on a pair of stream sockets.
//!
//! Both ends are one program, so there are no versions. Lines are bounded nevertheless, and a line that is no message
//! is an error and not a panic: the guardian must outlive whatever its owner becomes.

use crate::limits::GUARDIAN_LINE_BYTES_MAX;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use skep_net::live::Undo;
use std::io::{self, Read, Write};
use std::path::PathBuf;

/// A promise with its number.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its number; later promises have higher ones.
    pub(crate) id: u64,
    /// What was promised.
    pub(crate) undo: Undo,
}

/// What the owner says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// The first message → [`Answer::Ready`].
    Begin(Begin),
    /// → [`Answer::Kept`].
    Promise(Entry),
    /// The owner has promised again what it had promised to a guardian that died. No answer.
    NoMore,
    /// The entry is carried out. No answer.
    Forget {
        /// Its number.
        id: u64,
    },
    /// Nothing is left: end. No answer but the end.
    Finished,
}

/// Who is guarded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Begin {
    /// Number of the owner's process, for the log.
    pub(crate) owner: u32,
    /// Where to keep the entries, too; `None`: nowhere.
    pub(crate) journal: Option<PathBuf>,
    /// A file to remove with the journal if the owner dies: its lock, for which nobody else has a use.
    pub(crate) owner_lock: Option<PathBuf>,
    /// Where to say what was done.
    pub(crate) log: Option<PathBuf>,
    /// Lowest number of the owner's entries: what the journal holds from there on is known better by the owner.
    pub(crate) first: u64,
}

/// What the guardian says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// It is able to undo.
    Ready,
    /// The entry of this number is remembered.
    Kept {
        /// Its number.
        id: u64,
    },
    /// It is not.
    Refused {
        /// Why.
        why: String,
    },
}

/// Sends a message.
pub(crate) fn send(stream: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    if line.len() > GUARDIAN_LINE_BYTES_MAX {
        return Err(invalid("message too long"));
    }
    stream.write_all(&line)
}

/// Reads messages.
#[derive(Debug)]
pub(crate) struct Reader<S> {
    stream: S,
    /// Bytes that are read and not yet used.
    buffer: Vec<u8>,
}

impl<S: Read> Reader<S> {
    pub(crate) fn new(stream: S) -> Self {
        let buffer = Vec::new();
        Self { stream, buffer }
    }

    /// Where the bytes come from.
    pub(crate) fn stream(&self) -> &S {
        &self.stream
    }

    /// The next message; `None` at the end. Half a message before the end is none: whoever sent it has died sending.
    ///
    /// # Errors
    /// `InvalidData` for a line that is too long or no message, otherwise what reading meets.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return serde_json::from_slice(&line)
                    .map(Some)
                    .map_err(|error| invalid(&error.to_string()));
            }
            if self.buffer.len() >= GUARDIAN_LINE_BYTES_MAX {
                return Err(invalid("message too long"));
            }
            let mut piece = [0; 1024];
            match self.stream.read(&mut piece) {
                Ok(0) => return Ok(None),
                Ok(count) => self.buffer.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn entry(name: String) -> Ask {
        Ask::Promise(Entry {
            id: 7,
            undo: Undo::DeleteLink { name },
        })
    }

    #[test]
    fn round_trip_and_the_end() {
        let asks = [
            Ask::Begin(Begin {
                owner: 3,
                journal: Some("/a b\n".into()),
                owner_lock: None,
                log: None,
                first: u64::MAX,
            }),
            entry("sk0a".to_owned()),
            Ask::NoMore,
            Ask::Forget { id: 7 },
            Ask::Finished,
        ];
        let mut bytes = Vec::new();
        for ask in &asks {
            send(&mut bytes, ask).unwrap();
        }
        // Cut off anywhere, only whole messages come out.
        for end in 0..=bytes.len() {
            let mut reader = Reader::new(&bytes[..end]);
            let mut read = Vec::new();
            while let Some(ask) = reader.next::<Ask>().unwrap() {
                read.push(ask);
            }
            let whole = bytes[..end].iter().filter(|&&byte| byte == b'\n').count();
            assert_eq!(read, asks[..whole]);
        }
    }

    #[test]
    fn what_is_no_message() {
        for text in [
            "\n",
            "{}\n",
            "\"Ready\"\n",
            "{\"Forget\":{\"id\":-1}}\n",
            "\u{0}\n",
        ] {
            let error = Reader::new(text.as_bytes()).next::<Ask>().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{text:?}");
        }
        let long = vec![b'x'; 2 * GUARDIAN_LINE_BYTES_MAX];
        assert!(Reader::new(&long[..]).next::<Ask>().is_err());
        assert!(send(&mut Vec::new(), &entry("x".repeat(GUARDIAN_LINE_BYTES_MAX))).is_err());
    }
}
