//! From wire slots to shapes, refusing what Linux 6.18 refuses.
//!
//! Linux answers every refusal below with EINVAL; the wording is that of its log. Where one instruction has several
//! faults, the one named is the one Linux names. Checks on *values* that are no part of the encoding (division by an
//! immediate zero, `invalid shift`, a program type without legacy packet loads, jump targets) are the verifier's.
//!
//! Where a verdict can differ from Linux's: Linux looks at some fields only when it reaches an instruction in a walk
//! over the program, so it accepts reserved bits in code that is connected but never walked (the untaken side of a
//! comparison it can decide). Decoding refuses those. Code that is not connected at all Linux refuses anyway, as
//! unreachable. When several instructions are faulty, Linux reports those of its first pass over the whole program
//! before those of its walk; so does [`decode`]. Faults of jump targets Linux reports before either.
//! Two fields are ignored, as Linux ignores them, and read back as zero: the offset of `exit`, and the second
//! immediate of a wide load of a function's address.

use alloc::vec::Vec;
use core::fmt;

use crate::insn::{CallTarget, Imm64, Insn, InsnIdx, Operand, Reg};
use crate::ops::{AluOp, AtomicOp, Class, JmpOp, Mode, SOURCE_REG, Size, SwapKind, Width, special};
use crate::program::Program;
use crate::raw::RawInsn;

/// Why a slot is no instruction. `Display` is the line that Linux's verifier log shows, where there is one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// No instruction has this opcode.
    UnknownOpcode(u8),
    /// A register field above 10.
    InvalidRegister(u8),
    /// A field that the instruction does not use is not zero, or has a value with no meaning.
    Reserved(Family),
    /// A wide instruction without its second half, or with fields set there that must be zero.
    InvalidImm64,
    /// A wide instruction whose pseudo source does not exist, or does not allow the second immediate.
    UnrecognizedImm64,
    /// No atomic operation has this immediate.
    InvalidAtomicOpcode(i32),
    /// A read-modify-write of one or two bytes.
    InvalidAtomicSize,
    /// `may_goto` with a field set that must be zero; holds the immediate, which Linux prints.
    InvalidMayGoto(i32),
    /// An address-space cast other than 0 to 1 or 1 to 0.
    InvalidAddressSpaces,
    /// The number of bytes is zero or no multiple of eight. (Linux takes a count of slots.)
    InvalidLength(usize),
    /// The shape has no encoding; only for programs built from shapes.
    NotEncodable,
}

/// Families of instructions that share a wording for reserved fields.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(
    missing_docs,
    reason = "the names are those in Linux's log, see `text`"
)]
pub enum Family {
    Alu,
    Mov,
    Neg,
    End,
    Ldx,
    St,
    Stx,
    LdImm64,
    LdAbsInd,
    Ja,
    Jmp,
    Call,
    Exit,
}

impl Family {
    /// The name in Linux's log.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Alu => "BPF_ALU",
            Self::Mov => "BPF_MOV",
            Self::Neg => "BPF_NEG",
            Self::End => "BPF_END",
            Self::Ldx => "BPF_LDX",
            Self::St => "BPF_ST",
            Self::Stx => "BPF_STX",
            Self::LdImm64 => "BPF_LD_IMM64",
            Self::LdAbsInd => "BPF_LD_[ABS|IND]",
            Self::Ja => "BPF_JA",
            Self::Jmp => "BPF_JMP/JMP32",
            Self::Call => "BPF_CALL",
            Self::Exit => "BPF_EXIT",
        }
    }
}

/// When Linux notices a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// In the pass over all slots that resolves wide immediates.
    Pass,
    /// When the walk reaches the instruction.
    Walk,
}

