//! The kernel's wording: what the verifier's log and `bpftool prog dump xlated` print for an instruction.
//!
//! An instruction prints as `(b7) r0 = 2`: opcode, then body. Conventions of the wording that one might trip over:
//! arithmetic immediates are decimal, those of comparisons hexadecimal (of 32 bits); jump offsets are relative to the
//! next instruction; loads and stores name 64-bit registers at every size.

use alloc::borrow::Cow;
use alloc::format;
use core::fmt;

use crate::insn::{CallTarget, Imm64, Insn, InsnIdx, Operand, Reg};
use crate::ops::{AtomicOp, Size, Width};
use crate::program::Program;

/// What calls and wide immediates are called. A method that returns `None` leaves the default wording.
pub trait Names {
    /// The text after `call `, such as `bpf_trace_printk#6` or `pc+5#bpf_prog_0123456789abcdef_f`.
    fn call(&self, at: InsnIdx, target: CallTarget) -> Option<Cow<'_, str>> {
        let _ = (at, target);
        None
    }

    /// The text after `rN = ` of a wide load, such as `map[id:27][0]+0` or `subprog[+3]`.
    fn imm64(&self, at: InsnIdx, imm: Imm64) -> Option<Cow<'_, str>> {
        let _ = (at, imm);
        None
    }
}

/// No names: what the kernel prints when it knows none (`call unknown#6`, `call pc+1`, `r1 = 0x2a`).
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainNames;

impl Names for PlainNames {}

/// The wording that [`assemble`](super::assemble) reads back to the same instruction.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsmNames;

impl Names for AsmNames {
    fn call(&self, _at: InsnIdx, target: CallTarget) -> Option<Cow<'_, str>> {
        match target {
            CallTarget::Helper(id) => Some(format!("{id}").into()),
            CallTarget::Local(_) => None,
            CallTarget::Kfunc { id, off } => Some(format!("kfunc[{id}]{off:+}").into()),
        }
    }

    fn imm64(&self, _at: InsnIdx, imm: Imm64) -> Option<Cow<'_, str>> {
        let text = match imm {
            Imm64::Value(value) => format!("{value:#x} ll"),
            Imm64::MapFd(fd) => format!("map_fd[{fd}]"),
            Imm64::MapValue { fd, off } => format!("map_value_fd[{fd}]+{off}"),
            Imm64::BtfId { id, btf_fd } => format!("btf_id[{id}]{btf_fd:+}"),
            Imm64::Func(off) => format!("func pc{off:+}"),
            Imm64::MapIdx(idx) => format!("map_idx[{idx}]"),
            Imm64::MapIdxValue { idx, off } => format!("map_value_idx[{idx}]+{off}"),
        };
        Some(text.into())
    }
}

/// An instruction's line, `(b7) r0 = 2`.
pub fn insn<'a>(at: InsnIdx, insn: &'a Insn, names: &'a dyn Names) -> impl fmt::Display + 'a {
    Line(Body { at, insn, names })
}

/// An instruction without its opcode, `r0 = 2`.
pub fn body<'a>(at: InsnIdx, insn: &'a Insn, names: &'a dyn Names) -> impl fmt::Display + 'a {
    Body { at, insn, names }
}

/// A program as `dump xlated` prints it: one line per instruction, its slot's index right-aligned to four columns.
pub fn program<'a>(program: &'a Program, names: &'a dyn Names) -> impl fmt::Display + 'a {
    Listing { program, names }
}

struct Listing<'a> {
    program: &'a Program,
    names: &'a dyn Names,
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, each) in self.program.iter() {
            writeln!(f, "{:>4}: {}", at.0, insn(at, each, self.names))?;
        }
        Ok(())
    }
}

struct Line<'a>(Body<'a>);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:02x}) ", self.0.insn.encode().code)?;
        self.0.fmt(f)
    }
}

/// A register under the name of an operand width.
struct Wide(Width, Reg);

impl fmt::Display for Wide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0.letter(), self.1.number())
    }
}

/// An operand of arithmetic: immediates in decimal.
struct AluOperand(Width, Operand);

impl fmt::Display for AluOperand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Operand::Reg(reg) => Wide(self.0, reg).fmt(f),
            Operand::Imm(imm) => imm.fmt(f),
        }
    }
}

/// A memory operand, `(u32 *)(r1 -8)`.
struct Cell(Size, Reg, i16);

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} *)({} {:+})", self.0.text(), self.1, self.2)
    }
}

struct Body<'a> {
    at: InsnIdx,
    insn: &'a Insn,
    names: &'a dyn Names,
}

