//! BPF ELF objects to programs, maps and relocations.
//!
//! [`parse`] turns the bytes of an object file into an [`Object`]: code with typed relocations, map definitions, data,
//! externs, and BTF as the kernel wants it. It accepts and refuses what libbpf does, does no I/O, and assumes nothing of
//! its input: every number in a file may be hostile, each refusal names section, symbol or offset, and memory is bounded
//! by a small multiple of the file.
//!
//! Stages, each a module: `elf` (the container), `collect` (what sections mean), `externs` and `fixup` (BTF as the kernel
//! takes it), `maps`, `relocs`. This crate does not know descriptors, kernels, or how anything is loaded.
#![forbid(unsafe_code)]

mod collect;
mod elf;
mod error;
mod externs;
mod fixup;
mod legacy;
mod limits;
mod maps;
mod model;
mod name;
mod relocs;
mod sections;

pub use collect::parse;
pub use error::{ExternFlaw, MapFlaw, ObjectError, RelocFlaw, SectionFlaw, SymbolFlaw};
pub use model::{
    CodeIdx, CodeSection, Contents, DataKind, Extern, ExternIdx, ExternKind, Function, FunctionIdx,
    Map, MapDef, MapIdx, MapOrigin, Note, Object, Pinning, Reloc, Role, Slot, SlotTarget, Strength,
    Target,
};
pub use name::{ObjectName, kernel_name};
pub use sections::{Match, Needs, SECTION_DEFS, SectionDef};