impl DecodeErrorKind {
    fn stage(self) -> Stage {
        match self {
            Self::UnknownOpcode(_)
            | Self::Reserved(Family::Ldx)
            | Self::InvalidImm64
            | Self::UnrecognizedImm64
            | Self::InvalidLength(_)
            | Self::NotEncodable => Stage::Pass,
            Self::Reserved(_)
            | Self::InvalidRegister(_)
            | Self::InvalidAtomicOpcode(_)
            | Self::InvalidAtomicSize
            | Self::InvalidMayGoto(_)
            | Self::InvalidAddressSpaces => Stage::Walk,
        }
    }
}

impl fmt::Display for DecodeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UnknownOpcode(code) => write!(f, "unknown opcode {code:02x}"),
            Self::InvalidRegister(number) => write!(f, "R{number} is invalid"),
            Self::Reserved(family) => write!(f, "{} uses reserved fields", family.text()),
            Self::InvalidImm64 => f.write_str("invalid bpf_ld_imm64 insn"),
            Self::UnrecognizedImm64 => f.write_str("unrecognized bpf_ld_imm64 insn"),
            Self::InvalidAtomicOpcode(imm) => {
                write!(f, "BPF_ATOMIC uses invalid atomic opcode {imm:02x}")
            }
            Self::InvalidAtomicSize => f.write_str("invalid atomic operand size"),
            Self::InvalidMayGoto(imm) => write!(f, "invalid may_goto imm {imm}"),
            Self::InvalidAddressSpaces => {
                f.write_str("addr_space_cast insn can only convert between address space 1 and 0")
            }
            Self::InvalidLength(bytes) => {
                write!(f, "{bytes} bytes are no whole number of instructions")
            }
            Self::NotEncodable => f.write_str("instruction has no encoding"),
        }
    }
}

impl core::error::Error for DecodeErrorKind {}

/// A slot that is no instruction. `Display` is the line that Linux's verifier log shows, without the position.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DecodeError {
    /// The slot.
    pub at: InsnIdx,
    /// What is wrong with it.
    pub kind: DecodeErrorKind,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl core::error::Error for DecodeError {}

/// Decodes a program of at least one slot.
///
/// # Errors
/// The fault that Linux would report first; see the module's documentation.
pub fn decode(slots: &[RawInsn]) -> Result<Program, DecodeError> {
    if slots.is_empty() || u32::try_from(slots.len()).is_err() {
        let kind = DecodeErrorKind::InvalidLength(slots.len().saturating_mul(RawInsn::SIZE));
        return Err(DecodeError {
            at: InsnIdx(0),
            kind,
        });
    }
    let mut insns = Vec::with_capacity(slots.len());
    let mut fault: Option<DecodeError> = None;
    let mut next = (0u32..).zip(slots).peekable();
    while let Some((at, &raw)) = next.next() {
        let second = next.peek().map(|&(_, &second)| second);
        match decode_one(raw, second) {
            Ok(insn) => {
                insns.push(insn);
                if matches!(insn, Insn::LoadImm64 { .. }) {
                    next.next();
                    insns.push(Insn::Imm64High);
                }
            }
            Err(kind) => {
                let error = DecodeError {
                    at: InsnIdx(at),
                    kind,
                };
                if kind.stage() == Stage::Pass {
                    return Err(error);
                }
                fault = fault.or(Some(error));
                if is_wide(raw) {
                    next.next();
                }
            }
        }
    }
    match fault {
        Some(error) => Err(error),
        None => Ok(Program::from_insns(insns.into_boxed_slice())),
    }
}

/// Decodes a program from its bytes: slots of eight, little endian.
///
/// # Errors
/// As [`decode`]; besides, a length of zero or no multiple of eight.
pub fn decode_bytes(bytes: &[u8]) -> Result<Program, DecodeError> {
    let (slots, rest) = bytes.as_chunks::<{ RawInsn::SIZE }>();
    if !rest.is_empty() {
        return Err(DecodeError {
            at: InsnIdx(0),
            kind: DecodeErrorKind::InvalidLength(bytes.len()),
        });
    }
    let slots: Vec<RawInsn> = slots.iter().copied().map(RawInsn::from_bytes).collect();
    decode(&slots)
}

