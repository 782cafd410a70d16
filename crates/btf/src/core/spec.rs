//! Paths: what the access string of a relocation leads through, in the program's types and in a kernel's.
//!
//! `0:1:2` is: element 0 of the root taken as an array, its member 1, of that member or element 2. Only steps with a
//! meaning that another kernel can share are kept, named members and array elements; anonymous members in between only
//! add to the offset, because a kernel may have wrapped or unwrapped fields.

use super::compat::{fields_are_alike, types_are_alike, types_match};
use super::error::CoreError;
use super::kernel::{resolved, short_string};
use super::{FieldQuestion, Question, Steps, TypeQuestion};
use crate::btf::Btf;
use crate::ext::CoreRelo;
use crate::limits::{CORE_OFFSET_BITS_MAX, CORE_PATH_MAX};
use crate::types::{Array, Composite, Kind, StrOff};
use skep_uapi::TypeId;

/// What a relocation is about, in one object's types.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Spec {
    /// A type.
    Type(TypeId),
    /// An enumerator by index.
    Enumerator(TypeId, usize),
    /// A field.
    Field(Path),
}

/// The way to a field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Path {
    pub(crate) steps: Vec<Step>,
    /// From the start of the root, in bits.
    pub(crate) bit_offset: u64,
    /// Steps, those through anonymous members included.
    all_steps: usize,
}

/// One step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// To an element of this type.
    Element { ty: TypeId, index: u32 },
    /// To a member of this structure or union.
    Member { of: TypeId, index: usize },
}

impl Spec {
    /// Reads what a relocation is about.
    pub(crate) fn read(
        local: &Btf,
        relo: &CoreRelo,
        question: Question,
    ) -> Result<Self, CoreError> {
        let numbers = numbers(local, relo.access)?;
        let [first, rest @ ..] = numbers.as_slice() else {
            return Err(CoreError::Access);
        };
        match question {
            Question::Type(_) if *first == 0 && rest.is_empty() => Ok(Self::Type(relo.type_id)),
            Question::Type(_) => Err(CoreError::Access),
            Question::Enumerator(_) => {
                let id = resolved(local, relo.type_id)?;
                let index = usize::try_from(*first).map_err(|_| CoreError::Access)?;
                let exists = match local.get(id).map(|ty| &ty.kind) {
                    Some(Kind::Enum(e)) => index < e.values.len(),
                    Some(Kind::Enum64(e)) => index < e.values.len(),
                    _ => false,
                };
                if !exists || !rest.is_empty() {
                    return Err(CoreError::Path(id));
                }
                Ok(Self::Enumerator(id, index))
            }
            Question::Field(_) => path(local, relo.type_id, *first, rest).map(Self::Field),
        }
    }

    /// Place of a field in bits; 0 for others.
    pub(crate) const fn bit_offset(&self) -> u64 {
        match self {
            Self::Field(path) => path.bit_offset,
            Self::Type(_) | Self::Enumerator(..) => 0,
        }
    }
}

/// The numbers of an access string.
fn numbers(btf: &Btf, access: StrOff) -> Result<Vec<u32>, CoreError> {
    let text = short_string(btf, access).ok_or(CoreError::Access)?;
    let text = std::str::from_utf8(text).map_err(|_| CoreError::Access)?;
    let numbers: Vec<u32> = text
        .split(':')
        .map(|number| number.parse().map_err(|_| CoreError::Access))
        .collect::<Result<_, _>>()?;
    if numbers.len() > CORE_PATH_MAX {
        return Err(CoreError::Access);
    }
    Ok(numbers)
}

/// Follows numbers through the program's types.
fn path(local: &Btf, root: TypeId, first: u32, rest: &[u32]) -> Result<Path, CoreError> {
    let mut id = resolved(local, root)?;
    let mut path = Path::start(local, id, first)?;
    for &number in rest {
        match local.get(id).map(|ty| &ty.kind) {
            Some(Kind::Struct(shape) | Kind::Union(shape)) => {
                let index = usize::try_from(number).map_err(|_| CoreError::Path(id))?;
                let member = shape.members.get(index).ok_or(CoreError::Path(id))?;
                path.bit_offset += u64::from(member.bit_offset);
                if !member.name.is_empty() {
                    path.steps.push(Step::Member { of: id, index });
                }
                id = resolved(local, member.ty)?;
            }
            Some(Kind::Array(array)) => {
                if !path.has_element(local, array, number) {
                    return Err(CoreError::Path(id));
                }
                id = path.enter_element(local, array, number)?;
            }
            _ => return Err(CoreError::Path(id)),
        }
    }
    Ok(path)
}

