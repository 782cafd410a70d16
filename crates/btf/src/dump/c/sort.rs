//! bpftool's order of roots: by rank of kind, then by the name of the type that a type is made of, then by its own name.
//!
//! Anonymous enumerations come first, then named ones, typedefs of integers, structures, prototypes; what has no name of
//! its own is only printed where it is used and sorts last. The sort is stable, so that ids decide the rest.

use crate::btf::Btf;
use crate::limits::PRINT_DEPTH_MAX;
use crate::types::{Kind, Type};
use skep_uapi::TypeId;

/// Rank of what is never printed on its own.
const LAST: u8 = 10;

pub(super) fn sorted(btf: &Btf) -> Vec<TypeId> {
    let mut roots: Vec<_> = btf
        .iter()
        .map(|(id, ty)| (rank(btf, id, HasName::No, 0), base_name(btf, id), btf.str(ty.name).unwrap_or_default(), id))
        .collect();
    roots.sort_by(|a, b| (a.0, a.1, a.2).cmp(&(b.0, b.1, b.2)));
    roots.into_iter().map(|root| root.3).collect()
}

/// Whether a name was met on the way to a type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HasName {
    No,
    Yes,
}

fn rank(btf: &Btf, id: TypeId, has_name: HasName, depth: usize) -> u8 {
    let Some(ty) = btf.get(id).filter(|_| depth < PRINT_DEPTH_MAX) else { return LAST };
    let has_name = if ty.name.is_empty() { has_name } else { HasName::Yes };
    let named = |rank| if has_name == HasName::Yes { rank } else { LAST };
    match &ty.kind {
        Kind::Enum(_) | Kind::Enum64(_) => u8::from(has_name == HasName::Yes),
        Kind::Int(_) | Kind::Float { .. } => 2,
        Kind::Struct(_) | Kind::Union(_) => named(3),
        Kind::FuncProto(_) => named(4),
        Kind::Array(array) if has_name == HasName::Yes => rank(btf, array.elem, has_name, depth + 1),
        Kind::Ptr(t) | Kind::Typedef(t) | Kind::Volatile(t) | Kind::Const(t) | Kind::Restrict(t)
            if has_name == HasName::Yes =>
        {
            rank(btf, *t, has_name, depth + 1)
        }
        Kind::TypeTag(tag) if has_name == HasName::Yes => rank(btf, tag.target, has_name, depth + 1),
        Kind::DeclTag(tag) if has_name == HasName::Yes => rank(btf, tag.target, has_name, depth + 1),
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

/// The name of what a type is made of: of an anonymous enumeration the first enumerator.
fn base_name(btf: &Btf, mut id: TypeId) -> &str {
    for _ in 0..PRINT_DEPTH_MAX {
        let Some(Type { name, kind }) = btf.get(id) else { break };
        let name = btf.str(*name).unwrap_or_default();
        match kind {
            Kind::Enum(e) if name.is_empty() => {
                return e.values.first().and_then(|(name, _)| btf.str(*name)).unwrap_or_default();
            }
            Kind::Enum64(e) if name.is_empty() => {
                return e.values.first().and_then(|(name, _)| btf.str(*name)).unwrap_or_default();
            }
            Kind::Array(array) => id = array.elem,
            Kind::Ptr(t) | Kind::Typedef(t) | Kind::Volatile(t) | Kind::Const(t) | Kind::Restrict(t) => id = *t,
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
