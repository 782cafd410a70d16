//! The first bytes each way, whose layout never changes, so that ends of different versions can tell each other so.
//!
//! `SKEP`, protocol version (32 bits, little endian), length of the text (8 bits), then 31 bytes that begin with the
//! sender's own version as text and end in zeros.

use crate::{SKEP_VERSION, WireError};

/// Version of everything after the preamble. Raised whenever a message's bytes change meaning.
pub const PROTOCOL_VERSION: u32 = 2;

/// Bytes of a preamble.
pub const PREAMBLE_BYTES: usize = 40;

const MAGIC: [u8; 4] = *b"SKEP";
const VERSION_AT: usize = 4;
const LENGTH_AT: usize = 8;
const TEXT_AT: usize = 9;
const TEXT_BYTES_MAX: usize = PREAMBLE_BYTES - TEXT_AT;

/// Who speaks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Preamble {
    /// Protocol version.
    pub protocol: u32,
    /// Version of skep, at most 31 bytes.
    pub skep: String,
}

impl Preamble {
    /// This skep's.
    #[must_use]
    pub fn ours() -> Self {
        Self {
            protocol: PROTOCOL_VERSION,
            skep: SKEP_VERSION.to_owned(),
        }
    }

    /// The bytes; a text that is too long is cut.
    #[must_use]
    pub fn encode(&self) -> [u8; PREAMBLE_BYTES] {
        let mut end = self.skep.len().min(TEXT_BYTES_MAX);
        while !self.skep.is_char_boundary(end) {
            end -= 1;
        }
        let mut bytes = [0; PREAMBLE_BYTES];
        bytes[..VERSION_AT].copy_from_slice(&MAGIC);
        bytes[VERSION_AT..LENGTH_AT].copy_from_slice(&self.protocol.to_le_bytes());
        bytes[LENGTH_AT] = u8::try_from(end).expect("cut to TEXT_BYTES_MAX above");
        bytes[TEXT_AT..TEXT_AT + end].copy_from_slice(&self.skep.as_bytes()[..end]);
        bytes
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// [`WireError::NotSkep`] for anything that [`Self::encode`] does not make.
    pub fn decode(bytes: &[u8; PREAMBLE_BYTES]) -> Result<Self, WireError> {
        let protocol = bytes[VERSION_AT..]
            .first_chunk()
            .ok_or(WireError::NotSkep)?;
        let (text, zeros) = bytes[TEXT_AT..]
            .split_at_checked(bytes[LENGTH_AT].into())
            .ok_or(WireError::NotSkep)?;
        if bytes[..VERSION_AT] != MAGIC || zeros.iter().any(|&byte| byte != 0) {
            return Err(WireError::NotSkep);
        }
        let text = str::from_utf8(text).map_err(|_| WireError::NotSkep)?;
        Ok(Self {
            protocol: u32::from_le_bytes(*protocol),
            skep: text.to_owned(),
        })
    }

    /// Reads the other end's and compares versions.
    ///
    /// # Errors
    /// As [`Self::decode`], and [`WireError::Version`].
    pub fn accept(bytes: &[u8; PREAMBLE_BYTES]) -> Result<Self, WireError> {
        let theirs = Self::decode(bytes)?;
        if theirs.protocol == PROTOCOL_VERSION {
            return Ok(theirs);
        }
        Err(WireError::Version {
            ours: PROTOCOL_VERSION,
            theirs: theirs.protocol,
            their_skep: theirs.skep,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn round_trip_and_cut() {
        assert_eq!(
            Preamble::accept(&Preamble::ours().encode()).unwrap(),
            Preamble::ours()
        );
        let long = Preamble {
            protocol: 7,
            skep: "ä".repeat(16),
        };
        let decoded = Preamble::decode(&long.encode()).unwrap();
        assert_eq!((decoded.protocol, decoded.skep), (7, "ä".repeat(15)));
    }

    #[test]
    fn anything_else_is_refused() {
        let good = Preamble::ours().encode();
        for at in [0, 3, LENGTH_AT, PREAMBLE_BYTES - 1] {
            let mut bad = good;
            bad[at] = 0xff;
            assert_eq!(Preamble::accept(&bad), Err(WireError::NotSkep), "{at}");
        }
        let mut newer = good;
        newer[VERSION_AT] = 99;
        assert!(matches!(
            Preamble::accept(&newer),
            Err(WireError::Version { theirs: 99, .. })
        ));
    }
}
