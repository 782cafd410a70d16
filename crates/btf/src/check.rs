//! The rules of `BPF_BTF_LOAD` beyond the structure that [`crate::parse`] ensures.
//!
//! From `Documentation/bpf/btf.rst` section 2.2 and the verdicts of Linux 6.18 on mutated objects. Three passes: each
//! record by itself, then loops, then what a record's targets are. Loops are of two kinds: a type that contains itself by
//! value, and a chain of pointers, qualifiers and typedefs that never reaches a type. Sizes may be asked only after both
//! are excluded.

use crate::btf::Btf;
use crate::error::{BtfError, Flaw};
use crate::limits::RESOLVE_DEPTH_MAX;
use crate::types::{
    Array, Composite, Datasec, DeclTag, FuncProto, Int, IntEncoding, Kind, Linkage, Member,
    MemberForm, StrOff, Type,
};
use skep_uapi::TypeId;

/// Longest identifier with its NUL (`KSYM_NAME_LEN`).
const IDENTIFIER_BYTES_MAX: usize = 512;

pub(crate) fn check(btf: &Btf) -> Result<(), BtfError> {
    let at = |id: TypeId, what: Flaw| BtfError::Type {
        id,
        kind: btf.get(id).map_or("UNKNOWN", |ty| ty.kind.name()),
        what,
    };
    for (id, ty) in btf.iter() {
        record(btf, ty).map_err(|what| at(id, what))?;
    }
    for edges in [contained, aliased] {
        acyclic(btf, edges).map_err(|(id, what)| at(id, what))?;
    }
    for (id, ty) in btf.iter() {
        targets(btf, ty).map_err(|what| at(id, what))?;
    }
    Ok(())
}

/// How a type may be named.
#[derive(Clone, Copy)]
enum Naming {
    /// Not at all.
    Anonymous,
    /// An identifier.
    Identifier,
    /// An identifier or nothing.
    Optional,
    /// Anything printable that is not empty.
    Text,
    /// Not looked at.
    Any,
}

fn name(btf: &Btf, off: StrOff, naming: Naming) -> Result<(), Flaw> {
    let text = btf.bytes_at(off).unwrap_or_default();
    let valid = match naming {
        Naming::Any => true,
        Naming::Anonymous => off.is_empty(),
        Naming::Identifier => is_identifier(text),
        Naming::Optional => off.is_empty() || is_identifier(text),
        Naming::Text => !text.is_empty(),
    };
    if valid { Ok(()) } else { Err(Flaw::Name) }
}

/// Letters, digits, `_` and `.`, no digit first. Compilers name function-local statics `f.x`.
fn is_identifier(text: &[u8]) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
    text.first().is_some_and(|first| !first.is_ascii_digit())
        && text.iter().all(|byte| word(*byte))
        && text.len() < IDENTIFIER_BYTES_MAX
}

fn naming(kind: &Kind) -> Naming {
    match kind {
        Kind::Ptr(_)
        | Kind::Volatile(_)
        | Kind::Const(_)
        | Kind::Restrict(_)
        | Kind::Array(_)
        | Kind::FuncProto(_) => Naming::Anonymous,
        Kind::Struct(_) | Kind::Union(_) | Kind::Enum(_) | Kind::Enum64(_) => Naming::Optional,
        Kind::Fwd(_) | Kind::Typedef(_) | Kind::Func(_) | Kind::Var(_) => Naming::Identifier,
        Kind::Datasec(_) | Kind::DeclTag(_) | Kind::TypeTag(_) => Naming::Text,
        Kind::Int(_) | Kind::Float { .. } => Naming::Any,
    }
}

