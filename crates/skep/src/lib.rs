//! skep for embedders: open, load and run BPF programs in user space.
//!
//! ```
//! use skep::{Machine, Object, Verdict};
//!
//! # fn main() -> Result<(), skep::Error> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/hello.bpf.o");
//! let object = Object::open(path)?;
//! let loaded = Machine::new().load(&object)?;
//! let hello = loaded.program("hello")?;
//! let run = hello.run(&[0; 64])?;
//! assert_eq!(run.verdict, Verdict::Pass);
//! assert_eq!(loaded.trace_lines(), ["Hello World 0"]);
//! let counter = loaded.map("hello.bss")?.lookup(&0_u32.to_ne_bytes())?;
//! assert_eq!(counter, Some(vec![1, 0, 0, 0]));
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here needs privileges, a daemon or a kernel. A [`Machine`] is a world of its own, with its own maps and ids; dropping
//! it and everything loaded into it leaves nothing behind. Programs are verified before they run: what [`Machine::load`]
//! refuses comes back as an [`Error`] with the verifier's log.
#![forbid(unsafe_code)]

mod error;
mod load;
mod machine;
mod map;
mod object;
mod program;
pub mod verify;

pub use error::Error;
pub use load::Loaded;
pub use machine::Machine;
pub use map::Map;
pub use object::Object;
pub use program::{Prepared, Program, Run, Runner};
pub use skep_exec::EngineKind;
pub use skep_loader::{LoadError, Options, Programs};
pub use skep_machine::{Config, Connection, Host, Peer, Ports, Refusal};
pub use skep_net::{
    Counts, Frame, Handled, ListPort, PcapPort, Port, PortError, Runs, Verdict, VerdictFiles, pump,
};
pub use skep_uapi::Engine;
pub use skep_verifier::{Explanation, Reject, Stats, explain};
pub use verify::{Verification, VerifyOptions, all as verify};

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
