//! Jumps of every reach, calls of every depth, and programs of a size that shows what is not linear.

use crate::rig::{TRUSTED, add_imm, free, image, mov_imm, run_image, wide, writable};
use skep_isa::text::assemble;
use skep_isa::{CallTarget, Insn, JmpOp, Operand, Program, Reg, Width};

/// r0 on every engine of this host.
fn results(insns: Vec<Insn>) -> Vec<u64> {
    let program = Program::new(insns).expect("the test's instructions can be encoded");
    let images = TRUSTED
        .iter()
        .filter_map(|&engine| Some((engine, image(engine, &program)?)));
    images
        .map(|(engine, image)| run_image(engine, &image))
        .collect()
}

fn check(insns: Vec<Insn>, expected: u64) {
    for result in results(insns) {
        assert_eq!(result, expected);
    }
}

fn jump_if(op: JmpOp, dst: Reg, imm: i32, off: i16) -> Insn {
    Insn::JumpIf {
        op,
        width: Width::W64,
        dst,
        src: Operand::Imm(imm),
        off,
    }
}

/// `count` slots that change a register in more than one byte of code, so that a jump over them needs its long form.
fn filler(count: usize) -> impl Iterator<Item = Insn> {
    std::iter::repeat_n(add_imm(Reg::R3, 0x1234), count)
}

/// Forwards and backwards, on both sides of where the short form ends.
#[test]
fn jumps_of_every_length() {
    let lengths = (14..=22).chain([1_000, 4_600, 4_700, 9_000, 32_700]);
    for length in lengths {
        let reach = i16::try_from(length).unwrap();
        let mut insns = vec![mov_imm(Reg::R0, 0), mov_imm(Reg::R3, 0)];
        // Over the filler, which would set r3.
        insns.push(jump_if(JmpOp::Jeq, Reg::R3, 0, reach));
        insns.extend(filler(length));
        insns.push(add_imm(Reg::R0, 1));
        insns.extend(filler(length));
        // Back to the addition, until there were five.
        insns.push(jump_if(JmpOp::Jlt, Reg::R0, 5, -reach - 2));
        insns.push(Insn::Jump {
            off: i32::try_from(length).unwrap(),
            long: true,
        });
        insns.extend(filler(length));
        insns.push(Insn::Exit);
        check(insns, 5);
    }
}

/// Each of seven functions calls the next; every one changes r6 to r9 and its stack, and finds its own again.
#[test]
fn calls_eight_deep_keep_registers_and_stacks() {
    let mut text = String::new();
    for depth in 0..8 {
        let (first, next) = (depth * 10 + 1, depth + 1);
        for reg in 6..=9 {
            text += &format!("r{reg} = {}\n", first + reg);
        }
        text += &format!("*(u64 *)(r10 -512) = {first}\n*(u64 *)(r10 -8) = {first}\n");
        text += &format!("r1 = {depth}\nr2 = 2\nr3 = 3\nr4 = 4\nr5 = 5\n");
        if next < 8 {
            text += &format!("call f{next}\n");
        } else {
            text += "r0 = 0\n";
        }
        for reg in 6..=9 {
            text += &format!("if r{reg} != {:#x} goto bad{depth}\n", first + reg);
        }
        for off in [512, 8] {
            text += &format!("r1 = *(u64 *)(r10 -{off})\nif r1 != {first:#x} goto bad{depth}\n");
        }
        text += &format!("r0 += 1\nexit\nbad{depth}: r0 = -1000\nexit\n");
        if next < 8 {
            text += &format!("f{next}: ");
        }
    }
    let program = assemble(&text).unwrap_or_else(|error| panic!("{error}"));
    check(program.insns().to_vec(), 8);
}

/// Arguments arrive in r1 to r5, and r0 comes back, wherever in the program the function is.
#[test]
fn arguments_and_result() {
    let sum = "r0 = r1\nr0 <<= 8\nr0 |= r2\nr0 <<= 8\nr0 |= r3\nr0 <<= 8\nr0 |= r4\nr0 <<= 8\nr0 |= r5\nexit";
    let text = format!("r1 = 1\nr2 = 2\nr3 = 3\nr4 = 4\nr5 = 5\ncall f\nexit\nf: {sum}");
    check(assemble(&text).unwrap().insns().to_vec(), 0x01_02_03_04_05);
}

/// `may_goto` falls through 8 Mi times in one run, whichever function spends them.
#[test]
fn may_goto_has_one_budget_for_the_run() {
    let text = "call f\nr6 = r0\ncall f\nr0 += r6\nexit\nf: r0 = 0\nagain: may_goto out\nr0 += 1\ngoto again\nout: exit";
    check(assemble(text).unwrap().insns().to_vec(), 8 << 20);
}

/// Registers that no instruction names stay those of the caller: the entry saves what it must.
#[test]
fn every_set_of_saved_registers() {
    for set in 0_u8..16 {
        let chosen = |reg: &Reg| reg.number() >= 6 && set & 1 << (reg.number() - 6) != 0;
        let mut insns: Vec<Insn> = writable()
            .filter(chosen)
            .map(|reg| mov_imm(reg, -1))
            .collect();
        insns.extend([mov_imm(Reg::R0, 3), Insn::Exit]);
        check(insns, 3);
    }
}

/// A hundred thousand instructions of all kinds, with jumps across and a call at the far end.
#[test]
fn a_big_program() {
    const BLOCKS: usize = 12_500;
    let [count] = free(&[]);
    let mut insns = vec![mov_imm(Reg::R0, 0), mov_imm(count, 0)];
    for block in 0..BLOCKS {
        insns.extend(wide(Reg::R2, u64::try_from(block).unwrap()));
        insns.push(jump_if(JmpOp::Jeq, Reg::R2, -1, 3));
        insns.push(add_imm(Reg::R0, 1));
        insns.push(jump_if(JmpOp::Jne, Reg::R0, 0, 1));
        insns.push(mov_imm(Reg::R0, -1));
        insns.push(add_imm(count, 1));
        insns.push(Insn::Mov {
            width: Width::W32,
            dst: Reg::R3,
            src: Operand::Reg(Reg::R0),
        });
    }
    insns.push(Insn::Call(CallTarget::Local(1)));
    insns.push(Insn::Exit);
    insns.push(Insn::Mov {
        width: Width::W64,
        dst: Reg::R0,
        src: Operand::Reg(count),
    });
    insns.push(Insn::Exit);
    assert!(insns.len() > 100_000);
    check(insns, u64::try_from(BLOCKS).unwrap());
}
