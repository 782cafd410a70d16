//! One BTF object: its types in order of id, its strings, and the questions that everybody asks.
//!
//! Ids start at 1; id 0 is `void` and has no record. Type references form a graph that may have loops, so every walk
//! here is bounded. Layout questions assume 64-bit pointers, as BPF has them.

use crate::check;
use crate::error::BtfError;
use crate::layout::Layout;
use crate::limits::RESOLVE_DEPTH_MAX;
use crate::types::{Kind, StrOff, Type};
use crate::{parse, write};
use skep_uapi::TypeId;
use std::borrow::Cow;

/// Size of a pointer in bytes, for BPF and every 64-bit kernel.
pub(crate) const POINTER_BYTES: u32 = 8;

/// A BTF object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Btf {
    /// `types[i]` has id `i + 1`.
    pub(crate) types: Vec<Type>,
    /// Begins and ends with NUL.
    pub(crate) strings: Vec<u8>,
    /// Length of the header as it was read; the part beyond 24 bytes was zero.
    pub(crate) header_bytes: u32,
}

impl Default for Btf {
    /// No types and only the empty string, to build upon.
    fn default() -> Self {
        Self {
            types: Vec::new(),
            strings: vec![0],
            header_bytes: parse::HEADER_BYTES,
        }
    }
}

impl Btf {
    /// Parses the content of a `.BTF` section or a kernel's BTF.
    ///
    /// # Errors
    /// When the bytes contradict the format, including ids and name offsets that point nowhere. Rules that only the
    /// kernel has are left to [`Btf::check`], because object files do not satisfy them before a loader has set section
    /// sizes.
    pub fn parse(data: &[u8]) -> Result<Self, BtfError> {
        parse::parse(data)
    }

    /// Parses and checks as `BPF_BTF_LOAD` does; the error converts to its errno.
    ///
    /// # Errors
    /// As [`Btf::parse`] and [`Btf::check`].
    pub fn parse_for_load(data: &[u8]) -> Result<Self, BtfError> {
        let btf = Self::parse(data)?;
        btf.check()?;
        Ok(btf)
    }

    /// Checks the rules of `BPF_BTF_LOAD` beyond [`Btf::parse`]: names, sizes, targets, member placement, loops.
    ///
    /// # Errors
    /// The first rule that is broken, in order of type ids.
    pub fn check(&self) -> Result<(), BtfError> {
        check::check(self)
    }

