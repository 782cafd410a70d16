//! BTF and BTF.ext: parse, check, write, dump.
//!
//! BTF is the type information that travels with BPF programs (`Documentation/bpf/btf.rst`). [`Btf`] holds one object and
//! writes it back byte for byte; [`BtfExt`] holds the records of `.BTF.ext`; [`dump`] prints types as bpftool does;
//! [`value`] prints the bytes of a value by its type; [`proto`] prints a function's prototype; [`json`] is bpftool's JSON
//! layout; [`core`] answers CO-RE relocations with a kernel's types.
//!
//! Input is untrusted: every parser refuses what contradicts the format with a [`BtfError`] that names type and rule, and
//! every walk over the (possibly circular) type graph is bounded by a number of [`limits`].
//!
//! This crate knows nothing of ELF, and neither split BTF nor big-endian objects.
#![forbid(unsafe_code)]

mod btf;
mod check;
pub mod core;
pub mod dump;
mod error;
mod ext;
pub mod json;
mod layout;
pub mod limits;
mod parse;
mod proto;
mod special;
mod types;
pub mod value;
mod wire;
mod write;

pub use btf::Btf;
pub use error::{BtfError, Flaw};
pub use ext::{
    BtfExt, CORE_RELO_BYTES, CoreRelo, CoreReloKind, FUNC_INFO_BYTES, FuncInfo, LINE_INFO_BYTES,
    LineInfo, Section, func_info_bytes, line_info_bytes,
};
pub use proto::proto;
pub use skep_uapi::TypeId;
pub use special::{
    Contains, Kptr, KptrForm, SpecialError, SpecialField, SpecialKind, special_fields,
};
pub use types::*;
