//! The generator's state: what it knows about registers and stack slots, so that most programs are accepted.
//!
//! Frame of every function, below r10: eight slots (0 to 64), keys (to 80), a buffer (to 144); the main function's saved result
//! lies below. r6 is the context. Knowledge is kept correct at joins by merging and at loop heads by forgetting.

use crate::code::{Item, Label, add, alu, load, mov, store};
use skep_isa::{AluOp, Imm64, Insn, Operand, Reg, Size, Width};
use skep_testkit::fuzz::Random;

/// What a register or slot holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Nothing that may be read.
    Unknown,
    /// A number of at most `max`, unsigned.
    Scalar { max: u64 },
    /// The value of a map that is never deleted from, by index.
    Value(usize),
    /// The start of the packet with so many bytes known to be there.
    Packet(i16),
}

/// Any number.
pub(crate) const ANY: Kind = Kind::Scalar { max: u64::MAX };

/// Top of the keys, of the buffer and of the saved result, as offsets from r10.
pub(crate) const KEYS: i16 = -80;
pub(crate) const BUFFER: i16 = -144;
pub(crate) const BUFFER_BYTES: i16 = 64;
pub(crate) const SAVED: i16 = -224;
pub(crate) const SLOTS: usize = 8;

/// Constants at which arithmetic, sign extension and intervals break.
const EDGES: [i32; 20] = [
    0,
    1,
    2,
    3,
    7,
    8,
    13,
    16,
    31,
    32,
    63,
    64,
    127,
    128,
    255,
    0x7fff,
    0x8000,
    0xffff,
    i32::MAX,
    i32::MIN,
];

/// What is known at a point of the program.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Known {
    pub(crate) regs: [Kind; 10],
    pub(crate) slots: [Kind; SLOTS],
}

impl Known {
    fn merge(&mut self, other: &Self) {
        let mine = self.regs.iter_mut().chain(&mut self.slots);
        for (one, two) in mine.zip(other.regs.iter().chain(&other.slots)) {
            *one = match (*one, *two) {
                (Kind::Scalar { max: a }, Kind::Scalar { max: b }) => {
                    Kind::Scalar { max: a.max(b) }
                }
                (Kind::Packet(a), Kind::Packet(b)) => Kind::Packet(a.min(b)),
                (a, b) if a == b => a,
                _ => Kind::Unknown,
            };
        }
    }
}

/// A program, and the pieces of it that must stay if its results are to mean anything.
pub(crate) struct Generated {
    pub(crate) items: Vec<Item>,
    pub(crate) fixed: Vec<std::ops::Range<usize>>,
}

pub(crate) struct Gen {
    pub(crate) random: Random,
    pub(crate) items: Vec<Item>,
    labels: u32,
    pub(crate) known: Known,
    /// Registers that blocks may not write: the context and loop counters.
    pub(crate) reserved: Vec<Reg>,
    pub(crate) depth: u32,
    /// Functions that were called and are still to be written.
    pub(crate) functions: Vec<Label>,
    pub(crate) in_function: bool,
    /// Pieces without which a program may show what lay in its frame: those that write the frame and the result.
    fixed: Vec<std::ops::Range<usize>>,
    /// One decision in so many is wrong on purpose; 0 for never.
    pub(crate) slip_one_in: usize,
}

