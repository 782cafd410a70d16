//! Messages as chunks: a word with the chunk's length and, in its top bit, whether it is the message's last; the bytes.
//!
//! Chunks are never empty and never longer than [`CHUNK_BYTES_MAX`], messages never longer than [`MESSAGE_BYTES_MAX`],
//! so that memory grows with what has arrived and not with what was announced. This file does not know what the
//! messages say.

use crate::WireError;
use std::io::{self, Write};

/// Most bytes of a message.
pub const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Most bytes of a chunk.
pub const CHUNK_BYTES_MAX: u32 = 1 << 20;

/// Bit of the first word that marks the last chunk.
const LAST: u32 = 1 << 31;

const HEADER_BYTES: usize = 4;

/// Puts messages together from bytes as they come, in pieces of any size.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    /// The part of a header that has come; empty while a chunk's bytes are awaited.
    header: Vec<u8>,
    /// Bytes of the present chunk that are still to come.
    chunk_left: usize,
    /// Whether the present chunk is the last.
    last: bool,
    message: Vec<u8>,
}

impl FrameDecoder {
    /// A decoder at the beginning of a message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a message has begun and not ended.
    #[must_use]
    pub fn is_mid_message(&self) -> bool {
        !self.header.is_empty() || self.chunk_left != 0 || !self.message.is_empty()
    }

    /// Takes bytes from the front of `input`, and gives the message that they complete, if any. What follows it stays
    /// in `input`.
    ///
    /// # Errors
    /// [`WireError::ChunkLength`] and [`WireError::MessageTooLong`]; the decoder is then of no more use.
    pub fn take(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, WireError> {
        while !input.is_empty() {
            if self.chunk_left == 0 {
                self.take_header(input)?;
                continue;
            }
            let (bytes, rest) = input.split_at(self.chunk_left.min(input.len()));
            *input = rest;
            self.message.extend_from_slice(bytes);
            self.chunk_left -= bytes.len();
            if self.chunk_left == 0 && self.last {
                return Ok(Some(std::mem::take(&mut self.message)));
            }
        }
        Ok(None)
    }

    fn take_header(&mut self, input: &mut &[u8]) -> Result<(), WireError> {
        let wanted = HEADER_BYTES - self.header.len();
        let (bytes, rest) = input.split_at(wanted.min(input.len()));
        *input = rest;
        self.header.extend_from_slice(bytes);
        let Some(&word) = self.header.first_chunk::<HEADER_BYTES>() else {
            return Ok(());
        };
        self.header.clear();
        let word = u32::from_le_bytes(word);
        let bytes = word & !LAST;
        if bytes == 0 || bytes > CHUNK_BYTES_MAX {
            let limit = CHUNK_BYTES_MAX;
            return Err(WireError::ChunkLength { bytes, limit });
        }
        self.chunk_left = usize::try_from(bytes).map_err(|_| WireError::MessageTooLong {
            limit: MESSAGE_BYTES_MAX,
        })?;
        self.last = word & LAST != 0;
        if self.message.len() + self.chunk_left > MESSAGE_BYTES_MAX {
            return Err(WireError::MessageTooLong {
                limit: MESSAGE_BYTES_MAX,
            });
        }
        Ok(())
    }
}

/// Writes a message. Small ones go out in one piece.
///
/// # Errors
/// [`WireError::MessageTooLong`] before anything is written; the stream's errors, a full one's as
/// [`WireError::Stalled`].
pub fn write_message(stream: &mut impl Write, message: &[u8]) -> Result<(), WireError> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(WireError::MessageTooLong {
            limit: MESSAGE_BYTES_MAX,
        });
    }
    debug_assert!(
        !message.is_empty(),
        "every message has at least a number and a kind"
    );
    let chunk_bytes_max = usize::try_from(CHUNK_BYTES_MAX).expect("a chunk fits any address space");
    let mut chunks = message.chunks(chunk_bytes_max).peekable();
    let mut frame = Vec::with_capacity(HEADER_BYTES + message.len().min(chunk_bytes_max));
    while let Some(chunk) = chunks.next() {
        let bytes = u32::try_from(chunk.len()).expect("cut to CHUNK_BYTES_MAX above");
        let word = if chunks.peek().is_none() {
            bytes | LAST
        } else {
            bytes
        };
        frame.clear();
        frame.extend_from_slice(&word.to_le_bytes());
        frame.extend_from_slice(chunk);
        stream.write_all(&frame).map_err(stream_error)?;
    }
    Ok(())
}

