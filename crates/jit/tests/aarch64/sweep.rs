//! Generated programs: every operation, width and kind of operand, with operands at the edges.

use crate::batch::Run;
use skep_isa::{AluOp, AtomicOp, Insn, JmpOp, Operand, Program, Reg, Size, SwapKind, Width};
use skep_xlate::Xlated;

/// A program and what it is run on.
pub(crate) struct Sweep {
    pub(crate) program: Xlated,
    pub(crate) runs: Vec<Run>,
}

const VALUES: [u64; 20] = [
    0,
    1,
    2,
    7,
    31,
    32,
    63,
    64,
    0x7fff,
    0x8080,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x1234_5678_9abc_def0,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_8000_0000,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
];

const IMMS: [i32; 38] = [
    0,
    1,
    -1,
    2,
    -2,
    3,
    7,
    8,
    10,
    16,
    31,
    32,
    33,
    63,
    64,
    100,
    0xff,
    0xfff,
    0x1000,
    0x1001,
    -0xfff,
    -0x1000,
    -0x1001,
    0x8000,
    0xffff,
    -0xffff,
    0x1_0000,
    0x1_0001,
    -0x1_0000,
    0xff_f000,
    0x100_0000,
    0x00ff_00ff,
    0x5555_5555,
    0x1234_5678,
    -0x1234_5678,
    0x4000_0000,
    i32::MAX,
    i32::MIN,
];

/// Registers that programs change, all of them.
fn registers() -> impl Iterator<Item = Reg> + Clone {
    Reg::ALL.into_iter().filter(|reg| *reg != Reg::R10)
}

/// A register that is none of those.
fn other(taken: &[Reg]) -> Reg {
    let mut free = [Reg::R6, Reg::R9, Reg::R3, Reg::R8].into_iter();
    free.find(|reg| !taken.contains(reg)).unwrap()
}

fn mov(dst: Reg, src: Operand) -> Insn {
    let width = Width::W64;
    Insn::Mov { width, dst, src }
}

fn load(dst: Reg, base: Reg, off: i16) -> Insn {
    let (size, signed) = (Size::Dw, false);
    Insn::Load {
        size,
        signed,
        dst,
        base,
        off,
    }
}

fn store(base: Reg, off: i16, src: Reg) -> Insn {
    let (size, src) = (Size::Dw, Operand::Reg(src));
    Insn::Store {
        size,
        base,
        off,
        src,
    }
}

fn xlated(insns: Vec<Insn>) -> Xlated {
    Xlated::assume_verified_for_tests(&Program::new(insns).unwrap())
}

/// A run whose memory is those words and then as much again, so that they lie in front of the context.
fn words(words: &[u64]) -> Run {
    let mut memory: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    memory.resize(2 * memory.len(), 0x55);
    Run::new(memory)
}

/// Loads `regs` from memory, does `body`, stores them all behind.
fn around(regs: &[Reg], body: &[Insn]) -> Xlated {
    let pointer = other(regs);
    let offset = |index: usize| 8 * i16::try_from(index).unwrap();
    let count = offset(regs.len());
    let places = || {
        regs.iter()
            .enumerate()
            .map(|(index, reg)| (offset(index), *reg))
    };
    let mut insns = vec![mov(pointer, Operand::Reg(Reg::R1))];
    insns.extend(places().map(|(off, reg)| load(reg, pointer, off - count)));
    insns.extend(body);
    insns.extend(places().map(|(off, reg)| store(pointer, off, reg)));
    insns.push(mov(Reg::R0, Operand::Reg(regs[0])));
    insns.push(Insn::Exit);
    xlated(insns)
}

fn singles() -> Vec<Run> {
    VALUES
        .iter()
        .map(|value| words(&[*value, !*value]))
        .collect()
}

fn pairs() -> Vec<Run> {
    let rows = VALUES
        .iter()
        .map(|left| VALUES.map(|right| words(&[*left, right])));
    rows.flatten().collect()
}

fn some_pairs() -> Vec<Run> {
    pairs().into_iter().step_by(37).collect()
}

/// Arithmetic: immediates on one register, then pairs of registers (all operands for one pair, some for all).
pub(crate) fn alu() -> Vec<Sweep> {
    let mut all = Vec::new();
    for (op, width) in AluOp::ALL
        .into_iter()
        .flat_map(|op| Width::ALL.map(|width| (op, width)))
    {
        let insn = |dst, src| Insn::Alu {
            op,
            width,
            dst,
            src,
        };
        for imm in IMMS {
            let body = insn(Reg::R0, Operand::Imm(imm));
            // A constant shift is at most the width.
            if Program::new(vec![body, Insn::Exit]).is_ok() {
                let program = around(&[Reg::R0, Reg::R1], &[body]);
                all.push(Sweep {
                    program,
                    runs: singles(),
                });
            }
        }
        for (dst, src) in registers().flat_map(|dst| registers().map(move |src| (dst, src))) {
            let first = (dst, src) == (Reg::R2, Reg::R7);
            let second = if dst == src {
                other(&[dst, Reg::R6])
            } else {
                src
            };
            let program = around(&[dst, second], &[insn(dst, Operand::Reg(src))]);
            let runs = if first { pairs() } else { some_pairs() };
            all.push(Sweep { program, runs });
        }
    }
    all
}

