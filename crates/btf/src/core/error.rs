//! Why a CO-RE relocation has no answer at all. That a field is missing is an answer.

use skep_uapi::TypeId;
use thiserror::Error;

/// Why a relocation cannot be answered.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum CoreError {
    /// The kernel's types are needed.
    #[error("the kernel's types are needed")]
    NoKernel,
    /// A kind of relocation that does not exist.
    #[error("CO-RE relocation kind {0} is not known")]
    Kind(u32),
    /// The type has no name to look for.
    #[error("an anonymous type cannot be looked for")]
    Anonymous,
    /// The access string is not numbers with colons between them, or too long.
    #[error("access string is malformed")]
    Access,
    /// The access string leads out of the program's types.
    #[error("access string leads out of type {0} of the program")]
    Path(TypeId),
    /// A type without a size where one is needed.
    #[error("type {0} has no size")]
    NoSize(TypeId),
    /// A bitfield that no load of up to eight bytes covers.
    #[error("bitfield cannot be read in eight bytes")]
    WideBitfield,
    /// A question that only a named field can answer.
    #[error("an array element has no such property")]
    NotMember,
    /// Types of the kernel that match contradict each other.
    #[error("several types of the kernel match and differ in {0}")]
    Ambiguous(Ambiguity),
    /// Types nest too deep.
    #[error("types nest too deep")]
    TooDeep,
    /// The budget is used up.
    #[error("too many types must be compared")]
    TooMuch,
}

/// In what candidates differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Ambiguity {
    /// Where the field lies.
    #[error("the field's place")]
    Place,
    /// The number that was asked for.
    #[error("the answer")]
    Value,
}
