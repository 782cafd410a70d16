//! `bpftool btf dump … format raw`: one record per type, as text and as JSON.
//!
//! A [`Record`] is built once per type; both renderings only print it. The text differs from the JSON in five places,
//! most of them [`Cell`]s of their own: quoted names, 64-bit suffixes, unsigned enumerators, the comma of variables
//! and the annotation of section variables.

use crate::btf::Btf;
use crate::types::{
    Composite, FwdKind, IntEncoding, Kind, Linkage, MemberForm, Signedness, StrOff, Type,
};
use serde_json::{Map, Value};
use skep_uapi::TypeId;
use std::fmt::Write;

/// What bpftool prints for an empty name.
const ANONYMOUS: &str = "(anon)";

/// The text of `bpftool btf dump file X`, one line per type and item.
#[must_use]
pub fn raw(btf: &Btf) -> String {
    let mut out = String::new();
    for (id, ty) in btf.iter() {
        record(btf, ty).write_text(btf, id, &mut out);
    }
    out
}

/// The object of `bpftool btf dump file X -j`.
#[must_use]
pub fn raw_json(btf: &Btf) -> Value {
    let types = btf
        .iter()
        .map(|(id, ty)| record(btf, ty).into_json(id))
        .collect();
    Value::Object(Map::from_iter([("types".to_owned(), Value::Array(types))]))
}

