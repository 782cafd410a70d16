//! The bytes of a value as JSON, by type: how bpftool shows map keys and values.
//!
//! Rules observed on bpftool 7.5: integers as numbers by their encoding, other widths and bitfields as hex text,
//! enumerators by name (matched against the sign-extended value), pointers as numbers in JSON and `%p` in text, a
//! char array as text if it is printable up to a NUL, sections as a list of one-member objects, anonymous members under
//! the empty name. Floating point is printed as a number; bpftool 7.5 stops there with broken JSON.
//!
//! Bytes that are missing are `null`. Structures of a hostile object may nest and overlap without end, so depth and
//! number of nodes are bounded ([`crate::limits`]); what lies beyond is `null` as well.

use crate::btf::Btf;
use crate::json::Node;
use crate::limits::{PRINT_DEPTH_MAX, VALUE_NODES_MAX};
use crate::types::{Array, Composite, Datasec, Int, IntEncoding, Kind, StrOff};
use serde_json::{Number, Value};
use skep_uapi::TypeId;

/// The two variants of bpftool's output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// `-j` and `-p`: valid JSON, wide integers quoted, pointers as decimal numbers.
    Json,
    /// Without option: the same layout, wide integers bare, pointers as `%p` prints them.
    Text,
}

/// The value as JSON. Of several anonymous members of one structure only the last survives in a [`Value`]; [`tree`] has
/// all.
#[must_use]
pub fn render(btf: &Btf, id: TypeId, bytes: &[u8]) -> Value {
    tree(btf, id, bytes, Style::Json).into()
}

/// The value as a tree to print.
#[must_use]
pub fn tree(btf: &Btf, id: TypeId, bytes: &[u8], style: Style) -> Node {
    Renderer {
        btf,
        style,
        nodes_left: VALUE_NODES_MAX,
        depth: 0,
    }
    .node(id, bytes)
}

const NULL: Node = Node::Plain(Value::Null);

struct Renderer<'a> {
    btf: &'a Btf,
    style: Style,
    nodes_left: usize,
    depth: usize,
}

