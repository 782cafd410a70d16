//! Numbers with a bound, and accesses to memory at constant and variable offsets.

use crate::code::{GOTO, add, alu, atomic, jump_if, load, mov, store};
use crate::generate::{ANY, Gen, Kind, slot_off};
use skep_isa::{AluOp, AtomicOp, Insn, JmpOp, Operand, Reg, Size, SwapKind, Width};

/// What kind of memory, which decides alignment and atomics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Memory {
    Stack,
    Map,
    Packet,
}

impl Gen {
    fn width(&mut self) -> Width {
        self.pick(&[Width::W32, Width::W64, Width::W64])
    }

    /// A copy of a number in a register of its own.
    fn fresh(&mut self, but: &[Reg]) -> Reg {
        let from = self.scalar(but);
        let reg = self.target(&[but, &[from]].concat());
        let width = self.pick(&[Width::W64, Width::W64, Width::W32]);
        match self.random.below(8) {
            0 => {
                let from_size = self.pick(&[Size::B, Size::H]);
                self.emit(Insn::MovSx {
                    width,
                    dst: reg,
                    src: from,
                    from: from_size,
                });
                self.set(reg, ANY);
            }
            1 => {
                let kind = self.pick(&SwapKind::ALL);
                let size = self.pick(&[Size::H, Size::W, Size::Dw]);
                self.emit(mov(reg, Operand::Reg(from)));
                self.emit(Insn::Swap {
                    kind,
                    dst: reg,
                    size,
                });
                self.set(reg, ANY);
            }
            2 => {
                let slot = self.random.below(8);
                let off = slot_off(slot);
                let size = self.pick(&Size::ALL);
                self.emit(store(Size::Dw, Reg::R10, off, Operand::Reg(from)));
                self.known.slots[slot] = self.kind(from);
                self.emit(load(size, reg, Reg::R10, off));
                self.set(
                    reg,
                    Kind::Scalar {
                        max: self.max(from).min(size.truncate(u64::MAX)),
                    },
                );
            }
            _ => {
                self.emit(Insn::Mov {
                    width,
                    dst: reg,
                    src: Operand::Reg(from),
                });
                self.set(
                    reg,
                    Kind::Scalar {
                        max: width.truncate(u64::MAX).min(self.max(from)),
                    },
                );
            }
        }
        reg
    }

    /// A register with a number of at most `max`, bounded in one of the ways that verifiers follow.
    pub(crate) fn bounded(&mut self, max: i32, but: &[Reg]) -> Reg {
        let max = if self.slip() {
            max + 1 + self.random.below(3) as i32
        } else {
            max
        };
        let max = if self.one_in(3) {
            self.random.below(max as usize + 1) as i32
        } else {
            max
        };
        let small: Vec<Reg> = Reg::ALL
            .into_iter()
            .take(10)
            .filter(|&reg| {
                matches!(self.kind(reg), Kind::Scalar { max: known } if known <= max as u64)
                    && !but.contains(&reg)
            })
            .collect();
        if !small.is_empty() && self.one_in(3) {
            let from = self.pick(&small);
            let reg = self.target(but);
            self.emit(mov(reg, Operand::Reg(from)));
            self.set(reg, self.kind(from));
            return reg;
        }
        let reg = self.fresh(but);
        self.bound(reg, max, but);
        self.set(reg, Kind::Scalar { max: max as u64 });
        reg
    }

    /// Bounds a register by one of many ways: arithmetic, a jump over a replacement, a comparison with another register.
    fn bound(&mut self, reg: Reg, max: i32, but: &[Reg]) {
        match self.random.below(13) {
            way @ 0..5 => self.bound_by_arithmetic(way, reg, max),
            way @ 5..8 => self.bound_by_jump(way, reg, max, but),
            way => self.bound_by_other(way, reg, max, but),
        }
    }

