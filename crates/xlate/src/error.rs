//! Why a program is not translated or lowered.

use skep_isa::InsnIdx;
use thiserror::Error;

/// Why a verified program was not translated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum TranslateError {
    /// A conditional jump's 16-bit offset does not reach over what context accesses became. Linux answers ERANGE.
    #[error("instruction {at}: the jump's target is out of reach after translation")]
    JumpOutOfRange {
        /// Slot of the verified program.
        at: InsnIdx,
    },
    /// A program of a type whose context the machine does not have: it is verified, but not run.
    #[error("skep verifies programs of this type, but does not run them yet")]
    NoContext,
    /// A context access that the verifier accepted has no translation: the rows of `contracts` do not agree with it.
    #[error("instruction {at}: no translation for the context access at offset {offset}")]
    NoContextField {
        /// Slot of the verified program.
        at: InsnIdx,
        /// Byte offset in the uapi structure.
        offset: u32,
    },
}

/// Why an unverified program was not lowered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum LowerError {
    /// A jump or call leads out of the program, or between the halves of a wide instruction.
    #[error("instruction {at}: no instruction at its target {target}")]
    BadTarget {
        /// The jump or call.
        at: InsnIdx,
        /// Slot that it leads to.
        target: i64,
    },
    /// Execution could run past the last slot.
    #[error("instruction {at}: the program ends without exit or jump")]
    FallsOffEnd {
        /// The last instruction.
        at: InsnIdx,
    },
    /// A map by descriptor, a kernel variable or a kernel function: names that only loading resolves.
    #[error("instruction {at}: refers to something that only loading resolves")]
    Unresolved {
        /// The instruction.
        at: InsnIdx,
    },
}
