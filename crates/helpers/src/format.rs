//! The format language of `bpf_trace_printk`, `bpf_trace_vprintk` and `bpf_snprintf` (bpf-helpers(7)).
//!
//! Conversions: `%d %i %u %x %X` with `l` or `ll`; `%c`; `%s %pks %pus`; `%p %pK %px %ps %pS %pB`; `%pi4 %pI4 %pi6 %pI6`; `%%`.
//! Flags `0 + -` and space, and a width. Everything else is refused with EINVAL, as in Linux. Text that a conversion points to
//! is read through [`Env::read_unverified`], because the verifier takes any number there; what cannot be read is empty.

use crate::Env;
use skep_uapi::Errno;
use std::fmt::Write;

/// Longest text that one call makes, the final zero included (kernel `MAX_BPRINTF_BUF`).
pub(crate) const TEXT_BYTES_MAX: usize = 1024;
/// Longest string argument that is copied.
const STRING_BYTES_MAX: usize = 512;
/// Widest field; anything more only costs memory.
const WIDTH_MAX: usize = TEXT_BYTES_MAX;
/// Hexadecimal digits of an address.
const POINTER_DIGITS: usize = 16;

/// One piece of a parsed format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Piece {
    Byte(u8),
    Conversion(Field, Kind),
}

/// How a value is laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Field {
    left: bool,
    plus: bool,
    space: bool,
    zero: bool,
    width: usize,
}

/// What a conversion prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Signed {
        long: bool,
    },
    Unsigned {
        long: bool,
    },
    Hex {
        long: bool,
        upper: bool,
    },
    Char,
    Str,
    /// `%p` and `%pK`: a number that stands for the address and does not give it away.
    PointerHashed,
    PointerRaw,
    Symbol,
    Ip4 {
        zeros: bool,
    },
    Ip6 {
        colons: bool,
    },
}

/// A format that Linux accepts.
#[derive(Debug)]
pub(crate) struct Format {
    pieces: Vec<Piece>,
}

impl Format {
    /// Parses `text` up to its zero byte; `args` is how many arguments there are.
    pub(crate) fn parse(text: &[u8], args: usize) -> Result<Self, Errno> {
        let end = text
            .iter()
            .position(|byte| *byte == 0)
            .ok_or(Errno::EINVAL)?;
        let mut at = Cursor { rest: &text[..end] };
        let mut pieces = Vec::new();
        let mut conversions = 0;
        while let Some(byte) = at.take() {
            // The kernel's `isprint` and `isspace` are those of Latin-1.
            let printable = byte.is_ascii_graphic()
                || byte.is_ascii_whitespace()
                || byte == 0x0b
                || byte >= 0xa0;
            if !printable {
                return Err(Errno::EINVAL);
            }
            if byte != b'%' || at.take_if(b"%").is_some() {
                pieces.push(Piece::Byte(byte));
                continue;
            }
            conversions += 1;
            if conversions > args {
                return Err(Errno::EINVAL);
            }
            let field = at.field();
            pieces.push(Piece::Conversion(field, at.kind().ok_or(Errno::EINVAL)?));
        }
        Ok(Self { pieces })
    }

