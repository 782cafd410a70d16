//! How a run can end other than by `exit`.

use skep_interp::{Trap, TrapReason};
use skep_isa::InsnIdx;
use skep_memory::Fault;
use std::any::Any;
use std::fmt;

/// A run that was ended. None of this happens to a verified program unless skep has a bug or the run was stopped.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RunError {
    /// An access that no region allows.
    Fault {
        /// Slot of the translated program, where it is known.
        at: Option<InsnIdx>,
        /// The access.
        fault: Fault,
    },
    /// A helper panicked: a bug in skep.
    Panic {
        /// What it said.
        message: String,
    },
    /// The run was stopped from outside.
    Stopped,
    /// The interpreter ended the run.
    Trapped {
        /// Slot of the translated program.
        at: InsnIdx,
        /// Why.
        why: String,
    },
    /// The engine asked for cannot run this program on this host.
    NoEngine {
        /// Why.
        why: String,
    },
}

impl RunError {
    /// What a caught panic says.
    pub(crate) fn of_panic(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Self::Panic {
            message: text.unwrap_or_else(|| "a panic without text".to_owned()),
        }
    }
}

impl From<Trap> for RunError {
    fn from(trap: Trap) -> Self {
        match trap.reason {
            TrapReason::Memory(fault) => Self::Fault {
                at: Some(trap.at),
                fault,
            },
            TrapReason::Stopped => Self::Stopped,
            _ => Self::Trapped {
                at: trap.at,
                why: trap.to_string(),
            },
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault {
                at: Some(at),
                fault,
            } => write!(f, "insn {at}: {fault}"),
            Self::Fault { at: None, fault } => write!(f, "in a helper: {fault}"),
            Self::Panic { message } => {
                write!(f, "a helper failed, which is a bug in skep: {message}")
            }
            Self::Stopped => f.write_str("the run was stopped"),
            Self::Trapped { why, .. } => f.write_str(why),
            Self::NoEngine { why } => f.write_str(why),
        }
    }
}

impl std::error::Error for RunError {}
