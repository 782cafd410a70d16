//! Messages from a stream: a buffer between the stream and the decoder.

use crate::WireError;
use crate::frame::{FrameDecoder, stream_error};
use std::io::{ErrorKind, Read};

/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;

/// Whether a read gave bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fill {
    Bytes,
    End,
}

/// Where the bytes of a stream stand.
#[derive(Debug)]
pub(crate) struct MessageReader {
    decoder: FrameDecoder,
    buffer: Vec<u8>,
    /// `buffer[start..end]` has been read and not decoded.
    start: usize,
    end: usize,
}

impl MessageReader {
    pub(crate) fn new() -> Self {
        Self {
            decoder: FrameDecoder::new(),
            buffer: vec![0; READ_BYTES],
            start: 0,
            end: 0,
        }
    }

    /// Whether nothing of a next message has come.
    pub(crate) fn is_between_messages(&self) -> bool {
        self.start == self.end && !self.decoder.is_mid_message()
    }

    /// The next message, if all of it has been read. If not, nothing is left in the buffer.
    pub(crate) fn buffered(&mut self) -> Result<Option<Vec<u8>>, WireError> {
        let mut input = &self.buffer[self.start..self.end];
        let message = self.decoder.take(&mut input)?;
        self.start = self.end - input.len();
        Ok(message)
    }

    /// Reads once, what is there, after [`Self::buffered`] has emptied the buffer.
    pub(crate) fn fill(&mut self, stream: &mut impl Read) -> Result<Fill, WireError> {
        debug_assert_eq!(self.start, self.end, "bytes not yet decoded would be lost");
        (self.start, self.end) = (0, 0);
        loop {
            match stream.read(&mut self.buffer) {
                Ok(0) => return Ok(Fill::End),
                Ok(count) => {
                    self.end = count;
                    return Ok(Fill::Bytes);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The other end closed without reading what it was sent.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(Fill::End),
                Err(error) => return Err(stream_error(error)),
            }
        }
    }
}
