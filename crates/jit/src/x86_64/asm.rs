//! Encoder for the x86-64 instructions that the backend uses.
//!
//! An instruction form is a row ([`Opcode`]); [`Asm::reg_rm`] and its kin turn a row and typed operands into bytes,
//! choosing the shortest REX prefix, displacement and immediate. Layouts are those of the Intel manual, volume 2,
//! chapter 2. This module does not know BPF.

use super::branch::X86Branch;
use crate::layout::{Label, Stream};
use crate::{RelocKind, Symbol};

/// A native register by its number in encodings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Gpr(u8);

impl Gpr {
    pub(super) const RAX: Self = Self(0);
    pub(super) const RCX: Self = Self(1);
    pub(super) const RDX: Self = Self(2);
    pub(super) const RBX: Self = Self(3);
    pub(super) const RSP: Self = Self(4);
    pub(super) const RBP: Self = Self(5);
    pub(super) const RSI: Self = Self(6);
    pub(super) const RDI: Self = Self(7);
    pub(super) const R8: Self = Self(8);
    pub(super) const R9: Self = Self(9);
    pub(super) const R10: Self = Self(10);
    pub(super) const R11: Self = Self(11);
    pub(super) const R12: Self = Self(12);
    pub(super) const R13: Self = Self(13);
    pub(super) const R14: Self = Self(14);
    pub(super) const R15: Self = Self(15);

    fn low(self) -> u8 {
        self.0 & 7
    }

    fn high(self) -> u8 {
        self.0 >> 3
    }

    /// The first bytes of `lea self, [rip + disp32]`.
    pub(super) fn lea_rip(self) -> [u8; 3] {
        [0x48 | self.high() << 2, 0x8d, self.low() << 3 | 5]
    }

    /// Whether its low byte can only be named with a REX prefix (spl, bpl, sil, dil).
    fn byte_needs_rex(self) -> bool {
        (4..8).contains(&self.0)
    }
}

/// A memory operand `[base + disp]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mem {
    pub(super) base: Gpr,
    pub(super) disp: i32,
}

/// The `r/m` operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rm {
    Reg(Gpr),
    Mem(Mem),
}

/// Operand size of a form, as prefixes express it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OpSize {
    /// 8-bit forms; the register operands are bytes.
    B8,
    /// 16 bits: the 66 prefix.
    W16,
    /// 32 bits; writing a register clears its upper half.
    W32,
    /// 64 bits: REX.W.
    W64,
}

/// Opcode map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Map {
    One,
    /// Behind 0F.
    Two,
}

/// One instruction form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Opcode {
    map: Map,
    byte: u8,
}

const fn one(byte: u8) -> Opcode {
    Opcode {
        map: Map::One,
        byte,
    }
}

const fn two(byte: u8) -> Opcode {
    Opcode {
        map: Map::Two,
        byte,
    }
}

/// The rows. `_8` forms take bytes; a comment gives the operands where the name does not.
pub(super) mod op {
    use super::{Opcode, one, two};

    /// mov r/m, r.
    pub(in super::super) const MOV_STORE: Opcode = one(0x89);
    pub(in super::super) const MOV_STORE_8: Opcode = one(0x88);
    /// mov r, r/m.
    pub(in super::super) const MOV_LOAD: Opcode = one(0x8b);
    /// mov r/m, imm.
    pub(in super::super) const MOV_IMM: Opcode = one(0xc7);
    pub(in super::super) const MOV_IMM_8: Opcode = one(0xc6);
    pub(in super::super) const MOVZX_8: Opcode = two(0xb6);
    pub(in super::super) const MOVZX_16: Opcode = two(0xb7);
    pub(in super::super) const MOVSX_8: Opcode = two(0xbe);
    pub(in super::super) const MOVSX_16: Opcode = two(0xbf);
    /// movsxd r64, r/m32.
    pub(in super::super) const MOVSXD: Opcode = one(0x63);
    pub(in super::super) const LEA: Opcode = one(0x8d);
    /// op r/m, imm8 / imm32 of group 1; the operation is the digit.
    pub(in super::super) const GROUP1_IMM8: Opcode = one(0x83);
    pub(in super::super) const GROUP1_IMM32: Opcode = one(0x81);
    /// Shift of group 2 by one, by imm8, by cl.
    pub(in super::super) const SHIFT_1: Opcode = one(0xd1);
    pub(in super::super) const SHIFT_IMM8: Opcode = one(0xc1);
    pub(in super::super) const SHIFT_CL: Opcode = one(0xd3);
    /// test, not, neg, mul, div … by digit.
    pub(in super::super) const GROUP3: Opcode = one(0xf7);
    pub(in super::super) const GROUP3_8: Opcode = one(0xf6);
    /// inc, dec, call, jmp by digit.
    pub(in super::super) const GROUP5: Opcode = one(0xff);
    pub(in super::super) const TEST: Opcode = one(0x85);
    pub(in super::super) const IMUL: Opcode = two(0xaf);
    pub(in super::super) const IMUL_IMM8: Opcode = one(0x6b);
    pub(in super::super) const IMUL_IMM32: Opcode = one(0x69);
    pub(in super::super) const XCHG: Opcode = one(0x87);
    pub(in super::super) const XADD: Opcode = two(0xc1);
    pub(in super::super) const CMPXCHG: Opcode = two(0xb1);
}

