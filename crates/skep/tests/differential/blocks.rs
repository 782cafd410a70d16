//! The blocks that programs are made of.

use crate::access::Memory;
use crate::code::{GOTO, add, alu, jump_if, load, mov, store};
use crate::generate::{ANY, BUFFER, BUFFER_BYTES, Gen, KEYS, Kind, SLOTS, slot_off};
use crate::world::{SHAPES, key_bytes};
use skep_isa::{AluOp, CallTarget, Imm64, Insn, JmpOp, Operand, Reg, Size, SwapKind, Width};

impl Gen {
    pub(crate) fn blocks(&mut self, count: usize) {
        for _ in 0..count {
            self.block();
        }
    }

    fn block(&mut self) {
        match self.random.below(40) {
            0..=8 => {
                for _ in 0..=self.random.below(5) {
                    self.arithmetic();
                }
            }
            9..=11 => self.spill(),
            12..=14 => self.packet(),
            15..=19 => self.map_value(),
            20 | 21 => self.direct_value(),
            22 | 23 => self.stack_buffer(),
            24..=28 if self.depth < 3 => self.branch(),
            29 | 30 if self.depth < 2 => self.bounded_loop(),
            31 | 32 if !self.in_function => self.local_call(),
            33 => self.map_change(),
            34 => self.packet_helper(),
            35 => self.checksum(),
            36 | 37 => self.kept_pointers(),
            38 => self.context(),
            _ => self.narrow(),
        }
    }

    fn operand(&mut self, but: &[Reg]) -> Operand {
        if self.one_in(2) {
            Operand::Imm(self.edge())
        } else {
            Operand::Reg(self.scalar(but))
        }
    }

    fn arithmetic(&mut self) {
        let dst = self.own_scalar(&[]);
        let width = self.pick(&[Width::W32, Width::W64]);
        let limit = width.truncate(u64::MAX);
        let old = self.max(dst);
        let mut max = limit;
        match self.random.below(12) {
            0 => self.emit(Insn::Neg { width, dst }),
            1 => {
                let src = self.scalar(&[]);
                let from = self.pick(&[Size::B, Size::H, Size::W]);
                let width = if from == Size::W { Width::W64 } else { width };
                self.emit(Insn::MovSx {
                    width,
                    dst,
                    src,
                    from,
                });
                max = width.truncate(u64::MAX);
            }
            2 => {
                let kind = self.pick(&SwapKind::ALL);
                let size = self.pick(&[Size::H, Size::W, Size::Dw]);
                self.emit(Insn::Swap { kind, dst, size });
            }
            3 => {
                let src = self.scalar(&[]);
                self.emit(Insn::Mov {
                    width,
                    dst,
                    src: Operand::Reg(src),
                });
                max = self.max(src).min(limit);
            }
            4 => {
                self.constant(dst);
                return;
            }
            _ => {
                let op = self.pick(&AluOp::ALL);
                let src = self.legal_operand(op, width);
                self.emit(Insn::Alu {
                    op,
                    width,
                    dst,
                    src,
                });
                max = max_after(op, width, old, src, self).min(limit);
            }
        }
        self.set(dst, Kind::Scalar { max });
    }

    fn legal_operand(&mut self, op: AluOp, width: Width) -> Operand {
        let src = self.operand(&[]);
        let Operand::Imm(imm) = src else { return src };
        match op {
            AluOp::Lsh | AluOp::Rsh | AluOp::Arsh => {
                let bits = if width == Width::W32 { 32 } else { 64 };
                Operand::Imm(imm.rem_euclid(bits))
            }
            AluOp::Div | AluOp::Mod | AluOp::Sdiv | AluOp::Smod if imm == 0 => Operand::Imm(-1),
            _ => src,
        }
    }

    /// Stores and loads of all widths in the slots.
    fn spill(&mut self) {
        for _ in 0..=self.random.below(4) {
            let slot = self.random.below(SLOTS);
            let size = self.pick(&[Size::B, Size::H, Size::W, Size::W, Size::Dw, Size::Dw]);
            let inside = self.random.below(8 / size.bytes() as usize) as i16 * size.bytes() as i16;
            let off = slot_off(slot) + inside;
            let is_scalar = matches!(self.known.slots[slot], Kind::Scalar { .. });
            if self.one_in(2) && is_scalar {
                let dst = self.target(&[]);
                let signed = size != Size::Dw && self.one_in(3);
                self.emit(Insn::Load {
                    size,
                    signed,
                    dst,
                    base: Reg::R10,
                    off,
                });
                let max = if signed {
                    u64::MAX
                } else {
                    size.truncate(u64::MAX)
                };
                let Kind::Scalar { max: stored } = self.known.slots[slot] else {
                    return;
                };
                let whole = inside == 0 && !signed;
                self.set(
                    dst,
                    Kind::Scalar {
                        max: if whole { max.min(stored) } else { max },
                    },
                );
            } else if is_scalar || size == Size::Dw {
                let src = self.operand(&[]);
                self.emit(store(size, Reg::R10, off, src));
                let max = match src {
                    Operand::Reg(reg) if size == Size::Dw => self.max(reg),
                    _ => u64::MAX,
                };
                self.known.slots[slot] = Kind::Scalar { max };
            }
        }
    }

