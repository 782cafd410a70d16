//! A decoded program.
//!
//! Invariants: at least one slot; every slot is a legal instruction by itself, or the second half of the wide
//! instruction before it; no wide instruction lacks its second half. Nothing is known about jump targets.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::decode::{DecodeError, DecodeErrorKind, decode};
use crate::insn::{Insn, InsnIdx};
use crate::raw::RawInsn;

/// A decoded program: one entry per slot; not verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    insns: Box<[Insn]>,
}

impl Program {
    /// A program of these slots, each [`Insn::LoadImm64`] followed by its [`Insn::Imm64High`].
    ///
    /// # Errors
    /// [`DecodeErrorKind::NotEncodable`] at the first slot whose shape has no encoding or is misplaced; the
    /// errors of [`decode`] where the encoding is one that Linux refuses.
    pub fn new(insns: Vec<Insn>) -> Result<Self, DecodeError> {
        let wanted = Self::from_insns(insns.into_boxed_slice());
        let not_encodable = |index| DecodeError {
            at: InsnIdx(u32::try_from(index).unwrap_or(u32::MAX)),
            kind: DecodeErrorKind::NotEncodable,
        };
        let misplaced = (0..wanted.insns.len()).find(|&at| {
            let after_wide = at > 0 && matches!(wanted.insns[at - 1], Insn::LoadImm64 { .. });
            after_wide != (wanted.insns[at] == Insn::Imm64High)
        });
        let cut = matches!(wanted.insns.last(), Some(Insn::LoadImm64 { .. }));
        if let Some(at) = misplaced.or(cut.then(|| wanted.insns.len() - 1)) {
            return Err(not_encodable(at));
        }
        let decoded = decode(&wanted.to_raw())?;
        let mut pairs = wanted.insns.iter().zip(&decoded.insns);
        match pairs.position(|(wanted, decoded)| wanted != decoded) {
            Some(at) => Err(not_encodable(at)),
            None => Ok(decoded),
        }
    }

    /// The slots.
    #[must_use]
    pub fn insns(&self) -> &[Insn] {
        &self.insns
    }

    /// The instructions with their slots' indices; second halves of wide instructions are left out.
    pub fn iter(&self) -> impl Iterator<Item = (InsnIdx, &Insn)> {
        (0u32..)
            .map(InsnIdx)
            .zip(&self.insns)
            .filter(|&(_, insn)| *insn != Insn::Imm64High)
    }

    /// The wire slots.
    #[must_use]
    pub fn to_raw(&self) -> Vec<RawInsn> {
        let mut slots = Vec::with_capacity(self.insns.len());
        for (_, insn) in self.iter() {
            let (first, second) = insn.encode_wide();
            slots.push(first);
            slots.extend(second);
        }
        slots
    }

    /// The wire bytes: eight per slot, little endian.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_raw()
            .into_iter()
            .flat_map(RawInsn::to_bytes)
            .collect()
    }

    /// Wraps slots that hold the invariants; only `decode` and this file build programs.
    pub(crate) fn from_insns(insns: Box<[Insn]>) -> Self {
        Self { insns }
    }
}