/// What can be said of a record alone.
fn record(btf: &Btf, ty: &Type) -> Result<(), Flaw> {
    name(btf, ty.name, naming(&ty.kind))?;
    match &ty.kind {
        Kind::Int(int) => check_int(*int),
        Kind::Float {
            size: 2 | 4 | 8 | 12 | 16,
        } => Ok(()),
        Kind::Float { size } => Err(Flaw::Size(*size)),
        Kind::Enum(e) => {
            enum_size(e.size)?;
            e.values
                .iter()
                .try_for_each(|(off, _)| name(btf, *off, Naming::Identifier))
        }
        Kind::Enum64(e) => {
            enum_size(e.size)?;
            e.values
                .iter()
                .try_for_each(|(off, _)| name(btf, *off, Naming::Identifier))
        }
        Kind::Struct(composite) | Kind::Union(composite) => members(btf, &ty.kind, composite),
        Kind::Func(func) => linkage(func.linkage),
        Kind::Var(var) => linkage(var.linkage),
        Kind::Datasec(section) => section_layout(section),
        Kind::DeclTag(tag) if tag.component < -1 => Err(Flaw::Component(tag.component)),
        Kind::DeclTag(_)
        | Kind::Ptr(_)
        | Kind::Array(_)
        | Kind::Fwd(_)
        | Kind::Typedef(_)
        | Kind::Volatile(_)
        | Kind::Const(_)
        | Kind::Restrict(_)
        | Kind::FuncProto(_)
        | Kind::TypeTag(_) => Ok(()),
    }
}

fn check_int(int: Int) -> Result<(), Flaw> {
    let bits = u32::from(int.bits) + u32::from(int.bit_offset);
    let known = [
        IntEncoding::NONE,
        IntEncoding::SIGNED,
        IntEncoding::CHAR,
        IntEncoding::BOOL,
    ];
    if bits > 128 || !known.contains(&int.encoding) {
        return Err(Flaw::IntData(u32::from_le_bytes([
            int.bits,
            0,
            int.bit_offset,
            int.encoding.0,
        ])));
    }
    if bits.div_ceil(8) > int.size {
        Err(Flaw::Size(int.size))
    } else {
        Ok(())
    }
}

fn enum_size(size: u32) -> Result<(), Flaw> {
    if matches!(size, 1 | 2 | 4 | 8) {
        Ok(())
    } else {
        Err(Flaw::Size(size))
    }
}

/// The kernel takes no extern ones; a loader has replaced them.
fn linkage(linkage: Linkage) -> Result<(), Flaw> {
    if linkage.0 <= Linkage::GLOBAL.0 {
        Ok(())
    } else {
        Err(Flaw::Linkage(linkage.0))
    }
}

fn numbered<T>(items: &[T]) -> impl Iterator<Item = (u32, &T)> {
    (0..=u32::MAX).zip(items)
}

fn members(btf: &Btf, kind: &Kind, composite: &Composite) -> Result<(), Flaw> {
    let mut last = 0;
    for (index, member) in numbered(&composite.members) {
        name(btf, member.name, Naming::Optional)?;
        let misplaced = match kind {
            Kind::Union(_) => member.bit_offset != 0,
            _ => member.bit_offset < last,
        };
        if misplaced || member.ty.0 == 0 || member.bit_offset.div_ceil(8) > composite.size {
            return Err(Flaw::Member(index));
        }
        last = member.bit_offset;
    }
    Ok(())
}

/// Variables in order, apart, and within the section.
fn section_layout(section: &Datasec) -> Result<(), Flaw> {
    if section.size == 0 {
        return Err(Flaw::Size(0));
    }
    let mut end = 0;
    let mut total = 0u64;
    for (index, var) in numbered(&section.vars) {
        total += u64::from(var.size);
        let var_end = u64::from(var.offset) + u64::from(var.size);
        let fits = var.offset >= end && var.size != 0 && var_end <= u64::from(section.size);
        if !fits || var.ty.0 == 0 || total > u64::from(section.size) {
            return Err(Flaw::SecVar(index));
        }
        end = var.offset.saturating_add(var.size);
    }
    Ok(())
}

