//! A kernel's types, findable by name.
//!
//! Representation: ids in order of essential name, then id; one look-up is a binary search. Names longer than any
//! identifier of the kernel are not indexed, because strings of a hostile file may share bytes.

use crate::btf::Btf;
use crate::error::BtfError;
use crate::limits::{CORE_NAME_BYTES_MAX, RESOLVE_DEPTH_MAX};
use crate::types::Kind;
use skep_uapi::TypeId;
use std::fmt;

/// What separates a flavour from a name.
const FLAVOUR: &[u8] = b"___";

/// A kernel's BTF with an index of names.
#[derive(Clone, PartialEq, Eq)]
pub struct KernelBtf {
    btf: Btf,
    /// Named types by essential name, then id.
    by_name: Vec<TypeId>,
}

impl fmt::Debug for KernelBtf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KernelBtf({} types)", self.btf.types().len())
    }
}

impl KernelBtf {
    /// Indexes a kernel's types.
    #[must_use]
    pub fn new(btf: Btf) -> Self {
        let mut by_name: Vec<TypeId> = btf
            .iter()
            .map(|(id, _)| id)
            .filter(|id| short_name(&btf, *id).is_some())
            .collect();
        by_name.sort_by_cached_key(|id| (essential(&btf, *id).to_vec(), *id));
        Self { btf, by_name }
    }

    /// Reads the bytes of `/sys/kernel/btf/vmlinux`, or of a file like it.
    ///
    /// # Errors
    /// As [`Btf::parse`].
    pub fn parse(data: &[u8]) -> Result<Self, BtfError> {
        Btf::parse(data).map(Self::new)
    }

    /// The types themselves.
    #[must_use]
    pub const fn btf(&self) -> &Btf {
        &self.btf
    }

    /// The first type of exactly this name whose kind `filter` accepts.
    #[must_use]
    pub fn find(&self, name: &str, filter: impl Fn(&Kind) -> bool) -> Option<TypeId> {
        self.essentially(essential_name(name.as_bytes()))
            .iter()
            .copied()
            .find(|id| {
                self.btf.name(*id) == name && self.btf.get(*id).is_some_and(|ty| filter(&ty.kind))
            })
    }

    /// Types with this essential name, in order of id.
    fn essentially(&self, name: &[u8]) -> &[TypeId] {
        let from = self
            .by_name
            .partition_point(|id| essential(&self.btf, *id) < name);
        let tail = &self.by_name[from..];
        let len = tail.partition_point(|id| essential(&self.btf, *id) == name);
        &tail[..len]
    }

    /// The candidates for a type of a program: same kind, same essential name.
    pub(crate) fn like<'s>(
        &'s self,
        local: &'s Btf,
        id: TypeId,
        name: &[u8],
    ) -> impl Iterator<Item = TypeId> + 's {
        let kind = local.get(id).map(|ty| &ty.kind);
        let candidates = self.essentially(essential_name(name)).iter().copied();
        candidates.filter(move |candidate| {
            let found = self.btf.get(*candidate).map(|ty| &ty.kind);
            kind.zip(found)
                .is_some_and(|(kind, found)| same_kind(kind, found))
        })
    }
}

/// Whether two types are of one kind; enumerations of both widths count as one.
pub(crate) const fn same_kind(a: &Kind, b: &Kind) -> bool {
    is_enum(a) && is_enum(b) || a.code() == b.code()
}

/// Whether a type is an enumeration.
pub(crate) const fn is_enum(kind: &Kind) -> bool {
    matches!(kind, Kind::Enum(_) | Kind::Enum64(_))
}

/// The name of a type, if it has one of sensible length.
pub(crate) fn short_name(btf: &Btf, id: TypeId) -> Option<&[u8]> {
    short_string(btf, btf.get(id)?.name).filter(|name| !name.is_empty())
}

/// A string of sensible length.
pub(crate) fn short_string(btf: &Btf, off: crate::StrOff) -> Option<&[u8]> {
    let tail = btf.strings().get(usize::try_from(off.0).ok()?..)?;
    let end = tail
        .iter()
        .take(CORE_NAME_BYTES_MAX)
        .position(|byte| *byte == 0)?;
    tail.get(..end)
}

fn essential(btf: &Btf, id: TypeId) -> &[u8] {
    essential_name(short_name(btf, id).unwrap_or_default())
}

/// A name without its flavour: `task_struct` of `task_struct___old`. The last three underscores that stand between
/// other characters separate the two.
#[must_use]
pub fn essential_name(name: &[u8]) -> &[u8] {
    let separates = |at: usize| {
        name[at..].starts_with(FLAVOUR)
            && name[at - 1] != b'_'
            && name
                .get(at + FLAVOUR.len())
                .is_some_and(|next| *next != b'_')
    };
    let at = (1..name.len()).rev().find(|at| separates(*at));
    at.map_or(name, |at| &name[..at])
}

/// Follows qualifiers, type tags and typedefs; an error where that does not end.
pub(crate) fn resolved(btf: &Btf, id: TypeId) -> Result<TypeId, super::CoreError> {
    const _: () = assert!(RESOLVE_DEPTH_MAX == 32);
    btf.resolve(id).ok_or(super::CoreError::TooDeep)
}

#[cfg(test)]
mod tests {
    use super::essential_name;

    #[test]
    fn a_flavour_is_behind_the_last_three_underscores() {
        for (name, essential) in [
            ("task_struct", "task_struct"),
            ("task_struct___old", "task_struct"),
            ("a___b___c", "a___b"),
            ("___a", "___a"),
            ("a___", "a___"),
            ("a____b", "a____b"),
            ("a__b", "a__b"),
            ("a", "a"),
            ("", ""),
        ] {
            assert_eq!(
                essential_name(name.as_bytes()),
                essential.as_bytes(),
                "{name}"
            );
        }
    }
}