/// A stream's error; running into its time limit is a stall.
pub(crate) fn stream_error(error: io::Error) -> WireError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => WireError::Stalled,
        io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::UnexpectedEof => WireError::Closed,
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn framed(message: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_message(&mut bytes, message).unwrap();
        bytes
    }

    #[test]
    fn round_trip_in_pieces_of_any_size() {
        let chunk = usize::try_from(CHUNK_BYTES_MAX).unwrap();
        for len in [1, 5, chunk, chunk + 1, 3 * chunk] {
            let message: Vec<u8> = (0..len).map(|i| i.to_le_bytes()[0]).collect();
            let bytes = framed(&message);
            for piece in [1, 3, 4096, usize::MAX] {
                if piece < 4096 && len > 100 {
                    continue;
                }
                let mut decoder = FrameDecoder::new();
                let mut decoded = None;
                for mut input in bytes.chunks(piece.min(bytes.len())) {
                    assert_eq!(decoded, None);
                    decoded = decoder.take(&mut input).unwrap();
                    assert!(input.is_empty());
                    assert_eq!(decoder.is_mid_message(), decoded.is_none());
                }
                assert!(decoded.as_deref() == Some(&message), "{len} {piece}");
            }
        }
    }

    #[test]
    fn two_messages_in_one_piece() {
        let bytes = [framed(b"one"), framed(b"two")].concat();
        let mut input = bytes.as_slice();
        let mut decoder = FrameDecoder::new();
        assert_eq!(decoder.take(&mut input).unwrap().unwrap(), b"one");
        assert_eq!(decoder.take(&mut input).unwrap().unwrap(), b"two");
        assert_eq!(decoder.take(&mut input).unwrap(), None);
        assert!(!decoder.is_mid_message());
    }

    #[test]
    fn bad_lengths() {
        for word in [0, LAST, CHUNK_BYTES_MAX + 1, u32::MAX] {
            let mut decoder = FrameDecoder::new();
            let mut input: &[u8] = &word.to_le_bytes();
            assert!(
                matches!(decoder.take(&mut input), Err(WireError::ChunkLength { .. })),
                "{word:#x}"
            );
        }
        // An announced megabyte costs nothing until it comes.
        let mut decoder = FrameDecoder::new();
        let mut input: &[u8] = &CHUNK_BYTES_MAX.to_le_bytes();
        assert_eq!(decoder.take(&mut input).unwrap(), None);
        assert_eq!(decoder.message.capacity(), 0);
    }

    #[test]
    fn endless_message() {
        let chunk = vec![7; usize::try_from(CHUNK_BYTES_MAX).unwrap()];
        let mut decoder = FrameDecoder::new();
        let error = loop {
            let header = CHUNK_BYTES_MAX.to_le_bytes();
            let mut input = header.as_slice();
            if let Err(error) = decoder.take(&mut input) {
                break error;
            }
            let mut input = chunk.as_slice();
            assert_eq!(decoder.take(&mut input).unwrap(), None);
        };
        let limit = MESSAGE_BYTES_MAX;
        assert_eq!(error, WireError::MessageTooLong { limit });
        assert_eq!(decoder.message.len(), limit);
        assert_eq!(
            write_message(&mut Vec::new(), &vec![0; limit + 1]),
            Err(error)
        );
    }
}