impl Renderer<'_> {
    fn node(&mut self, id: TypeId, bytes: &[u8]) -> Node {
        if self.depth >= PRINT_DEPTH_MAX || self.nodes_left == 0 {
            return NULL;
        }
        self.nodes_left -= 1;
        self.depth += 1;
        let node = self.kind(id, bytes);
        self.depth -= 1;
        node
    }

    fn kind(&mut self, id: TypeId, bytes: &[u8]) -> Node {
        let btf = self.btf;
        let Some(ty) = btf.get(id) else {
            return unsupported();
        };
        match &ty.kind {
            Kind::Int(int) => self.int(*int, bytes),
            Kind::Float { size } => float(*size, bytes),
            Kind::Ptr(_) => self.pointer(bytes),
            Kind::Enum(e) => {
                let Some(value) = signed(bytes, e.size) else {
                    return NULL;
                };
                let name = e
                    .values
                    .iter()
                    .find(|(_, known)| i128::from(known.cast_signed()) == value);
                self.enumerator(value, name.map(|(name, _)| *name))
            }
            Kind::Enum64(e) => {
                let Some(value) = signed(bytes, e.size) else {
                    return NULL;
                };
                let name = e
                    .values
                    .iter()
                    .find(|(_, known)| i128::from(known.cast_signed()) == value);
                self.enumerator(value, name.map(|(name, _)| *name))
            }
            Kind::Array(array) => self.array(array, bytes),
            Kind::Struct(composite) | Kind::Union(composite) => self.composite(composite, bytes),
            Kind::Typedef(t) | Kind::Volatile(t) | Kind::Const(t) | Kind::Restrict(t) => {
                self.node(*t, bytes)
            }
            Kind::TypeTag(tag) => self.node(tag.target, bytes),
            Kind::Var(var) => Node::Object(vec![(self.text(ty.name), self.node(var.ty, bytes))]),
            Kind::Datasec(section) => {
                Node::Object(vec![(self.text(ty.name), self.section(section, bytes))])
            }
            Kind::Fwd(_) | Kind::Func(_) | Kind::FuncProto(_) | Kind::DeclTag(_) => unsupported(),
        }
    }

    fn text(&self, name: StrOff) -> String {
        self.btf.str(name).unwrap_or_default().to_owned()
    }

    fn int(&self, int: Int, bytes: &[u8]) -> Node {
        let bits = u32::from(int.bits);
        let Some(raw) = bits_at(bytes, u32::from(int.bit_offset), bits) else {
            return NULL;
        };
        if int.bit_offset != 0 {
            return self.hex(raw);
        }
        match (int.encoding, bits) {
            (IntEncoding::BOOL, _) => Node::Plain(Value::Bool(raw & 0xff != 0)),
            (IntEncoding::CHAR, 8) => self.character(raw),
            (IntEncoding::SIGNED, 8 | 16 | 32 | 64) => number(sign_extend(raw, bits)),
            (_, 8 | 16 | 32 | 64) => number(raw.cast_signed()),
            (_, _) => self.hex(raw),
        }
    }

    /// An integer of the old `BTF_INT_CHAR` encoding, which compilers no longer write.
    fn character(&self, raw: u128) -> Node {
        let byte = u8::try_from(raw & 0xff).unwrap_or_default();
        match self.style {
            Style::Text if !is_printable(byte) => Node::Bare(format!("0x{byte:x}")),
            Style::Text | Style::Json => Node::string(char::from(byte)),
        }
    }

    fn hex(&self, raw: u128) -> Node {
        let text = format!("0x{raw:x}");
        match self.style {
            Style::Json => Node::string(text),
            Style::Text => Node::Bare(text),
        }
    }

    fn pointer(&self, bytes: &[u8]) -> Node {
        match (bits_at(bytes, 0, 64), self.style) {
            (None, _) => NULL,
            (Some(address), Style::Json) => number(address.cast_signed()),
            (Some(0), Style::Text) => Node::string("(nil)"),
            (Some(address), Style::Text) => Node::string(format!("0x{address:x}")),
        }
    }

    fn enumerator(&self, value: i128, name: Option<StrOff>) -> Node {
        name.map_or_else(|| number(value), |name| Node::string(self.text(name)))
    }

    fn array(&mut self, array: &Array, bytes: &[u8]) -> Node {
        if let Some(text) = self.char_array(array, bytes) {
            return Node::string(text);
        }
        let size = self
            .btf
            .size_of(array.elem)
            .and_then(|size| usize::try_from(size).ok());
        let count = usize::try_from(array.count).unwrap_or(usize::MAX);
        let mut items = Vec::new();
        match size {
            // Elements without size take no bytes; show none rather than four thousand million.
            None | Some(0) => {}
            Some(size) => {
                for chunk in bytes.chunks(size).take(count) {
                    if self.nodes_left == 0 {
                        break;
                    }
                    items.push(self.node(array.elem, chunk));
                }
            }
        }
        Node::Array(items)
    }

    /// The text of a `char` array, if its bytes are printable up to a NUL within the array. A typedef of `char` is not a
    /// `char` here.
    fn char_array(&self, array: &Array, bytes: &[u8]) -> Option<String> {
        let elem = self.btf.get(self.btf.unqualified(array.elem)?)?;
        let Kind::Int(Int { size: 1, .. }) = elem.kind else {
            return None;
        };
        if self.btf.str(elem.name) != Some("char") {
            return None;
        }
        let bytes = bytes.get(..usize::try_from(array.count).ok()?)?;
        let len = bytes.iter().position(|byte| *byte == 0)?;
        let text = bytes.get(..len)?;
        text.iter()
            .all(|byte| is_printable(*byte))
            .then(|| text.iter().map(|byte| char::from(*byte)).collect())
    }

    fn composite(&mut self, composite: &Composite, bytes: &[u8]) -> Node {
        let mut members = Vec::new();
        for member in &composite.members {
            if self.nodes_left == 0 {
                break;
            }
            let node = if member.bitfield_bits != 0 {
                self.nodes_left -= 1;
                let raw = bits_at(bytes, member.bit_offset, u32::from(member.bitfield_bits));
                raw.map_or(NULL, |raw| self.hex(raw))
            } else {
                let start = usize::try_from(member.bit_offset / 8).unwrap_or(usize::MAX);
                self.node(member.ty, bytes.get(start..).unwrap_or_default())
            };
            members.push((self.text(member.name), node));
        }
        Node::Object(members)
    }

    fn section(&mut self, section: &Datasec, bytes: &[u8]) -> Node {
        let mut vars = Vec::new();
        for var in &section.vars {
            if self.nodes_left == 0 {
                break;
            }
            let start = usize::try_from(var.offset).unwrap_or(usize::MAX);
            vars.push(self.node(var.ty, bytes.get(start..).unwrap_or_default()));
        }
        Node::Array(vars)
    }
}

