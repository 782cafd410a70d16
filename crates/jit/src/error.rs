//! Why a program was not compiled.

use crate::Target;
use skep_isa::InsnIdx;
use thiserror::Error;

/// What an instruction asks for that the compiler does not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum Unsupported {
    /// Arena pointers.
    #[error("address space cast")]
    AddrSpaceCast,
    /// `LD_ABS` and `LD_IND`.
    #[error("legacy packet access")]
    LegacyPacketAccess,
    /// An indirect call.
    #[error("call by register")]
    CallReg,
    /// A map that translation did not resolve.
    #[error("map by descriptor")]
    MapByDescriptor,
    /// A kernel variable.
    #[error("kernel variable")]
    KernelVariable,
    /// A kernel function.
    #[error("kernel function")]
    KernelFunction,
}

/// Why a program was not compiled. The interpreter may still run it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum CompileError {
    /// There is no backend for the architecture.
    #[error("no compiler for {target:?}")]
    UnsupportedTarget {
        /// Architecture asked for.
        target: Target,
    },
    /// An instruction that the compiler does not know.
    #[error("instruction {at}: {what} is not compiled")]
    Unsupported {
        /// Slot of the translated program.
        at: InsnIdx,
        /// What it is.
        what: Unsupported,
    },
    /// A jump or call leads to no slot or function of the program: translation gave a broken program.
    #[error("instruction {at}: leads out of the program")]
    BadTarget {
        /// Slot of the translated program.
        at: InsnIdx,
    },
    /// The code does not fit the reach of the architecture's branches.
    #[error("the machine code is too large")]
    TooLarge,
}
