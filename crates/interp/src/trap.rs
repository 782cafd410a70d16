//! Why a run ended without a result.

use crate::op::Unsupported;
use skep_isa::InsnIdx;
use skep_memory::Fault;
use std::fmt;

/// Why a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TrapReason {
    /// A refused memory access.
    Memory(Fault),
    /// The host asked for it.
    Stopped,
    /// The limit of instructions is reached.
    BudgetSpent,
    /// More nested functions than frames.
    CallDepth,
    /// A callback through something that is no function's address.
    NotAFunction {
        /// What it is.
        value: u64,
    },
    /// A helper that the host does not have.
    UnknownHelper {
        /// Its id.
        id: u32,
    },
    /// The engine does not have this.
    Unsupported(Unsupported),
}

/// A run that ended without a result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trap {
    /// The instruction, as a slot of the program that ran.
    pub at: InsnIdx,
    /// Why.
    pub reason: TrapReason,
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instruction {}: ", self.at)?;
        match self.reason {
            TrapReason::Memory(fault) => fault.fmt(f),
            TrapReason::Stopped => f.write_str("stopped"),
            TrapReason::BudgetSpent => f.write_str("the limit of instructions is reached"),
            TrapReason::CallDepth => f.write_str("too many nested function calls"),
            TrapReason::NotAFunction { value } => write!(f, "{value:#x} is no function"),
            TrapReason::UnknownHelper { id } => write!(f, "no helper {id}"),
            TrapReason::Unsupported(what) => match what {
                Unsupported::AddrSpaceCast => f.write_str("address space casts are not supported"),
                Unsupported::CallReg => f.write_str("calls by register are not supported"),
                Unsupported::KernelFunction => f.write_str("kernel functions are not supported"),
                Unsupported::Unresolved => f.write_str("refers to something that was not resolved"),
                Unsupported::NotAFunction => f.write_str("the call leads to no function"),
            },
        }
    }
}

impl std::error::Error for Trap {}
