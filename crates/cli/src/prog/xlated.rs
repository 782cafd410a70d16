//! `dump xlated`: translated instructions with prototypes and source lines.

use crate::output::{Record, object, plain};
use crate::prog::code::{Code, Details, LineCursor};
use crate::types::SourceLine;
use skep_btf::json::Node;
use skep_isa::text::{Names, kernel};
use skep_isa::{CallTarget, Imm64, InsnIdx, RawInsn, decode_one};
use std::borrow::Cow;
use std::io::{self, Write};

/// Opcode of the wide load.
const LD_IMM64: u8 = 0x18;
/// Opcode of a call.
const CALL: u8 = 0x85;
/// Opcode of a 64-bit move between registers.
const MOV64_REG: u8 = 0xbf;
/// Opcode of a 32-bit move between registers.
const MOV32_REG: u8 = 0xbc;
/// The register that only the kernel's own instructions use (`BPF_REG_AX`).
const SCRATCH: u8 = 11;
/// Offset of a move that makes a per-CPU address (`BPF_ADDR_PERCPU`).
const ADDR_PERCPU: i16 = -1;
/// Pseudo source of a wide load of a subprogram's address.
const PSEUDO_FUNC: u8 = 4;

/// One instruction, ready to print.
pub(crate) struct XlatedInsn {
    /// Index of its first slot.
    pub(crate) at: usize,
    /// Prototype of the function that begins here; empty if none does.
    pub(crate) proto: String,
    /// Source line that begins here.
    pub(crate) line: Option<SourceLine>,
    /// `(b7) r0 = 2`.
    pub(crate) text: String,
    /// Its one or two slots.
    pub(crate) slots: Vec<RawInsn>,
}

/// A dump.
pub(crate) struct Xlated {
    insns: Vec<XlatedInsn>,
    details: Details,
}

impl Xlated {
    /// The dump of a program.
    pub(crate) fn new(code: &Code, details: Details) -> Self {
        Self {
            insns: insns(code),
            details,
        }
    }
}

/// All instructions of a program in order.
pub(crate) fn insns(code: &Code) -> Vec<XlatedInsn> {
    let (chunks, _) = code.code.xlated.as_chunks::<{ RawInsn::SIZE }>();
    let slots: Vec<RawInsn> = chunks.iter().copied().map(RawInsn::from_bytes).collect();
    let positions: Vec<u64> = code.lines.iter().map(|line| u64::from(line.insn)).collect();
    let mut lines = LineCursor::default();
    let mut funcs = code.funcs.iter().peekable();
    let mut out = Vec::with_capacity(slots.len());
    let mut at = 0;
    while let Some(&first) = slots.get(at) {
        let width = if first.code == LD_IMM64 { 2 } else { 1 };
        let here = u64::try_from(at).unwrap_or(u64::MAX);
        let func = funcs.next_if(|func| u64::from(func.insn) == here);
        let line = lines
            .line_at(&positions, here)
            .and_then(|index| code.lines.get(index))
            .cloned();
        out.push(XlatedInsn {
            at,
            proto: func.map(|func| code.proto(*func)).unwrap_or_default(),
            line,
            text: text(code, &slots, at),
            slots: slots.iter().skip(at).take(width).copied().collect(),
        });
        at += width;
    }
    out
}

/// An instruction's text. The kernel's dumps hold instructions that no program may contain; they are printed here.
fn text(code: &Code, slots: &[RawInsn], at: usize) -> String {
    let Some(&raw) = slots.get(at) else {
        return String::new();
    };
    if raw.code == MOV64_REG && raw.off == ADDR_PERCPU {
        return format!(
            "({:02x}) r{} = &(void __percpu *)(r{})",
            raw.code, raw.dst, raw.src
        );
    }
    if raw.code == CALL {
        return format!("({:02x}) call {}", raw.code, call_text(code, raw));
    }
    let index = InsnIdx(u32::try_from(at).unwrap_or(u32::MAX));
    let (shown, stand_in) = without_scratch(without_zero_extension(raw));
    match decode_one(shown, slots.get(at + 1).copied()) {
        Ok(insn) => {
            let text = kernel::insn(index, &insn, &DumpNames { raw }).to_string();
            match stand_in {
                Some(register) => text
                    .replace(&format!("r{register}"), &format!("r{SCRATCH}"))
                    .replace(&format!("w{register}"), &format!("w{SCRATCH}")),
                None => text,
            }
        }
        Err(_) => format!("BUG_{:02x}", raw.code),
    }
}

/// A move of 32 bits to itself whose immediate marks it as made by the kernel, without the mark.
fn without_zero_extension(raw: RawInsn) -> RawInsn {
    if raw.code == MOV32_REG && raw.imm == 1 {
        RawInsn { imm: 0, ..raw }
    } else {
        raw
    }
}

/// The instruction with another register in place of the kernel's scratch register, which programs have not, and that
/// register.
fn without_scratch(raw: RawInsn) -> (RawInsn, Option<u8>) {
    if raw.dst != SCRATCH && raw.src != SCRATCH {
        return (raw, None);
    }
    let other = if raw.dst == 9 || raw.src == 9 { 8 } else { 9 };
    let swap = |register: u8| if register == SCRATCH { other } else { register };
    (
        RawInsn {
            dst: swap(raw.dst),
            src: swap(raw.src),
            ..raw
        },
        Some(other),
    )
}

