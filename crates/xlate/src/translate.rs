//! `Verified` to `Xlated`: prune, rewrite context accesses, move every offset.
//!
//! Each kept slot becomes one or more; a slot's new position is the sum of what came before. Everything that names a
//! slot (jumps, calls, addresses of functions, functions themselves) goes through that one map, and a removed slot
//! stands for the next one kept.

use crate::facts::{jump_target, local_target};
use crate::prune::prune;
use crate::{Draft, Function, TranslateError, Xlated};
use skep_contracts::{CtxField, CtxLayout, CtxLoad, Running, prog_type};
use skep_isa::{AluOp, CallTarget, Imm64, Insn, InsnIdx, Operand, Program, Reg, Size, Width};
use skep_verifier::{Access, InsnInfo, Subprog, Verified};

/// Translates a program.
///
/// # Errors
/// [`TranslateError::JumpOutOfRange`] for programs that Linux refuses at this stage too (ERANGE);
/// [`TranslateError::NoContext`] for types that the machine does not run.
pub fn translate(verified: &Verified) -> Result<Xlated, TranslateError> {
    let row = prog_type(verified.prog_type());
    if row.is_none_or(|row| row.running == Running::Verifies) {
        return Err(TranslateError::NoContext);
    }
    translate_with(verified, Missing::Refused)
}

/// Translates as much of a program as can be, for dumps of what cannot run.
///
/// # Errors
/// [`TranslateError::JumpOutOfRange`], as [`translate`].
pub fn draft(verified: &Verified) -> Result<Draft, TranslateError> {
    translate_with(verified, Missing::Kept).map(Draft)
}

fn translate_with(verified: &Verified, missing: Missing) -> Result<Xlated, TranslateError> {
    let source = Source {
        program: verified.program(),
        subprogs: verified.subprogs(),
        ctx: prog_type(verified.prog_type()).and_then(|row| row.ctx),
        missing,
    };
    let mut xlated = rewrite(&source, |at| *verified.info(at))?;
    xlated.used_maps = verified.used_maps().into();
    Ok(xlated)
}

/// What becomes of an access that has no translation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The program is refused.
    Refused,
    /// It stays as it was, and the result is for show.
    Kept,
}

/// What is translated.
pub(crate) struct Source<'a> {
    pub(crate) program: &'a Program,
    pub(crate) subprogs: &'a [Subprog],
    pub(crate) ctx: Option<&'a CtxLayout>,
    pub(crate) missing: Missing,
}

/// The pass itself, apart from the proof so that tests can drive it.
pub(crate) fn rewrite(
    source: &Source<'_>,
    info: impl Fn(InsnIdx) -> InsnInfo,
) -> Result<Xlated, TranslateError> {
    let old = source.program.insns();
    let pruned = prune(old, |at| info(at).reached);
    let mut insns = Vec::with_capacity(old.len());
    let mut origin = Vec::with_capacity(old.len());
    let mut moved = Vec::with_capacity(old.len() + 1);
    for (at, slot) in (0..).map(InsnIdx).zip(&pruned.kept) {
        moved.push(slot_number(insns.len()));
        if let Some(insn) = slot {
            let begun = insns.len();
            let translated = source.access(insn, at, info(at).access, &mut insns);
            match (translated, source.missing) {
                (Ok(()), _) => {}
                (Err(error), Missing::Refused) => return Err(error),
                (Err(_), Missing::Kept) => {
                    insns.truncate(begun);
                    insns.push(*insn);
                }
            }
        }
        origin.resize(insns.len(), at);
    }
    moved.push(slot_number(insns.len()));
    for (new, insn) in (0..).map(InsnIdx).zip(&mut insns) {
        retarget(insn, origin[new.index()], new, &moved)?;
    }
    let functions = source.subprogs.iter().filter_map(|subprog| {
        let (start, end) = (moved[subprog.start.index()], moved[subprog.end.index()]);
        (start < end).then(|| Function {
            start,
            end,
            stack_bytes: subprog.stack_bytes,
            name: subprog.name.clone(),
        })
    });
    Ok(Xlated {
        functions: functions.collect(),
        insns: insns.into(),
        origin: origin.into(),
        used_maps: Box::default(),
    })
}

impl Source<'_> {
    /// Appends what an instruction that makes this access becomes.
    fn access(
        &self,
        insn: &Insn,
        at: InsnIdx,
        access: Access,
        out: &mut Vec<Insn>,
    ) -> Result<(), TranslateError> {
        match access {
            Access::None | Access::Direct => {
                out.push(*insn);
                Ok(())
            }
            Access::Ctx { offset, bytes } => {
                let ctx = self.ctx;
                let access = CtxAccess {
                    at,
                    offset,
                    bytes,
                    ctx,
                };
                access.rewrite(insn, out)
            }
            Access::Object { offset, .. } => Err(TranslateError::NoContextField { at, offset }),
        }
    }
}

fn slot_number(index: usize) -> InsnIdx {
    InsnIdx(u32::try_from(index).expect("a million slots and a few per context access"))
}