/// A move and an operation on its destination, which may become one instruction; and shifts there and back.
pub(crate) fn fused() -> Vec<Sweep> {
    let (left, dst, src) = (Reg::R4, Reg::R0, Reg::R8);
    let mut all = Vec::new();
    for (op, width) in AluOp::ALL
        .into_iter()
        .flat_map(|op| Width::ALL.map(|width| (op, width)))
    {
        let sources = [dst, left, src].map(Operand::Reg).into_iter();
        for source in sources.chain([0, 1, 16, -5, 29].map(Operand::Imm)) {
            let second = Insn::Alu {
                op,
                width,
                dst,
                src: source,
            };
            if Program::new(vec![second, Insn::Exit]).is_err() {
                continue;
            }
            for moved in Width::ALL {
                let first = Insn::Mov {
                    width: moved,
                    dst,
                    src: Operand::Reg(left),
                };
                let program = around(&[left, dst, src], &[first, second]);
                let run = |values: &[u64]| words(values);
                let runs = VALUES.windows(3).map(run).collect();
                all.push(Sweep { program, runs });
            }
        }
    }
    for width in Width::ALL {
        for (up, down) in [
            (0, 0),
            (0, 5),
            (5, 0),
            (3, 9),
            (9, 3),
            (31, 31),
            (24, 24),
            (16, 31),
        ] {
            for op in [AluOp::Rsh, AluOp::Arsh] {
                let alu = |op, imm| Insn::Alu {
                    op,
                    width,
                    dst,
                    src: Operand::Imm(imm),
                };
                let program = around(&[dst, src], &[alu(AluOp::Lsh, up), alu(op, down)]);
                all.push(Sweep {
                    program,
                    runs: singles(),
                });
            }
        }
    }
    all
}

/// Negation, moves, sign extension, swaps, wide constants.
pub(crate) fn unary() -> Vec<Sweep> {
    let mut bodies = Vec::new();
    for (dst, src) in registers().flat_map(|dst| registers().map(move |src| (dst, src))) {
        for width in Width::ALL {
            bodies.push((
                dst,
                src,
                Insn::Mov {
                    width,
                    dst,
                    src: Operand::Reg(src),
                },
            ));
            for from in [Size::B, Size::H, Size::W] {
                if (width, from) != (Width::W32, Size::W) {
                    bodies.push((
                        dst,
                        src,
                        Insn::MovSx {
                            width,
                            dst,
                            src,
                            from,
                        },
                    ));
                }
            }
        }
    }
    for dst in registers() {
        for width in Width::ALL {
            bodies.push((dst, dst, Insn::Neg { width, dst }));
            for imm in IMMS {
                bodies.push((
                    dst,
                    dst,
                    Insn::Mov {
                        width,
                        dst,
                        src: Operand::Imm(imm),
                    },
                ));
            }
        }
        for (kind, size) in SwapKind::ALL
            .into_iter()
            .flat_map(|kind| [Size::H, Size::W, Size::Dw].map(|size| (kind, size)))
        {
            bodies.push((dst, dst, Insn::Swap { kind, dst, size }));
        }
    }
    let sweeps = bodies.into_iter().map(|(dst, src, body)| {
        let second = if dst == src {
            other(&[dst, Reg::R6])
        } else {
            src
        };
        Sweep {
            program: around(&[dst, second], &[body]),
            runs: singles(),
        }
    });
    sweeps.collect()
}

/// Conditional jumps, taken or not, forwards and backwards.
pub(crate) fn jumps() -> Vec<Sweep> {
    let mut all = Vec::new();
    let (dst, src) = (Reg::R3, Reg::R9);
    for (op, width) in JmpOp::ALL
        .into_iter()
        .flat_map(|op| Width::ALL.map(|width| (op, width)))
    {
        let imms = IMMS.map(Operand::Imm).into_iter();
        for source in imms.chain([Operand::Reg(src), Operand::Reg(dst)]) {
            let set = |value| mov(src, Operand::Imm(value));
            let taken = |off| Insn::JumpIf {
                op,
                width,
                dst,
                src: source,
                off,
            };
            let forwards = [
                taken(2),
                set(1),
                Insn::Jump {
                    off: 1,
                    long: false,
                },
                set(2),
            ];
            let backwards = [
                Insn::Jump { off: 2, long: true },
                set(1),
                Insn::Jump {
                    off: 2,
                    long: false,
                },
                taken(-3),
                set(2),
            ];
            let runs = match source {
                Operand::Imm(_) => singles(),
                Operand::Reg(_) => pairs(),
            };
            for body in [&forwards[..], &backwards[..]] {
                let program = around(&[dst, src], body);
                all.push(Sweep {
                    program,
                    runs: runs.clone(),
                });
            }
        }
    }
    all
}

