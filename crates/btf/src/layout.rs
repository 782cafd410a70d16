//! Where a C compiler would place things: alignment, and whether a structure must have been packed.
//!
//! BTF records offsets and sizes but neither alignment nor `packed`, so both are inferred: a structure whose members
//! or size contradict natural alignment is packed. Alignments are remembered, because a structure's depends on those of
//! its members, and theirs on theirs. Loops and deep nesting end in "unknown".

use crate::btf::{Btf, POINTER_BYTES};
use crate::limits::PRINT_DEPTH_MAX;
use crate::types::{Composite, Kind};
use skep_uapi::TypeId;
use std::collections::HashMap;

/// Remembers alignments of one object's types.
pub(crate) struct Layout<'a> {
    btf: &'a Btf,
    /// `None` while being computed and for types without alignment.
    known: HashMap<TypeId, Option<u32>>,
}

impl<'a> Layout<'a> {
    pub(crate) fn new(btf: &'a Btf) -> Self {
        Self {
            btf,
            known: HashMap::new(),
        }
    }

    /// Alignment in bytes; `None` where a type has none.
    pub(crate) fn align_of(&mut self, id: TypeId) -> Option<u32> {
        self.align_at(id, 0)
    }

    /// Whether a structure cannot have its layout without `packed`.
    pub(crate) fn is_packed(&mut self, composite: &Composite) -> bool {
        self.natural_align(composite, 0).is_none()
    }

    fn align_at(&mut self, id: TypeId, depth: usize) -> Option<u32> {
        if depth > PRINT_DEPTH_MAX {
            return None;
        }
        let btf = self.btf;
        match &btf.get(id)?.kind {
            Kind::Int(int) => Some(int.size.min(POINTER_BYTES)),
            Kind::Enum(e) => Some(e.size.min(POINTER_BYTES)),
            Kind::Enum64(e) => Some(e.size.min(POINTER_BYTES)),
            Kind::Float { size } => Some((*size).min(POINTER_BYTES)),
            Kind::Ptr(_) => Some(POINTER_BYTES),
            Kind::Typedef(t) | Kind::Volatile(t) | Kind::Const(t) | Kind::Restrict(t) => {
                self.align_at(*t, depth + 1)
            }
            Kind::TypeTag(tag) => self.align_at(tag.target, depth + 1),
            Kind::Array(array) => self.align_at(array.elem, depth + 1),
            Kind::Struct(composite) | Kind::Union(composite) => {
                if let Some(known) = self.known.get(&id) {
                    return *known;
                }
                self.known.insert(id, None);
                let align = Some(self.natural_align(composite, depth).unwrap_or(1));
                self.known.insert(id, align);
                align
            }
            Kind::Fwd(_)
            | Kind::Func(_)
            | Kind::FuncProto(_)
            | Kind::Var(_)
            | Kind::Datasec(_)
            | Kind::DeclTag(_) => None,
        }
    }

    /// The largest alignment of the members, or `None` if a member or the size contradicts it.
    fn natural_align(&mut self, composite: &Composite, depth: usize) -> Option<u32> {
        let mut largest = 1;
        for member in &composite.members {
            let Some(align) = self
                .align_at(member.ty, depth + 1)
                .filter(|align| *align != 0)
            else {
                continue;
            };
            let bits = align.saturating_mul(8);
            if member.bitfield_bits == 0 && member.bit_offset % bits != 0 {
                return None;
            }
            largest = largest.max(align);
        }
        composite.size.is_multiple_of(largest).then_some(largest)
    }
}