    /// A fill narrower or wider than the spill, used as an index at once.
    fn narrow(&mut self) {
        let slot = self.random.below(SLOTS);
        let value = self.bounded(40, &[]);
        let size = self.pick(&[Size::W, Size::Dw]);
        if size == Size::W {
            self.emit(store(Size::Dw, Reg::R10, slot_off(slot), Operand::Imm(0)));
        }
        self.emit(store(size, Reg::R10, slot_off(slot), Operand::Reg(value)));
        self.known.slots[slot] = Kind::Scalar { max: 40 };
        let fill = self.pick(&Size::ALL);
        let index = self.target(&[]);
        self.emit(load(fill, index, Reg::R10, slot_off(slot)));
        let pointer = self.target(&[index]);
        self.emit(Insn::LoadImm64 {
            dst: pointer,
            imm: Imm64::MapValue { fd: 2, off: 8 },
        });
        self.emit(alu(AluOp::Add, pointer, Operand::Reg(index)));
        self.emit(load(Size::B, pointer, pointer, 15));
        self.set(pointer, Kind::Scalar { max: 255 });
        self.set(index, Kind::Scalar { max: 40 });
    }

    /// Bytes of the packet after a comparison with its end, in one of the forms.
    fn packet(&mut self) {
        let start = self.target(&[]);
        let end = self.target(&[start]);
        let past = self.target(&[start, end]);
        let (data, meta) = if self.one_in(6) {
            (8, true)
        } else {
            (0, false)
        };
        self.emit(load(Size::W, start, Reg::R6, data));
        self.emit(load(Size::W, end, Reg::R6, if meta { 0 } else { 4 }));
        for reg in [start, end, past] {
            self.set(reg, Kind::Unknown);
        }
        let bytes = 1 + self.random.below(40) as i16;
        let variable = self.one_in(2);
        if variable {
            let index = self.bounded(60, &[start, end, past]);
            self.emit(alu(AluOp::Add, start, Operand::Reg(index)));
        }
        self.emit(mov(past, Operand::Reg(start)));
        self.emit(add(past, bytes.into()));
        let (bad, good, strict) = (self.label(), self.label(), self.random.below(4));
        let (p, e) = (past, end);
        let forms = [
            (JmpOp::Jgt, p, e, true, 0),
            (JmpOp::Jlt, e, p, true, 0),
            (JmpOp::Jle, p, e, false, 0),
            (JmpOp::Jge, e, p, false, 0),
            (JmpOp::Jge, p, e, true, 1),
            (JmpOp::Jle, e, p, true, 1),
            (JmpOp::Jlt, p, e, false, 1),
            (JmpOp::Jgt, e, p, false, 1),
        ];
        let (op, left, right, jumps_if_bad, more) = self.pick(&forms);
        let reach = bytes + if strict == 0 { more } else { 0 };
        let jump = jump_if(op, Width::W64, left, Operand::Reg(right));
        if jumps_if_bad {
            self.to(jump, bad);
        } else {
            self.to(jump, good);
            self.to(GOTO, bad);
            self.at(good);
        }
        self.optional(bad, |g| {
            g.access(start, 0, reach, Memory::Packet);
            if !variable && !meta && g.one_in(3) {
                g.set(start, Kind::Packet(reach));
                g.block();
            }
        });
        for reg in [start, end, past] {
            if self.kind(reg) == Kind::Unknown {
                self.constant(reg);
            }
        }
    }

