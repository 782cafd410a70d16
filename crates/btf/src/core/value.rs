//! What a question comes to, once the type, enumerator or field is known in one object's types.

use super::error::CoreError;
use super::kernel::resolved;
use super::spec::{Path, Spec, Step, needs_member};
use super::{EnumQuestion, FieldQuestion, Question, TypeQuestion, Width};
use crate::btf::Btf;
use crate::types::{Int, IntEncoding, Kind, Signedness};
use skep_uapi::TypeId;

/// A number, and what an instruction that has it in its offset accesses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Computed {
    pub(crate) value: u64,
    /// Type and bytes of the field, for its offset.
    accessed: Option<(TypeId, u32)>,
    /// Whether a compiler writes the same number: not for bitfields, which it may read in other units.
    certain: Certainty,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Certainty {
    Sure,
    Free,
}

impl Computed {
    const fn new(value: u64) -> Self {
        Self {
            value,
            accessed: None,
            certain: Certainty::Sure,
        }
    }

    /// The number, if an instruction must hold it.
    pub(crate) const fn checked(self) -> Option<u64> {
        match self.certain {
            Certainty::Sure => Some(self.value),
            Certainty::Free => None,
        }
    }
}

/// The answer for one object's types: of the program's, what the compiler will have written.
pub(crate) fn of(btf: &Btf, spec: &Spec, question: Question) -> Result<Computed, CoreError> {
    match (spec, question) {
        (Spec::Type(id), Question::Type(question)) => of_type(btf, *id, question),
        (Spec::Enumerator(id, index), Question::Enumerator(question)) => Ok(match question {
            EnumQuestion::Exists => Computed::new(1),
            EnumQuestion::Value => Computed::new(enumerator(btf, *id, *index)),
        }),
        (Spec::Field(path), Question::Field(question)) => of_field(btf, path, question),
        (Spec::Type(_) | Spec::Enumerator(..) | Spec::Field(_), _) => Err(CoreError::Access),
    }
}

fn of_type(btf: &Btf, id: TypeId, question: TypeQuestion) -> Result<Computed, CoreError> {
    Ok(match question {
        TypeQuestion::LocalId | TypeQuestion::KernelId => Computed::new(u64::from(id.0)),
        TypeQuestion::Exists | TypeQuestion::Matches => Computed::new(1),
        TypeQuestion::Size => {
            Computed::new(u64::from(btf.size_of(id).ok_or(CoreError::NoSize(id))?))
        }
    })
}

/// Value of an enumerator; 32-bit ones are taken as signed, as compilers write them into wide loads.
fn enumerator(btf: &Btf, id: TypeId, index: usize) -> u64 {
    match btf.get(id).map(|ty| &ty.kind) {
        Some(Kind::Enum(e)) => e.values.get(index).map_or(0, |(_, value)| {
            i64::from(value.cast_signed()).cast_unsigned()
        }),
        Some(Kind::Enum64(e)) => e.values.get(index).map_or(0, |(_, value)| *value),
        _ => 0,
    }
}

fn of_field(btf: &Btf, path: &Path, question: FieldQuestion) -> Result<Computed, CoreError> {
    if question == FieldQuestion::Exists {
        return Ok(Computed::new(1));
    }
    let bytes_at = path.bit_offset / 8;
    let (of, index) = match path.steps.last() {
        Some(Step::Member { of, index }) => (*of, *index),
        Some(Step::Element { ty, .. }) => {
            if needs_member(question) {
                return Err(CoreError::NotMember);
            }
            let size = btf.size_of(*ty).ok_or(CoreError::NoSize(*ty))?;
            return Ok(if question == FieldQuestion::ByteSize {
                Computed::new(u64::from(size))
            } else {
                Computed {
                    accessed: Some((*ty, size)),
                    ..Computed::new(bytes_at)
                }
            });
        }
        None => return Err(CoreError::Access),
    };
    let Some(Kind::Struct(shape) | Kind::Union(shape)) = btf.get(of).map(|ty| &ty.kind) else {
        return Err(CoreError::Path(of));
    };
    let member = shape.members.get(index).ok_or(CoreError::Path(of))?;
    let ty = resolved(btf, member.ty)?;
    let field = Field {
        ty,
        size: btf.size_of(ty).ok_or(CoreError::NoSize(ty))?,
        bit_offset: path.bit_offset,
        bits: u32::from(member.bitfield_bits),
    };
    field.answer(btf, question)
}