/// For types that have no values; an object that the kernel accepted does not get here.
fn unsupported() -> Node {
    Node::string("(unsupported-kind)")
}

fn is_printable(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

/// Numbers here have at most 64 bits.
fn number(value: i128) -> Node {
    let number = match (u64::try_from(value), i64::try_from(value)) {
        (Ok(value), _) => value.into(),
        (Err(_), Ok(value)) => value.into(),
        (Err(_), Err(_)) => Value::Null,
    };
    Node::Plain(number)
}

/// `width` bits from bit `offset` of little-endian bytes, at most 128.
fn bits_at(bytes: &[u8], offset: u32, width: u32) -> Option<u128> {
    if width > 128 {
        return None;
    }
    let shift = offset % 8;
    let start = usize::try_from(offset / 8).ok()?;
    let len = usize::try_from((shift + width).div_ceil(8)).ok()?;
    let window = bytes.get(start..start.checked_add(len)?)?;
    let mut value = 0u128;
    for (position, byte) in (0u32..).zip(window) {
        let at = position * 8;
        // Up to 17 bytes: the first lies partly below the value, the last partly above.
        let byte = u128::from(*byte);
        value |= if at >= shift {
            byte.checked_shl(at - shift).unwrap_or(0)
        } else {
            byte >> shift
        };
    }
    let mask = if width == 128 {
        u128::MAX
    } else {
        (1 << width) - 1
    };
    Some(value & mask)
}

fn sign_extend(raw: u128, bits: u32) -> i128 {
    let unused = 128u32.saturating_sub(bits).min(127);
    (raw << unused).cast_signed() >> unused
}

/// A signed integer of `size` bytes, of the sizes that enumerations have.
fn signed(bytes: &[u8], size: u32) -> Option<i128> {
    let bits = match size {
        1 | 2 | 4 | 8 => size * 8,
        _ => return None,
    };
    bits_at(bytes, 0, bits).map(|raw| sign_extend(raw, bits))
}

fn float(size: u32, bytes: &[u8]) -> Node {
    let text = match size {
        4 => bytes
            .first_chunk()
            .map(|bytes| f32::from_le_bytes(*bytes).to_string()),
        8 => bytes
            .first_chunk()
            .map(|bytes| f64::from_le_bytes(*bytes).to_string()),
        _ => return unsupported(),
    };
    let Some(text) = text else { return NULL };
    // Through the shortest decimal, so that a `float` shows no digits of a `double`; infinities and NaN stay text.
    match text.parse::<f64>().ok().and_then(Number::from_f64) {
        Some(number) => Node::Plain(Value::Number(number)),
        None => Node::string(text),
    }
}
