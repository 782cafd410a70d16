//! Programs under construction: instructions and jumps to labels, so that any piece can be taken out again.

use skep_isa::{
    AluOp, AtomicOp, CallTarget, Imm64, Insn, InsnIdx, JmpOp, Operand, Program, Reg, Size, Width,
    text,
};
use skep_uapi::Handle;

/// A place in the code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Label(pub(crate) u32);

/// A piece of a program. Map references name a map of the world by its index.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Item {
    /// An instruction without target; wide ones stand for both slots.
    Insn(Insn),
    /// A jump or local call, whose offset is to be set.
    To(Insn, Label),
    /// The place of a label.
    At(Label),
}

/// Why pieces make no program: a label that is nowhere, or an instruction that has no encoding.
#[derive(Debug)]
pub(crate) struct NoProgram;

/// Puts the pieces together. `maps` are the handles of the world's maps.
pub(crate) fn assemble(items: &[Item], maps: &[Handle]) -> Result<Program, NoProgram> {
    let mut places = std::collections::BTreeMap::new();
    let mut at = 0_i32;
    for item in items {
        match item {
            Item::At(label) => {
                places.insert(*label, at);
            }
            Item::Insn(Insn::LoadImm64 { .. }) => at += 2,
            Item::Insn(_) | Item::To(..) => at += 1,
        }
    }
    let mut insns: Vec<Insn> = Vec::new();
    for item in items {
        match *item {
            Item::At(_) => {}
            Item::Insn(Insn::LoadImm64 { dst, imm }) => {
                let imm = with_map(imm, maps)?;
                insns.extend([Insn::LoadImm64 { dst, imm }, Insn::Imm64High]);
            }
            Item::Insn(insn) => insns.push(insn),
            Item::To(insn, label) => {
                let next = i32::try_from(insns.len()).map_err(|_| NoProgram)? + 1;
                let place = places.get(&label).ok_or(NoProgram)?;
                insns.push(with_offset(insn, place - next)?);
            }
        }
    }
    Program::new(insns).map_err(|_| NoProgram)
}

fn with_map(imm: Imm64, maps: &[Handle]) -> Result<Imm64, NoProgram> {
    let fd = |index: i32| {
        let index = usize::try_from(index).map_err(|_| NoProgram)?;
        maps.get(index)
            .map(|handle| handle.0.cast_signed())
            .ok_or(NoProgram)
    };
    Ok(match imm {
        Imm64::MapFd(index) => Imm64::MapFd(fd(index)?),
        Imm64::MapValue { fd: index, off } => Imm64::MapValue {
            fd: fd(index)?,
            off,
        },
        other => other,
    })
}

fn with_offset(insn: Insn, offset: i32) -> Result<Insn, NoProgram> {
    let short = i16::try_from(offset).map_err(|_| NoProgram);
    Ok(match insn {
        Insn::Jump { long, .. } => Insn::Jump { off: offset, long },
        Insn::JumpIf {
            op,
            width,
            dst,
            src,
            ..
        } => Insn::JumpIf {
            op,
            width,
            dst,
            src,
            off: short?,
        },
        Insn::MayGoto { .. } => Insn::MayGoto { off: short? },
        Insn::Call(_) => Insn::Call(CallTarget::Local(offset)),
        _ => return Err(NoProgram),
    })
}

/// The program in the assembler's syntax, with map indices in place of handles.
pub(crate) fn show(items: &[Item]) -> String {
    let indices: Vec<Handle> = (0..16).map(Handle).collect();
    let Ok(program) = assemble(items, &indices) else {
        return "(no program)".to_owned();
    };
    let line = |(at, insn): (InsnIdx, &Insn)| {
        format!("{}\n", text::kernel::body(at, insn, &text::AsmNames))
    };
    program.iter().map(line).collect()
}

// Short spellings of the instructions that blocks use often.

pub(crate) fn mov(dst: Reg, src: Operand) -> Insn {
    Insn::Mov {
        width: Width::W64,
        dst,
        src,
    }
}

pub(crate) fn alu(op: AluOp, dst: Reg, src: Operand) -> Insn {
    Insn::Alu {
        op,
        width: Width::W64,
        dst,
        src,
    }
}

pub(crate) fn add(dst: Reg, imm: i32) -> Insn {
    alu(AluOp::Add, dst, Operand::Imm(imm))
}

pub(crate) fn load(size: Size, dst: Reg, base: Reg, off: i16) -> Insn {
    Insn::Load {
        size,
        signed: false,
        dst,
        base,
        off,
    }
}

pub(crate) fn store(size: Size, base: Reg, off: i16, src: Operand) -> Insn {
    Insn::Store {
        size,
        base,
        off,
        src,
    }
}

pub(crate) fn atomic(op: AtomicOp, size: Size, dst: Reg, src: Reg, off: i16) -> Insn {
    Insn::Atomic {
        op,
        size,
        dst,
        src,
        off,
    }
}

pub(crate) fn jump_if(op: JmpOp, width: Width, dst: Reg, src: Operand) -> Insn {
    Insn::JumpIf {
        op,
        width,
        dst,
        src,
        off: 0,
    }
}

pub(crate) const GOTO: Insn = Insn::Jump {
    off: 0,
    long: false,
};
pub(crate) const GOTOL: Insn = Insn::Jump { off: 0, long: true };