/// Gives a jump, call or function address its new offset. `at` is where it was, `new` where it is.
fn retarget(
    insn: &mut Insn,
    at: InsnIdx,
    new: InsnIdx,
    moved: &[InsnIdx],
) -> Result<(), TranslateError> {
    let Some(target) = jump_target(at, insn).or_else(|| local_target(at, insn)) else {
        return Ok(());
    };
    let out_of_range = TranslateError::JumpOutOfRange { at };
    let target = usize::try_from(target)
        .ok()
        .and_then(|target| moved.get(target))
        .expect("the verifier followed every jump and call that it reached");
    let wanted = i64::from(target.0) - i64::from(new.0) - 1;
    let wide = i32::try_from(wanted).map_err(|_| out_of_range)?;
    if let Insn::Jump { off, long } = insn {
        *off = wide;
        *long |= i16::try_from(wide).is_err();
    } else if let Insn::JumpIf { off, .. } | Insn::MayGoto { off } = insn {
        *off = i16::try_from(wide).map_err(|_| out_of_range)?;
    } else if let Insn::Call(CallTarget::Local(off))
    | Insn::LoadImm64 {
        imm: Imm64::Func(off),
        ..
    } = insn
    {
        *off = wide;
    }
    Ok(())
}

/// One access to the context.
struct CtxAccess<'a> {
    at: InsnIdx,
    /// Byte offset in the uapi structure.
    offset: u32,
    bytes: u32,
    ctx: Option<&'a CtxLayout>,
}

impl CtxAccess<'_> {
    /// Appends what `insn` becomes.
    fn rewrite(&self, insn: &Insn, out: &mut Vec<Insn>) -> Result<(), TranslateError> {
        let field = self
            .ctx
            .and_then(|layout| layout.field_at(self.offset))
            .ok_or_else(|| self.no_field())?;
        if field.loads.is_empty() {
            out.push(*insn);
            return Ok(());
        }
        if let Insn::Load {
            size,
            signed,
            dst,
            base,
            off,
        } = *insn
        {
            self.chain(field, dst, base, off, out)?;
            self.narrow(field, dst, out);
            if signed {
                out.push(Insn::MovSx {
                    width: Width::W64,
                    dst,
                    src: dst,
                    from: size,
                });
            }
            Ok(())
        } else if let (Insn::Store { base, off, src, .. }, [only]) = (*insn, field.loads) {
            out.push(Insn::Store {
                size: self.size(*only)?,
                base,
                off: self.machine_offset(*only, off)?,
                src,
            });
            Ok(())
        } else {
            Err(self.no_field())
        }
    }

    fn no_field(&self) -> TranslateError {
        TranslateError::NoContextField {
            at: self.at,
            offset: self.offset,
        }
    }

    fn size(&self, load: CtxLoad) -> Result<Size, TranslateError> {
        [Size::B, Size::H, Size::W, Size::Dw]
            .into_iter()
            .find(|size| size.bytes() == u32::from(load.bytes))
            .ok_or_else(|| self.no_field())
    }

    /// Offset of the first load of a chain. The register may hold the context plus a constant, which is what the
    /// access's offset has beyond the instruction's own.
    fn machine_offset(&self, load: CtxLoad, off: i16) -> Result<i16, TranslateError> {
        let pointer = i64::from(self.offset) - i64::from(off);
        i16::try_from(i64::from(load.offset) - pointer).map_err(|_| self.no_field())
    }

    /// The loads of a field, one behind the other through `dst`.
    fn chain(
        &self,
        field: &CtxField,
        dst: Reg,
        base: Reg,
        off: i16,
        out: &mut Vec<Insn>,
    ) -> Result<(), TranslateError> {
        let mut from = None;
        for load in field.loads {
            let (base, off) = match from {
                None => (base, self.machine_offset(*load, off)?),
                Some(dst) => (dst, load.offset),
            };
            out.push(Insn::Load {
                size: self.size(*load)?,
                signed: false,
                dst,
                base,
                off,
            });
            from = Some(dst);
        }
        Ok(())
    }

    /// Cuts the part out of a field that was asked for, as Linux does: the whole is loaded, shifted and masked.
    fn narrow(&self, field: &CtxField, dst: Reg, out: &mut Vec<Insn>) {
        if self.bytes >= field.bytes {
            return;
        }
        let alu = |op, width, imm| Insn::Alu {
            op,
            width,
            dst,
            src: Operand::Imm(imm),
        };
        let shift = i32::try_from((self.offset - field.offset) * 8).expect("fields are small");
        let width = if field.bytes > 4 {
            Width::W64
        } else {
            Width::W32
        };
        if shift != 0 {
            out.push(alu(AluOp::Rsh, width, shift));
        }
        let mask = u32::MAX >> (32 - self.bytes * 8);
        out.push(alu(AluOp::And, Width::W32, mask.cast_signed()));
    }
}

#[cfg(test)]
#[path = "translate_tests.rs"]
mod tests;
