//! LLVM's wording: what `llvm-objdump -d` (LLVM 19) prints for an instruction.
//!
//! LLVM's text depends on the processor it assumes ([`Cpu`]), and leaves out what the processor lacks: 32-bit atomic
//! operations on the generic processor print `<unknown>`, or as the plain addition. Load-acquire and store-release
//! came with LLVM 20; they print in its wording at every processor, where LLVM 19 shows `<unknown>`.
//! Calls print their number and wide immediates their value: names come from relocations, which `llvm-objdump -r`
//! prints apart.

use alloc::borrow::Cow;
use core::fmt;

use crate::insn::{CallTarget, Imm64, Insn, InsnIdx, Operand, Reg};
use crate::ops::{AtomicOp, Size, Width};

/// The processor that LLVM assumes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Cpu {
    /// None given: loads and stores name 64-bit registers.
    #[default]
    Generic,
    /// `--mcpu=v4` (and v3): loads and stores of up to four bytes name 32-bit registers.
    V4,
}

impl Cpu {
    /// The letter of the register that a load or store of this size names.
    fn letter(self, size: Size) -> char {
        match self {
            Self::V4 if size < Size::Dw => Width::W32.letter(),
            Self::V4 | Self::Generic => Width::W64.letter(),
        }
    }
}

/// Names for jump targets.
pub trait Symbols {
    /// What follows a jump's offset, such as `<hello+0x38>`. The slot may lie outside the program.
    fn target(&self, slot: i64) -> Option<Cow<'_, str>> {
        let _ = slot;
        None
    }
}

/// No symbols: jumps print their offset alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSymbols;

impl Symbols for NoSymbols {}

/// An instruction's text.
pub fn insn<'a>(
    at: InsnIdx,
    insn: &'a Insn,
    cpu: Cpu,
    symbols: &'a dyn Symbols,
) -> impl fmt::Display + 'a {
    Line {
        at,
        insn,
        cpu,
        symbols,
    }
}

/// A signed number as LLVM prints it: hexadecimal with the sign in front.
struct Hex(i64);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{:#x}", self.0.unsigned_abs())
    }
}

/// An address, `r1 - 0x8`.
struct Address(Reg, i16);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.1 < 0 { '-' } else { '+' };
        write!(f, "{} {sign} {:#x}", self.0, self.1.unsigned_abs())
    }
}

/// A register by its letter.
struct Named(char, Reg);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0, self.1.number())
    }
}

/// A second operand.
struct Second(char, Operand);

impl fmt::Display for Second {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Operand::Reg(reg) => Named(self.0, reg).fmt(f),
            Operand::Imm(imm) => Hex(imm.into()).fmt(f),
        }
    }
}

struct Line<'a> {
    at: InsnIdx,
    insn: &'a Insn,
    cpu: Cpu,
    symbols: &'a dyn Symbols,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self.insn {
            Insn::Alu {
                op,
                width,
                dst,
                src,
            } => {
                let letter = width.letter();
                let (dst, src) = (Named(letter, dst), Second(letter, src));
                write!(f, "{dst} {} {src}", op.text())
            }
            Insn::Neg { width, dst } => write!(f, "{0} = -{0}", Named(width.letter(), dst)),
            Insn::Mov { width, dst, src } => {
                let letter = width.letter();
                write!(f, "{} = {}", Named(letter, dst), Second(letter, src))
            }
            Insn::MovSx {
                width,
                dst,
                src,
                from,
            } => {
                let letter = width.letter();
                let (dst, src) = (Named(letter, dst), Named(letter, src));
                write!(f, "{dst} = ({}){src}", from.signed_text())
            }
            Insn::Swap { kind, dst, size } => {
                write!(f, "{dst} = {}{} {dst}", kind.text(), size.bits())
            }
            Insn::AddrSpaceCast { dst, src, to, from } => {
                write!(f, "{dst} = addr_space_cast({src}, {to:#x}, {from:#x})")
            }
            Insn::LoadImm64 { dst, imm } => imm64(f, dst, imm),
            Insn::Imm64High => f.write_str("<unknown>"),
            Insn::Load { .. } | Insn::Store { .. } => self.memory(f),
            Insn::LoadAbs { size, imm } => {
                write!(f, "r0 = *({} *)skb[{}]", size.text(), Hex(imm.into()))
            }
            Insn::LoadInd { size, src, .. } => write!(f, "r0 = *({} *)skb[{src}]", size.text()),
            Insn::Atomic {
                op,
                size,
                dst,
                src,
                off,
            } => self.atomic(f, op, size, [dst, src], off),
            Insn::Jump { .. } | Insn::JumpIf { .. } | Insn::MayGoto { .. } => self.jump(f),
            Insn::Call(
                CallTarget::Helper(imm)
                | CallTarget::Local(imm)
                | CallTarget::Kfunc { id: imm, .. },
            ) => write!(f, "call {}", Hex(imm.into())),
            Insn::CallReg { reg } => write!(f, "callx {reg}"),
            Insn::Exit => f.write_str("exit"),
        }
    }
}