    fn bound_by_arithmetic(&mut self, way: usize, reg: Reg, max: i32) {
        let width = self.width();
        let imm = Operand::Imm;
        match way {
            0 => self.emit(Insn::Alu {
                op: AluOp::And,
                width,
                dst: reg,
                src: imm(max),
            }),
            1 => {
                // Linux does not follow divisions.
                self.emit(Insn::Alu {
                    op: AluOp::Mod,
                    width,
                    dst: reg,
                    src: imm(max + 1),
                });
                self.clamp(jump_if(JmpOp::Jlt, Width::W64, reg, imm(max + 1)), reg, max);
            }
            2 => {
                self.clamp(jump_if(JmpOp::Jle, Width::W64, reg, imm(max)), reg, max);
            }
            3 => {
                // Signed from both sides; what fails either is replaced.
                let (bad, good) = (self.label(), self.label());
                self.to(jump_if(JmpOp::Jsgt, Width::W64, reg, imm(max)), bad);
                self.to(jump_if(JmpOp::Jsge, Width::W64, reg, imm(0)), good);
                self.at(bad);
                let inside = self.random.below(max as usize + 1) as i32;
                self.emit(mov(reg, imm(inside)));
                self.at(good);
            }
            _ => {
                // 32 bits are compared, and only they are used.
                if self.one_in(2) {
                    self.emit(Insn::Mov {
                        width: Width::W32,
                        dst: reg,
                        src: Operand::Reg(reg),
                    });
                    self.clamp(jump_if(JmpOp::Jlt, Width::W32, reg, imm(max + 1)), reg, max);
                } else {
                    self.clamp(jump_if(JmpOp::Jlt, Width::W32, reg, imm(max + 1)), reg, max);
                    self.emit(Insn::Mov {
                        width: Width::W32,
                        dst: reg,
                        src: Operand::Reg(reg),
                    });
                }
            }
        }
    }

    fn bound_by_jump(&mut self, way: usize, reg: Reg, max: i32, but: &[Reg]) {
        let width = self.width();
        let imm = Operand::Imm;
        let mask = mask_within(max);
        match way {
            5 => {
                // The copy is compared, the other used.
                let copy = self.target(&[but, &[reg]].concat());
                self.emit(mov(copy, Operand::Reg(reg)));
                self.set(copy, ANY);
                let (checked, used) = if self.one_in(2) {
                    (copy, reg)
                } else {
                    (reg, copy)
                };
                let good = self.label();
                self.to(jump_if(JmpOp::Jle, Width::W64, checked, imm(max)), good);
                self.emit(mov(used, imm(0)));
                self.at(good);
                if used != reg {
                    self.emit(mov(reg, Operand::Reg(used)));
                }
            }
            6 => {
                // The copy with a constant added is compared.
                let copy = self.target(&[but, &[reg]].concat());
                let delta = self.random.below(9) as i32;
                self.emit(Insn::Mov {
                    width: Width::W32,
                    dst: reg,
                    src: Operand::Reg(reg),
                });
                self.emit(mov(copy, Operand::Reg(reg)));
                let add_width = self.pick(&[Width::W64, Width::W64, Width::W32]);
                let slip = i32::from(add_width == Width::W32);
                self.emit(Insn::Alu {
                    op: AluOp::Add,
                    width: add_width,
                    dst: copy,
                    src: imm(delta),
                });
                self.set(copy, ANY);
                let good = self.label();
                self.to(
                    jump_if(JmpOp::Jle, Width::W64, copy, imm(max + delta)),
                    good,
                );
                self.emit(mov(reg, imm(0)));
                self.at(good);
                if slip == 1 {
                    // A 32-bit sum wraps: the copy says nothing about the whole number.
                    self.emit(alu(AluOp::And, reg, imm(mask)));
                }
            }
            _ => self.clamp_unless(jump_if(JmpOp::Jset, width, reg, imm(!mask)), reg, width),
        }
    }