/// A named field.
struct Field {
    ty: TypeId,
    /// Bytes of its type.
    size: u32,
    /// From the start of the root.
    bit_offset: u64,
    /// Width of a bitfield, else 0.
    bits: u32,
}

impl Field {
    fn answer(&self, btf: &Btf, question: FieldQuestion) -> Result<Computed, CoreError> {
        let is_bitfield = self.bits != 0;
        let (offset, size) = if is_bitfield {
            self.unit()?
        } else {
            (self.bit_offset / 8, self.size)
        };
        let bits = if is_bitfield {
            u64::from(self.bits)
        } else {
            u64::from(size) * 8
        };
        let value = match question {
            FieldQuestion::ByteOffset => offset,
            FieldQuestion::ByteSize => u64::from(size),
            FieldQuestion::Exists => 1,
            FieldQuestion::Signed => u64::from(is_signed(btf, self.ty)),
            FieldQuestion::LeftShift => {
                64u64.wrapping_sub((self.bit_offset + bits).wrapping_sub(offset * 8))
            }
            FieldQuestion::RightShift => 64u64.wrapping_sub(bits),
        };
        let free = is_bitfield
            && matches!(
                question,
                FieldQuestion::ByteOffset | FieldQuestion::ByteSize | FieldQuestion::LeftShift
            );
        let accessed =
            (!is_bitfield && question == FieldQuestion::ByteOffset).then_some((self.ty, self.size));
        Ok(Computed {
            value,
            accessed,
            certain: if free {
                Certainty::Free
            } else {
                Certainty::Sure
            },
        })
    }

    /// The smallest aligned unit of the field's type, or a power of two above, that holds a bitfield: offset and bytes.
    fn unit(&self) -> Result<(u64, u32), CoreError> {
        let mut size = self.size.max(1);
        loop {
            let unit = u64::from(size);
            let offset = self.bit_offset / 8 / unit * unit;
            if self.bit_offset + u64::from(self.bits) - offset * 8 <= unit * 8 {
                return Ok((offset, size));
            }
            if size >= 8 {
                return Err(CoreError::WideBitfield);
            }
            size *= 2;
        }
    }
}

fn is_signed(btf: &Btf, id: TypeId) -> bool {
    match btf.get(id).map(|ty| &ty.kind) {
        Some(Kind::Int(int)) => signed(*int),
        Some(Kind::Enum(e)) => e.sign == Signedness::Signed,
        Some(Kind::Enum64(e)) => e.sign == Signedness::Signed,
        _ => false,
    }
}

const fn signed(int: Int) -> bool {
    int.encoding.0 & IntEncoding::SIGNED.0 != 0
}

/// How an access changes from the program's field to the kernel's.
pub(crate) fn width(local: &Btf, ours: Computed, kernel: &Btf, theirs: Computed) -> Width {
    let (Some((our_type, old)), Some((their_type, new))) = (ours.accessed, theirs.accessed) else {
        return Width::Same;
    };
    if old == new {
        return Width::Same;
    }
    let of = |btf: &Btf, id| {
        btf.resolve(id)
            .and_then(|id| btf.get(id))
            .map(|ty| ty.kind.clone())
    };
    match (of(local, our_type), of(kernel, their_type)) {
        (Some(Kind::Ptr(_)), Some(Kind::Ptr(_))) => Width::Changed(old, new),
        (Some(Kind::Int(a)), Some(Kind::Int(b))) if !signed(a) && !signed(b) => {
            Width::Changed(old, new)
        }
        _ => Width::Incompatible,
    }
}
