//! Arithmetic, moves, swaps and conditions: every operation, width and kind of operand, in every pair of registers,
//! against `isa`'s meaning of them.

use crate::rig::{Regs, Step, TRUSTED, mov_imm, sweep, writable};
use skep_exec::EngineKind;
use skep_isa::{
    AluOp, Insn, JmpOp, Operand, Reg, Size, SwapKind, Width, eval_mov, eval_movsx, eval_neg,
};

/// Operands at which something changes: signs, widths, carries, the divisors 0 and -1, the dividends that overflow.
const EDGES: [u64; 12] = [
    0,
    1,
    7,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0xffff_ffff_8000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_fff9,
    0xffff_ffff_ffff_ffff,
];

const IMMEDIATES: [i32; 24] = [
    0,
    1,
    -1,
    2,
    3,
    -2,
    7,
    -7,
    8,
    31,
    32,
    63,
    64,
    127,
    128,
    -128,
    -129,
    255,
    256,
    0xffff,
    0x1_0000,
    i32::MAX,
    i32::MIN,
    i32::MIN + 1,
];

/// What a step means: the result, from left and right operand.
type Meaning = Box<dyn Fn(u64, u64) -> u64>;

/// Steps and their meanings.
#[derive(Default)]
struct Table {
    steps: Vec<Step>,
    meanings: Vec<Meaning>,
    /// The step, for messages.
    names: Vec<String>,
}

impl Table {
    fn push(&mut self, insn: Insn, result: Reg, meaning: impl Fn(u64, u64) -> u64 + 'static) {
        self.push_all(vec![insn], result, format!("{insn:?}"), meaning);
    }

    fn push_all(
        &mut self,
        insns: Vec<Insn>,
        result: Reg,
        name: String,
        meaning: impl Fn(u64, u64) -> u64 + 'static,
    ) {
        self.steps.push(Step { insns, result });
        self.meanings.push(Box::new(meaning));
        self.names.push(name);
    }

    fn alu(&mut self, regs: Regs, src: Operand) {
        for op in AluOp::ALL {
            for width in Width::ALL {
                let insn = Insn::Alu {
                    op,
                    width,
                    dst: regs.dst,
                    src,
                };
                self.push(insn, regs.dst, move |left, right| {
                    op.eval(width, left, value(src, right))
                });
            }
        }
    }

    fn conditions(&mut self, regs: Regs, src: Operand) {
        let result = regs.result();
        for op in JmpOp::ALL {
            for width in Width::ALL {
                let jump = Insn::JumpIf {
                    op,
                    width,
                    dst: regs.dst,
                    src,
                    off: 1,
                };
                let insns = vec![mov_imm(result, 1), jump, mov_imm(result, 0)];
                self.push_all(insns, result, format!("{jump:?}"), move |left, right| {
                    u64::from(op.eval(width, left, value(src, right)))
                });
            }
        }
    }

    fn moves(&mut self, regs: Regs) {
        let Regs { dst, src } = regs;
        for width in Width::ALL {
            self.push(Insn::Neg { width, dst }, dst, move |left, _| {
                eval_neg(width, left)
            });
            let insn = Insn::Mov {
                width,
                dst,
                src: Operand::Reg(src),
            };
            self.push(insn, dst, move |_, right| eval_mov(width, right));
            for from in [Size::B, Size::H, Size::W] {
                if from.bits() < width.bits() {
                    let insn = Insn::MovSx {
                        width,
                        dst,
                        src,
                        from,
                    };
                    self.push(insn, dst, move |_, right| eval_movsx(width, from, right));
                }
            }
        }
        for kind in SwapKind::ALL {
            for size in [Size::H, Size::W, Size::Dw] {
                self.push(Insn::Swap { kind, dst, size }, dst, move |left, _| {
                    kind.eval(size, left)
                });
            }
        }
    }

    fn check(&self, engine: EngineKind, regs: Regs, pairs: &[(u64, u64)]) {
        let Some(results) = sweep(engine, regs, &self.steps, pairs) else {
            return;
        };
        for (&(left, right), results) in pairs.iter().zip(results) {
            let right = if regs.src == regs.dst { left } else { right };
            for (number, meaning) in self.meanings.iter().enumerate() {
                let (got, expected) = (results[number], meaning(left, right));
                assert!(
                    got == expected,
                    "{engine:?}, {left:#x} and {right:#x}: {got:#x}, not {expected:#x}: {}",
                    self.names[number],
                );
            }
            if regs.src != regs.dst {
                assert_eq!(results.last(), Some(&right), "{engine:?}: {regs:?}");
            }
        }
    }
}

/// The right operand.
fn value(src: Operand, right: u64) -> u64 {
    match src {
        Operand::Reg(_) => right,
        Operand::Imm(imm) => i64::from(imm).cast_unsigned(),
    }
}

fn pairs(left: &[u64], right: &[u64]) -> Vec<(u64, u64)> {
    let with = |&left| right.iter().map(move |&right| (left, right));
    left.iter().flat_map(with).collect()
}

/// Pairs of registers: all for machine code, where they matter; two for the interpreter.
fn register_pairs(engine: EngineKind) -> Vec<Regs> {
    let all = writable().flat_map(|dst| writable().map(move |src| Regs { dst, src }));
    let picked = |regs: &Regs| regs.dst == Reg::R3 && [Reg::R3, Reg::R0].contains(&regs.src);
    all.filter(|regs| engine == EngineKind::Native || picked(regs))
        .collect()
}

#[test]
fn registers() {
    for engine in TRUSTED {
        for regs in register_pairs(engine) {
            let mut table = Table::default();
            table.alu(regs, Operand::Reg(regs.src));
            table.moves(regs);
            table.conditions(regs, Operand::Reg(regs.src));
            table.check(engine, regs, &pairs(&EDGES, &EDGES));
        }
    }
}

#[test]
fn immediates() {
    for engine in TRUSTED {
        for dst in writable() {
            let regs = Regs { dst, src: dst };
            for imm in IMMEDIATES {
                let mut table = Table::default();
                table.alu(regs, Operand::Imm(imm));
                table.conditions(regs, Operand::Imm(imm));
                for width in Width::ALL {
                    let src = Operand::Imm(imm);
                    table.push(Insn::Mov { width, dst, src }, dst, move |_, _| {
                        eval_mov(width, i64::from(imm).cast_unsigned())
                    });
                }
                table.check(engine, regs, &pairs(&EDGES, &[0]));
            }
        }
    }
}

/// Counts beyond the width are taken modulo it, whichever register holds them.
#[test]
fn shift_counts() {
    let counts: Vec<u64> = (0..=65).chain([u64::MAX, 1 << 32 | 5]).collect();
    let left = [1, u64::MAX, 0x8000_0000, 0x8765_4321_0fed_cba9];
    let regs = [
        (Reg::R4, Reg::R4),
        (Reg::R4, Reg::R0),
        (Reg::R0, Reg::R4),
        (Reg::R1, Reg::R5),
    ];
    for engine in TRUSTED {
        for (dst, src) in regs {
            let mut table = Table::default();
            table.alu(Regs { dst, src }, Operand::Reg(src));
            table.check(engine, Regs { dst, src }, &pairs(&left, &counts));
        }
    }
}