    /// Writes a key and puts its address into r2.
    fn key(&mut self, map: usize) {
        let shape = &SHAPES[map];
        let number = self.random.below(usize::from(shape.entries) + 1) as u16;
        let key = key_bytes(shape, number);
        let low = u32::from_le_bytes(key[..4].try_into().unwrap()).cast_signed();
        if self.one_in(3) {
            let index = self.bounded(i32::from(shape.entries), &[]);
            self.emit(store(Size::W, Reg::R10, KEYS, Operand::Reg(index)));
        } else {
            self.emit(store(Size::W, Reg::R10, KEYS, Operand::Imm(low)));
        }
        if shape.key > 4 {
            self.emit(store(Size::W, Reg::R10, KEYS + 4, Operand::Imm(0)));
        }
        self.emit(mov(Reg::R2, Operand::Reg(Reg::R10)));
        self.emit(add(Reg::R2, KEYS.into()));
    }

    fn helper(&mut self, id: i32) {
        self.emit(Insn::Call(CallTarget::Helper(id)));
        self.clobber();
    }

    fn map_address(&mut self, map: usize) {
        self.emit(Insn::LoadImm64 {
            dst: Reg::R1,
            imm: Imm64::MapFd(map as i32),
        });
    }

    /// A looked-up value, checked for null directly, by a copy, or through a spilled copy.
    fn map_value(&mut self) {
        let map = 1 + self.random.below(SHAPES.len() - 1);
        self.key(map);
        self.map_address(map);
        self.helper(1);
        let mut value = Reg::R0;
        let mut checked = Reg::R0;
        let spilled = self.one_in(5).then(|| self.random.below(SLOTS));
        if self.one_in(2) {
            let copy = self.target(&[Reg::R0]);
            self.emit(mov(copy, Operand::Reg(Reg::R0)));
            self.set(copy, Kind::Unknown);
            (value, checked) = self.pick(&[(Reg::R0, copy), (copy, Reg::R0), (copy, copy)]);
        }
        if let Some(slot) = spilled {
            self.emit(store(
                Size::Dw,
                Reg::R10,
                slot_off(slot),
                Operand::Reg(Reg::R0),
            ));
            self.known.slots[slot] = Kind::Unknown;
        }
        let null = self.label();
        if self.slip() {
            // No check at all.
        } else if self.one_in(3) {
            let good = self.label();
            self.to(
                jump_if(JmpOp::Jne, Width::W64, checked, Operand::Imm(0)),
                good,
            );
            self.to(GOTO, null);
            self.at(good);
        } else {
            self.to(
                jump_if(JmpOp::Jeq, Width::W64, checked, Operand::Imm(0)),
                null,
            );
        }
        self.optional(null, |g| {
            if let Some(slot) = spilled {
                value = g.target(&[]);
                g.emit(load(Size::Dw, value, Reg::R10, slot_off(slot)));
            }
            g.set(value, Kind::Unknown);
            g.reserved.push(value);
            g.access(value, 0, SHAPES[map].value as i16, Memory::Map);
            g.reserved.pop();
            if !SHAPES[map].is_hash() && value != Reg::R6 {
                g.set(value, Kind::Value(map));
                if g.one_in(3) {
                    g.block();
                }
            }
        });
        for reg in [Reg::R0, value, checked] {
            if self.kind(reg) == Kind::Unknown {
                self.constant(reg);
            }
        }
    }

    fn direct_value(&mut self) {
        let reg = self.target(&[]);
        let off = self.random.below(5) as u32 * 8;
        self.emit(Insn::LoadImm64 {
            dst: reg,
            imm: Imm64::MapValue { fd: 2, off },
        });
        self.set(reg, Kind::Unknown);
        let off = off as i16;
        self.access(reg, -off, 64 - off, Memory::Map);
        if off == 0 {
            self.set(reg, Kind::Value(2));
        } else if self.kind(reg) == Kind::Unknown {
            self.constant(reg);
        }
    }

    fn stack_buffer(&mut self) {
        self.access(Reg::R10, BUFFER, BUFFER + BUFFER_BYTES, Memory::Stack);
    }

    /// Accesses through pointers that earlier blocks left, spilled and filled again.
    fn kept_pointers(&mut self) {
        for reg in Reg::ALL.into_iter().take(10) {
            let (high, memory) = match self.kind(reg) {
                Kind::Value(map) => (SHAPES[map].value as i16, Memory::Map),
                Kind::Packet(bytes) => (bytes, Memory::Packet),
                Kind::Unknown | Kind::Scalar { .. } => continue,
            };
            if self.one_in(3) {
                let slot = self.random.below(SLOTS);
                self.emit(store(Size::Dw, Reg::R10, slot_off(slot), Operand::Reg(reg)));
                self.known.slots[slot] = self.kind(reg);
            }
            self.reserved.push(reg);
            self.access(reg, 0, high, memory);
            self.reserved.pop();
        }
        for slot in 0..SLOTS {
            if matches!(self.known.slots[slot], Kind::Value(_) | Kind::Packet(_)) && self.one_in(2)
            {
                let reg = self.target(&[]);
                self.emit(load(Size::Dw, reg, Reg::R10, slot_off(slot)));
                self.set(reg, self.known.slots[slot]);
            }
        }
    }