/// Operations of group 1, by their digit; the form `op r/m, r` is `digit * 8 + 1`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Group1 {
    Add = 0,
    Or = 1,
    And = 4,
    Sub = 5,
    Xor = 6,
    Cmp = 7,
}

impl Group1 {
    fn digit(self) -> u8 {
        self as u8
    }

    /// op r/m, r.
    pub(super) fn store(self) -> Opcode {
        one(self.digit() * 8 + 1)
    }
}

/// Shifts of group 2, by their digit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shift {
    Rol = 0,
    Shl = 4,
    Shr = 5,
    Sar = 7,
}

/// Operations of group 3, by their digit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Group3 {
    Test = 0,
    Neg = 3,
    Div = 6,
    Idiv = 7,
}

/// Operations of group 5, by their digit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Group5 {
    Inc = 0,
    Dec = 1,
    Call = 2,
    Jmp = 4,
}

/// Whether an access is made under a bus lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lock {
    Locked,
    Plain,
}

/// Whether a REX prefix is put even where it has no bit set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rex {
    AsNeeded,
    Forced,
}

/// A forward jump within one instruction's code, to be bound soon: short, and never across a [`Stream`] branch.
#[must_use]
#[derive(Debug)]
pub(super) struct ShortJump {
    /// Position behind the displacement.
    end: usize,
}

/// Conditions by their number in encodings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cond {
    Below = 2,
    AboveEqual = 3,
    Equal = 4,
    NotEqual = 5,
    BelowEqual = 6,
    Above = 7,
    Less = 12,
    GreaterEqual = 13,
    LessEqual = 14,
    Greater = 15,
}

impl Cond {
    /// Its number.
    pub(super) fn number(self) -> u8 {
        self as u8
    }
}

/// The code being written.
#[derive(Debug)]
pub(super) struct Asm {
    stream: Stream<X86Branch>,
}