enum Cell {
    Text(&'static str),
    Number(i128),
    /// An enumerator of 32 bits without sign: bpftool sign-extends it to 64 bits in JSON, and in JSON only.
    Unsigned(u32),
    /// An enumerator of 64 bits, with its suffix in text.
    Wide(i128, &'static str),
    Name(String),
}

type Row = Vec<(&'static str, Cell)>;

/// Fields of a record, and its items under their JSON key.
type Contents = (Row, Option<(&'static str, Vec<Row>)>);

struct Record {
    kind: &'static str,
    name: String,
    fields: Row,
    /// Separator of the fields in text: `, ` for variables.
    separator: &'static str,
    /// Key of the items in JSON and the items; `None` for kinds without.
    items: Option<(&'static str, Vec<Row>)>,
}

fn record(btf: &Btf, ty: &Type) -> Record {
    let (fields, items) = contents(btf, &ty.kind);
    let separator = if matches!(ty.kind, Kind::Var(_)) {
        ", "
    } else {
        " "
    };
    Record {
        kind: ty.kind.name(),
        name: shown(btf, ty.name),
        fields,
        separator,
        items,
    }
}

fn shown(btf: &Btf, name: StrOff) -> String {
    btf.str(name)
        .filter(|name| !name.is_empty())
        .unwrap_or(ANONYMOUS)
        .to_owned()
}

fn number(key: &'static str, value: impl Into<i128>) -> (&'static str, Cell) {
    (key, Cell::Number(value.into()))
}

fn text(key: &'static str, value: &'static str) -> (&'static str, Cell) {
    (key, Cell::Text(value))
}

fn contents(btf: &Btf, kind: &Kind) -> Contents {
    let target = |id: &TypeId| (vec![number("type_id", id.0)], None);
    match kind {
        Kind::Int(int) => {
            let fields = vec![
                number("size", int.size),
                number("bits_offset", int.bit_offset),
                number("nr_bits", int.bits),
                text("encoding", encoding(int.encoding)),
            ];
            (fields, None)
        }
        Kind::Ptr(t)
        | Kind::Typedef(t)
        | Kind::Volatile(t)
        | Kind::Const(t)
        | Kind::Restrict(t) => target(t),
        Kind::TypeTag(tag) => target(&tag.target),
        Kind::Array(array) => {
            let fields = [
                ("type_id", array.elem.0),
                ("index_type_id", array.index.0),
                ("nr_elems", array.count),
            ];
            (
                fields
                    .into_iter()
                    .map(|(key, value)| number(key, value))
                    .collect(),
                None,
            )
        }
        Kind::Struct(composite) | Kind::Union(composite) => composite_rows(btf, composite),
        Kind::Enum(_) | Kind::Enum64(_) => enum_rows(btf, kind),
        Kind::Fwd(FwdKind::Struct) => (vec![text("fwd_kind", "struct")], None),
        Kind::Fwd(FwdKind::Union) => (vec![text("fwd_kind", "union")], None),
        Kind::Func(func) => (
            vec![
                number("type_id", func.proto.0),
                text("linkage", linkage(func.linkage)),
            ],
            None,
        ),
        Kind::FuncProto(_) | Kind::Datasec(_) => list_rows(btf, kind),
        Kind::Var(var) => (
            vec![
                number("type_id", var.ty.0),
                text("linkage", linkage(var.linkage)),
            ],
            None,
        ),
        Kind::Float { size } => (vec![number("size", *size)], None),
        Kind::DeclTag(tag) => (
            vec![
                number("type_id", tag.target.0),
                number("component_idx", tag.component),
            ],
            None,
        ),
    }
}

/// Enumerations; other kinds have no values.
fn enum_rows(btf: &Btf, kind: &Kind) -> Contents {
    let name = |off| ("name", Cell::Name(shown(btf, off)));
    match kind {
        Kind::Enum(e) => {
            let values = e.values.iter().map(|(off, value)| {
                let value = match e.sign {
                    Signedness::Unsigned => Cell::Unsigned(*value),
                    Signedness::Signed => Cell::Number(value.cast_signed().into()),
                };
                vec![name(*off), ("val", value)]
            });
            (
                enum_fields(e.sign, e.size, e.values.len()),
                Some(("values", values.collect())),
            )
        }
        Kind::Enum64(e) => {
            let values = e.values.iter().map(|(off, value)| {
                let value = match e.sign {
                    Signedness::Unsigned => Cell::Wide(i128::from(*value), "ULL"),
                    Signedness::Signed => Cell::Wide(i128::from(value.cast_signed()), "LL"),
                };
                vec![name(*off), ("val", value)]
            });
            (
                enum_fields(e.sign, e.size, e.values.len()),
                Some(("values", values.collect())),
            )
        }
        _ => (Row::new(), None),
    }
}

/// Prototypes and sections; other kinds have no list of this form.
fn list_rows(btf: &Btf, kind: &Kind) -> Contents {
    let name = |off| ("name", Cell::Name(shown(btf, off)));
    match kind {
        Kind::FuncProto(proto) => {
            let params = proto
                .params
                .iter()
                .map(|param| vec![name(param.name), number("type_id", param.ty.0)]);
            let fields = vec![
                number("ret_type_id", proto.ret.0),
                number("vlen", count(&proto.params)),
            ];
            (fields, Some(("params", params.collect())))
        }
        Kind::Datasec(section) => {
            let vars = section.vars.iter().map(|var| {
                vec![
                    number("type_id", var.ty.0),
                    number("offset", var.offset),
                    number("size", var.size),
                ]
            });
            (
                vec![
                    number("size", section.size),
                    number("vlen", count(&section.vars)),
                ],
                Some(("vars", vars.collect())),
            )
        }
        _ => (Row::new(), None),
    }
}

fn composite_rows(btf: &Btf, composite: &Composite) -> Contents {
    let members = composite.members.iter().map(|member| {
        let mut row = vec![
            ("name", Cell::Name(shown(btf, member.name))),
            number("type_id", member.ty.0),
            number("bits_offset", member.bit_offset),
        ];
        if composite.form == MemberForm::OffsetAndWidth && member.bitfield_bits != 0 {
            row.push(number("bitfield_size", member.bitfield_bits));
        }
        row
    });
    let fields = vec![
        number("size", composite.size),
        number("vlen", count(&composite.members)),
    ];
    (fields, Some(("members", members.collect())))
}

fn enum_fields(sign: Signedness, size: u32, values: usize) -> Row {
    let sign = match sign {
        Signedness::Unsigned => "UNSIGNED",
        Signedness::Signed => "SIGNED",
    };
    vec![
        text("encoding", sign),
        number("size", size),
        number("vlen", i128::try_from(values).unwrap_or(i128::MAX)),
    ]
}

fn count<T>(items: &[T]) -> i128 {
    i128::try_from(items.len()).unwrap_or(i128::MAX)
}

fn encoding(encoding: IntEncoding) -> &'static str {
    match encoding {
        IntEncoding::NONE => "(none)",
        IntEncoding::SIGNED => "SIGNED",
        IntEncoding::CHAR => "CHAR",
        IntEncoding::BOOL => "BOOL",
        IntEncoding(_) => "UNKN",
    }
}

fn linkage(linkage: Linkage) -> &'static str {
    linkage.name().unwrap_or("(unknown)")
}

impl Record {
    fn write_text(&self, btf: &Btf, id: TypeId, out: &mut String) {
        let head = format!("[{}] {} '{}' ", id.0, self.kind, self.name);
        push_row(out, &head, &self.fields, self.separator);
        out.push('\n');
        for row in self.items.iter().flat_map(|(_, rows)| rows) {
            push_row(out, "\t", row, " ");
            if self.kind == "DATASEC" {
                push_annotation(btf, row, out);
            }
            out.push('\n');
        }
    }

    fn into_json(self, id: TypeId) -> Value {
        let mut object = Map::new();
        object.insert("id".to_owned(), id.0.into());
        object.insert("kind".to_owned(), self.kind.into());
        object.insert("name".to_owned(), self.name.into());
        object.extend(json_row(self.fields));
        if let Some((key, rows)) = self.items {
            let rows = rows
                .into_iter()
                .map(|row| Value::Object(json_row(row).collect()))
                .collect();
            object.insert(key.to_owned(), Value::Array(rows));
        }
        Value::Object(object)
    }
}

fn push_row(out: &mut String, head: &str, row: &Row, separator: &str) {
    out.push_str(head);
    for (position, (key, cell)) in row.iter().enumerate() {
        if position > 0 {
            out.push_str(separator);
        }
        // Writing to a string does not fail.
        let _ = match cell {
            Cell::Text(word) => write!(out, "{key}={word}"),
            Cell::Number(value) => write!(out, "{key}={value}"),
            Cell::Unsigned(value) => write!(out, "{key}={value}"),
            Cell::Wide(value, suffix) => write!(out, "{key}={value}{suffix}"),
            Cell::Name(name) => write!(out, "'{name}'"),
        };
    }
}

/// ` (VAR 'counter')` behind a variable of a section.
fn push_annotation(btf: &Btf, row: &Row, out: &mut String) {
    let Some((_, Cell::Number(id))) = row.first() else {
        return;
    };
    let Some(ty) = u32::try_from(*id).ok().and_then(|id| btf.get(TypeId(id))) else {
        return;
    };
    let _ = write!(out, " ({} '{}')", ty.kind.name(), shown(btf, ty.name));
}

fn json_row(row: Row) -> impl Iterator<Item = (String, Value)> {
    row.into_iter().map(|(key, cell)| {
        let value = match cell {
            Cell::Text(word) => word.into(),
            Cell::Number(value) | Cell::Wide(value, _) => json_number(value),
            Cell::Unsigned(value) => i64::from(value.cast_signed()).cast_unsigned().into(),
            Cell::Name(name) => name.into(),
        };
        (key.to_owned(), value)
    })
}

/// All numbers here are 32-bit words or 64-bit enumerators.
fn json_number(value: i128) -> Value {
    match (u64::try_from(value), i64::try_from(value)) {
        (Ok(value), _) => value.into(),
        (Err(_), Ok(value)) => value.into(),
        (Err(_), Err(_)) => Value::Null,
    }
}
