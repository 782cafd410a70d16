//! CO-RE: what a relocation of a program asks, answered by a kernel's types.
//!
//! A program is compiled against types of its own (`local`) and runs on a kernel whose types have the same names and
//! may have other layouts. A [`CoreRelo`] asks for a number that the compiler could only guess: where a field lies, how
//! large it is, whether a type exists, what an enumerator is worth. [`Resolver::answer`] gives both numbers, the
//! compiler's and the kernel's.
//!
//! Rules (`Documentation/bpf/llvm_reloc.rst`, section "CO-RE Relocations", and what Linux 6.18's bpftool does with
//! objects that were made to show it): a type's candidates are the kernel's types of the same kind whose name is the
//! same up to a flavour (`___x`); fields are followed by name, through anonymous members, and must be of like kind; all
//! candidates that match must give the same answer; where none does, questions about existence, sizes and ids of types
//! are answered 0, and others have no answer.
//!
//! `local` describes the program's types, `spec` reads and matches paths, `compat` compares types, `value` computes.
//! All input may be hostile: depth is bounded, and all questions of one resolver share a budget of steps.
//! Does not know instructions.

mod compat;
mod error;
mod kernel;
mod spec;
mod value;

pub use error::{Ambiguity, CoreError};
pub use kernel::{KernelBtf, essential_name};

use crate::btf::Btf;
use crate::ext::{CoreRelo, CoreReloKind};
use crate::limits::CORE_STEPS_MAX;
use skep_uapi::TypeId;
use spec::Spec;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use value::Computed;

/// What one relocation asks, typed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Question {
    /// About a field.
    Field(FieldQuestion),
    /// About a type.
    Type(TypeQuestion),
    /// About an enumerator.
    Enumerator(EnumQuestion),
}

/// What is asked about a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldQuestion {
    /// Offset of the bytes to load.
    ByteOffset,
    /// How many bytes.
    ByteSize,
    /// Whether it exists.
    Exists,
    /// Whether it is signed.
    Signed,
    /// Left shift that brings a bitfield to the top of 64 bits.
    LeftShift,
    /// Right shift that brings it back.
    RightShift,
}

/// What is asked about a type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TypeQuestion {
    /// Its id in the program's BTF.
    LocalId,
    /// Its id in the kernel's BTF.
    KernelId,
    /// Whether it exists.
    Exists,
    /// Its size in bytes.
    Size,
    /// Whether one exists that matches member by member.
    Matches,
}

/// What is asked about an enumerator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EnumQuestion {
    /// Whether it exists.
    Exists,
    /// Its value.
    Value,
}

impl Question {
    /// The question that a kind of relocation asks; `None` for numbers that mean nothing.
    #[must_use]
    pub const fn new(kind: CoreReloKind) -> Option<Self> {
        Some(match kind {
            CoreReloKind::FIELD_BYTE_OFFSET => Self::Field(FieldQuestion::ByteOffset),
            CoreReloKind::FIELD_BYTE_SIZE => Self::Field(FieldQuestion::ByteSize),
            CoreReloKind::FIELD_EXISTS => Self::Field(FieldQuestion::Exists),
            CoreReloKind::FIELD_SIGNED => Self::Field(FieldQuestion::Signed),
            CoreReloKind::FIELD_LSHIFT_U64 => Self::Field(FieldQuestion::LeftShift),
            CoreReloKind::FIELD_RSHIFT_U64 => Self::Field(FieldQuestion::RightShift),
            CoreReloKind::TYPE_ID_LOCAL => Self::Type(TypeQuestion::LocalId),
            CoreReloKind::TYPE_ID_TARGET => Self::Type(TypeQuestion::KernelId),
            CoreReloKind::TYPE_EXISTS => Self::Type(TypeQuestion::Exists),
            CoreReloKind::TYPE_SIZE => Self::Type(TypeQuestion::Size),
            CoreReloKind::TYPE_MATCHES => Self::Type(TypeQuestion::Matches),
            CoreReloKind::ENUMVAL_EXISTS => Self::Enumerator(EnumQuestion::Exists),
            CoreReloKind::ENUMVAL_VALUE => Self::Enumerator(EnumQuestion::Value),
            CoreReloKind(_) => return None,
        })
    }

    /// Whether nothing found is an answer: 0. What does not exist has no size and no id, but a field that does not
    /// exist lies nowhere, and an enumerator that does not exist is worth nothing.
    const fn is_zero_where_missing(self) -> bool {
        match self {
            Self::Field(FieldQuestion::Exists)
            | Self::Type(
                TypeQuestion::Exists
                | TypeQuestion::Matches
                | TypeQuestion::KernelId
                | TypeQuestion::Size,
            )
            | Self::Enumerator(EnumQuestion::Exists) => true,
            Self::Field(
                FieldQuestion::ByteOffset
                | FieldQuestion::ByteSize
                | FieldQuestion::Signed
                | FieldQuestion::LeftShift
                | FieldQuestion::RightShift,
            )
            | Self::Type(TypeQuestion::LocalId)
            | Self::Enumerator(EnumQuestion::Value) => false,
        }
    }
}