/// What a type contains by value.
fn contained(kind: &Kind, visit: &mut dyn FnMut(TypeId)) {
    match kind {
        Kind::Struct(_) | Kind::Union(_) | Kind::Var(_) | Kind::Datasec(_) => {
            kind.for_each_ref(visit)
        }
        Kind::Array(array) => {
            visit(array.elem);
            visit(array.index);
        }
        Kind::Typedef(_)
        | Kind::Volatile(_)
        | Kind::Const(_)
        | Kind::Restrict(_)
        | Kind::TypeTag(_) => {
            kind.for_each_ref(visit);
        }
        Kind::Int(_)
        | Kind::Ptr(_)
        | Kind::Enum(_)
        | Kind::Enum64(_)
        | Kind::Fwd(_)
        | Kind::Func(_)
        | Kind::FuncProto(_)
        | Kind::Float { .. }
        | Kind::DeclTag(_) => {}
    }
}

/// Pointers, qualifiers and typedefs.
fn aliased(kind: &Kind, visit: &mut dyn FnMut(TypeId)) {
    if let Kind::Ptr(target) = kind {
        visit(*target);
    } else if let Some(target) = kind.alias_of() {
        visit(target);
    }
}

type Edges = fn(&Kind, &mut dyn FnMut(TypeId));

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    OnPath,
    Done,
}

/// Walks `edges` depth first in order of ids; refuses loops and paths of more than 32 types that are not done yet.
fn acyclic(btf: &Btf, edges: Edges) -> Result<(), (TypeId, Flaw)> {
    let mut marks = vec![Mark::New; btf.types().len() + 1];
    if let Some(void) = marks.first_mut() {
        *void = Mark::Done;
    }
    let slot = |id: TypeId| usize::try_from(id.0).unwrap_or(usize::MAX);
    let next_of = |id: TypeId| {
        let mut next = Vec::new();
        if let Some(ty) = btf.get(id) {
            edges(&ty.kind, &mut |id| next.push(id));
        }
        next.reverse();
        next
    };
    for (root, _) in btf.iter() {
        // Each entry: a type on the path and those of its edges that are still to be followed.
        let mut path = vec![(root, Vec::new())];
        match marks.get_mut(slot(root)) {
            Some(mark) if *mark == Mark::New => *mark = Mark::OnPath,
            Some(_) | None => continue,
        }
        path[0].1 = next_of(root);
        while let Some((id, pending)) = path.last_mut() {
            let id = *id;
            let Some(child) = pending.pop() else {
                marks[slot(id)] = Mark::Done;
                path.pop();
                continue;
            };
            match marks.get(slot(child)) {
                Some(Mark::OnPath) => return Err((child, Flaw::Loop)),
                Some(Mark::Done) | None => {}
                Some(Mark::New) => {
                    if path.len() >= RESOLVE_DEPTH_MAX {
                        return Err((child, Flaw::TooDeep));
                    }
                    marks[slot(child)] = Mark::OnPath;
                    path.push((child, next_of(child)));
                }
            }
        }
    }
    Ok(())
}

/// Size of a type that can be the type of a member, element, parameter or variable.
fn size(btf: &Btf, id: TypeId) -> Option<u32> {
    btf.get(id).filter(|ty| is_type(&ty.kind))?;
    btf.size_of(id)
}

/// Whether something can point to it or qualify it.
fn is_type(kind: &Kind) -> bool {
    match kind {
        Kind::Var(_) | Kind::Datasec(_) | Kind::DeclTag(_) => false,
        // The kernel does not mind a pointer to a function's record.
        Kind::Func(_)
        | Kind::Int(_)
        | Kind::Ptr(_)
        | Kind::Array(_)
        | Kind::Struct(_)
        | Kind::Union(_)
        | Kind::Enum(_)
        | Kind::Enum64(_)
        | Kind::Fwd(_)
        | Kind::Typedef(_)
        | Kind::Volatile(_)
        | Kind::Const(_)
        | Kind::Restrict(_)
        | Kind::FuncProto(_)
        | Kind::Float { .. }
        | Kind::TypeTag(_) => true,
    }
}