const OFFSETS: [i16; 28] = [
    0, 1, 2, 4, 8, 12, -1, -2, -8, 255, 256, 257, -255, -256, -257, 510, 4088, 4095, 4096, 8190,
    8192, 16380, 16384, 32752, 32760, 32767, -4096, -32768,
];

/// Memory that reaches from every offset, filled with a pattern.
fn reaching(off: i16) -> Run {
    let half = usize::from(off.unsigned_abs()).next_multiple_of(16) + 16;
    Run::new((0..2 * half).map(|at| (at * 37 + 0x91) as u8).collect())
}

/// Loads and stores of every size at every kind of offset.
pub(crate) fn memory() -> Vec<Sweep> {
    let mut all = Vec::new();
    for (off, size) in OFFSETS
        .into_iter()
        .flat_map(|off| [Size::B, Size::H, Size::W, Size::Dw].map(|size| (off, size)))
    {
        let mut add = |insns: &[Insn]| {
            let mut insns = insns.to_vec();
            insns.push(Insn::Exit);
            let runs = vec![reaching(off)];
            all.push(Sweep {
                program: xlated(insns),
                runs,
            });
        };
        let (base, dst) = (Reg::R1, Reg::R0);
        add(&[Insn::Load {
            size,
            signed: false,
            dst,
            base,
            off,
        }]);
        let same = Insn::Load {
            size,
            signed: false,
            dst: base,
            base,
            off,
        };
        add(&[same, mov(Reg::R0, Operand::Reg(base))]);
        if size != Size::Dw {
            add(&[Insn::Load {
                size,
                signed: true,
                dst,
                base,
                off,
            }]);
        }
        for imm in [0, 1, -1, 0x1234, -0x8000, 0x1234_5678, i32::MIN] {
            let src = Operand::Imm(imm);
            add(&[
                mov(dst, Operand::Imm(3)),
                Insn::Store {
                    size,
                    base,
                    off,
                    src,
                },
            ]);
        }
        for imm in [0, -2, i32::MAX] {
            let src = Operand::Reg(dst);
            add(&[
                mov(dst, Operand::Imm(imm)),
                Insn::Store {
                    size,
                    base,
                    off,
                    src,
                },
            ]);
        }
    }
    all
}

/// Atomic accesses with every operation and size, whatever registers coincide.
pub(crate) fn atomics() -> Vec<Sweep> {
    let mut all = Vec::new();
    let sizes = |op: AtomicOp| {
        let few = op.is_read_modify_write();
        let all = [Size::W, Size::Dw, Size::B, Size::H];
        all.into_iter().take(if few { 2 } else { 4 })
    };
    for (op, size) in AtomicOp::ALL
        .into_iter()
        .flat_map(|op| sizes(op).map(move |size| (op, size)))
    {
        for (dst, src) in [
            (Reg::R1, Reg::R2),
            (Reg::R1, Reg::R0),
            (Reg::R8, Reg::R0),
            (Reg::R0, Reg::R3),
            (Reg::R0, Reg::R0),
            (Reg::R7, Reg::R7),
            (Reg::R9, Reg::R4),
        ] {
            let (base, value) = match op {
                AtomicOp::LoadAcquire => (src, dst),
                _ => (dst, src),
            };
            for off in [0, -16, 16, 4096, 32752, -32768] {
                let pointer = other(&[dst, src]);
                let mut insns = vec![
                    mov(pointer, Operand::Reg(Reg::R1)),
                    // The comparison of cmpxchg holds in one of the two runs.
                    load(Reg::R0, pointer, -8),
                    load(value, pointer, 8),
                ];
                insns.push(mov(base, Operand::Reg(pointer)));
                insns.push(Insn::Atomic {
                    op,
                    size,
                    dst,
                    src,
                    off,
                });
                if base != value && base != Reg::R0 {
                    insns.push(store(pointer, -8, value));
                }
                if value == base {
                    // Its old content was an address, its new one may be one.
                    insns.push(mov(value, Operand::Imm(0)));
                }
                if base == Reg::R0 && op != AtomicOp::Cmpxchg {
                    insns.push(mov(Reg::R0, Operand::Imm(0)));
                }
                insns.push(Insn::Exit);
                let runs = [false, true].map(|equal| {
                    let mut run = reaching(off);
                    let ctx = run.memory.len() / 2;
                    let target = ctx.checked_add_signed(off.into()).unwrap();
                    let old: [u8; 8] = run.memory[target..target + 8].try_into().unwrap();
                    if equal {
                        run.memory[ctx - 8..ctx].copy_from_slice(&old);
                    }
                    run
                });
                all.push(Sweep {
                    program: xlated(insns),
                    runs: runs.into(),
                });
            }
        }
    }
    all
}