    /// The bytes of this object: those that were parsed when nothing was changed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        write::to_bytes(self)
    }

    /// All types; the type at index `i` has id `i + 1`.
    #[must_use]
    pub fn types(&self) -> &[Type] {
        &self.types
    }

    /// All types, to be changed. References must stay within the object for [`Btf::to_bytes`] to parse again.
    pub fn types_mut(&mut self) -> &mut [Type] {
        &mut self.types
    }

    /// All types with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (TypeId, &Type)> {
        (1..=u32::MAX).map(TypeId).zip(&self.types)
    }

    /// The type with this id; `None` for `void` and for ids that do not exist.
    #[must_use]
    pub fn get(&self, id: TypeId) -> Option<&Type> {
        self.types.get(index(id)?)
    }

    /// As [`Btf::get`], to be changed.
    pub fn get_mut(&mut self, id: TypeId) -> Option<&mut Type> {
        self.types.get_mut(index(id)?)
    }

    /// The string section.
    #[must_use]
    pub fn strings(&self) -> &[u8] {
        &self.strings
    }

    /// The bytes of a string without its NUL, or `None` for an offset outside of the section.
    #[must_use]
    pub fn bytes_at(&self, off: StrOff) -> Option<&[u8]> {
        let tail = self.strings.get(usize::try_from(off.0).ok()?..)?;
        tail.split(|byte| *byte == 0)
            .next()
            .filter(|string| string.len() < tail.len())
    }

    /// A string, or `None` for an offset outside of the section or bytes that are not UTF-8.
    #[must_use]
    pub fn str(&self, off: StrOff) -> Option<&str> {
        std::str::from_utf8(self.bytes_at(off)?).ok()
    }

    /// A string with bytes that are not UTF-8 replaced: source lines may be in any encoding.
    #[must_use]
    pub fn text(&self, off: StrOff) -> Option<Cow<'_, str>> {
        self.bytes_at(off).map(String::from_utf8_lossy)
    }

    /// The name of a type; empty for `void`, anonymous types and ids that do not exist.
    #[must_use]
    pub fn name(&self, id: TypeId) -> &str {
        self.get(id)
            .and_then(|ty| self.str(ty.name))
            .unwrap_or_default()
    }

    /// The first type of this name whose kind `filter` accepts.
    #[must_use]
    pub fn find(&self, name: &str, filter: impl Fn(&Kind) -> bool) -> Option<TypeId> {
        self.iter()
            .find(|(_, ty)| filter(&ty.kind) && self.str(ty.name) == Some(name))
            .map(|(id, _)| id)
    }

    /// Follows typedefs, qualifiers and type tags. `None` if the chain has more than 32 links (or is a loop).
    /// `void` resolves to `TypeId(0)`.
    #[must_use]
    pub fn resolve(&self, id: TypeId) -> Option<TypeId> {
        self.follow(id, Kind::alias_of)
    }

    /// Follows qualifiers and type tags, but not typedefs; bounded as [`Btf::resolve`].
    #[must_use]
    pub fn unqualified(&self, id: TypeId) -> Option<TypeId> {
        self.follow(id, Kind::qualified)
    }

    fn follow(&self, mut id: TypeId, next: impl Fn(&Kind) -> Option<TypeId>) -> Option<TypeId> {
        for _ in 0..=RESOLVE_DEPTH_MAX {
            match self.get(id).and_then(|ty| next(&ty.kind)) {
                Some(behind) => id = behind,
                None => return Some(id),
            }
        }
        None
    }

    /// Size in bytes of a value of this type; `None` for `void`, functions, forward declarations, chains of more than
    /// 32 links and arrays beyond 4 GiB.
    #[must_use]
    pub fn size_of(&self, mut id: TypeId) -> Option<u32> {
        let mut count = 1u32;
        for _ in 0..=RESOLVE_DEPTH_MAX {
            let size = match &self.get(id)?.kind {
                Kind::Int(int) => int.size,
                Kind::Ptr(_) => POINTER_BYTES,
                Kind::Struct(composite) | Kind::Union(composite) => composite.size,
                Kind::Enum(e) => e.size,
                Kind::Enum64(e) => e.size,
                Kind::Float { size } => *size,
                Kind::Datasec(section) => section.size,
                Kind::Array(array) => {
                    count = count.checked_mul(array.count)?;
                    id = array.elem;
                    continue;
                }
                Kind::Typedef(t) | Kind::Volatile(t) | Kind::Const(t) | Kind::Restrict(t) => {
                    id = *t;
                    continue;
                }
                Kind::TypeTag(tag) => {
                    id = tag.target;
                    continue;
                }
                Kind::Var(var) => {
                    id = var.ty;
                    continue;
                }
                Kind::Fwd(_) | Kind::Func(_) | Kind::FuncProto(_) | Kind::DeclTag(_) => {
                    return None;
                }
            };
            return count.checked_mul(size);
        }
        None
    }

    /// Alignment in bytes that a C compiler gives this type, 1 for packed structures; `None` for types without values.
    #[must_use]
    pub fn align_of(&self, id: TypeId) -> Option<u32> {
        Layout::new(self).align_of(id)
    }

    /// Completes a section as a loader must before `BPF_BTF_LOAD`: its size, and the offset of each variable by name
    /// (both in bytes, from the ELF section and its symbols). Variables are put in order of offset; one that
    /// `offset_of` does not know keeps its offset. Nothing happens if `section` is not a `DATASEC`.
    pub fn place_section(
        &mut self,
        section: TypeId,
        size: u32,
        offset_of: impl Fn(&str) -> Option<u32>,
    ) {
        let Some(Kind::Datasec(found)) = self.get(section).map(|ty| &ty.kind) else {
            return;
        };
        let mut placed = found.clone();
        placed.size = size;
        for var in &mut placed.vars {
            var.offset = offset_of(self.name(var.ty)).unwrap_or(var.offset);
        }
        placed.vars.sort_by_key(|var| var.offset);
        if let Some(ty) = self.get_mut(section) {
            ty.kind = Kind::Datasec(placed);
        }
    }

    /// Appends a string to the string section.
    pub fn add_string(&mut self, text: &str) -> StrOff {
        if text.is_empty() {
            return StrOff::EMPTY;
        }
        let off = u32::try_from(self.strings.len()).unwrap_or(u32::MAX);
        self.strings.extend_from_slice(text.as_bytes());
        self.strings.push(0);
        StrOff(off)
    }

    /// Appends a type.
    pub fn add_type(&mut self, ty: Type) -> TypeId {
        self.types.push(ty);
        TypeId(u32::try_from(self.types.len()).unwrap_or(u32::MAX))
    }
}

fn index(id: TypeId) -> Option<usize> {
    usize::try_from(id.0.checked_sub(1)?).ok()
}