impl Asm {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            stream: Stream::new(slots),
        }
    }

    pub(super) fn stream(&mut self) -> &mut Stream<X86Branch> {
        &mut self.stream
    }

    pub(super) fn into_stream(self) -> Stream<X86Branch> {
        self.stream
    }

    /// A branch whose form is chosen later.
    pub(super) fn branch(&mut self, branch: X86Branch, target: Label) {
        self.stream.branch(branch, target);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.stream.bytes().extend_from_slice(bytes);
    }

    /// The one encoder: prefixes, opcode, ModRM with its SIB and displacement. `reg` is a register number or a digit.
    fn encode(&mut self, lock: Lock, opcode: Opcode, size: OpSize, reg: Gpr, rm: Rm, rex: Rex) {
        let mut code = [0; 16];
        let mut len = 0;
        let mut put = |byte: u8| {
            code[len] = byte;
            len += 1;
        };
        if lock == Lock::Locked {
            put(0xf0);
        }
        if size == OpSize::W16 {
            put(0x66);
        }
        let base = match rm {
            Rm::Reg(reg) => reg,
            Rm::Mem(mem) => mem.base,
        };
        let w = u8::from(size == OpSize::W64);
        let prefix = w << 3 | reg.high() << 2 | base.high();
        if prefix != 0 || rex == Rex::Forced {
            put(0x40 | prefix);
        }
        if opcode.map == Map::Two {
            put(0x0f);
        }
        put(opcode.byte);
        let field = reg.low() << 3 | base.low();
        match rm {
            Rm::Reg(_) => put(0xc0 | field),
            Rm::Mem(mem) => {
                let short = i8::try_from(mem.disp);
                // rbp and r13 have no form without displacement; rsp and r12 need a SIB byte.
                let mode = match short {
                    Ok(0) if base.low() != 5 => 0x00,
                    Ok(_) => 0x40,
                    Err(_) => 0x80,
                };
                put(mode | field);
                if base.low() == 4 {
                    put(0x24);
                }
                match short {
                    Ok(disp) if mode == 0x40 => put(disp.cast_unsigned()),
                    Ok(_) => {}
                    Err(_) => mem.disp.to_le_bytes().into_iter().for_each(put),
                }
            }
        }
        let done = code;
        self.bytes(&done[..len]);
    }

    /// Whether byte operands force a REX prefix.
    fn byte_rex(size: OpSize, reg: Option<Gpr>, rm: Rm) -> Rex {
        let of_rm = match rm {
            Rm::Reg(reg) => reg.byte_needs_rex(),
            Rm::Mem(_) => false,
        };
        if size == OpSize::B8 && (of_rm || reg.is_some_and(Gpr::byte_needs_rex)) {
            Rex::Forced
        } else {
            Rex::AsNeeded
        }
    }

    /// `op reg, r/m` or `op r/m, reg`, as the row has it.
    pub(super) fn reg_rm(&mut self, opcode: Opcode, size: OpSize, reg: Gpr, rm: Rm) {
        let rex = Self::byte_rex(size, Some(reg), rm);
        self.encode(Lock::Plain, opcode, size, reg, rm, rex);
    }

    /// `op reg, r/m8`: a 32- or 64-bit register from a byte.
    pub(super) fn reg_rm8(&mut self, opcode: Opcode, size: OpSize, reg: Gpr, rm: Rm) {
        let rex = Self::byte_rex(OpSize::B8, None, rm);
        self.encode(Lock::Plain, opcode, size, reg, rm, rex);
    }

    /// `lock op [mem], reg`.
    pub(super) fn locked(&mut self, opcode: Opcode, size: OpSize, reg: Gpr, mem: Mem) {
        self.encode(Lock::Locked, opcode, size, reg, Rm::Mem(mem), Rex::AsNeeded);
    }

    /// `op r/m` with an opcode extension in place of the register.
    fn digit_rm(&mut self, opcode: Opcode, size: OpSize, digit: u8, rm: Rm) {
        let rex = Self::byte_rex(size, None, rm);
        self.encode(Lock::Plain, opcode, size, Gpr(digit), rm, rex);
    }

    /// `mov dst, src` (32 bits clear the upper half).
    pub(super) fn mov(&mut self, size: OpSize, dst: Gpr, src: Gpr) {
        self.reg_rm(op::MOV_STORE, size, src, Rm::Reg(dst));
    }

    /// `mov dst, [mem]`.
    pub(super) fn load(&mut self, size: OpSize, dst: Gpr, mem: Mem) {
        self.reg_rm(op::MOV_LOAD, size, dst, Rm::Mem(mem));
    }

    /// `mov dst, value` in the shortest form that leaves the flags alone.
    pub(super) fn mov_imm(&mut self, dst: Gpr, value: u64) {
        if let Ok(value) = u32::try_from(value) {
            if dst.high() != 0 {
                self.bytes(&[0x41]);
            }
            self.bytes(&[0xb8 | dst.low()]);
            self.bytes(&value.to_le_bytes());
        } else if let Ok(value) = i32::try_from(value.cast_signed()) {
            self.digit_rm(op::MOV_IMM, OpSize::W64, 0, Rm::Reg(dst));
            self.bytes(&value.to_le_bytes());
        } else {
            self.mov_imm64(dst, value);
        }
    }

    /// `movabs dst, value`: the form with eight bytes of immediate.
    fn mov_imm64(&mut self, dst: Gpr, value: u64) {
        self.bytes(&[0x48 | dst.high(), 0xb8 | dst.low()]);
        self.bytes(&value.to_le_bytes());
    }

    /// `movabs dst, symbol`.
    pub(super) fn mov_symbol(&mut self, dst: Gpr, symbol: Symbol) {
        self.bytes(&[0x48 | dst.high(), 0xb8 | dst.low()]);
        self.stream.reloc(RelocKind::Abs64, symbol);
        self.bytes(&[0; 8]);
    }

    /// `mov [mem], imm`; the immediate is sign-extended to eight bytes or cut.
    pub(super) fn store_imm(&mut self, size: OpSize, mem: Mem, imm: i32) {
        let bytes = imm.to_le_bytes();
        let (opcode, kept) = match size {
            OpSize::B8 => (op::MOV_IMM_8, 1),
            OpSize::W16 => (op::MOV_IMM, 2),
            OpSize::W32 | OpSize::W64 => (op::MOV_IMM, 4),
        };
        self.digit_rm(opcode, size, 0, Rm::Mem(mem));
        self.bytes(&bytes[..kept]);
    }

    /// `op dst, src` of group 1.
    pub(super) fn group1(&mut self, group: Group1, size: OpSize, dst: Gpr, src: Gpr) {
        self.reg_rm(group.store(), size, src, Rm::Reg(dst));
    }

    /// `op r/m, imm` of group 1.
    pub(super) fn group1_imm(&mut self, group: Group1, size: OpSize, rm: Rm, imm: i32) {
        if let Ok(short) = i8::try_from(imm) {
            self.digit_rm(op::GROUP1_IMM8, size, group.digit(), rm);
            self.bytes(&[short.cast_unsigned()]);
        } else if rm == Rm::Reg(Gpr::RAX) {
            if size == OpSize::W64 {
                self.bytes(&[0x48]);
            }
            self.bytes(&[group.digit() * 8 + 5]);
            self.bytes(&imm.to_le_bytes());
        } else {
            self.digit_rm(op::GROUP1_IMM32, size, group.digit(), rm);
            self.bytes(&imm.to_le_bytes());
        }
    }

    /// `test dst, imm` for its zero flag; the other flags are as for 64 bits only where the immediate is negative.
    pub(super) fn test_imm_zero_flag(&mut self, size: OpSize, dst: Gpr, imm: i32) {
        if let Ok(byte) = u8::try_from(imm) {
            if dst == Gpr::RAX {
                self.bytes(&[0xa8, byte]);
            } else {
                self.digit_rm(op::GROUP3_8, OpSize::B8, Group3::Test as u8, Rm::Reg(dst));
                self.bytes(&[byte]);
            }
            return;
        }
        let size = if imm >= 0 { OpSize::W32 } else { size };
        if dst == Gpr::RAX {
            if size == OpSize::W64 {
                self.bytes(&[0x48]);
            }
            self.bytes(&[0xa9]);
        } else {
            self.group3(Group3::Test, size, dst);
        }
        self.bytes(&imm.to_le_bytes());
    }

    /// `imul dst, src, imm`.
    pub(super) fn imul_imm(&mut self, size: OpSize, dst: Gpr, src: Gpr, imm: i32) {
        if let Ok(short) = i8::try_from(imm) {
            self.reg_rm(op::IMUL_IMM8, size, dst, Rm::Reg(src));
            self.bytes(&[short.cast_unsigned()]);
        } else {
            self.reg_rm(op::IMUL_IMM32, size, dst, Rm::Reg(src));
            self.bytes(&imm.to_le_bytes());
        }
    }

    /// Shift or rotation by a constant.
    pub(super) fn shift_imm(&mut self, shift: Shift, size: OpSize, dst: Gpr, count: u8) {
        if count == 1 {
            self.digit_rm(op::SHIFT_1, size, shift as u8, Rm::Reg(dst));
        } else {
            self.digit_rm(op::SHIFT_IMM8, size, shift as u8, Rm::Reg(dst));
            self.bytes(&[count]);
        }
    }

    /// Shift by cl.
    pub(super) fn shift_cl(&mut self, shift: Shift, size: OpSize, dst: Gpr) {
        self.digit_rm(op::SHIFT_CL, size, shift as u8, Rm::Reg(dst));
    }

    /// Operation of group 3.
    pub(super) fn group3(&mut self, group: Group3, size: OpSize, dst: Gpr) {
        self.digit_rm(op::GROUP3, size, group as u8, Rm::Reg(dst));
    }

    /// Operation of group 5.
    pub(super) fn group5(&mut self, group: Group5, size: OpSize, rm: Rm) {
        self.digit_rm(op::GROUP5, size, group as u8, rm);
    }

    /// `lea dst, [mem]`.
    pub(super) fn lea(&mut self, size: OpSize, dst: Gpr, mem: Mem) {
        self.reg_rm(op::LEA, size, dst, Rm::Mem(mem));
    }

    /// `lea dst, [base + index]`. The index is not rsp.
    pub(super) fn lea_sum(&mut self, dst: Gpr, base: Gpr, index: Gpr) {
        debug_assert!(index != Gpr::RSP, "rsp is no index register");
        let rex = 0x48 | dst.high() << 2 | index.high() << 1 | base.high();
        let sib = index.low() << 3 | base.low();
        let field = dst.low() << 3 | 4;
        if base.low() == 5 {
            self.bytes(&[rex, 0x8d, 0x40 | field, sib, 0]);
        } else {
            self.bytes(&[rex, 0x8d, field, sib]);
        }
    }

    /// `bswap dst`.
    pub(super) fn bswap(&mut self, size: OpSize, dst: Gpr) {
        let rex = u8::from(size == OpSize::W64) << 3 | dst.high();
        if rex != 0 {
            self.bytes(&[0x40 | rex]);
        }
        self.bytes(&[0x0f, 0xc8 | dst.low()]);
    }

    /// `cdq` or `cqo`: the sign of the accumulator into edx or rdx.
    pub(super) fn sign_to_rdx(&mut self, size: OpSize) {
        if size == OpSize::W64 {
            self.bytes(&[0x48]);
        }
        self.bytes(&[0x99]);
    }

    pub(super) fn push(&mut self, reg: Gpr) {
        if reg.high() != 0 {
            self.bytes(&[0x41]);
        }
        self.bytes(&[0x50 | reg.low()]);
    }

    pub(super) fn pop(&mut self, reg: Gpr) {
        if reg.high() != 0 {
            self.bytes(&[0x41]);
        }
        self.bytes(&[0x58 | reg.low()]);
    }

    pub(super) fn ret(&mut self) {
        self.bytes(&[0xc3]);
    }

    /// `call symbol` within reach of 32 bits.
    pub(super) fn call_symbol(&mut self, symbol: Symbol) {
        self.bytes(&[0xe8]);
        self.stream.reloc(RelocKind::X86Rel32, symbol);
        self.bytes(&[0; 4]);
    }

    /// A short conditional jump forward, bound by [`Self::bind_short`].
    pub(super) fn short_jcc(&mut self, cond: Cond) -> ShortJump {
        self.bytes(&[0x70 | cond.number(), 0]);
        ShortJump {
            end: self.stream.bytes().len(),
        }
    }

    /// A short jump forward, bound by [`Self::bind_short`].
    pub(super) fn short_jmp(&mut self) -> ShortJump {
        self.bytes(&[0xeb, 0]);
        ShortJump {
            end: self.stream.bytes().len(),
        }
    }

    /// Lets a short jump lead here.
    pub(super) fn bind_short(&mut self, jump: &ShortJump) {
        let bytes = self.stream.bytes();
        let distance = i8::try_from(bytes.len() - jump.end)
            .expect("code of one instruction is shorter than 128 bytes");
        bytes[jump.end - 1] = distance.cast_unsigned();
    }

    /// The position for [`Self::short_jcc_back`].
    pub(super) fn position(&mut self) -> usize {
        self.stream.bytes().len()
    }

    /// A short conditional jump back to `position`, with no [`Stream`] branch in between.
    pub(super) fn short_jcc_back(&mut self, cond: Cond, position: usize) {
        let back = self.position() + 2 - position;
        let back = i8::try_from(back).expect("code of one instruction is shorter than 128 bytes");
        self.bytes(&[0x70 | cond.number(), back.wrapping_neg().cast_unsigned()]);
    }
}