impl fmt::Display for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self.insn {
            Insn::Alu {
                op,
                width,
                dst,
                src,
            } => write!(
                f,
                "{} {} {}",
                Wide(width, dst),
                op.text(),
                AluOperand(width, src)
            ),
            Insn::Neg { width, dst } => write!(f, "{0} = -{0}", Wide(width, dst)),
            Insn::Mov { width, dst, src } => {
                write!(f, "{} = {}", Wide(width, dst), AluOperand(width, src))
            }
            Insn::MovSx {
                width,
                dst,
                src,
                from,
            } => {
                let (dst, src) = (Wide(width, dst), Wide(width, src));
                write!(f, "{dst} = ({}){src}", from.signed_text())
            }
            Insn::Swap { kind, dst, size } => {
                write!(f, "{dst} = {}{} {dst}", kind.text(), size.bits())
            }
            Insn::AddrSpaceCast { dst, src, to, from } => {
                write!(f, "{dst} = addr_space_cast({src}, {to}, {from})")
            }
            Insn::LoadImm64 { dst, imm } => {
                write!(f, "{dst} = ")?;
                self.imm64(f, imm)
            }
            Insn::Imm64High => f.write_str("(second half of a wide instruction)"),
            Insn::Load { .. } | Insn::Store { .. } => memory(f, self.insn),
            Insn::LoadAbs { size, imm } => write!(f, "r0 = *({} *)skb[{imm}]", size.text()),
            Insn::LoadInd { size, src, imm } => {
                write!(f, "r0 = *({} *)skb[{src} + {imm}]", size.text())
            }
            Insn::Atomic {
                op,
                size,
                dst,
                src,
                off,
            } => atomic(f, op, size, [dst, src], off),
            Insn::Jump { .. } | Insn::JumpIf { .. } | Insn::MayGoto { .. } => jump(f, self.insn),
            Insn::Call(target) => {
                f.write_str("call ")?;
                self.call(f, target)
            }
            Insn::CallReg { reg } => write!(f, "callx {reg}"),
            Insn::Exit => f.write_str("exit"),
        }
    }
}

impl Body<'_> {
    fn call(&self, f: &mut fmt::Formatter<'_>, target: CallTarget) -> fmt::Result {
        if let Some(name) = self.names.call(self.at, target) {
            return f.write_str(&name);
        }
        match target {
            CallTarget::Helper(id) => write!(f, "unknown#{id}"),
            CallTarget::Local(off) => write!(f, "pc{off:+}"),
            CallTarget::Kfunc { id, .. } => write!(f, "kernel-function#{id}"),
        }
    }

    fn imm64(&self, f: &mut fmt::Formatter<'_>, imm: Imm64) -> fmt::Result {
        if let Some(name) = self.names.imm64(self.at, imm) {
            return f.write_str(&name);
        }
        // Without a hook the kernel prints both halves as one number, whatever they mean.
        let both = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
        let value = match imm {
            Imm64::Value(value) => value,
            Imm64::MapFd(fd) => both(fd.cast_unsigned(), 0),
            Imm64::MapValue { fd, off } => both(fd.cast_unsigned(), off),
            Imm64::BtfId { id, btf_fd } => both(id, btf_fd.cast_unsigned()),
            Imm64::Func(off) => both(off.cast_unsigned(), 0),
            Imm64::MapIdx(idx) => both(idx, 0),
            Imm64::MapIdxValue { idx, off } => both(idx, off),
        };
        write!(f, "{value:#x}")
    }
}

/// Jumps; other shapes print nothing.
fn jump(f: &mut fmt::Formatter<'_>, insn: &Insn) -> fmt::Result {
    match *insn {
        Insn::Jump { off, long: false } => write!(f, "goto pc{off:+}"),
        Insn::Jump { off, long: true } => write!(f, "gotol pc{off:+}"),
        Insn::MayGoto { off } => write!(f, "may_goto pc{off:+}"),
        Insn::JumpIf {
            op,
            width,
            dst,
            src,
            off,
        } => {
            write!(f, "if {} {} ", Wide(width, dst), op.text())?;
            match src {
                Operand::Reg(reg) => write!(f, "{} goto pc{off:+}", Wide(width, reg)),
                Operand::Imm(imm) => write!(f, "{imm:#x} goto pc{off:+}"),
            }
        }
        _ => Ok(()),
    }
}

/// Plain loads and stores; other shapes print nothing.
fn memory(f: &mut fmt::Formatter<'_>, insn: &Insn) -> fmt::Result {
    if let Insn::Load {
        size,
        signed,
        dst,
        base,
        off,
    } = *insn
    {
        let text = if signed {
            size.signed_text()
        } else {
            size.text()
        };
        return write!(f, "{dst} = *({text} *)({base} {off:+})");
    }
    if let Insn::Store {
        size,
        base,
        off,
        src,
    } = *insn
    {
        let src = AluOperand(Width::W64, src);
        return write!(f, "*{} = {src}", Cell(size, base, off));
    }
    Ok(())
}

fn atomic(
    f: &mut fmt::Formatter<'_>,
    op: AtomicOp,
    size: Size,
    [dst, src]: [Reg; 2],
    off: i16,
) -> fmt::Result {
    let cell = Cell(size, dst, off);
    let prefix = if size == Size::Dw {
        "atomic64"
    } else {
        "atomic"
    };
    let word = op.word();
    match op {
        AtomicOp::Add { fetch: false }
        | AtomicOp::Or { fetch: false }
        | AtomicOp::And { fetch: false }
        | AtomicOp::Xor { fetch: false } => {
            write!(f, "lock *{cell} {} {src}", op.text().unwrap_or(word))
        }
        AtomicOp::Add { fetch: true }
        | AtomicOp::Or { fetch: true }
        | AtomicOp::And { fetch: true }
        | AtomicOp::Xor { fetch: true }
        | AtomicOp::Xchg => write!(f, "{src} = {prefix}_{word}({cell}, {src})"),
        AtomicOp::Cmpxchg => write!(f, "r0 = {prefix}_{word}({cell}, r0, {src})"),
        AtomicOp::LoadAcquire => write!(f, "{dst} = {word}({})", Cell(size, src, off)),
        AtomicOp::StoreRelease => write!(f, "{word}({cell}, {src})"),
    }
}
