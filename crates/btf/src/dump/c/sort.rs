//! bpftool's order of roots: by rank of kind, then by the name of the type that a type is made of, then by its own name.
//!
//! Anonymous enumerations come first, then named ones, typedefs of integers, structures, prototypes; what has no name of
//! its own is only printed where it is used and sorts last. Among equals a hash of names decides, which does not change
//! with ids; the sort is stable, so that ids decide the rest.
//!
//! bpftool 7.5 counts `void` among the sorted types, in whose place it skips the first: an enumeration without a name
//! that nobody refers to is then not printed at all. The same is done here, so that outputs can be compared.

use crate::btf::Btf;
use crate::limits::PRINT_DEPTH_MAX;
use crate::types::{Kind, StrOff, Type};
use skep_uapi::TypeId;

/// Rank of what is never printed on its own.
const LAST: u8 = 10;

pub(super) fn sorted(btf: &Btf) -> Vec<TypeId> {
    let mut roots: Vec<_> = btf.iter().map(|(id, ty)| (key(btf, id, ty), id)).collect();
    roots.sort_by_key(|(key, _)| *key);
    roots.into_iter().skip(1).map(|(_, id)| id).collect()
}

fn key<'a>(btf: &'a Btf, id: TypeId, ty: &Type) -> (u8, &'a str, &'a str, u64) {
    let own_name = btf.str(ty.name).unwrap_or_default();
    (
        rank(btf, id, HasName::No, 0),
        base_name(btf, id),
        own_name,
        tie_break(btf, id, Members::Hashed, 0),
    )
}

/// Whether a name was met on the way to a type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HasName {
    No,
    Yes,
}

fn rank(btf: &Btf, id: TypeId, has_name: HasName, depth: usize) -> u8 {
    let Some(ty) = btf.get(id).filter(|_| depth < PRINT_DEPTH_MAX) else {
        return LAST;
    };
    let has_name = if ty.name.is_empty() {
        has_name
    } else {
        HasName::Yes
    };
    let named = |rank| if has_name == HasName::Yes { rank } else { LAST };
    match &ty.kind {
        Kind::Enum(_) | Kind::Enum64(_) => u8::from(has_name == HasName::Yes),
        Kind::Int(_) | Kind::Float { .. } => 2,
        Kind::Struct(_) | Kind::Union(_) => named(3),
        Kind::FuncProto(_) => named(4),
        Kind::Array(array) if has_name == HasName::Yes => {
            rank(btf, array.elem, has_name, depth + 1)
        }
        Kind::Ptr(t)
        | Kind::Typedef(t)
        | Kind::Volatile(t)
        | Kind::Const(t)
        | Kind::Restrict(t)
            if has_name == HasName::Yes =>
        {
            rank(btf, *t, has_name, depth + 1)
        }
        Kind::TypeTag(tag) if has_name == HasName::Yes => {
            rank(btf, tag.target, has_name, depth + 1)
        }
        Kind::DeclTag(tag) if has_name == HasName::Yes => {
            rank(btf, tag.target, has_name, depth + 1)
        }
        Kind::Array(_)
        | Kind::Ptr(_)
        | Kind::Typedef(_)
        | Kind::Volatile(_)
        | Kind::Const(_)
        | Kind::Restrict(_)
        | Kind::TypeTag(_)
        | Kind::DeclTag(_)
        | Kind::Fwd(_)
        | Kind::Func(_)
        | Kind::Var(_)
        | Kind::Datasec(_) => LAST,
    }
}

/// Whether the members of a structure count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Members {
    Hashed,
    Ignored,
}

fn mix(hash: u64, value: u64) -> u64 {
    hash.wrapping_mul(31).wrapping_add(value)
}

/// A hash of the names within a type.
fn tie_break(btf: &Btf, id: TypeId, members: Members, depth: usize) -> u64 {
    let Some(ty) = btf.get(id).filter(|_| depth < PRINT_DEPTH_MAX) else {
        return 0;
    };
    let text = |off: StrOff| {
        btf.str(off)
            .unwrap_or_default()
            .bytes()
            .fold(0, |hash, byte| mix(hash, byte.into()))
    };
    let with_name = |hash, off: StrOff| {
        if off.is_empty() {
            hash
        } else {
            mix(hash, text(off))
        }
    };
    let mut hash = with_name(0, ty.name);
    match &ty.kind {
        Kind::Enum(e) => e
            .values
            .iter()
            .fold(hash, |hash, (name, _)| with_name(hash, *name)),
        Kind::Enum64(e) => e
            .values
            .iter()
            .fold(hash, |hash, (name, _)| with_name(hash, *name)),
        Kind::Struct(composite) | Kind::Union(composite) if members == Members::Hashed => {
            for member in &composite.members {
                hash = with_name(hash, member.name);
                hash = mix(hash, tie_break(btf, member.ty, Members::Ignored, depth + 1));
            }
            hash
        }
        Kind::Array(array) => mix(
            mix(hash, array.count.into()),
            tie_break(btf, array.elem, members, depth + 1),
        ),
        Kind::Ptr(t)
        | Kind::Typedef(t)
        | Kind::Volatile(t)
        | Kind::Const(t)
        | Kind::Restrict(t) => mix(hash, tie_break(btf, *t, members, depth + 1)),
        Kind::TypeTag(tag) => mix(hash, tie_break(btf, tag.target, members, depth + 1)),
        Kind::DeclTag(tag) => mix(hash, tie_break(btf, tag.target, members, depth + 1)),
        Kind::Struct(_)
        | Kind::Union(_)
        | Kind::Int(_)
        | Kind::Float { .. }
        | Kind::FuncProto(_)
        | Kind::Fwd(_)
        | Kind::Func(_)
        | Kind::Var(_)
        | Kind::Datasec(_) => hash,
    }
}

/// The name of what a type is made of: of an anonymous enumeration, taken by itself, the first enumerator.
fn base_name(btf: &Btf, root: TypeId) -> &str {
    let mut id = root;
    for _ in 0..PRINT_DEPTH_MAX {
        let Some(Type { name, kind }) = btf.get(id) else {
            break;
        };
        let name = btf.str(*name).unwrap_or_default();
        match kind {
            Kind::Enum(e) if name.is_empty() && id == root => {
                return e
                    .values
                    .first()
                    .and_then(|(name, _)| btf.str(*name))
                    .unwrap_or_default();
            }
            Kind::Enum64(e) if name.is_empty() && id == root => {
                return e
                    .values
                    .first()
                    .and_then(|(name, _)| btf.str(*name))
                    .unwrap_or_default();
            }
            Kind::Array(array) => id = array.elem,
            Kind::Ptr(t)
            | Kind::Typedef(t)
            | Kind::Volatile(t)
            | Kind::Const(t)
            | Kind::Restrict(t) => id = *t,
            Kind::TypeTag(tag) => id = tag.target,
            Kind::DeclTag(tag) => id = tag.target,
            Kind::Enum(_)
            | Kind::Enum64(_)
            | Kind::Int(_)
            | Kind::Float { .. }
            | Kind::Struct(_)
            | Kind::Union(_)
            | Kind::FuncProto(_)
            | Kind::Fwd(_)
            | Kind::Func(_)
            | Kind::Var(_)
            | Kind::Datasec(_) => return name,
        }
    }
    ""
}
