//! Special fields of a value: locks, timers, pointers of the kernel's, list and tree heads and nodes, found by the names that
//! Linux knows them by.
//!
//! The search goes through structures, arrays and the variables of a section, as Linux's does; unions and pointers' targets are not
//! looked into. The result is in order of offset and does not overlap, so that whoever checks an access compares ranges.
//! What the fields mean, and which maps may have which, is not known here.

use crate::types::{Composite, Kind, StrOff};
use crate::{Btf, TypeId};
use thiserror::Error;

/// Most special fields of one value (kernel `BTF_FIELDS_MAX`).
const FIELDS_MAX: usize = 11;
/// Structures in one another that are looked into.
const DEPTH_MAX: u32 = 8;

/// A special field of a value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SpecialField {
    /// Offset in bytes from the value's start.
    pub offset: u32,
    /// Size in bytes.
    pub bytes: u32,
    /// What it is.
    pub kind: SpecialKind,
}

/// What a special field is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SpecialKind {
    /// `struct bpf_spin_lock`.
    SpinLock,
    /// `struct bpf_res_spin_lock`.
    ResSpinLock,
    /// `struct bpf_timer`.
    Timer,
    /// `struct bpf_wq`.
    Workqueue,
    /// `struct bpf_task_work`.
    TaskWork,
    /// A pointer with a tag.
    Kptr(Kptr),
    /// `struct bpf_list_head`.
    ListHead(Contains),
    /// `struct bpf_list_node`.
    ListNode,
    /// `struct bpf_rb_root`.
    RbRoot(Contains),
    /// `struct bpf_rb_node`.
    RbNode,
    /// `struct bpf_refcount`.
    Refcount,
}

/// A tagged pointer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Kptr {
    /// Its tag.
    pub form: KptrForm,
    /// The structure that it points to, without qualifiers and tags, in the value's own BTF.
    pub target: TypeId,
}

/// Tags of pointers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum KptrForm {
    /// `__kptr_untrusted`: holds no reference.
    Untrusted,
    /// `__kptr`: holds a reference.
    Referenced,
    /// `__percpu_kptr`: holds a reference to what every CPU has one of.
    PerCpu,
    /// `__uptr`: memory shared with user space.
    User,
}

/// What a list or tree holds (the tag `contains:STRUCTURE:FIELD`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Contains {
    /// Structure of the nodes.
    pub structure: TypeId,
    /// Offset in bytes of the node field in it.
    pub node_offset: u32,
}

/// Why the special fields of a type make no sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum SpecialError {
    /// More than Linux takes. (E2BIG)
    #[error("more than {FIELDS_MAX} special fields")]
    TooMany,
    /// Two of a kind of which a value may have one. (EEXIST)
    #[error(
        "two special fields of a kind of which a value may have one, the second at offset {offset}"
    )]
    Repeated {
        /// Offset of the second.
        offset: u32,
    },
    /// Not at a multiple of its alignment, or not of its size. (EINVAL)
    #[error("the special field at offset {offset} is misplaced")]
    Misplaced {
        /// Its offset.
        offset: u32,
    },
    /// A head whose tag does not say what it contains, or names a node that is not there. (EINVAL)
    #[error("the list or tree at offset {offset} does not say what it contains")]
    NoContent {
        /// Its offset.
        offset: u32,
    },
    /// A tagged pointer to what is no structure. (EINVAL)
    #[error("the tagged pointer at offset {offset} does not point to a structure")]
    BadTarget {
        /// Its offset.
        offset: u32,
    },
    /// A list or tree without a lock beside it, or locks of both kinds. (EINVAL)
    #[error("a list or tree needs one lock in the same value")]
    Lock,
}

/// Finds the special fields of a value of type `value`, in order of offset.
///
/// # Errors
/// [`SpecialError`] for what Linux refuses, too.
pub fn special_fields(btf: &Btf, value: TypeId) -> Result<Vec<SpecialField>, SpecialError> {
    let mut search = Search {
        btf,
        found: Vec::new(),
    };
    if let Some((id, ty)) = btf.resolve(value).and_then(|id| Some((id, btf.get(id)?))) {
        match &ty.kind {
            Kind::Struct(composite) => search.members(id, composite, 0, 0)?,
            Kind::Datasec(section) => {
                for var in &section.vars {
                    if let Some(Kind::Var(inner)) = btf.get(var.ty).map(|ty| &ty.kind) {
                        let tag = Tagged {
                            of: var.ty,
                            component: -1,
                        };
                        search.element(inner.ty, tag, var.offset, 0)?;
                    }
                }
            }
            _ => {}
        }
    }
    let mut found = search.found;
    found.sort_by_key(|field| field.offset);
    check(&found)?;
    Ok(found)
}

