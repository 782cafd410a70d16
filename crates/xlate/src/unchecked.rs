//! Programs that nobody verified, made fit for the checked interpreter.
//!
//! What is established is that execution stays within the program: every jump and call leads to an instruction, and the
//! last one does not run on. What a program does with memory is for the engine to check.

use crate::facts::{jump_target, local_target};
use crate::function::discover;
use crate::{Function, LowerError, Runnable};
use skep_isa::{CallTarget, Imm64, Insn, InsnIdx, Program};

/// A program that nobody verified. Its map references are indices; only the checked interpreter takes it.
#[derive(Clone, Debug)]
pub struct Unchecked {
    insns: Box<[Insn]>,
    functions: Box<[Function]>,
}

/// Makes an unverified program runnable.
///
/// # Errors
/// [`LowerError`], at the first instruction that could leave the program or has no meaning without loading.
pub fn lower_unchecked(program: &Program) -> Result<Unchecked, LowerError> {
    let insns = program.insns();
    for (at, insn) in program.iter() {
        if let Some(target) = jump_target(at, insn).or_else(|| local_target(at, insn)) {
            check_target(insns, at, target)?;
        }
        check_resolved(at, insn)?;
    }
    let last = program.iter().last();
    if let Some((at, insn)) = last
        && !matches!(insn, Insn::Exit | Insn::Jump { .. })
    {
        return Err(LowerError::FallsOffEnd { at });
    }
    Ok(Unchecked {
        insns: insns.into(),
        functions: discover(insns),
    })
}

fn check_target(insns: &[Insn], at: InsnIdx, target: i64) -> Result<(), LowerError> {
    match usize::try_from(target)
        .ok()
        .and_then(|slot| insns.get(slot))
    {
        Some(insn) if *insn != Insn::Imm64High => Ok(()),
        Some(_) | None => Err(LowerError::BadTarget { at, target }),
    }
}

fn check_resolved(at: InsnIdx, insn: &Insn) -> Result<(), LowerError> {
    if let Insn::LoadImm64 {
        imm: Imm64::MapFd(_) | Imm64::MapValue { .. } | Imm64::BtfId { .. },
        ..
    }
    | Insn::Call(CallTarget::Kfunc { .. }) = insn
    {
        Err(LowerError::Unresolved { at })
    } else {
        Ok(())
    }
}

impl Runnable for Unchecked {
    fn insns(&self) -> &[Insn] {
        &self.insns
    }

    fn functions(&self) -> &[Function] {
        &self.functions
    }
}

#[cfg(test)]
#[path = "unchecked_tests.rs"]
mod tests;