/// A call's target: a subprogram's call has its distance in the offset and the subprogram's number as immediate.
fn call_text(code: &Code, raw: RawInsn) -> String {
    match raw.src {
        0 => code.helper(raw.imm),
        1 => {
            let index = usize::try_from(raw.imm).ok();
            match index.filter(|&index| index < code.code.jited.ksyms.len()) {
                Some(index) => format!("pc{:+}#{}", raw.off, code.symbol_of_func(index)),
                None => format!(
                    "pc{:+}",
                    if raw.off == 0 {
                        raw.imm
                    } else {
                        raw.off.into()
                    }
                ),
            }
        }
        // A kernel function, by displacement as well.
        _ => code.helper(raw.imm),
    }
}

/// The wording of wide loads in dumps, where maps stand as ids.
struct DumpNames {
    raw: RawInsn,
}

impl Names for DumpNames {
    fn call(&self, _at: InsnIdx, _target: CallTarget) -> Option<Cow<'_, str>> {
        None
    }

    fn imm64(&self, _at: InsnIdx, imm: Imm64) -> Option<Cow<'_, str>> {
        let text = match imm {
            Imm64::Value(value) => format!("{value:#x}"),
            Imm64::MapFd(id) => format!("map[id:{id}]"),
            Imm64::MapValue { fd, off } => format!("map[id:{fd}][0]+{off}"),
            Imm64::Func(_) | Imm64::BtfId { .. } if self.raw.src == PSEUDO_FUNC => {
                format!("subprog[{:+}]", self.raw.imm)
            }
            Imm64::Func(off) => format!("subprog[{off:+}]"),
            Imm64::BtfId { id, .. } => format!("{id:#x}"),
            Imm64::MapIdx(index) => format!("map[idx:{index}]"),
            Imm64::MapIdxValue { idx, off } => format!("map[idx:{idx}]+{off}"),
        };
        Some(text.into())
    }
}

/// The text of a source line as dumps show it, `; ` before it.
pub(crate) fn line_text(line: &SourceLine, details: Details) -> String {
    if !details.linum {
        return format!("; {}", line.text);
    }
    format!(
        "; {} [file:{} line_num:{} line_col:{}]",
        line.text, line.file, line.line, line.column
    )
}

/// The members of a source line in JSON.
pub(crate) fn line_members(line: &SourceLine, details: Details) -> Vec<(String, Node)> {
    let linum = details.linum;
    super::show::members(object([
        ("src", plain(line.text.as_str())),
        (
            "file",
            plain(line.file.as_str()).filter(|_| linum && !line.file.is_empty()),
        ),
        (
            "line_num",
            plain(line.line).filter(|_| linum && line.line != 0),
        ),
        (
            "line_col",
            plain(line.column).filter(|_| linum && line.column != 0),
        ),
    ]))
}

/// Bytes of slots, separated by spaces.
pub(crate) fn slot_text(slots: &[RawInsn]) -> String {
    let bytes = slots.iter().flat_map(|slot| slot.to_bytes());
    bytes
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .join(" ")
}

fn opcodes(slots: &[RawInsn]) -> Option<Node> {
    let (first, rest) = slots.split_first()?;
    let hex = |bytes: &[u8]| crate::output::hex_array(bytes);
    let mut imm = first.imm.to_le_bytes().to_vec();
    rest.iter().for_each(|slot| imm.extend(slot.to_bytes()));
    Some(object([
        ("code", plain(format!("0x{:02x}", first.code))),
        ("src_reg", plain(format!("{:#x}", first.src))),
        ("dst_reg", plain(format!("{:#x}", first.dst))),
        ("off", Some(hex(&first.off.to_le_bytes()))),
        ("imm", Some(hex(&imm))),
    ]))
}

impl Record for Xlated {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for insn in &self.insns {
            if !insn.proto.is_empty() {
                writeln!(out, "{}:", insn.proto)?;
            }
            if let Some(line) = insn.line.as_ref().filter(|line| !line.text.is_empty()) {
                writeln!(out, "{}", line_text(line, self.details))?;
            }
            writeln!(out, "{:4}: {}", insn.at, insn.text)?;
            if self.details.opcodes {
                writeln!(out, "       {}", slot_text(&insn.slots))?;
            }
        }
        Ok(())
    }

    fn json(&self) -> Node {
        let insns = self.insns.iter().map(|insn| {
            let mut members = Vec::new();
            if !insn.proto.is_empty() {
                members.push(("proto".to_owned(), Node::string(&insn.proto)));
            }
            if let Some(line) = insn.line.as_ref().filter(|line| !line.text.is_empty()) {
                members.extend(line_members(line, self.details));
            }
            members.push(("disasm".to_owned(), Node::string(&insn.text)));
            if let Some(opcodes) = opcodes(&insn.slots).filter(|_| self.details.opcodes) {
                members.push(("opcodes".to_owned(), opcodes));
            }
            Node::Object(members)
        });
        Node::Array(insns.collect())
    }
}
