//! One instruction: a match over its shape, a file per family.

pub(crate) mod alu;
pub(crate) mod atomic;
pub(crate) mod exit;
pub(crate) mod jump;
pub(crate) mod legacy;
pub(crate) mod mov;
pub(crate) mod pointer;
pub(crate) mod refine;

use crate::mem::{Extend, Stored};
use crate::path::Path;
use crate::program::target;
use crate::reject::Reject;
use skep_isa::{CallTarget, Insn, InsnIdx, Operand};

/// Where the walk goes after an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flow {
    /// On at an instruction.
    To(InsnIdx),
    /// The path ended well.
    Ends,
}

impl Path<'_> {
    /// Carries out the current instruction.
    pub(crate) fn step(&mut self) -> Result<Flow, Reject> {
        let insn = self.checked.insns[self.at.index()];
        let next = Flow::To(InsnIdx(self.at.0 + 1));
        match insn {
            Insn::Alu {
                op,
                width,
                dst,
                src,
            } => self.alu(op, width, dst, src)?,
            Insn::Neg { width, dst } => self.neg(width, dst)?,
            Insn::Mov { width, dst, src } => self.mov(width, dst, src)?,
            Insn::MovSx {
                width,
                dst,
                src,
                from,
            } => self.movsx(width, dst, src, from)?,
            Insn::Swap { kind, dst, size } => self.swap(kind, dst, size)?,
            Insn::AddrSpaceCast { .. } => return Err(Reject::NoArena { at: self.at }),
            Insn::LoadImm64 { dst, imm } => {
                self.load_imm64(dst, imm)?;
                return Ok(Flow::To(InsnIdx(self.at.0 + 2)));
            }
            Insn::Imm64High => return Err(Reject::JumpIntoWide { at: self.at }),
            Insn::Load {
                size,
                signed,
                dst,
                base,
                off,
            } => {
                let cell = self.cell(base, off, size)?;
                self.writable(dst)?;
                let extend = if signed { Extend::Sign } else { Extend::Zero };
                let value = self.load(&cell, extend)?;
                self.write(dst, value)?;
            }
            Insn::Store {
                size,
                base,
                off,
                src,
            } => {
                let value = match src {
                    Operand::Reg(reg) => Stored::Reg(reg, self.read(reg)?),
                    Operand::Imm(imm) => Stored::Imm(imm),
                };
                let cell = self.cell(base, off, size)?;
                self.store(&cell, value)?;
            }
            Insn::Atomic {
                op,
                size,
                dst,
                src,
                off,
            } => self.atomic(op, size, dst, src, off)?,
            Insn::LoadAbs { .. } => self.legacy_packet(None)?,
            Insn::LoadInd { src, .. } => self.legacy_packet(Some(src))?,
            Insn::Jump { off, .. } => return Ok(Flow::To(target(self.at, off))),
            Insn::JumpIf {
                op,
                width,
                dst,
                src,
                off,
            } => return self.jump_if(op, width, dst, src, target(self.at, off.into())),
            Insn::MayGoto { off } => return Ok(self.may_goto(target(self.at, off.into()))),
            Insn::Call(CallTarget::Helper(id)) => self.call_helper(id)?,
            Insn::Call(CallTarget::Local(off)) => {
                return Ok(Flow::To(self.call_local(target(self.at, off))?));
            }
            Insn::Call(CallTarget::Kfunc { id, off }) => return self.call_kfunc(id, off),
            Insn::CallReg { .. } => return Err(Reject::CallRegister { at: self.at }),
            Insn::Exit => return self.exit(),
        }
        Ok(next)
    }
}