/// Where a declaration's tags are.
#[derive(Clone, Copy)]
struct Tagged {
    of: TypeId,
    component: i32,
}

struct Search<'a> {
    btf: &'a Btf,
    found: Vec<SpecialField>,
}

impl Search<'_> {
    fn members(
        &mut self,
        id: TypeId,
        composite: &Composite,
        base: u32,
        depth: u32,
    ) -> Result<(), SpecialError> {
        for (component, member) in (0..).zip(&composite.members) {
            let Some(offset) = base.checked_add(member.bit_offset / 8) else {
                continue;
            };
            if member.bitfield_bits == 0 && member.bit_offset.is_multiple_of(8) {
                self.element(member.ty, Tagged { of: id, component }, offset, depth)?;
            }
        }
        Ok(())
    }

    /// One declaration: a special field, an array of them, or what may contain some.
    fn element(
        &mut self,
        ty: TypeId,
        tag: Tagged,
        offset: u32,
        depth: u32,
    ) -> Result<(), SpecialError> {
        let (mut ty, mut count) = (ty, 1_u32);
        while let Some(Kind::Array(array)) = self.btf.get(ty).map(|ty| &ty.kind) {
            count = count.saturating_mul(array.count);
            ty = array.elem;
        }
        let before = self.found.len();
        self.single(ty, tag, offset, depth)?;
        let first: Vec<_> = self.found[before..].to_vec();
        let size = self.btf.size_of(ty).unwrap_or(0);
        if first.is_empty() {
            return Ok(());
        }
        for number in 1..count {
            for field in &first {
                let moved = number
                    .checked_mul(size)
                    .and_then(|by| by.checked_add(field.offset));
                let offset = moved.ok_or(SpecialError::TooMany)?;
                self.push(SpecialField { offset, ..*field })?;
            }
        }
        Ok(())
    }

    fn single(
        &mut self,
        id: TypeId,
        tag: Tagged,
        offset: u32,
        depth: u32,
    ) -> Result<(), SpecialError> {
        if let Some(kptr) = self.kptr(id, offset)? {
            let kind = SpecialKind::Kptr(kptr);
            return self.push(SpecialField {
                offset,
                bytes: 8,
                kind,
            });
        }
        let Some(Kind::Struct(composite)) = self.btf.get(id).map(|ty| &ty.kind) else {
            return Ok(());
        };
        let Some((kind, bytes, align)) = self.named(id, tag, offset)? else {
            if depth < DEPTH_MAX {
                self.members(id, composite, offset, depth + 1)?;
            }
            return Ok(());
        };
        if composite.size != bytes || !offset.is_multiple_of(align) {
            return Err(SpecialError::Misplaced { offset });
        }
        self.push(SpecialField {
            offset,
            bytes,
            kind,
        })
    }

    fn push(&mut self, field: SpecialField) -> Result<(), SpecialError> {
        if self.found.len() >= FIELDS_MAX {
            return Err(SpecialError::TooMany);
        }
        self.found.push(field);
        Ok(())
    }

    /// Kind, size and alignment of a structure with one of the special names.
    fn named(
        &self,
        id: TypeId,
        tag: Tagged,
        offset: u32,
    ) -> Result<Option<(SpecialKind, u32, u32)>, SpecialError> {
        Ok(Some(match self.btf.name(id) {
            "bpf_spin_lock" => (SpecialKind::SpinLock, 4, 4),
            "bpf_res_spin_lock" => (SpecialKind::ResSpinLock, 4, 4),
            "bpf_timer" => (SpecialKind::Timer, 16, 8),
            "bpf_wq" => (SpecialKind::Workqueue, 16, 8),
            "bpf_task_work" => (SpecialKind::TaskWork, 8, 8),
            "bpf_list_head" => (
                SpecialKind::ListHead(self.contains(tag, offset, "bpf_list_node")?),
                16,
                8,
            ),
            "bpf_list_node" => (SpecialKind::ListNode, 24, 8),
            "bpf_rb_root" => (
                SpecialKind::RbRoot(self.contains(tag, offset, "bpf_rb_node")?),
                16,
                8,
            ),
            "bpf_rb_node" => (SpecialKind::RbNode, 32, 8),
            "bpf_refcount" => (SpecialKind::Refcount, 4, 4),
            _ => return Ok(None),
        }))
    }

    /// What the tag on a head says that it contains.
    fn contains(&self, tag: Tagged, offset: u32, node: &str) -> Result<Contains, SpecialError> {
        let text = self.btf.iter().find_map(|(id, ty)| match &ty.kind {
            Kind::DeclTag(decl) if decl.target == tag.of && decl.component == tag.component => {
                self.btf.name(id).strip_prefix("contains:")
            }
            _ => None,
        });
        let content = text
            .and_then(|text| text.split_once(':'))
            .and_then(|(structure, field)| {
                let is_struct = |kind: &Kind| matches!(kind, Kind::Struct(_));
                let structure = self.btf.find(structure, is_struct)?;
                let Some(Kind::Struct(composite)) = self.btf.get(structure).map(|ty| &ty.kind)
                else {
                    return None;
                };
                let named = |name: StrOff| self.btf.str(name) == Some(field);
                let member = composite.members.iter().find(|member| named(member.name))?;
                let node_offset = member.bit_offset / 8;
                (self.btf.name(member.ty) == node).then_some(Contains {
                    structure,
                    node_offset,
                })
            });
        content.ok_or(SpecialError::NoContent { offset })
    }

    /// A pointer with one of the special tags.
    fn kptr(&self, id: TypeId, offset: u32) -> Result<Option<Kptr>, SpecialError> {
        let mut id = id;
        if let Some(Kind::Volatile(inner)) = self.btf.get(id).map(|ty| &ty.kind) {
            id = *inner;
        }
        let Some(Kind::Ptr(tagged)) = self.btf.get(id).map(|ty| &ty.kind) else {
            return Ok(None);
        };
        let Some(Kind::TypeTag(tag)) = self.btf.get(*tagged).map(|ty| &ty.kind) else {
            return Ok(None);
        };
        let form = match self.btf.name(*tagged) {
            "kptr_untrusted" => KptrForm::Untrusted,
            "kptr" => KptrForm::Referenced,
            "percpu_kptr" => KptrForm::PerCpu,
            "uptr" => KptrForm::User,
            _ => return Ok(None),
        };
        let target = self.btf.unqualified(tag.target);
        let target = target.filter(|id| {
            matches!(
                self.btf.get(*id).map(|ty| &ty.kind),
                Some(Kind::Struct(_) | Kind::Union(_) | Kind::Fwd(_))
            )
        });
        match target {
            Some(target) if offset.is_multiple_of(8) => Ok(Some(Kptr { form, target })),
            Some(_) => Err(SpecialError::Misplaced { offset }),
            None => Err(SpecialError::BadTarget { offset }),
        }
    }
}

/// Rules of a value as a whole.
fn check(fields: &[SpecialField]) -> Result<(), SpecialError> {
    let mut locks = 0;
    let mut heads = 0;
    for (at, field) in fields.iter().enumerate() {
        let once = match field.kind {
            SpecialKind::SpinLock | SpecialKind::ResSpinLock => {
                locks += 1;
                true
            }
            SpecialKind::Timer
            | SpecialKind::Workqueue
            | SpecialKind::TaskWork
            | SpecialKind::Refcount => true,
            SpecialKind::ListHead(_) | SpecialKind::RbRoot(_) => {
                heads += 1;
                false
            }
            SpecialKind::Kptr(_) | SpecialKind::ListNode | SpecialKind::RbNode => false,
        };
        if once && fields[..at].iter().any(|other| other.kind == field.kind) {
            return Err(SpecialError::Repeated {
                offset: field.offset,
            });
        }
    }
    if locks > 1 || (heads > 0 && locks == 0) {
        return Err(SpecialError::Lock);
    }
    Ok(())
}
