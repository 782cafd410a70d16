//! Small changes of a program, for verdicts: what almost was accepted, and what almost was refused.

use crate::code::Item;
use skep_isa::{AluOp, Insn, JmpOp, Operand, Reg, Size, Width};
use skep_testkit::fuzz::Random;

/// One or two changes.
pub(crate) fn mutate(items: &mut Vec<Item>, random: &mut Random) {
    for _ in 0..=random.below(2) {
        let at = random.below(items.len());
        match random.below(10) {
            0 => {
                items.remove(at);
            }
            1 => {
                let item = items[at];
                if !matches!(item, Item::At(_)) {
                    items.insert(random.below(items.len()), item);
                }
            }
            2 if at + 1 < items.len() => items.swap(at, at + 1),
            _ => match &mut items[at] {
                Item::Insn(insn) | Item::To(insn, _) => change(insn, random),
                Item::At(_) => {}
            },
        }
    }
}

fn change(insn: &mut Insn, random: &mut Random) {
    let which = random.below(4);
    match insn {
        Insn::Alu {
            op,
            width,
            dst,
            src,
        } => match which {
            0 => *op = AluOp::ALL[random.below(AluOp::ALL.len())],
            1 => *width = other_width(*width),
            2 => *dst = reg(random),
            _ => operand(src, random),
        },
        Insn::Mov { width, dst, src } => match which {
            0 | 1 => *width = other_width(*width),
            2 => *dst = reg(random),
            _ => operand(src, random),
        },
        Insn::JumpIf {
            op,
            width,
            dst,
            src,
            ..
        } => match which {
            0 => *op = JmpOp::ALL[random.below(JmpOp::ALL.len())],
            1 => *width = other_width(*width),
            2 => *dst = reg(random),
            _ => operand(src, random),
        },
        Insn::Load {
            size,
            dst,
            base,
            off,
            ..
        } => match which {
            0 => *size = Size::ALL[random.below(4)],
            1 => *dst = reg(random),
            2 => *base = reg(random),
            _ => *off = off.wrapping_add(step(random)),
        },
        Insn::Store {
            size,
            base,
            off,
            src,
        } => match which {
            0 => *size = Size::ALL[random.below(4)],
            1 => *base = reg(random),
            2 => operand(src, random),
            _ => *off = off.wrapping_add(step(random)),
        },
        Insn::Atomic {
            size,
            dst,
            src,
            off,
            ..
        } => match which {
            0 => *size = Size::ALL[random.below(4)],
            1 => *dst = reg(random),
            2 => *src = reg(random),
            _ => *off = off.wrapping_add(step(random)),
        },
        Insn::Neg { dst, .. }
        | Insn::MovSx { dst, .. }
        | Insn::Swap { dst, .. }
        | Insn::LoadImm64 { dst, .. } => *dst = reg(random),
        Insn::AddrSpaceCast { .. }
        | Insn::Imm64High
        | Insn::LoadAbs { .. }
        | Insn::LoadInd { .. }
        | Insn::Jump { .. }
        | Insn::MayGoto { .. }
        | Insn::Call(_)
        | Insn::CallReg { .. }
        | Insn::Exit => {}
    }
}

fn other_width(width: Width) -> Width {
    match width {
        Width::W32 => Width::W64,
        Width::W64 => Width::W32,
    }
}

fn reg(random: &mut Random) -> Reg {
    Reg::ALL[random.below(Reg::COUNT)]
}

fn step(random: &mut Random) -> i16 {
    [-8, -4, -2, -1, 1, 2, 4, 8][random.below(8)]
}

fn operand(operand: &mut Operand, random: &mut Random) {
    *operand = match *operand {
        Operand::Reg(_) => Operand::Reg(reg(random)),
        Operand::Imm(imm) => Operand::Imm(match random.below(4) {
            0 => imm.wrapping_neg(),
            1 => imm ^ 1 << random.below(32),
            _ => imm.wrapping_add(step(random).into()),
        }),
    };
}
