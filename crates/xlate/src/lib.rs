//! Verified programs to what runs: context accesses become loads from the machine's own context, dead code goes, map
//! references become indices into the program's map table.
//!
//! [`Xlated`] is what `dump xlated` prints and what both engines take. `lower_unchecked` makes [`Unchecked`] from code that
//! nobody verified; only the checked interpreter and (later) `jit::compile_checked` accept it.
//! This crate does not know addresses: maps, helpers and functions stay symbolic.
#![forbid(unsafe_code)]

mod draft;
mod error;
mod facts;
mod function;
mod prune;
mod translate;
mod unchecked;
mod wire;

pub use draft::{Draft, Listing};
pub use error::{LowerError, TranslateError};
pub use facts::{Calls, FramePointer, PrologueFacts, RegSet, RegUse, jump_target, local_target};
pub use function::{Function, function_at};
pub use translate::{draft, translate};
pub use unchecked::{Unchecked, lower_unchecked};
pub use wire::WireNames;

use skep_isa::{Insn, InsnIdx};
use skep_verifier::UsedMap;

/// What an interpreter needs of a program, verified or not.
pub trait Runnable {
    /// The slots.
    fn insns(&self) -> &[Insn];
    /// Functions in order of their first slot; the main function first.
    fn functions(&self) -> &[Function];
}

/// A translated program. Map references are `Imm64::MapIdx`/`MapIdxValue` (index into the program's map table), helper calls
/// are `CallTarget::Helper`, local calls are slot-relative; every offset is relative to *this* instruction sequence.
#[derive(Clone, Debug)]
pub struct Xlated {
    insns: Box<[Insn]>,
    origin: Box<[InsnIdx]>,
    functions: Box<[Function]>,
    used_maps: Box<[UsedMap]>,
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

    /// The program's map table (`Verified::used_maps`).
    #[must_use]
    pub fn used_maps(&self) -> &[UsedMap] {
        &self.used_maps
    }

    /// What the prologue of one of its functions depends on.
    #[must_use]
    pub fn prologue(&self, function: &Function) -> PrologueFacts {
        PrologueFacts::of(function, &self.insns[function.slots()])
    }

    /// Takes a program as if the verifier had accepted it. Tests of engines build programs with it that the verifier need
    /// not know; nothing else may.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn assume_verified_for_tests(program: &skep_isa::Program) -> Self {
        let insns: Box<[Insn]> = program.insns().into();
        let slots = u32::try_from(insns.len()).expect("programs are shorter than 2^32 slots");
        let mut functions = function::discover(&insns);
        for function in &mut functions {
            function.stack_bytes = function::stack_guess(&insns[function.slots()]);
        }
        Self {
            origin: (0..slots).map(InsnIdx).collect(),
            functions,
            insns,
            used_maps: Box::default(),
        }
    }
}

impl Runnable for Xlated {
    fn insns(&self) -> &[Insn] {
        &self.insns
    }

    fn functions(&self) -> &[Function] {
        &self.functions
    }
}