/// Decodes one slot; `next` is the slot after it, which a wide instruction needs. A wide instruction's second half is
/// no instruction by itself (`unknown opcode 00`).
///
/// # Errors
/// Why Linux refuses the slot.
pub fn decode_one(raw: RawInsn, next: Option<RawInsn>) -> Result<Insn, DecodeErrorKind> {
    match Class::of(raw.code) {
        Class::Ld => decode_ld(raw, next),
        Class::Ldx => decode_ldx(raw),
        Class::St => decode_st(raw),
        Class::Stx => decode_stx(raw),
        Class::Alu => decode_alu(raw, Width::W32),
        Class::Alu64 => decode_alu(raw, Width::W64),
        Class::Jmp => decode_jmp(raw, Width::W64),
        Class::Jmp32 => decode_jmp(raw, Width::W32),
    }
}

/// Whether the opcode is that of the wide instruction.
fn is_wide(raw: RawInsn) -> bool {
    raw.code == Class::Ld.code() | Mode::Imm.code() | Size::Dw.code()
}

fn reg(number: u8) -> Result<Reg, DecodeErrorKind> {
    Reg::new(number).ok_or(DecodeErrorKind::InvalidRegister(number))
}

/// Refuses with the family's wording unless all fields given are zero.
fn zero(family: Family, fields: &[i32]) -> Result<(), DecodeErrorKind> {
    if fields.iter().all(|&field| field == 0) {
        Ok(())
    } else {
        Err(DecodeErrorKind::Reserved(family))
    }
}

fn unknown<T>(raw: RawInsn) -> Result<T, DecodeErrorKind> {
    Err(DecodeErrorKind::UnknownOpcode(raw.code))
}

fn decode_ld(raw: RawInsn, next: Option<RawInsn>) -> Result<Insn, DecodeErrorKind> {
    if is_wide(raw) {
        return decode_wide(raw, next);
    }
    let size = Size::from_code(raw.code);
    let mode = Mode::of(raw.code);
    if size == Size::Dw || !matches!(mode, Some(Mode::Abs | Mode::Ind)) {
        return unknown(raw);
    }
    zero(Family::LdAbsInd, &[raw.dst.into(), raw.off.into()])?;
    let imm = raw.imm;
    if mode == Some(Mode::Ind) {
        let src = reg(raw.src)?;
        return Ok(Insn::LoadInd { size, src, imm });
    }
    zero(Family::LdAbsInd, &[raw.src.into()])?;
    Ok(Insn::LoadAbs { size, imm })
}

fn decode_wide(raw: RawInsn, next: Option<RawInsn>) -> Result<Insn, DecodeErrorKind> {
    let high = match next {
        Some(RawInsn {
            code: 0,
            dst: 0,
            src: 0,
            off: 0,
            imm,
        }) => imm,
        _ => return Err(DecodeErrorKind::InvalidImm64),
    };
    let (low, off) = (raw.imm, high.cast_unsigned());
    let imm = match (raw.src, high) {
        (0, _) => {
            Imm64::Value(u64::from(low.cast_unsigned()) | u64::from(high.cast_unsigned()) << 32)
        }
        (1, 0) => Imm64::MapFd(low),
        (2, _) => Imm64::MapValue { fd: low, off },
        (3, btf_fd) => Imm64::BtfId {
            id: low.cast_unsigned(),
            btf_fd,
        },
        (4, _) => Imm64::Func(low),
        (5, 0) => Imm64::MapIdx(low.cast_unsigned()),
        (6, _) => Imm64::MapIdxValue {
            idx: low.cast_unsigned(),
            off,
        },
        _ => return Err(DecodeErrorKind::UnrecognizedImm64),
    };
    zero(Family::LdImm64, &[raw.off.into()])?;
    let dst = reg(raw.dst)?;
    Ok(Insn::LoadImm64 { dst, imm })
}