    fn bound_by_other(&mut self, way: usize, reg: Reg, max: i32, but: &[Reg]) {
        let imm = Operand::Imm;
        let mask = mask_within(max);
        match way {
            8 => {
                let equal = self.random.below(max as usize + 1) as i32;
                self.clamp(jump_if(JmpOp::Jeq, Width::W64, reg, imm(equal)), reg, max);
            }
            9 => {
                self.emit(alu(AluOp::Arsh, reg, imm(60)));
                if max >= 15 {
                    self.emit(add(reg, 8));
                } else {
                    self.emit(alu(AluOp::And, reg, imm(mask)));
                }
            }
            10 => {
                self.emit(alu(AluOp::And, reg, imm(mask)));
                let other = self.target(&[but, &[reg]].concat());
                self.emit(mov(other, imm(max)));
                self.emit(alu(AluOp::Sub, other, Operand::Reg(reg)));
                self.emit(mov(reg, Operand::Reg(other)));
                self.set(other, Kind::Scalar { max: max as u64 });
            }
            11 => {
                // A register is the bound.
                let other = self.target(&[but, &[reg]].concat());
                self.emit(mov(other, imm(max)));
                self.set(other, Kind::Scalar { max: max as u64 });
                let good = self.label();
                let jump = match self.random.below(3) {
                    0 => jump_if(JmpOp::Jge, Width::W64, other, Operand::Reg(reg)),
                    1 => jump_if(JmpOp::Jle, Width::W64, reg, Operand::Reg(other)),
                    _ => jump_if(JmpOp::Jeq, Width::W64, reg, Operand::Reg(other)),
                };
                self.to(jump, good);
                self.emit(mov(reg, Operand::Reg(other)));
                self.at(good);
            }
            _ => {
                self.emit(Insn::Alu {
                    op: AluOp::Rsh,
                    width: Width::W32,
                    dst: reg,
                    src: imm(30),
                });
                if max < 3 {
                    self.emit(alu(AluOp::And, reg, imm(mask)));
                }
            }
        }
    }

    /// Jumps over a replacement if the condition holds.
    fn clamp(&mut self, good: Insn, reg: Reg, max: i32) {
        let label = self.label();
        self.to(good, label);
        let inside = self.random.below(max as usize + 1) as i32;
        self.emit(mov(reg, Operand::Imm(inside)));
        self.at(label);
    }

    /// Jumps to a replacement if the condition holds.
    fn clamp_unless(&mut self, bad: Insn, reg: Reg, width: Width) {
        let (replace, good) = (self.label(), self.label());
        self.to(bad, replace);
        if width == Width::W32 {
            self.emit(Insn::Mov {
                width,
                dst: reg,
                src: Operand::Reg(reg),
            });
        }
        self.to(GOTO, good);
        self.at(replace);
        self.emit(mov(reg, Operand::Imm(0)));
        self.at(good);
    }

