//! Whether a type of a program and one of a kernel can stand for each other: three relations, from loose to strict.
//!
//! * Fields are alike if a program that reads the one can read the other: any two structures or unions, any two
//!   pointers, integers or floats, enumerations and forward declarations of the same name, arrays of alike elements.
//! * Types are alike (`bpf_core_type_exists`) if they are of one kind, and what pointers, arrays and prototypes refer
//!   to is, too; names and members do not matter.
//! * Types match (`bpf_core_type_matches`) if names, kinds, sizes and signs are the same and each member or enumerator
//!   of the program's has its match in the kernel's; behind a pointer, the name of a structure is enough.
//!
//! Qualifiers and typedefs are looked through everywhere. Depth is bounded, breadth costs steps.

use super::Steps;
use super::error::CoreError;
use super::essential_name;
use super::kernel::{is_enum, resolved, same_kind, short_name, short_string};
use super::spec::enumerators;
use crate::btf::Btf;
use crate::limits::RESOLVE_DEPTH_MAX;
use crate::types::{Composite, FwdKind, Int, IntEncoding, Kind};
use skep_uapi::TypeId;
use std::collections::HashSet;

/// A type of the program and one of the kernel.
pub(crate) type Pair<'a> = (&'a Btf, TypeId, &'a Btf, TypeId);

/// Whether a field of the one type can be read where the program expects the other.
pub(crate) fn fields_are_alike(pair: Pair<'_>, budget: &Steps) -> Result<bool, CoreError> {
    let (local, mut ours, kernel, mut theirs) = pair;
    for _ in 0..=RESOLVE_DEPTH_MAX {
        budget.take()?;
        (ours, theirs) = (resolved(local, ours)?, resolved(kernel, theirs)?);
        let (Some(a), Some(b)) = (kind(local, ours), kind(kernel, theirs)) else {
            return Ok(false);
        };
        return Ok(match (a, b) {
            (Kind::Struct(_) | Kind::Union(_), Kind::Struct(_) | Kind::Union(_))
            | (Kind::Ptr(_), Kind::Ptr(_))
            | (Kind::Float { .. }, Kind::Float { .. }) => true,
            (Kind::Int(a), Kind::Int(b)) => a.bit_offset == 0 && b.bit_offset == 0,
            (Kind::Fwd(_), Kind::Fwd(_)) => names_agree(local, ours, kernel, theirs),
            (a, b) if is_enum(a) && is_enum(b) => names_agree(local, ours, kernel, theirs),
            (Kind::Array(a), Kind::Array(b)) => {
                (ours, theirs) = (a.elem, b.elem);
                continue;
            }
            _ => false,
        });
    }
    Err(CoreError::TooDeep)
}

fn kind(btf: &Btf, id: TypeId) -> Option<&Kind> {
    btf.get(id).map(|ty| &ty.kind)
}

/// Whether essential names are the same; one that is missing agrees with any.
fn names_agree(local: &Btf, ours: TypeId, kernel: &Btf, theirs: TypeId) -> bool {
    match (short_name(local, ours), short_name(kernel, theirs)) {
        (Some(a), Some(b)) => essential_name(a) == essential_name(b),
        (None, _) | (_, None) => true,
    }
}

/// Whether types are of one kind all the way down.
pub(crate) fn types_are_alike(pair: Pair<'_>, budget: &Steps) -> Result<bool, CoreError> {
    let (local, ours, kernel, theirs) = pair;
    // The outermost kinds are compared before typedefs are looked through: a typedef is no structure.
    let same = match (kind(local, ours), kind(kernel, theirs)) {
        (Some(a), Some(b)) => same_kind(a, b),
        (a, b) => a.is_none() && b.is_none(),
    };
    if !same {
        return Ok(false);
    }
    let comparison = Comparison {
        local,
        kernel,
        budget,
    };
    comparison.alike(ours, theirs, 0)
}

/// Whether types match.
pub(crate) fn types_match(pair: Pair<'_>, budget: &Steps) -> Result<bool, CoreError> {
    let (local, ours, kernel, theirs) = pair;
    let comparison = Comparison {
        local,
        kernel,
        budget,
    };
    comparison.matches(ours, theirs, Place::Held, 0)
}

/// How a type is reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// By value.
    Held,
    /// Through a pointer.
    Pointed,
}

struct Comparison<'a> {
    local: &'a Btf,
    kernel: &'a Btf,
    budget: &'a Steps,
}