fn decode_ldx(raw: RawInsn) -> Result<Insn, DecodeErrorKind> {
    let signed = match Mode::of(raw.code) {
        Some(Mode::Mem) => false,
        Some(Mode::MemSx) => true,
        Some(Mode::Imm | Mode::Abs | Mode::Ind | Mode::Atomic) | None => {
            return Err(DecodeErrorKind::Reserved(Family::Ldx));
        }
    };
    zero(Family::Ldx, &[raw.imm])?;
    let size = Size::from_code(raw.code);
    if signed && size == Size::Dw {
        return unknown(raw);
    }
    let base = reg(raw.src)?;
    let dst = reg(raw.dst)?;
    let off = raw.off;
    Ok(Insn::Load {
        size,
        signed,
        dst,
        base,
        off,
    })
}

fn decode_st(raw: RawInsn) -> Result<Insn, DecodeErrorKind> {
    if Mode::of(raw.code) != Some(Mode::Mem) {
        return unknown(raw);
    }
    zero(Family::St, &[raw.src.into()])?;
    Ok(Insn::Store {
        size: Size::from_code(raw.code),
        base: reg(raw.dst)?,
        off: raw.off,
        src: Operand::Imm(raw.imm),
    })
}

fn decode_stx(raw: RawInsn) -> Result<Insn, DecodeErrorKind> {
    let size = Size::from_code(raw.code);
    match Mode::of(raw.code) {
        Some(Mode::Mem) => {
            zero(Family::Stx, &[raw.imm])?;
            let src = Operand::Reg(reg(raw.src)?);
            let base = reg(raw.dst)?;
            let off = raw.off;
            Ok(Insn::Store {
                size,
                base,
                off,
                src,
            })
        }
        Some(Mode::Atomic) => {
            let op = AtomicOp::from_code(raw.imm)
                .ok_or(DecodeErrorKind::InvalidAtomicOpcode(raw.imm))?;
            if op.is_read_modify_write() && size < Size::W {
                return Err(DecodeErrorKind::InvalidAtomicSize);
            }
            let src = reg(raw.src)?;
            let dst = reg(raw.dst)?;
            let off = raw.off;
            Ok(Insn::Atomic {
                op,
                size,
                dst,
                src,
                off,
            })
        }
        Some(Mode::Imm | Mode::Abs | Mode::Ind | Mode::MemSx) | None => unknown(raw),
    }
}

fn decode_alu(raw: RawInsn, width: Width) -> Result<Insn, DecodeErrorKind> {
    match raw.code & 0xf0 {
        special::NEG if raw.code & SOURCE_REG == 0 => {
            zero(Family::Neg, &[raw.src.into(), raw.off.into(), raw.imm])?;
            let dst = reg(raw.dst)?;
            Ok(Insn::Neg { width, dst })
        }
        special::END => decode_swap(raw),
        special::MOV => decode_mov(raw, width),
        code if AluOp::from_code(code, 0).is_some() => {
            let op =
                AluOp::from_code(code, raw.off).ok_or(DecodeErrorKind::Reserved(Family::Alu))?;
            let src = operand(raw, Family::Alu)?;
            let dst = reg(raw.dst)?;
            Ok(Insn::Alu {
                op,
                width,
                dst,
                src,
            })
        }
        _ => unknown(raw),
    }
}

/// The second operand of an arithmetic instruction; the field that it leaves unused must be zero.
fn operand(raw: RawInsn, family: Family) -> Result<Operand, DecodeErrorKind> {
    if raw.code & SOURCE_REG == 0 {
        zero(family, &[raw.src.into()])?;
        Ok(Operand::Imm(raw.imm))
    } else {
        zero(family, &[raw.imm])?;
        Ok(Operand::Reg(reg(raw.src)?))
    }
}

