//! Verified programs to what runs: context accesses become loads from the machine's own context, dead code goes, map
//! references become indices into the program's map table.
//!
//! [`Xlated`] is what `dump xlated` prints and what both engines take. `lower_unchecked` makes [`Unchecked`] from code that
//! nobody verified; only the checked interpreter and (later) `jit::compile_checked` accept it.
//! This crate does not know addresses: maps, helpers and functions stay symbolic.
#![forbid(unsafe_code)]

use skep_isa::{Insn, InsnIdx};
use skep_verifier as _;

/// One function of a translated program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Function {
    /// First slot.
    pub start: InsnIdx,
    /// One past the last slot.
    pub end: InsnIdx,
    /// Bytes of stack that it uses itself, a multiple of 8, at most 512.
    pub stack_bytes: u32,
    /// Name from BTF, else empty.
    pub name: String,
}

/// A translated program. Map references are `Imm64::MapIdx`/`MapIdxValue` (index into the program's map table), helper calls
/// are `CallTarget::Helper`, local calls are slot-relative; every offset is relative to *this* instruction sequence.
#[derive(Clone, Debug)]
pub struct Xlated {
    insns: Box<[Insn]>,
    origin: Box<[InsnIdx]>,
    functions: Box<[Function]>,
}

impl Xlated {
    /// The slots.
    #[must_use]
    pub fn insns(&self) -> &[Insn] {
        &self.insns
    }

    /// For each slot, the slot of the verified program that it came from.
    #[must_use]
    pub fn origin(&self) -> &[InsnIdx] {
        &self.origin
    }

    /// Functions in order; the main function first.
    #[must_use]
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }
}