impl Gen {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for _ in 0..4 {
            random.word();
        }
        let slip_one_in = [0, 0, 60, 20][random.below(4)];
        Self {
            random,
            items: Vec::new(),
            labels: 0,
            known: Known {
                regs: [Kind::Unknown; 10],
                slots: [Kind::Unknown; SLOTS],
            },
            reserved: vec![Reg::R6],
            depth: 0,
            functions: Vec::new(),
            in_function: false,
            fixed: Vec::new(),
            slip_one_in,
        }
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.random.below(count) == 0
    }

    pub(crate) fn slip(&mut self) -> bool {
        self.slip_one_in > 0 && self.one_in(self.slip_one_in)
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.random.below(from.len())]
    }

    pub(crate) fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels)
    }

    pub(crate) fn emit(&mut self, insn: Insn) {
        self.items.push(Item::Insn(insn));
    }

    pub(crate) fn to(&mut self, insn: Insn, label: Label) {
        self.items.push(Item::To(insn, label));
    }

    pub(crate) fn at(&mut self, label: Label) {
        self.items.push(Item::At(label));
    }

    pub(crate) fn edge(&mut self) -> i32 {
        let edge = self.pick(&EDGES);
        match self.random.below(5) {
            0 => edge.wrapping_neg(),
            1 => self.random.word() as i32,
            2 => self.random.below(70) as i32,
            _ => edge,
        }
    }

    pub(crate) fn kind(&self, reg: Reg) -> Kind {
        self.known.regs[reg.index()]
    }

    pub(crate) fn set(&mut self, reg: Reg, kind: Kind) {
        self.known.regs[reg.index()] = kind;
    }

    pub(crate) fn max(&self, reg: Reg) -> u64 {
        match self.kind(reg) {
            Kind::Scalar { max } => max,
            _ => u64::MAX,
        }
    }

    /// A register to write, none of `but`; pointers are mostly left alone.
    pub(crate) fn target(&mut self, but: &[Reg]) -> Reg {
        loop {
            let reg = Reg::ALL[self.random.below(10)];
            let pointer = matches!(self.kind(reg), Kind::Value(_) | Kind::Packet(_));
            if !self.reserved.contains(&reg) && !but.contains(&reg) && (!pointer || self.one_in(6))
            {
                return reg;
            }
        }
    }

    /// A register that holds a number, made if there is none.
    pub(crate) fn scalar(&mut self, but: &[Reg]) -> Reg {
        for _ in 0..12 {
            let reg = Reg::ALL[self.random.below(10)];
            if matches!(self.kind(reg), Kind::Scalar { .. }) && !but.contains(&reg) {
                return reg;
            }
        }
        let reg = self.target(but);
        self.constant(reg);
        reg
    }

    /// A number that may be changed.
    pub(crate) fn own_scalar(&mut self, but: &[Reg]) -> Reg {
        let reg = self.scalar(but);
        if !self.reserved.contains(&reg) {
            return reg;
        }
        let copy = self.target(but);
        self.emit(mov(copy, Operand::Reg(reg)));
        self.set(copy, self.kind(reg));
        copy
    }

    pub(crate) fn constant(&mut self, reg: Reg) {
        let imm = self.edge();
        if self.one_in(4) {
            let value = self.random.word() >> self.random.below(64);
            self.emit(Insn::LoadImm64 {
                dst: reg,
                imm: Imm64::Value(value),
            });
            self.set(reg, Kind::Scalar { max: value });
        } else if self.one_in(3) {
            self.emit(Insn::Mov {
                width: Width::W32,
                dst: reg,
                src: Operand::Imm(imm),
            });
            self.set(
                reg,
                Kind::Scalar {
                    max: imm.cast_unsigned().into(),
                },
            );
        } else {
            self.emit(mov(reg, Operand::Imm(imm)));
            self.set(
                reg,
                Kind::Scalar {
                    max: i64::from(imm).cast_unsigned(),
                },
            );
        }
    }

    pub(crate) fn clobber(&mut self) {
        for reg in [Reg::R0, Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5] {
            self.set(reg, Kind::Unknown);
        }
    }

    /// Packet pointers are gone: the helper moved the packet.
    pub(crate) fn forget_packet(&mut self) {
        for kind in self.known.regs.iter_mut().chain(&mut self.known.slots) {
            if matches!(kind, Kind::Packet(_)) {
                *kind = Kind::Unknown;
            }
        }
    }

    /// Writes code that runs only on some paths, then joins what both know. `skip` is where the others come together.
    pub(crate) fn optional(&mut self, skip: Label, body: impl FnOnce(&mut Self)) {
        let before = self.known.clone();
        body(self);
        self.at(skip);
        self.known.merge(&before);
    }

    /// Two ways to the same point: after `first`, a jump over `second`, which `other` starts.
    pub(crate) fn either(
        &mut self,
        other: Label,
        first: impl FnOnce(&mut Self),
        second: impl FnOnce(&mut Self),
    ) {
        let before = self.known.clone();
        first(self);
        let join = self.label();
        let goto = self.pick(&[crate::code::GOTO, crate::code::GOTO, crate::code::GOTOL]);
        self.to(goto, join);
        self.at(other);
        let after = std::mem::replace(&mut self.known, before);
        second(self);
        self.at(join);
        self.known.merge(&after);
    }

    /// Forgets what an iteration may change.
    pub(crate) fn loop_head(&mut self) -> Known {
        for kind in self.known.regs.iter_mut().chain(&mut self.known.slots) {
            *kind = match *kind {
                Kind::Scalar { .. } => ANY,
                _ => Kind::Unknown,
            };
        }
        self.known.clone()
    }

    /// Makes everything a number again that was one at the loop's head.
    pub(crate) fn loop_end(&mut self, head: &Known) {
        for reg in Reg::ALL.into_iter().take(10) {
            if head.regs[reg.index()] == ANY && !matches!(self.kind(reg), Kind::Scalar { .. }) {
                self.constant(reg);
            }
        }
        for slot in 0..SLOTS {
            if head.slots[slot] == ANY && !matches!(self.known.slots[slot], Kind::Scalar { .. }) {
                let imm = self.edge();
                self.emit(store(Size::Dw, Reg::R10, slot_off(slot), Operand::Imm(imm)));
                self.known.slots[slot] = ANY;
            }
        }
    }

    /// The start of a function: r1 is the context, all of the frame is written.
    fn prologue(&mut self) {
        let start = self.items.len();
        self.emit(mov(Reg::R6, Operand::Reg(Reg::R1)));
        let mut off = BUFFER;
        while off < 0 {
            let size = self.pick(&[Size::B, Size::H, Size::W, Size::Dw, Size::Dw, Size::Dw]);
            let end = off + 8;
            while off < end {
                let imm = self.edge();
                self.emit(store(size, Reg::R10, off, Operand::Imm(imm)));
                off += size.bytes() as i16;
            }
        }
        self.fixed.push(start..self.items.len());
        self.known.slots = [ANY; SLOTS];
        self.known.regs = [Kind::Unknown; 10];
    }

    /// A whole program.
    pub(crate) fn program(mut self) -> Generated {
        self.prologue();
        self.emit(Insn::LoadImm64 {
            dst: Reg::R1,
            imm: Imm64::MapValue { fd: 2, off: 0 },
        });
        for reg in [Reg::R0, Reg::R2, Reg::R7, Reg::R8, Reg::R9] {
            if self.one_in(4) {
                self.constant(reg);
                continue;
            }
            let size = self.pick(&Size::ALL);
            self.emit(load(size, reg, Reg::R1, i16::from(reg.number()) * 4));
            self.set(
                reg,
                Kind::Scalar {
                    max: size.truncate(u64::MAX),
                },
            );
        }
        self.emit(mov(Reg::R1, Operand::Imm(1)));
        self.set(Reg::R1, Kind::Scalar { max: 1 });
        let blocks = 2 + self.random.below(14);
        self.blocks(blocks);
        self.epilogue();
        self.in_function = true;
        for function in std::mem::take(&mut self.functions) {
            self.function(function);
        }
        Generated {
            items: self.items,
            fixed: self.fixed,
        }
    }

    /// A local function: r1 the context, r2 and r3 numbers, r4 the caller's buffer.
    fn function(&mut self, label: Label) {
        self.at(label);
        self.emit(mov(Reg::R8, Operand::Reg(Reg::R4)));
        self.emit(mov(Reg::R7, Operand::Reg(Reg::R2)));
        self.emit(mov(Reg::R9, Operand::Reg(Reg::R3)));
        self.prologue();
        self.set(Reg::R7, ANY);
        self.set(Reg::R9, ANY);
        if self.one_in(2) {
            self.access(Reg::R8, 0, BUFFER_BYTES, crate::access::Memory::Stack);
        }
        let blocks = self.random.below(4);
        self.blocks(blocks);
        let result = self.scalar(&[]);
        self.emit(mov(Reg::R0, Operand::Reg(result)));
        self.emit(Insn::Exit);
    }

    /// Stores all numbers into the result map.
    fn epilogue(&mut self) {
        let start = self.items.len();
        for reg in Reg::ALL.into_iter().take(10) {
            let off = SAVED + i16::from(reg.number()) * 8;
            let value = match self.kind(reg) {
                Kind::Scalar { .. } => Operand::Reg(reg),
                _ => Operand::Imm(0),
            };
            self.emit(store(Size::Dw, Reg::R10, off, value));
        }
        for slot in 0..SLOTS {
            if !matches!(self.known.slots[slot], Kind::Scalar { .. }) {
                self.emit(store(Size::Dw, Reg::R10, slot_off(slot), Operand::Imm(0)));
            }
        }
        self.emit(Insn::LoadImm64 {
            dst: Reg::R6,
            imm: Imm64::MapValue { fd: 0, off: 0 },
        });
        let saved = (0..10).map(|at| SAVED + at * 8);
        let buffer = (0..8).map(|at| BUFFER + at * 8);
        let slots = (0..SLOTS).map(slot_off);
        for (number, off) in saved.chain(buffer).chain(slots).enumerate() {
            self.emit(load(Size::Dw, Reg::R1, Reg::R10, off));
            self.emit(store(
                Size::Dw,
                Reg::R6,
                number as i16 * 8,
                Operand::Reg(Reg::R1),
            ));
        }
        self.emit(load(Size::Dw, Reg::R0, Reg::R10, SAVED + 56));
        self.emit(load(Size::Dw, Reg::R1, Reg::R10, SAVED));
        self.emit(alu(AluOp::Xor, Reg::R0, Operand::Reg(Reg::R1)));
        self.emit(add(Reg::R0, 3));
        self.emit(Insn::Exit);
        self.fixed.push(start..self.items.len());
    }
}

pub(crate) fn slot_off(slot: usize) -> i16 {
    slot as i16 * 8 - 64
}
