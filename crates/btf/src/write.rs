//! [`Btf`] to bytes. `to_bytes(parse(x)) == x` for every `x` that parses; the tests hold it for compilers' output.

use crate::btf::Btf;
use crate::parse::{HEADER_BYTES, MAGIC, VERSION};
use crate::types::{Composite, FwdKind, Int, Kind, Member, MemberForm, Signedness, TagForm, Type};

pub(crate) fn to_bytes(btf: &Btf) -> Vec<u8> {
    let mut types = Vec::new();
    for ty in &btf.types {
        record(&mut types, ty);
    }
    let header_bytes = btf.header_bytes.max(HEADER_BYTES);
    let mut out = Vec::with_capacity(types.len() + btf.strings.len() + 24);
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&[VERSION, 0]);
    for word in [
        header_bytes,
        0,
        len32(&types),
        len32(&types),
        len32(&btf.strings),
    ] {
        put(&mut out, word);
    }
    out.resize(usize::try_from(header_bytes).unwrap_or(out.len()), 0);
    out.append(&mut types);
    out.extend_from_slice(&btf.strings);
    out
}

/// Lengths are below 16 MiB in anything that was parsed; a builder that went beyond writes what no parser accepts.
fn len32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn put(out: &mut Vec<u8>, word: u32) {
    out.extend_from_slice(&word.to_le_bytes());
}

fn record(out: &mut Vec<u8>, ty: &Type) {
    let (flag, vlen, word) = common(&ty.kind);
    put(out, ty.name.0);
    put(
        out,
        u32::from(flag) << 31 | ty.kind.code() << 24 | (vlen & 0xffff),
    );
    put(out, word);
    extra(out, &ty.kind);
}

/// Kind flag, `vlen` and the size or type word.
fn common(kind: &Kind) -> (bool, u32, u32) {
    match kind {
        Kind::Int(int) => (false, 0, int.size),
        Kind::Float { size } => (false, 0, *size),
        Kind::Array(_) => (false, 0, 0),
        Kind::Fwd(fwd) => (*fwd == FwdKind::Union, 0, 0),
        Kind::Ptr(t)
        | Kind::Typedef(t)
        | Kind::Volatile(t)
        | Kind::Const(t)
        | Kind::Restrict(t) => (false, 0, t.0),
        Kind::Struct(c) | Kind::Union(c) => (
            c.form == MemberForm::OffsetAndWidth,
            count(&c.members),
            c.size,
        ),
        Kind::Enum(e) => (e.sign == Signedness::Signed, count(&e.values), e.size),
        Kind::Enum64(e) => (e.sign == Signedness::Signed, count(&e.values), e.size),
        Kind::Func(func) => (false, func.linkage.0, func.proto.0),
        Kind::FuncProto(proto) => (false, count(&proto.params), proto.ret.0),
        Kind::Var(var) => (false, 0, var.ty.0),
        Kind::Datasec(section) => (false, count(&section.vars), section.size),
        Kind::DeclTag(tag) => (tag.form == TagForm::Attribute, 0, tag.target.0),
        Kind::TypeTag(tag) => (tag.form == TagForm::Attribute, 0, tag.target.0),
    }
}

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}

/// What follows the common part.
fn extra(out: &mut Vec<u8>, kind: &Kind) {
    match kind {
        Kind::Int(int) => put(out, int_data(int)),
        Kind::Array(array) => [array.elem.0, array.index.0, array.count]
            .into_iter()
            .for_each(|word| put(out, word)),
        Kind::Struct(composite) | Kind::Union(composite) => {
            for member in &composite.members {
                [member.name.0, member.ty.0, member_word(composite, member)]
                    .into_iter()
                    .for_each(|word| put(out, word));
            }
        }
        Kind::Enum(e) => e.values.iter().for_each(|(name, value)| {
            put(out, name.0);
            put(out, *value);
        }),
        Kind::Enum64(e) => e.values.iter().for_each(|(name, value)| {
            put(out, name.0);
            out.extend_from_slice(&value.to_le_bytes());
        }),
        Kind::FuncProto(proto) => proto.params.iter().for_each(|param| {
            put(out, param.name.0);
            put(out, param.ty.0);
        }),
        Kind::Var(var) => put(out, var.linkage.0),
        Kind::Datasec(section) => section.vars.iter().for_each(|var| {
            [var.ty.0, var.offset, var.size]
                .into_iter()
                .for_each(|word| put(out, word));
        }),
        Kind::DeclTag(tag) => put(out, tag.component.cast_unsigned()),
        Kind::Ptr(_)
        | Kind::Fwd(_)
        | Kind::Typedef(_)
        | Kind::Volatile(_)
        | Kind::Const(_)
        | Kind::Restrict(_)
        | Kind::Func(_)
        | Kind::Float { .. }
        | Kind::TypeTag(_) => {}
    }
}

fn int_data(int: &Int) -> u32 {
    u32::from_le_bytes([int.bits, 0, int.bit_offset, int.encoding.0])
}

fn member_word(composite: &Composite, member: &Member) -> u32 {
    match composite.form {
        MemberForm::Offset => member.bit_offset,
        MemberForm::OffsetAndWidth => {
            u32::from(member.bitfield_bits) << 24 | (member.bit_offset & 0x00ff_ffff)
        }
    }
}