fn imm64(f: &mut fmt::Formatter<'_>, dst: Reg, imm: Imm64) -> fmt::Result {
    let (source, low) = match imm {
        Imm64::Value(value) => return write!(f, "{dst} = {} ll", Hex(value.cast_signed())),
        Imm64::MapFd(fd) => (1, fd.cast_unsigned()),
        Imm64::MapValue { fd, .. } => (2, fd.cast_unsigned()),
        Imm64::BtfId { id, .. } => (3, id),
        Imm64::Func(off) => (4, off.cast_unsigned()),
        Imm64::MapIdx(idx) => (5, idx),
        Imm64::MapIdxValue { idx, .. } => (6, idx),
    };
    write!(f, "ld_pseudo\t{dst}, {source:#x}, {low:#x}")
}

impl Line<'_> {
    /// A jump's offset and what the symbols say about its target.
    fn target(&self, f: &mut fmt::Formatter<'_>, off: i64) -> fmt::Result {
        let sign = if off < 0 { '-' } else { '+' };
        write!(f, "{sign}{:#x}", off.unsigned_abs())?;
        match self.symbols.target(self.at.offset(1).wrapping_add(off)) {
            Some(symbol) => write!(f, " {symbol}"),
            None => Ok(()),
        }
    }

    /// Jumps; other shapes print nothing.
    fn jump(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let off: i64 = match *self.insn {
            Insn::Jump { off, long } => {
                f.write_str(if long { "gotol " } else { "goto " })?;
                off.into()
            }
            Insn::MayGoto { off } => {
                f.write_str("may_goto ")?;
                off.into()
            }
            Insn::JumpIf {
                op,
                width,
                dst,
                src,
                off,
            } => {
                let letter = width.letter();
                let (dst, src) = (Named(letter, dst), Second(letter, src));
                write!(f, "if {dst} {} {src} goto ", op.text())?;
                off.into()
            }
            _ => return Ok(()),
        };
        self.target(f, off)
    }

    /// Plain loads and stores; other shapes print nothing.
    fn memory(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Insn::Load {
            size,
            signed,
            dst,
            base,
            off,
        } = *self.insn
        {
            let (text, letter) = if signed {
                (size.signed_text(), Width::W64.letter())
            } else {
                (size.text(), self.cpu.letter(size))
            };
            let dst = Named(letter, dst);
            return write!(f, "{dst} = *({text} *)({})", Address(base, off));
        }
        if let Insn::Store {
            size,
            base,
            off,
            src,
        } = *self.insn
        {
            let src = Second(self.cpu.letter(size), src);
            return write!(f, "*({} *)({}) = {src}", size.text(), Address(base, off));
        }
        Ok(())
    }

    fn atomic(
        &self,
        f: &mut fmt::Formatter<'_>,
        op: AtomicOp,
        size: Size,
        [dst, src]: [Reg; 2],
        off: i16,
    ) -> fmt::Result {
        let letter = self.cpu.letter(size);
        let (value, bits) = (Named(letter, src), size.bits());
        let (text, address, word) = (size.text(), Address(dst, off), op.word());
        // Where LLVM 19 has no 32-bit atomics it still knows the plain addition, and takes `fetch` for it.
        let narrow = if letter == 'w' { "32" } else { "" };
        if self.cpu == Cpu::Generic && size == Size::W && op.is_read_modify_write() {
            return if matches!(op, AtomicOp::Add { .. }) {
                write!(f, "lock *({text} *)({address}) += {value}")
            } else {
                f.write_str("<unknown>")
            };
        }
        match op {
            AtomicOp::LoadAcquire => {
                let (dst, address) = (Named(letter, dst), Address(src, off));
                write!(f, "{dst} = {word}(({text} *)({address}))")
            }
            AtomicOp::StoreRelease => write!(f, "{word}(({text} *)({address}), {value})"),
            AtomicOp::Xchg => write!(f, "{value} = {word}{narrow}_{bits}({address}, {value})"),
            AtomicOp::Cmpxchg => {
                write!(
                    f,
                    "{letter}0 = {word}{narrow}_{bits}({address}, {letter}0, {value})"
                )
            }
            AtomicOp::Add { .. }
            | AtomicOp::Or { .. }
            | AtomicOp::And { .. }
            | AtomicOp::Xor { .. } => match op.text() {
                Some(text_op) => write!(f, "lock *({text} *)({address}) {text_op} {value}"),
                None => write!(f, "{value} = atomic_{word}(({text} *)({address}), {value})"),
            },
        }
    }
}
