//! Attributes: writing them as raw ones, and reading those of interest out of a list.
//!
//! A list is either well-formed as a whole or [`Malformed`]; within one, an attribute that nobody asks for is never
//! looked into, and of several with one number the last counts, as in the kernel. Numbers are in host order.

use netlink_packet_core::{DefaultNla, Emitable, NLA_F_NESTED, NLA_HEADER_SIZE, NlasIterator};

/// Bytes that are no message or attribute of the expected shape.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Malformed;

/// An attribute of these bytes.
pub(super) fn bytes(kind: u16, value: &[u8]) -> DefaultNla {
    DefaultNla::new(kind, value.to_vec())
}

/// An attribute of a 32-bit number.
pub(super) fn word(kind: u16, value: u32) -> DefaultNla {
    bytes(kind, &value.to_ne_bytes())
}

/// An attribute of a text and its final zero.
pub(super) fn text(kind: u16, value: &str) -> DefaultNla {
    let mut value = value.as_bytes().to_vec();
    value.push(0);
    DefaultNla::new(kind, value)
}

/// An attribute made of others.
pub(super) fn nest(kind: u16, attrs: &[DefaultNla]) -> DefaultNla {
    nest_behind(kind, &[], attrs)
}

/// An attribute made of a fixed part, of a multiple of four bytes, and others.
pub(super) fn nest_behind(kind: u16, head: &[u8], attrs: &[DefaultNla]) -> DefaultNla {
    let mut value = head.to_vec();
    value.resize(head.len() + attrs.buffer_len(), 0);
    attrs.emit(&mut value[head.len()..]);
    DefaultNla::new(kind | NLA_F_NESTED, value)
}

/// The attributes of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Attrs<'a> {
    list: Vec<(u16, &'a [u8])>,
}

impl<'a> Attrs<'a> {
    /// Splits a list.
    pub(super) fn parse(list: &'a [u8]) -> Result<Self, Malformed> {
        let one = |nla: Result<netlink_packet_core::NlaBuffer<&'a [u8]>, _>| {
            let nla = nla.map_err(|_| Malformed)?;
            let (kind, length) = (nla.kind(), usize::from(nla.length()));
            let value = nla.into_inner().get(NLA_HEADER_SIZE..length);
            Ok((kind, value.ok_or(Malformed)?))
        };
        let list = NlasIterator::new(list).map(one).collect::<Result<_, _>>()?;
        Ok(Self { list })
    }

    /// Value of an attribute.
    pub(super) fn get(&self, kind: u16) -> Option<&'a [u8]> {
        let mut found = self.list.iter().rev().filter(|(of, _)| *of == kind);
        found.next().map(|(_, value)| *value)
    }

    /// All of them, with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, &'a [u8])> {
        self.list.iter().copied()
    }

    /// Value of an attribute that is one byte.
    pub(super) fn byte(&self, kind: u16) -> Result<Option<u8>, Malformed> {
        let value = self.get(kind);
        value
            .map(|value| value.first().copied().ok_or(Malformed))
            .transpose()
    }

    /// Value of an attribute that is a 32-bit number.
    pub(super) fn word(&self, kind: u16) -> Result<Option<u32>, Malformed> {
        self.get(kind).map(|value| word_at(value, 0)).transpose()
    }

    /// Value of an attribute that is a text, up to its final zero; what is not UTF-8 is replaced.
    pub(super) fn text(&self, kind: u16) -> Result<Option<String>, Malformed> {
        let Some(value) = self.get(kind) else {
            return Ok(None);
        };
        let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(Some(String::from_utf8_lossy(text).into_owned()))
    }

    /// Value of an attribute made of others; an empty list if it is missing.
    pub(super) fn nested(&self, kind: u16) -> Result<Attrs<'a>, Malformed> {
        Attrs::parse(self.get(kind).unwrap_or_default())
    }
}

/// The 32-bit number at an offset.
pub(super) fn word_at(bytes: &[u8], offset: usize) -> Result<u32, Malformed> {
    let found = bytes.get(offset..).and_then(<[u8]>::first_chunk);
    found.map(|word| u32::from_ne_bytes(*word)).ok_or(Malformed)
}

/// The 16-bit number at an offset.
pub(super) fn half_at(bytes: &[u8], offset: usize) -> Result<u16, Malformed> {
    let found = bytes.get(offset..).and_then(<[u8]>::first_chunk);
    found.map(|half| u16::from_ne_bytes(*half)).ok_or(Malformed)
}

/// Calls a reader with every prefix of a message, and with each of its bytes replaced: it must return.
#[cfg(test)]
pub(super) fn torture(message: &[u8], reader: impl Fn(&[u8])) {
    for end in 0..=message.len() {
        reader(&message[..end]);
    }
    for at in 0..message.len() {
        for byte in [0x00, 0x01, 0x03, 0x05, 0x7f, 0x80, 0xff] {
            let mut hostile = message.to_vec();
            hostile[at] = byte;
            reader(&hostile);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn list(attrs: &[DefaultNla]) -> Vec<u8> {
        let mut bytes = vec![0; attrs.buffer_len()];
        attrs.emit(&mut bytes);
        bytes
    }

    #[test]
    fn round_trip() {
        let bytes = list(&[
            bytes(1, &[9]),
            text(2, "name"),
            word(3, 0xfffe_fdfc),
            nest(4, &[word(1, 5), text(2, "")]),
            nest_behind(5, &[1, 2, 3, 4], &[word(9, 8)]),
            word(3, 7),
        ]);
        let attrs = Attrs::parse(&bytes).unwrap();
        assert_eq!(attrs.byte(1), Ok(Some(9)));
        assert_eq!(attrs.text(2), Ok(Some("name".to_owned())));
        assert_eq!(attrs.word(3), Ok(Some(7)));
        assert_eq!(attrs.nested(4).unwrap().word(1), Ok(Some(5)));
        assert_eq!(attrs.nested(4).unwrap().text(2), Ok(Some(String::new())));
        let behind = Attrs::parse(&attrs.get(5).unwrap()[4..]).unwrap();
        assert_eq!(behind.word(9), Ok(Some(8)));
        assert_eq!(attrs.word(6), Ok(None));
        assert_eq!(attrs.nested(6).unwrap().iter().count(), 0);
    }

    #[test]
    fn hostile_lists() {
        assert_eq!(Attrs::parse(&[4]), Err(Malformed));
        assert_eq!(Attrs::parse(&[3, 0, 1, 0]), Err(Malformed));
        assert_eq!(Attrs::parse(&[9, 0, 1, 0, 0, 0, 0, 0]), Err(Malformed));
        assert_eq!(Attrs::parse(&[4, 0, 1, 0, 9]), Err(Malformed));
        let short = [5, 0, 1, 0, 0xff, 0, 0, 0];
        assert_eq!(Attrs::parse(&short).unwrap().word(1), Err(Malformed));
        // The last one may lack its padding.
        assert_eq!(Attrs::parse(&short[..5]).unwrap().byte(1), Ok(Some(0xff)));
        let empty = [4, 0, 1, 0];
        assert_eq!(Attrs::parse(&empty).unwrap().byte(1), Err(Malformed));
        assert_eq!(
            Attrs::parse(&empty).unwrap().text(1),
            Ok(Some(String::new()))
        );
        torture(&list(&[nest(4, &[word(1, 5), text(2, "x")])]), |bytes| {
            let _ = Attrs::parse(bytes).and_then(|attrs| attrs.nested(4));
        });
    }
}
