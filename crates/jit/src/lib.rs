//! Translated programs to machine code, for x86-64 and aarch64. Pure: it runs on any host and makes bytes with symbolic
//! relocations; `exec` gives them addresses. It does not know memory, maps or helper bodies.
//!
//! `driver` walks the program once and calls one method of its `Backend` trait per instruction; a backend emits
//! bytes and leaves branches open; `layout` sizes the branches and joins everything. Each step is linear.
#![forbid(unsafe_code)]

mod aarch64;
mod code;
mod driver;
mod error;
mod layout;
mod x86_64;

pub use code::{CallModel, Code, Options, PcEntry, Reloc, RelocKind, Symbol, Target};
pub use error::{CompileError, Unsupported};

use skep_xlate::Xlated;

/// Compiles a translated program.
///
/// # Errors
/// [`CompileError`] says what the target's compiler does not have, or that the code grew out of reach.
pub fn compile(program: &Xlated, options: &Options) -> Result<Code, CompileError> {
    match options.target {
        Target::X86_64 => x86_64::compile(program, options),
        Target::Aarch64 => aarch64::compile(program, options),
    }
}