impl Path {
    fn start(btf: &Btf, root: TypeId, index: u32) -> Result<Self, CoreError> {
        let mut path = Self {
            steps: Vec::new(),
            bit_offset: 0,
            all_steps: 0,
        };
        path.push_element(btf, root, index)?;
        Ok(path)
    }

    fn push_element(&mut self, btf: &Btf, ty: TypeId, index: u32) -> Result<(), CoreError> {
        let size = btf.size_of(ty).ok_or(CoreError::NoSize(ty))?;
        let bits = u64::from(size) * u64::from(index);
        self.bit_offset = bits
            .checked_mul(8)
            .and_then(|bits| self.bit_offset.checked_add(bits))
            .filter(|bits| *bits <= CORE_OFFSET_BITS_MAX)
            .ok_or(CoreError::Path(ty))?;
        self.all_steps += 1;
        self.steps.push(Step::Element { ty, index });
        Ok(())
    }

    fn enter_element(&mut self, btf: &Btf, array: &Array, index: u32) -> Result<TypeId, CoreError> {
        let elem = resolved(btf, array.elem)?;
        self.push_element(btf, elem, index)?;
        Ok(elem)
    }

    /// Whether the array that this path leads to has the element. An array of length 0 at a structure's end has any.
    fn has_element(&self, btf: &Btf, array: &Array, index: u32) -> bool {
        if index < array.count {
            return true;
        }
        let Some(Step::Member { of, index: at }) = self.steps.last() else {
            return false;
        };
        let is_last = match btf.get(*of).map(|ty| &ty.kind) {
            Some(Kind::Struct(shape) | Kind::Union(shape)) => at + 1 == shape.members.len(),
            _ => false,
        };
        array.count == 0 && is_last
    }
}

/// The same in a candidate of the kernel; `None` if the candidate does not have it.
pub(crate) fn matching(
    local: &Btf,
    spec: &Spec,
    kernel: &Btf,
    candidate: TypeId,
    question: Question,
    budget: &Steps,
) -> Result<Option<Spec>, CoreError> {
    match spec {
        Spec::Type(id) => {
            let pair = (local, *id, kernel, candidate);
            let alike = if question == Question::Type(TypeQuestion::Matches) {
                types_match(pair, budget)?
            } else {
                types_are_alike(pair, budget)?
            };
            Ok(alike.then_some(Spec::Type(candidate)))
        }
        Spec::Enumerator(id, index) => Ok(same_enumerator(local, *id, *index, kernel, candidate)?
            .map(|(id, index)| Spec::Enumerator(id, index))),
        Spec::Field(path) => {
            let matcher = Matcher {
                local,
                kernel,
                budget,
            };
            Ok(matcher.path(path, candidate)?.map(Spec::Field))
        }
    }
}

fn same_enumerator(
    local: &Btf,
    id: TypeId,
    index: usize,
    kernel: &Btf,
    candidate: TypeId,
) -> Result<Option<(TypeId, usize)>, CoreError> {
    let candidate = resolved(kernel, candidate)?;
    let wanted = enumerators(local, id)
        .get(index)
        .and_then(|name| short_string(local, *name))
        .map(super::essential_name);
    let at = enumerators(kernel, candidate)
        .iter()
        .position(|name| short_string(kernel, *name).map(super::essential_name) == wanted);
    Ok(at.map(|at| (candidate, at)))
}

/// Names of the values of an enumeration; none for other types.
pub(crate) fn enumerators(btf: &Btf, id: TypeId) -> Vec<StrOff> {
    match btf.get(id).map(|ty| &ty.kind) {
        Some(Kind::Enum(e)) => e.values.iter().map(|(name, _)| *name).collect(),
        Some(Kind::Enum64(e)) => e.values.iter().map(|(name, _)| *name).collect(),
        _ => Vec::new(),
    }
}