    /// One to three accesses to the bytes from `low` to `high` behind `base`, which stays as it is.
    pub(crate) fn access(&mut self, base: Reg, low: i16, high: i16, memory: Memory) {
        for _ in 0..=self.random.below(3) {
            let size = self.pick(&Size::ALL);
            let bytes = size.bytes() as i16;
            if high - low < bytes {
                continue;
            }
            let spare = high - low - bytes;
            if memory == Memory::Packet || self.one_in(2) {
                let mut off = low + self.random.below(spare as usize + 1) as i16;
                let is_atomic = memory != Memory::Packet && self.one_in(3);
                if memory == Memory::Stack || is_atomic {
                    off -= off.rem_euclid(bytes);
                    off = if off < low { off + bytes } else { off };
                }
                if self.slip() {
                    // Not downwards on the stack: Linux lets root read what nobody wrote.
                    off += match memory {
                        Memory::Stack => self.pick(&[1, 160]),
                        Memory::Map | Memory::Packet => self.pick(&[bytes, -1, 1, high]),
                    };
                }
                if is_atomic {
                    self.atomic_at(base, off, size)
                } else {
                    self.plain_at(base, off, size)
                }
                continue;
            }
            let pointer = self.target(&[base]);
            self.set(pointer, Kind::Unknown);
            let step = if memory == Memory::Stack { bytes } else { 1 };
            let index = self.bounded(i32::from(spare / step), &[base, pointer]);
            if index == pointer {
                continue;
            }
            let mut off = low;
            if step > 1 {
                self.emit(alu(
                    AluOp::Lsh,
                    index,
                    Operand::Imm(step.trailing_zeros() as i32),
                ));
                self.set(
                    index,
                    Kind::Scalar {
                        max: u64::try_from(spare).unwrap(),
                    },
                );
            }
            self.emit(mov(pointer, Operand::Reg(base)));
            if self.one_in(3) {
                let shift = self.random.below(16) as i16;
                self.emit(add(pointer, shift.into()));
                off -= shift;
            }
            self.emit(alu(AluOp::Add, pointer, Operand::Reg(index)));
            self.plain_at(pointer, off, size);
            if self.kind(pointer) == Kind::Unknown {
                self.constant(pointer);
            }
        }
    }

    fn plain_at(&mut self, base: Reg, off: i16, size: Size) {
        match self.random.below(5) {
            0 | 1 => {
                let dst = self.target(&[base]);
                let signed = size != Size::Dw && self.one_in(3);
                self.emit(Insn::Load {
                    size,
                    signed,
                    dst,
                    base,
                    off,
                });
                let max = if signed {
                    u64::MAX
                } else {
                    size.truncate(u64::MAX)
                };
                self.set(dst, Kind::Scalar { max });
            }
            2 | 3 => {
                let src = self.scalar(&[base]);
                self.emit(store(size, base, off, Operand::Reg(src)));
            }
            _ => {
                let imm = self.edge();
                self.emit(store(size, base, off, Operand::Imm(imm)));
            }
        }
    }

    fn atomic_at(&mut self, base: Reg, off: i16, size: Size) {
        let op = self.pick(&AtomicOp::ALL);
        let wide = matches!(size, Size::W | Size::Dw);
        match op {
            AtomicOp::LoadAcquire => {
                let dst = self.target(&[base]);
                self.emit(atomic(op, size, dst, base, off));
                self.set(
                    dst,
                    Kind::Scalar {
                        max: size.truncate(u64::MAX),
                    },
                );
            }
            AtomicOp::StoreRelease => {
                let src = self.scalar(&[base]);
                self.emit(atomic(op, size, base, src, off));
            }
            _ if !wide => {}
            AtomicOp::Cmpxchg => {
                if base == Reg::R0 {
                    return;
                }
                if !matches!(self.kind(Reg::R0), Kind::Scalar { .. }) || self.one_in(3) {
                    if self.one_in(2) {
                        self.emit(load(size, Reg::R0, base, off));
                    } else {
                        self.constant(Reg::R0);
                    }
                }
                self.set(Reg::R0, ANY);
                let src = self.scalar(&[base]);
                self.emit(atomic(op, size, base, src, off));
                self.set(Reg::R0, ANY);
            }
            AtomicOp::Add { .. }
            | AtomicOp::Or { .. }
            | AtomicOp::And { .. }
            | AtomicOp::Xor { .. }
            | AtomicOp::Xchg => {
                let src = self.own_scalar(&[base]);
                self.emit(atomic(op, size, base, src, off));
                // With or without fetch, what is known afterwards is only that it is a number.
                self.set(src, ANY);
            }
        }
    }
}

/// 2^k - 1, at most the bound.
fn mask_within(max: i32) -> i32 {
    let above = max as u32 + 1;
    (above.next_power_of_two() >> u32::from(!above.is_power_of_two())) as i32 - 1
}