/// What a record's targets must be.
fn targets(btf: &Btf, ty: &Type) -> Result<(), Flaw> {
    match &ty.kind {
        Kind::Ptr(t) => alias(btf, *t),
        Kind::Typedef(t) | Kind::Volatile(t) | Kind::Const(t) | Kind::Restrict(t) => {
            // Type tags precede qualifiers and typedefs.
            match btf.get(*t).map(|ty| &ty.kind) {
                Some(Kind::TypeTag(_)) => Err(Flaw::WrongTarget(*t)),
                Some(_) | None => alias(btf, *t),
            }
        }
        Kind::TypeTag(tag) => alias(btf, tag.target),
        Kind::Array(array) => check_array(btf, array),
        Kind::Struct(composite) | Kind::Union(composite) => numbered(&composite.members)
            .try_for_each(|(index, member)| check_member(btf, composite, index, member)),
        Kind::FuncProto(proto) => check_proto(btf, proto),
        Kind::Func(func) => match btf.get(func.proto).map(|ty| &ty.kind) {
            Some(Kind::FuncProto(proto)) => named_params(btf, proto),
            Some(_) | None => Err(Flaw::WrongTarget(func.proto)),
        },
        Kind::Var(var) => size(btf, var.ty)
            .map(|_| ())
            .ok_or(Flaw::WrongTarget(var.ty)),
        Kind::Datasec(section) => numbered(&section.vars).try_for_each(|(index, var)| {
            match btf.get(var.ty).map(|ty| &ty.kind) {
                Some(Kind::Var(of)) if size(btf, of.ty).is_some_and(|size| size <= var.size) => {
                    Ok(())
                }
                Some(_) | None => Err(Flaw::SecVar(index)),
            }
        }),
        Kind::DeclTag(tag) => check_decl_tag(btf, tag),
        Kind::Int(_) | Kind::Enum(_) | Kind::Enum64(_) | Kind::Fwd(_) | Kind::Float { .. } => {
            Ok(())
        }
    }
}

fn alias(btf: &Btf, target: TypeId) -> Result<(), Flaw> {
    match btf.get(target) {
        Some(ty) if !is_type(&ty.kind) => Err(Flaw::WrongTarget(target)),
        Some(_) | None => Ok(()),
    }
}

fn check_array(btf: &Btf, array: &Array) -> Result<(), Flaw> {
    let index = btf.resolve(array.index).and_then(|id| btf.get(id));
    match index.map(|ty| &ty.kind) {
        Some(Kind::Int(int)) if is_regular(*int) => {}
        Some(_) | None => return Err(Flaw::WrongTarget(array.index)),
    }
    let elem = size(btf, array.elem).ok_or(Flaw::WrongTarget(array.elem))?;
    let base = btf.resolve(array.elem).and_then(|id| btf.get(id));
    if matches!(base.map(|ty| &ty.kind), Some(Kind::Int(int)) if !is_regular(*int)) {
        return Err(Flaw::WrongTarget(array.elem));
    }
    elem.checked_mul(array.count)
        .map(|_| ())
        .ok_or(Flaw::ArraySize)
}

/// An integer of 1, 2, 4, 8 or 16 whole bytes; its size may be larger.
fn is_regular(int: Int) -> bool {
    int.bit_offset == 0 && matches!(int.bits, 8 | 16 | 32 | 64 | 128)
}