impl Comparison<'_> {
    /// Looks through names at both kinds; `None` for `void`.
    #[expect(clippy::type_complexity, reason = "a pair of the same thing twice")]
    fn kinds(
        &self,
        ours: TypeId,
        theirs: TypeId,
        depth: usize,
    ) -> Result<(TypeId, TypeId, Option<(&Kind, &Kind)>), CoreError> {
        if depth > RESOLVE_DEPTH_MAX {
            return Err(CoreError::TooDeep);
        }
        self.budget.take()?;
        let (ours, theirs) = (resolved(self.local, ours)?, resolved(self.kernel, theirs)?);
        let kinds = kind(self.local, ours).zip(kind(self.kernel, theirs));
        Ok((ours, theirs, kinds))
    }

    fn alike(&self, ours: TypeId, theirs: TypeId, depth: usize) -> Result<bool, CoreError> {
        let (ours, theirs, kinds) = self.kinds(ours, theirs, depth)?;
        let Some((a, b)) = kinds else {
            return Ok(ours == theirs);
        };
        if !same_kind(a, b) {
            return Ok(false);
        }
        match (a, b) {
            (Kind::Int(a), Kind::Int(b)) => Ok(a.bit_offset == 0 && b.bit_offset == 0),
            (Kind::Ptr(a), Kind::Ptr(b)) => self.alike(*a, *b, depth + 1),
            (Kind::Array(a), Kind::Array(b)) => self.alike(a.elem, b.elem, depth + 1),
            (Kind::FuncProto(a), Kind::FuncProto(b)) => {
                if a.params.len() != b.params.len() {
                    return Ok(false);
                }
                for (a, b) in a.params.iter().zip(&b.params) {
                    if !self.alike(a.ty, b.ty, depth + 1)? {
                        return Ok(false);
                    }
                }
                self.alike(a.ret, b.ret, depth + 1)
            }
            (
                Kind::Struct(_)
                | Kind::Union(_)
                | Kind::Enum(_)
                | Kind::Enum64(_)
                | Kind::Fwd(_)
                | Kind::Float { .. },
                _,
            ) => Ok(true),
            _ => Ok(false),
        }
    }

    fn matches(
        &self,
        ours: TypeId,
        theirs: TypeId,
        place: Place,
        depth: usize,
    ) -> Result<bool, CoreError> {
        let (ours, theirs, kinds) = self.kinds(ours, theirs, depth)?;
        let Some((a, b)) = kinds else {
            return Ok(ours == theirs);
        };
        if self.name(self.local, ours) != self.name(self.kernel, theirs) {
            return Ok(false);
        }
        if place == Place::Pointed {
            // A pointer hides whether what it points to is declared only.
            if let (Some(a), Some(b)) = (declares(a), declares(b)) {
                return Ok(a == b);
            }
        }
        match (a, b) {
            (Kind::Fwd(a), Kind::Fwd(b)) => Ok(a == b),
            (Kind::Int(a), Kind::Int(b)) => Ok(same_int(*a, *b)),
            (Kind::Ptr(a), Kind::Ptr(b)) => self.matches(*a, *b, Place::Pointed, depth + 1),
            (Kind::Array(a), Kind::Array(b)) => {
                Ok(a.count == b.count && self.matches(a.elem, b.elem, place, depth + 1)?)
            }
            (Kind::Struct(a), Kind::Struct(b)) | (Kind::Union(a), Kind::Union(b)) => {
                self.members_match(a, b, depth)
            }
            (Kind::FuncProto(a), Kind::FuncProto(b)) => {
                if a.params.len() != b.params.len() {
                    return Ok(false);
                }
                for (a, b) in a.params.iter().zip(&b.params) {
                    if !self.matches(a.ty, b.ty, Place::Held, depth + 1)? {
                        return Ok(false);
                    }
                }
                self.matches(a.ret, b.ret, Place::Held, depth + 1)
            }
            (a, b) if is_enum(a) && is_enum(b) => Ok(self.enumerators_match(ours, theirs)),
            _ => Ok(false),
        }
    }

    fn name<'b>(&self, btf: &'b Btf, id: TypeId) -> &'b [u8] {
        essential_name(short_name(btf, id).unwrap_or_default())
    }

    /// Each member of the program's has one of its name in the kernel's that matches.
    fn members_match(&self, a: &Composite, b: &Composite, depth: usize) -> Result<bool, CoreError> {
        if a.members.len() > b.members.len() {
            return Ok(false);
        }
        for ours in &a.members {
            let name = short_string(self.local, ours.name);
            let mut found = false;
            for theirs in &b.members {
                self.budget.take()?;
                if short_string(self.kernel, theirs.name).map(essential_name)
                    == name.map(essential_name)
                    && self.matches(ours.ty, theirs.ty, Place::Held, depth + 1)?
                {
                    found = true;
                    break;
                }
            }
            if !found {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn enumerators_match(&self, ours: TypeId, theirs: TypeId) -> bool {
        let names = |btf, id| {
            let all = enumerators(btf, id).into_iter();
            all.filter_map(move |name| short_string(btf, name).map(essential_name))
        };
        let theirs_all: HashSet<&[u8]> = names(self.kernel, theirs).collect();
        self.local.size_of(ours) == self.kernel.size_of(theirs)
            && names(self.local, ours).all(|name| theirs_all.contains(name))
    }
}

/// What a structure, union or its forward declaration declares.
const fn declares(kind: &Kind) -> Option<FwdKind> {
    match kind {
        Kind::Struct(_) => Some(FwdKind::Struct),
        Kind::Union(_) => Some(FwdKind::Union),
        Kind::Fwd(fwd) => Some(*fwd),
        Kind::Int(_)
        | Kind::Ptr(_)
        | Kind::Array(_)
        | Kind::Enum(_)
        | Kind::Typedef(_)
        | Kind::Volatile(_)
        | Kind::Const(_)
        | Kind::Restrict(_)
        | Kind::Func(_)
        | Kind::FuncProto(_)
        | Kind::Var(_)
        | Kind::Datasec(_)
        | Kind::Float { .. }
        | Kind::DeclTag(_)
        | Kind::TypeTag(_)
        | Kind::Enum64(_) => None,
    }
}

fn same_int(a: Int, b: Int) -> bool {
    let sign = |int: Int| int.encoding.0 & IntEncoding::SIGNED.0;
    a.bit_offset == 0 && b.bit_offset == 0 && a.size == b.size && sign(a) == sign(b)
}