/// Follows a path of the program through a kernel's types.
struct Matcher<'a> {
    local: &'a Btf,
    kernel: &'a Btf,
    budget: &'a Steps,
}

impl Matcher<'_> {
    fn path(&self, path: &Path, candidate: TypeId) -> Result<Option<Path>, CoreError> {
        let [Step::Element { index, .. }, rest @ ..] = path.steps.as_slice() else {
            return Ok(None);
        };
        let mut id = resolved(self.kernel, candidate)?;
        let mut found = Path::start(self.kernel, id, *index)?;
        for step in rest {
            let next = match *step {
                Step::Member { of, index } => self.member(&mut found, of, index, id)?,
                Step::Element { index, .. } => match self.kernel.get(id).map(|ty| &ty.kind) {
                    Some(Kind::Array(array)) if found.has_element(self.kernel, array, index) => {
                        Some(found.enter_element(self.kernel, array, index)?)
                    }
                    _ => None,
                },
            };
            match next {
                Some(next) => id = resolved(self.kernel, next)?,
                None => return Ok(None),
            }
        }
        Ok(Some(found))
    }

    /// Finds the kernel's member of the name of a program's.
    fn member(
        &self,
        found: &mut Path,
        of: TypeId,
        index: usize,
        within: TypeId,
    ) -> Result<Option<TypeId>, CoreError> {
        let Some(Kind::Struct(shape) | Kind::Union(shape)) = self.local.get(of).map(|ty| &ty.kind)
        else {
            return Ok(None);
        };
        let Some(member) = shape.members.get(index) else {
            return Ok(None);
        };
        let name = short_string(self.local, member.name).ok_or(CoreError::Access)?;
        let Some(place) = self.named(within, name, found.all_steps)? else {
            return Ok(None);
        };
        let pair = (self.local, member.ty, self.kernel, place.ty);
        if !fields_are_alike(pair, self.budget)? {
            return Ok(None);
        }
        found.bit_offset += place.bit_offset;
        found.all_steps = place.depth + 1;
        found.steps.push(Step::Member {
            of: place.of,
            index: place.index,
        });
        Ok(Some(place.ty))
    }

    /// A member by name, in a structure or what is embedded in it without a name; `depth` steps lead to it.
    fn named(&self, id: TypeId, name: &[u8], depth: usize) -> Result<Option<Place>, CoreError> {
        if depth >= CORE_PATH_MAX {
            return Err(CoreError::TooDeep);
        }
        let of = resolved(self.kernel, id)?;
        let Some(shape) = composite(self.kernel, of) else {
            return Ok(None);
        };
        for (index, member) in shape.members.iter().enumerate() {
            self.budget.take()?;
            let bit_offset = u64::from(member.bit_offset);
            if member.name.is_empty() {
                if let Some(deeper) = self.named(member.ty, name, depth + 1)? {
                    let bit_offset = bit_offset + deeper.bit_offset;
                    return Ok(Some(Place {
                        bit_offset,
                        ..deeper
                    }));
                }
            } else if short_string(self.kernel, member.name) == Some(name) {
                let ty = member.ty;
                return Ok(Some(Place {
                    of,
                    index,
                    ty,
                    bit_offset,
                    depth,
                }));
            }
        }
        Ok(None)
    }
}

fn composite(btf: &Btf, id: TypeId) -> Option<&Composite> {
    match btf.get(id).map(|ty| &ty.kind) {
        Some(Kind::Struct(shape) | Kind::Union(shape)) => Some(shape),
        _ => None,
    }
}

/// Where a member was found.
struct Place {
    of: TypeId,
    index: usize,
    ty: TypeId,
    /// From the start of the structure that was searched.
    bit_offset: u64,
    /// Steps that lead to what holds it.
    depth: usize,
}

/// Whether a question needs a named field.
pub(crate) const fn needs_member(question: FieldQuestion) -> bool {
    match question {
        FieldQuestion::ByteOffset | FieldQuestion::ByteSize | FieldQuestion::Exists => false,
        FieldQuestion::Signed | FieldQuestion::LeftShift | FieldQuestion::RightShift => true,
    }
}