    fn branch(&mut self) {
        let left = self.scalar(&[]);
        let op = self.pick(&JmpOp::ALL);
        let width = self.pick(&[Width::W32, Width::W64]);
        let right = self.operand(&[]);
        let label = self.label();
        self.to(jump_if(op, width, left, right), label);
        self.depth += 1;
        if self.one_in(3) {
            // The same register with different constants on both ways, then an index.
            let (small, other) = (self.random.below(20) as i32, self.random.below(52) as i32);
            let other = if self.slip() { other + 60 } else { other };
            let reg = self.target(&[]);
            self.either(
                label,
                |g| g.emit(mov(reg, Operand::Imm(small))),
                |g| g.emit(mov(reg, Operand::Imm(other))),
            );
            self.set(reg, Kind::Scalar { max: 52 });
            if self.one_in(2) {
                self.reserved.push(reg);
                self.block();
                self.reserved.pop();
            }
            let pointer = self.target(&[reg]);
            self.emit(Insn::LoadImm64 {
                dst: pointer,
                imm: Imm64::MapValue { fd: 2, off: 0 },
            });
            self.emit(alu(AluOp::Add, pointer, Operand::Reg(reg)));
            self.emit(load(Size::Dw, pointer, pointer, 4));
            self.set(pointer, ANY);
        } else if self.one_in(2) {
            let blocks = 1 + self.random.below(2);
            self.optional(label, |g| g.blocks(blocks));
        } else {
            let (one, two) = (self.random.below(3), 1 + self.random.below(2));
            self.either(label, |g| g.blocks(one), |g| g.blocks(two));
        }
        self.depth -= 1;
    }

    fn bounded_loop(&mut self) {
        let free: Vec<Reg> = [Reg::R7, Reg::R8, Reg::R9]
            .into_iter()
            .filter(|reg| !self.reserved.contains(reg))
            .collect();
        if free.len() < 2 {
            return;
        }
        let counter = self.pick(&free);
        let from = self.random.below(4) as i32;
        let step = 1 + self.random.below(2) as i32;
        let rounds = 1 + self.random.below(6) as i32;
        self.emit(mov(counter, Operand::Imm(from)));
        self.set(counter, ANY);
        let head = self.loop_head();
        self.reserved.push(counter);
        self.depth += 1;
        let (top, out) = (self.label(), self.label());
        self.at(top);
        if self.one_in(4) {
            self.to(Insn::MayGoto { off: 0 }, out);
        }
        let before = self.known.clone();
        let blocks = 1 + self.random.below(2);
        self.blocks(blocks);
        self.loop_end(&head);
        self.emit(add(counter, step));
        let width = self.pick(&[Width::W32, Width::W64]);
        let (op, bound) = self.pick(&[
            (JmpOp::Jlt, from + step * rounds),
            (JmpOp::Jslt, from + step * rounds),
            (JmpOp::Jle, from + step * rounds - 1),
            (JmpOp::Jne, from + step * rounds),
        ]);
        self.to(jump_if(op, width, counter, Operand::Imm(bound)), top);
        self.at(out);
        self.known = before;
        self.depth -= 1;
        self.reserved.pop();
        self.set(counter, ANY);
    }

    fn local_call(&mut self) {
        let (one, two) = (self.scalar(&[]), self.scalar(&[]));
        let saved = self.random.below(SLOTS);
        self.emit(store(
            Size::Dw,
            Reg::R10,
            slot_off(saved),
            Operand::Reg(two),
        ));
        self.known.slots[saved] = ANY;
        self.emit(mov(Reg::R2, Operand::Reg(one)));
        self.emit(load(Size::Dw, Reg::R3, Reg::R10, slot_off(saved)));
        self.emit(mov(Reg::R1, Operand::Reg(Reg::R6)));
        self.emit(mov(Reg::R4, Operand::Reg(Reg::R10)));
        self.emit(add(Reg::R4, BUFFER.into()));
        let function = if !self.functions.is_empty() && self.one_in(2) {
            let at = self.random.below(self.functions.len());
            self.functions[at]
        } else {
            let function = self.label();
            self.functions.push(function);
            function
        };
        self.to(Insn::Call(CallTarget::Local(0)), function);
        self.clobber();
        self.set(Reg::R0, ANY);
        // The function may have moved the packet.
        self.forget_packet();
    }