fn decode_swap(raw: RawInsn) -> Result<Insn, DecodeErrorKind> {
    let Some(kind) = SwapKind::from_code(raw.code) else {
        return unknown(raw);
    };
    zero(Family::End, &[raw.src.into(), raw.off.into()])?;
    let size = match raw.imm {
        16 => Size::H,
        32 => Size::W,
        64 => Size::Dw,
        _ => return Err(DecodeErrorKind::Reserved(Family::End)),
    };
    let dst = reg(raw.dst)?;
    Ok(Insn::Swap { kind, dst, size })
}

fn decode_mov(raw: RawInsn, width: Width) -> Result<Insn, DecodeErrorKind> {
    let reserved = Err(DecodeErrorKind::Reserved(Family::Mov));
    let from = match (raw.code & SOURCE_REG != 0, width, raw.off) {
        (_, _, 0) => {
            let src = operand(raw, Family::Mov)?;
            let dst = reg(raw.dst)?;
            return Ok(Insn::Mov { width, dst, src });
        }
        (true, Width::W64, 1) => return decode_cast(raw),
        (true, _, 8) => Size::B,
        (true, _, 16) => Size::H,
        (true, Width::W64, 32) => Size::W,
        _ => return reserved,
    };
    zero(Family::Mov, &[raw.imm])?;
    let src = reg(raw.src)?;
    let dst = reg(raw.dst)?;
    Ok(Insn::MovSx {
        width,
        dst,
        src,
        from,
    })
}

fn decode_cast(raw: RawInsn) -> Result<Insn, DecodeErrorKind> {
    let (to, from) = match raw.imm {
        0x1_0000 => (1, 0),
        1 => (0, 1),
        _ => return Err(DecodeErrorKind::InvalidAddressSpaces),
    };
    let src = reg(raw.src)?;
    let dst = reg(raw.dst)?;
    Ok(Insn::AddrSpaceCast { dst, src, to, from })
}

fn decode_jmp(raw: RawInsn, width: Width) -> Result<Insn, DecodeErrorKind> {
    if let Some(op) = JmpOp::from_code(raw.code) {
        let dst = reg(raw.dst)?;
        let src = operand(raw, Family::Jmp)?;
        let off = raw.off;
        return Ok(Insn::JumpIf {
            op,
            width,
            dst,
            src,
            off,
        });
    }
    if raw.code & SOURCE_REG != 0 {
        return unknown(raw);
    }
    let regs = [raw.dst.into(), raw.src.into()];
    match (raw.code & 0xf0, width) {
        (special::JA, Width::W64) => {
            zero(Family::Ja, &regs)?;
            zero(Family::Ja, &[raw.imm])?;
            Ok(Insn::Jump {
                off: raw.off.into(),
                long: false,
            })
        }
        (special::JA, Width::W32) => {
            zero(Family::Ja, &regs)?;
            zero(Family::Ja, &[raw.off.into()])?;
            Ok(Insn::Jump {
                off: raw.imm,
                long: true,
            })
        }
        (special::CALL, Width::W64) => decode_call(raw),
        (special::EXIT, Width::W64) => {
            zero(Family::Exit, &regs)?;
            zero(Family::Exit, &[raw.imm])?;
            Ok(Insn::Exit)
        }
        (special::JCOND, Width::W64) => {
            if regs != [0, 0] || raw.imm != 0 {
                return Err(DecodeErrorKind::InvalidMayGoto(raw.imm));
            }
            Ok(Insn::MayGoto { off: raw.off })
        }
        _ => unknown(raw),
    }
}

fn decode_call(raw: RawInsn) -> Result<Insn, DecodeErrorKind> {
    zero(Family::Call, &[raw.dst.into()])?;
    let target = match (raw.src, raw.off) {
        (0, 0) => CallTarget::Helper(raw.imm),
        (1, 0) => CallTarget::Local(raw.imm),
        (2, off) => CallTarget::Kfunc { id: raw.imm, off },
        _ => return Err(DecodeErrorKind::Reserved(Family::Call)),
    };
    Ok(Insn::Call(target))
}