    /// The text with arguments filled in.
    pub(crate) fn print<E: Env>(&self, env: &E, args: &[u64]) -> Vec<u8> {
        let mut args = args.iter().copied();
        let mut out = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Byte(byte) => out.push(*byte),
                Piece::Conversion(field, kind) => {
                    let arg = args.next().expect("`parse` counted the arguments");
                    field.lay_out(*kind, kind.text(env, *field, arg), &mut out);
                }
            }
        }
        out
    }
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn take(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn take_if(&mut self, allowed: &[u8]) -> Option<u8> {
        self.peek()
            .filter(|byte| allowed.contains(byte))
            .inspect(|_| self.rest = &self.rest[1..])
    }

    fn field(&mut self) -> Field {
        let mut field = Field::default();
        while let Some(flag) = self.take_if(b"0+- ") {
            match flag {
                b'0' => field.zero = true,
                b'+' => field.plus = true,
                b'-' => field.left = true,
                _ => field.space = true,
            }
        }
        while let Some(digit) = self.take_if(b"0123456789") {
            field.width = (field.width * 10 + usize::from(digit - b'0')).min(WIDTH_MAX);
        }
        field
    }

    /// Whether a string or pointer conversion may end here.
    fn ends(&self) -> bool {
        self.peek()
            .is_none_or(|byte| byte.is_ascii_whitespace() || byte.is_ascii_punctuation())
    }

    fn kind(&mut self) -> Option<Kind> {
        match self.take()? {
            b'p' => self.pointer(),
            b's' => self.ends().then_some(Kind::Str),
            b'c' => Some(Kind::Char),
            first => {
                let long = first == b'l';
                let last = if long {
                    self.take_if(b"l");
                    self.take()?
                } else {
                    first
                };
                match last {
                    b'd' | b'i' => Some(Kind::Signed { long }),
                    b'u' => Some(Kind::Unsigned { long }),
                    b'x' => Some(Kind::Hex { long, upper: false }),
                    b'X' => Some(Kind::Hex { long, upper: true }),
                    _ => None,
                }
            }
        }
    }

    fn pointer(&mut self) -> Option<Kind> {
        if matches!(self.rest, [b'k' | b'u', b's', ..]) {
            self.rest = &self.rest[2..];
            return self.ends().then_some(Kind::Str);
        }
        if self.ends() {
            return Some(Kind::PointerHashed);
        }
        match self.take()? {
            b'K' => Some(Kind::PointerHashed),
            b'x' => Some(Kind::PointerRaw),
            b's' | b'S' | b'B' => Some(Kind::Symbol),
            family @ (b'i' | b'I') => match self.take()? {
                b'4' => Some(Kind::Ip4 {
                    zeros: family == b'i',
                }),
                b'6' => Some(Kind::Ip6 {
                    colons: family == b'I',
                }),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Kind {
    /// The value's digits or characters, with its sign, before the field's padding.
    fn text<E: Env>(self, env: &E, field: Field, arg: u64) -> Vec<u8> {
        match self {
            Self::Signed { long } => {
                let value = if long {
                    arg.cast_signed()
                } else {
                    crate::env::low_signed(arg).into()
                };
                let sign = if field.plus { "+" } else { " " };
                let sign = if value >= 0 && (field.plus || field.space) {
                    sign
                } else {
                    ""
                };
                format!("{sign}{value}").into_bytes()
            }
            Self::Unsigned { long } => number(arg, long).to_string().into_bytes(),
            Self::Hex { long, upper: false } => format!("{:x}", number(arg, long)).into_bytes(),
            Self::Hex { long, upper: true } => format!("{:X}", number(arg, long)).into_bytes(),
            Self::Char => vec![arg.to_le_bytes()[0]],
            Self::Str => string(env, arg),
            Self::PointerHashed => format!("{:0POINTER_DIGITS$x}", hashed(arg)).into_bytes(),
            Self::PointerRaw => format!("{arg:0POINTER_DIGITS$x}").into_bytes(),
            Self::Symbol => format!("{arg:#x}").into_bytes(),
            Self::Ip4 { zeros } => ip4(&bytes_at::<E, 4>(env, arg), zeros),
            Self::Ip6 { colons } => ip6(&bytes_at::<E, 16>(env, arg), colons),
        }
    }

    fn is_number(self) -> bool {
        matches!(
            self,
            Self::Signed { .. } | Self::Unsigned { .. } | Self::Hex { .. }
        )
    }
}

impl Field {
    fn lay_out(self, kind: Kind, text: Vec<u8>, out: &mut Vec<u8>) {
        let pad = self.width.saturating_sub(text.len());
        if self.left {
            out.extend(text);
            out.resize(out.len() + pad, b' ');
        } else if self.zero && kind.is_number() {
            let sign = usize::from(
                text.first()
                    .is_some_and(|first| matches!(first, b'+' | b'-' | b' ')),
            );
            out.extend(&text[..sign]);
            out.resize(out.len() + pad, b'0');
            out.extend(&text[sign..]);
        } else {
            out.resize(out.len() + pad, b' ');
            out.extend(text);
        }
    }
}

fn number(arg: u64, long: bool) -> u64 {
    if long {
        arg
    } else {
        crate::env::low(arg).into()
    }
}

/// A string argument up to its zero byte; empty if any part of it cannot be read.
fn string<E: Env>(env: &E, addr: u64) -> Vec<u8> {
    let mut text = Vec::new();
    let mut byte = [0];
    while text.len() < STRING_BYTES_MAX {
        let Some(at) = addr.checked_add(text.len() as u64) else {
            return Vec::new();
        };
        if env.read_unverified(at, &mut byte).is_err() {
            return Vec::new();
        }
        if byte == [0] {
            break;
        }
        text.extend(byte);
    }
    text
}

/// Bytes of an address argument; zeros if they cannot be read.
fn bytes_at<E: Env, const N: usize>(env: &E, addr: u64) -> [u8; N] {
    let mut bytes = [0; N];
    if env.read_unverified(addr, &mut bytes).is_err() {
        return [0; N];
    }
    bytes
}

fn ip4(bytes: &[u8; 4], zeros: bool) -> Vec<u8> {
    let [a, b, c, d] = bytes;
    if zeros {
        format!("{a:03}.{b:03}.{c:03}.{d:03}")
    } else {
        format!("{a}.{b}.{c}.{d}")
    }
    .into_bytes()
}

fn ip6(bytes: &[u8; 16], colons: bool) -> Vec<u8> {
    let mut text = String::new();
    for (number, [high, low]) in bytes.as_chunks::<2>().0.iter().enumerate() {
        if colons && number > 0 {
            text.push(':');
        }
        let written = write!(text, "{high:02x}{low:02x}");
        debug_assert!(written.is_ok(), "writing to a String does not fail");
    }
    text.into_bytes()
}

/// A 32-bit number that stands for an address within this process (kernel: `%p` is hashed with a boot-time secret).
fn hashed(addr: u64) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    use std::sync::OnceLock;
    static SECRET: OnceLock<RandomState> = OnceLock::new();
    if addr == 0 {
        return 0;
    }
    SECRET.get_or_init(RandomState::new).hash_one(addr) & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_that_linux_refuses() {
        for text in [
            "%",
            "%z\0",
            "%d%d\0",
            "%lld %lld\0",
            "\u{1}\0",
            "%-\0",
            "%l\0",
            "%lls\0",
            "%sx\0",
            "%pi5\0",
            "%pksx\0",
            "%pq\0",
            "%#x\0",
            "%.3d\0",
            "\u{85}\0",
            "%5\0",
            "%hd\0",
            "no end",
        ] {
            assert!(Format::parse(text.as_bytes(), 1).is_err(), "{text:?}");
        }
    }

    #[test]
    fn formats_that_linux_takes() {
        for text in [
            "\0",
            "%%\0",
            "%d\0",
            "%-5lld\n\0",
            "%+ 07i\0",
            "%pks \0",
            "%pus,\0",
            "%p\0",
            "%pK\0",
            "%pI6\0",
            "%c%%\0",
            "a\tb\0rest\u{1}",
        ] {
            assert!(Format::parse(text.as_bytes(), 1).is_ok(), "{text:?}");
        }
    }
}
