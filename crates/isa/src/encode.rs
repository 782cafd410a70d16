//! From shapes to wire slots. Every shape that [`crate::decode_one`] returns encodes to the slots it came from; shapes
//! without encoding (see [`crate::insn`]) encode to something that decoding refuses or reads differently, which is how
//! [`crate::Program::new`] finds them.

use crate::insn::{CallTarget, Imm64, Insn, Operand, Reg};
use crate::ops::{AluOp, Class, JmpOp, Mode, SOURCE_REG, Size, SwapKind, Width, special};
use crate::raw::RawInsn;

impl Insn {
    /// The instruction's first slot; all of it, but for [`Insn::LoadImm64`], whose second slot
    /// [`encode_wide`](Self::encode_wide) has. [`Insn::Imm64High`] encodes to zeroes: its content is in the first.
    #[must_use]
    pub fn encode(&self) -> RawInsn {
        match *self {
            Self::Alu {
                op,
                width,
                dst,
                src,
            } => encode_alu(op, width, dst, src),
            Self::Neg { width, dst } => slot(alu_class(width) | special::NEG).dst(dst),
            Self::Mov { width, dst, src } => {
                slot(alu_class(width) | special::MOV).dst(dst).operand(src)
            }
            Self::MovSx {
                width,
                dst,
                src,
                from,
            } => RawInsn {
                off: bits(from),
                ..slot(alu_class(width) | special::MOV | SOURCE_REG)
                    .dst(dst)
                    .src(src)
            },
            Self::Swap { kind, dst, size } => encode_swap(kind, dst, size),
            Self::AddrSpaceCast { dst, src, to, from } => RawInsn {
                off: 1,
                imm: (u32::from(to) << 16 | u32::from(from)).cast_signed(),
                ..slot(Class::Alu64.code() | special::MOV | SOURCE_REG)
                    .dst(dst)
                    .src(src)
            },
            Self::LoadImm64 { .. } => self.encode_wide().0,
            Self::Imm64High => RawInsn::default(),
            Self::Load { .. } | Self::Store { .. } | Self::Atomic { .. } => encode_memory(self),
            Self::LoadAbs { size, imm } => {
                slot(Class::Ld.code() | Mode::Abs.code() | size.code()).imm(imm)
            }
            Self::LoadInd { size, src, imm } => {
                slot(Class::Ld.code() | Mode::Ind.code() | size.code())
                    .src(src)
                    .imm(imm)
            }
            Self::Jump { off, long } => encode_jump(off, long),
            Self::JumpIf {
                op,
                width,
                dst,
                src,
                off,
            } => encode_jump_if(op, width, dst, src).off(off),
            Self::MayGoto { off } => slot(Class::Jmp.code() | special::JCOND).off(off),
            Self::Call(target) => encode_call(target),
            Self::CallReg { reg } => slot(Class::Jmp.code() | special::CALL | SOURCE_REG).dst(reg),
            Self::Exit => slot(Class::Jmp.code() | special::EXIT),
        }
    }

    /// All slots of the instruction: the second is there for [`Insn::LoadImm64`] only.
    #[must_use]
    pub fn encode_wide(&self) -> (RawInsn, Option<RawInsn>) {
        let Self::LoadImm64 { dst, imm } = *self else {
            return (self.encode(), None);
        };
        let (src, low, high) = match imm {
            Imm64::Value(value) => (0, low_half(value), low_half(value >> 32)),
            Imm64::MapFd(fd) => (1, fd, 0),
            Imm64::MapValue { fd, off } => (2, fd, off.cast_signed()),
            Imm64::BtfId { id, btf_fd } => (3, id.cast_signed(), btf_fd),
            Imm64::Func(off) => (4, off, 0),
            Imm64::MapIdx(idx) => (5, idx.cast_signed(), 0),
            Imm64::MapIdxValue { idx, off } => (6, idx.cast_signed(), off.cast_signed()),
        };
        let first = RawInsn {
            src,
            ..slot(Class::Ld.code() | Mode::Imm.code() | Size::Dw.code())
                .dst(dst)
                .imm(low)
        };
        (first, Some(RawInsn::default().imm(high)))
    }
}

