//! Plans and loads an object through any [`skep_uapi::Bpf`]: libbpf's role.
//!
//! [`plan`] decides from object and options what maps and programs there will be; [`load_plan`] carries it out. The
//! commands, their order and their bytes are libbpf's, so that a program has the same tag, names, flags and ids order
//! whichever loader loaded it.
//!
//! What an object asks about the kernel, CO-RE relocations and externs, is answered from what [`Options`] hold; [`host`]
//! reads it from the running Linux.
//!
//! Does not know what stands behind the trait: the machine, a daemon, the kernel or a test's recorder.
#![forbid(unsafe_code)]

mod assemble;
mod attach;
mod core;
mod error;
mod externs;
pub mod host;
mod kernel;
mod limits;
mod load;
mod options;
mod plan;
mod records;

pub use error::{CoreFlaw, ExternFlaw, LoadError, MapStep};
pub use kernel::{KernelConfig, KernelSymbols, version_code};
pub use load::{Loaded, LoadedMap, LoadedProgram, Warning, load, load_plan};
pub use options::{MapRef, Options, ProgKind, Programs, Reuse};
pub use plan::{Freeze, Plan, PlannedMap, PlannedProgram, plan};