/// The answer to one relocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The number that the compiler wrote into the instruction; `None` where it cannot be known (bitfields may be read
    /// in other units, type ids move when objects are linked).
    pub written: Option<u64>,
    /// The number for this kernel; `None` if there is none, so that the instruction must not be reached.
    pub value: Option<u64>,
    /// How wide an access of the field is.
    pub width: Width,
}

/// How the bytes of a field that an instruction accesses change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Width {
    /// They do not, or nothing is accessed.
    Same,
    /// From the first number of bytes to the second; both are unsigned integers or pointers.
    Changed(u32, u32),
    /// They change in a way that no instruction of the same meaning has.
    Incompatible,
}

/// Answers the relocations of one object for one kernel.
pub struct Resolver<'a> {
    local: &'a Btf,
    kernel: Option<&'a KernelBtf>,
    /// Programs ask the same again and again.
    known: RefCell<HashMap<Key, Result<Answer, CoreError>>>,
    /// Candidates by type of the program. Those that an earlier relocation ruled out stay ruled out, so that all fields
    /// of a structure are of one candidate; a relocation that no candidate satisfies rules out none.
    candidates: RefCell<HashMap<TypeId, Vec<TypeId>>>,
    steps: Steps,
}

type Key = (TypeId, crate::StrOff, CoreReloKind);

impl<'a> Resolver<'a> {
    /// For the types of a program; without a kernel's types only ids of the program's own can be told.
    #[must_use]
    pub fn new(local: &'a Btf, kernel: Option<&'a KernelBtf>) -> Self {
        Self {
            local,
            kernel,
            known: RefCell::default(),
            candidates: RefCell::default(),
            steps: Steps(Cell::new(CORE_STEPS_MAX)),
        }
    }

    /// Answers one relocation.
    ///
    /// # Errors
    /// When the record contradicts the program's types, when candidates contradict each other, or when the kernel's
    /// types are needed and not there.
    pub fn answer(&self, relo: &CoreRelo) -> Result<Answer, CoreError> {
        let key = (relo.type_id, relo.access, relo.kind);
        if let Some(known) = self.known.borrow().get(&key) {
            return known.clone();
        }
        let answer = self.compute(relo);
        self.known.borrow_mut().insert(key, answer.clone());
        answer
    }

    fn candidates(&self, kernel: &KernelBtf, id: TypeId, name: &[u8]) -> Vec<TypeId> {
        let mut known = self.candidates.borrow_mut();
        let found = known
            .entry(id)
            .or_insert_with(|| kernel.like(self.local, id, name).collect());
        found.clone()
    }

    fn compute(&self, relo: &CoreRelo) -> Result<Answer, CoreError> {
        let question = Question::new(relo.kind).ok_or(CoreError::Kind(relo.kind.0))?;
        let local = Spec::read(self.local, relo, question)?;
        if question == Question::Type(TypeQuestion::LocalId) {
            return Ok(Answer {
                written: None,
                value: Some(u64::from(relo.type_id.0)),
                width: Width::Same,
            });
        }
        let name = kernel::short_name(self.local, relo.type_id).ok_or(CoreError::Anonymous)?;
        let kernel = self.kernel.ok_or(CoreError::NoKernel)?;
        let written = value::of(self.local, &local, question)?;
        let mut found: Option<(Computed, u64)> = None;
        let candidates = self.candidates(kernel, relo.type_id, name);
        let mut left = Vec::new();
        for &candidate in &candidates {
            let matched = spec::matching(
                self.local,
                &local,
                kernel.btf(),
                candidate,
                question,
                &self.steps,
            )?;
            let Some(matched) = matched else { continue };
            let computed = value::of(kernel.btf(), &matched, question)?;
            let place = matched.bit_offset();
            left.push(candidate);
            match found {
                None => found = Some((computed, place)),
                Some((_, before)) if before != place => {
                    return Err(CoreError::Ambiguous(Ambiguity::Place));
                }
                Some((before, _)) if before.value != computed.value => {
                    return Err(CoreError::Ambiguous(Ambiguity::Value));
                }
                Some(_) => {}
            }
        }
        let Some((computed, _)) = found else {
            return Ok(Answer {
                written: written.checked(),
                value: question.is_zero_where_missing().then_some(0),
                width: Width::Same,
            });
        };
        if left.len() < candidates.len() {
            self.known.borrow_mut().clear();
            self.candidates.borrow_mut().insert(relo.type_id, left);
        }
        Ok(Answer {
            written: written.checked().filter(|_| computed.checked().is_some()),
            value: Some(computed.value),
            width: value::width(self.local, written, kernel.btf(), computed),
        })
    }
}

/// Whether a type of a program and one of a kernel are of one kind all the way down: what an extern of the program may
/// stand for. Types that are too deep or too many are not.
#[must_use]
pub fn alike(local: &Btf, ours: TypeId, kernel: &Btf, theirs: TypeId) -> bool {
    let steps = Steps(Cell::new(CORE_STEPS_MAX));
    compat::types_are_alike((local, ours, kernel, theirs), &steps).unwrap_or(false)
}

/// Steps that may still be taken.
pub(crate) struct Steps(Cell<u64>);

impl Steps {
    /// Takes one.
    pub(crate) fn take(&self) -> Result<(), CoreError> {
        let left = self.0.get().checked_sub(1).ok_or(CoreError::TooMuch)?;
        self.0.set(left);
        Ok(())
    }
}