/// A slot with nothing but its opcode; the methods below add fields.
fn slot(code: u8) -> RawInsn {
    RawInsn {
        code,
        ..RawInsn::default()
    }
}

impl RawInsn {
    fn dst(self, reg: Reg) -> Self {
        let dst = reg.number();
        Self { dst, ..self }
    }

    fn src(self, reg: Reg) -> Self {
        let src = reg.number();
        Self { src, ..self }
    }

    fn off(self, off: i16) -> Self {
        Self { off, ..self }
    }

    fn imm(self, imm: i32) -> Self {
        Self { imm, ..self }
    }

    /// The second operand of arithmetic and jumps, and the source bit that says which.
    fn operand(self, operand: Operand) -> Self {
        match operand {
            Operand::Imm(imm) => self.imm(imm),
            Operand::Reg(reg) => Self {
                code: self.code | SOURCE_REG,
                ..self
            }
            .src(reg),
        }
    }
}

fn alu_class(width: Width) -> u8 {
    match width {
        Width::W32 => Class::Alu.code(),
        Width::W64 => Class::Alu64.code(),
    }
}

fn encode_alu(op: AluOp, width: Width, dst: Reg, src: Operand) -> RawInsn {
    slot(alu_class(width) | op.code())
        .dst(dst)
        .off(op.off())
        .operand(src)
}

fn encode_swap(kind: SwapKind, dst: Reg, size: Size) -> RawInsn {
    slot(kind.code()).dst(dst).imm(bits(size).into())
}

/// Plain and atomic accesses; other shapes give an empty slot.
fn encode_memory(insn: &Insn) -> RawInsn {
    match *insn {
        Insn::Load {
            size,
            signed,
            dst,
            base,
            off,
        } => {
            let mode = if signed { Mode::MemSx } else { Mode::Mem };
            slot(Class::Ldx.code() | mode.code() | size.code())
                .dst(dst)
                .src(base)
                .off(off)
        }
        Insn::Store {
            size,
            base,
            off,
            src,
        } => encode_store(size, base, off, src),
        Insn::Atomic {
            op,
            size,
            dst,
            src,
            off,
        } => slot(Class::Stx.code() | Mode::Atomic.code() | size.code())
            .dst(dst)
            .src(src)
            .off(off)
            .imm(op.code()),
        _ => RawInsn::default(),
    }
}

fn encode_store(size: Size, base: Reg, off: i16, src: Operand) -> RawInsn {
    let code = Mode::Mem.code() | size.code();
    let slot = match src {
        Operand::Imm(imm) => slot(Class::St.code() | code).imm(imm),
        Operand::Reg(reg) => slot(Class::Stx.code() | code).src(reg),
    };
    slot.dst(base).off(off)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a short jump's offset came from 16 bits; others are caught by decoding"
)]
fn encode_jump(off: i32, long: bool) -> RawInsn {
    if long {
        slot(Class::Jmp32.code() | special::JA).imm(off)
    } else {
        slot(Class::Jmp.code() | special::JA).off(off as i16)
    }
}

fn encode_jump_if(op: JmpOp, width: Width, dst: Reg, src: Operand) -> RawInsn {
    let class = match width {
        Width::W32 => Class::Jmp32,
        Width::W64 => Class::Jmp,
    };
    slot(class.code() | op.code()).dst(dst).operand(src)
}

fn encode_call(target: CallTarget) -> RawInsn {
    let (src, imm, off) = match target {
        CallTarget::Helper(id) => (0, id, 0),
        CallTarget::Local(off) => (1, off, 0),
        CallTarget::Kfunc { id, off } => (2, id, off),
    };
    RawInsn {
        src,
        ..slot(Class::Jmp.code() | special::CALL).off(off).imm(imm)
    }
}

/// Bits of a size, as the fields of sign-extending moves and swaps hold them.
fn bits(size: Size) -> i16 {
    match size {
        Size::B => 8,
        Size::H => 16,
        Size::W => 32,
        Size::Dw => 64,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "an immediate field holds one half"
)]
fn low_half(value: u64) -> i32 {
    (value as u32).cast_signed()
}
