//! Translated programs to machine code, for x86-64 and aarch64. Pure: it runs on any host and makes bytes with symbolic
//! relocations; `exec` gives them addresses. It does not know memory, maps or helper bodies.
#![forbid(unsafe_code)]

mod code;

pub use code::{CallModel, Code, Options, PcEntry, Reloc, RelocKind, Symbol, Target};