    fn map_change(&mut self) {
        let map = 1 + self.random.below(SHAPES.len() - 1);
        self.key(map);
        self.map_address(map);
        if SHAPES[map].is_hash() && self.one_in(3) {
            self.helper(3);
        } else {
            let room = BUFFER_BYTES - SHAPES[map].value as i16;
            let off = self.random.below(room as usize + 1) as i16 / 8 * 8;
            self.emit(mov(Reg::R3, Operand::Reg(Reg::R10)));
            self.emit(add(Reg::R3, (BUFFER + off).into()));
            let flags = self.pick(&[0, 0, 0, 1, 2, 3]);
            self.emit(mov(Reg::R4, Operand::Imm(flags)));
            self.helper(2);
        }
        self.set(Reg::R0, ANY);
    }

    /// A helper on the packet: moving its ends, copying out of it and into it.
    fn packet_helper(&mut self) {
        match self.random.below(6) {
            0..=2 => {
                let (id, deltas) = self.pick(&[
                    (44, [-4, 8, 2, -20]),
                    (65, [-3, 5, 64, -8]),
                    (54, [-4, -8, 0, 4]),
                ]);
                let delta = self.pick(&deltas);
                self.emit(mov(Reg::R2, Operand::Imm(delta)));
                self.emit(mov(Reg::R1, Operand::Reg(Reg::R6)));
                self.helper(id);
                self.forget_packet();
            }
            3 => {
                self.emit(mov(Reg::R1, Operand::Reg(Reg::R6)));
                self.helper(188);
            }
            _ => {
                let off = self.bounded(60, &[]);
                let id = self.pick(&[189, 190]);
                self.emit(mov(Reg::R2, Operand::Reg(off)));
                if self.one_in(2) {
                    let bytes = 1 + self.random.below(BUFFER_BYTES as usize) as i32;
                    self.emit(mov(Reg::R4, Operand::Imm(bytes)));
                } else {
                    let bytes = self.bounded(i32::from(BUFFER_BYTES) - 1, &[Reg::R2]);
                    self.emit(mov(Reg::R4, Operand::Reg(bytes)));
                    self.emit(add(Reg::R4, 1));
                }
                self.emit(mov(Reg::R3, Operand::Reg(Reg::R10)));
                self.emit(add(Reg::R3, BUFFER.into()));
                self.emit(mov(Reg::R1, Operand::Reg(Reg::R6)));
                self.helper(id);
            }
        }
        self.set(Reg::R0, ANY);
    }

    fn checksum(&mut self) {
        let (one, two) = (
            self.random.below(9) as i32 * 4,
            self.random.below(9) as i32 * 4,
        );
        let seed = self.scalar(&[]);
        self.emit(mov(Reg::R5, Operand::Reg(seed)));
        for (reg, count, bytes) in [(Reg::R1, Reg::R2, one), (Reg::R3, Reg::R4, two)] {
            if bytes == 0 {
                self.emit(mov(reg, Operand::Imm(0)));
            } else {
                self.emit(mov(reg, Operand::Reg(Reg::R10)));
                self.emit(add(reg, BUFFER.into()));
            }
            self.emit(mov(count, Operand::Imm(bytes)));
        }
        self.helper(28);
        self.set(Reg::R0, ANY);
    }

    fn context(&mut self) {
        let dst = self.target(&[]);
        let off = self.pick(&[12, 16]);
        self.emit(load(Size::W, dst, Reg::R6, off));
        self.set(
            dst,
            Kind::Scalar {
                max: u32::MAX.into(),
            },
        );
    }
}

/// A bound on the result of an operation, where one is easily given.
fn max_after(op: AluOp, width: Width, old: u64, src: Operand, g: &Gen) -> u64 {
    let limit = width.truncate(u64::MAX);
    let right = match src {
        Operand::Reg(reg) => g.max(reg).min(limit),
        Operand::Imm(imm) => width.truncate(i64::from(imm).cast_unsigned()),
    };
    let old = old.min(limit);
    match op {
        AluOp::Add => old
            .checked_add(right)
            .filter(|sum| *sum <= limit)
            .unwrap_or(limit),
        AluOp::Mul => old
            .checked_mul(right)
            .filter(|product| *product <= limit)
            .unwrap_or(limit),
        AluOp::And => old.min(right),
        AluOp::Rsh => match src {
            Operand::Imm(bits) => old >> bits,
            Operand::Reg(_) => old,
        },
        _ => limit,
    }
}