fn check_member(btf: &Btf, composite: &Composite, index: u32, member: &Member) -> Result<(), Flaw> {
    let misplaced = Flaw::Member(index);
    let size = size(btf, member.ty).ok_or(misplaced)?;
    let kind = btf
        .resolve(member.ty)
        .and_then(|id| btf.get(id))
        .map(|ty| &ty.kind)
        .ok_or(misplaced)?;
    let end_bits = u64::from(composite.size) * 8;
    let at = u64::from(member.bit_offset);
    let fits = match kind {
        Kind::Int(int) => {
            let width = if member.bitfield_bits == 0 {
                int.bits
            } else {
                member.bitfield_bits
            };
            let bits = u64::from(int.bit_offset) + u64::from(width);
            at + bits <= end_bits
                && at % 8 + bits <= 128
                && match composite.form {
                    // Old bitfields show in the integer; any bit offset will do.
                    MemberForm::Offset => true,
                    MemberForm::OffsetAndWidth => {
                        is_regular(*int)
                            && width <= int.bits
                            && (member.bitfield_bits != 0 || at % 8 == 0)
                    }
                }
        }
        Kind::Enum(_) | Kind::Enum64(_) if member.bitfield_bits != 0 => {
            fits_bitfield(member, size, end_bits)
        }
        Kind::Enum(_)
        | Kind::Enum64(_)
        | Kind::Ptr(_)
        | Kind::Array(_)
        | Kind::Struct(_)
        | Kind::Union(_)
        | Kind::Float { .. } => {
            member.bitfield_bits == 0 && at % 8 == 0 && at + u64::from(size) * 8 <= end_bits
        }
        Kind::Fwd(_)
        | Kind::Typedef(_)
        | Kind::Volatile(_)
        | Kind::Const(_)
        | Kind::Restrict(_)
        | Kind::Func(_)
        | Kind::FuncProto(_)
        | Kind::Var(_)
        | Kind::Datasec(_)
        | Kind::DeclTag(_)
        | Kind::TypeTag(_) => false,
    };
    if fits { Ok(()) } else { Err(misplaced) }
}

/// A bitfield is no wider than its type and ends within the structure.
fn fits_bitfield(member: &Member, size: u32, end_bits: u64) -> bool {
    let width = u64::from(member.bitfield_bits);
    width <= u64::from(size) * 8 && u64::from(member.bit_offset) + width <= end_bits
}

fn check_proto(btf: &Btf, proto: &FuncProto) -> Result<(), Flaw> {
    if proto.ret.0 != 0
        && size(btf, proto.ret).is_none()
        && btf.resolve(proto.ret) != Some(TypeId(0))
    {
        return Err(Flaw::WrongTarget(proto.ret));
    }
    for (index, param) in numbered(&proto.params) {
        let is_last = usize::try_from(index).is_ok_and(|index| index + 1 == proto.params.len());
        let valid = if param.ty.0 == 0 {
            is_last && param.name.is_empty()
        } else {
            size(btf, param.ty).is_some() && name(btf, param.name, Naming::Optional).is_ok()
        };
        if !valid {
            return Err(Flaw::Param(index));
        }
    }
    Ok(())
}

/// The parameters of a function, unlike those of a pointer to one, have names.
fn named_params(btf: &Btf, proto: &FuncProto) -> Result<(), Flaw> {
    for (index, param) in numbered(&proto.params) {
        if param.ty.0 != 0 && name(btf, param.name, Naming::Identifier).is_err() {
            return Err(Flaw::Param(index));
        }
    }
    Ok(())
}

fn check_decl_tag(btf: &Btf, tag: &DeclTag) -> Result<(), Flaw> {
    let components = match btf.get(tag.target).map(|ty| &ty.kind) {
        Some(Kind::Struct(composite) | Kind::Union(composite)) => composite.members.len(),
        Some(Kind::Func(func)) => match btf.get(func.proto).map(|ty| &ty.kind) {
            Some(Kind::FuncProto(proto)) => proto.params.len(),
            Some(_) | None => return Err(Flaw::WrongTarget(tag.target)),
        },
        Some(Kind::Var(_) | Kind::Typedef(_)) => 0,
        Some(_) | None => return Err(Flaw::WrongTarget(tag.target)),
    };
    match usize::try_from(tag.component) {
        Ok(component) if component >= components => Err(Flaw::Component(tag.component)),
        // -1 is the target itself; less was refused before.
        Ok(_) | Err(_) => Ok(()),
    }
}
