//! `dump jited`: machine code with prototypes and source lines.

use crate::disasm::{self, MachineInsn};
use crate::output::{Record, escape, hex_array, plain};
use crate::prog::code::{Code, Details, LineCursor};
use crate::prog::xlated::{line_members, line_text};
use crate::types::SourceLine;
use skep_btf::json::Node;
use skep_uapi::{Arch, Jited};
use std::io::{self, Write};

/// Whether addresses get the names that are known for them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Symbols {
    /// `callq 0x… <bpf_trace_printk>`.
    Shown,
    /// As bpftool prints.
    Hidden,
}

struct Function {
    proto: String,
    name: String,
    insns: Vec<(Option<SourceLine>, MachineInsn)>,
}

/// A dump.
pub(crate) struct JitedDump {
    functions: Vec<Function>,
    details: Details,
}

impl JitedDump {
    /// The dump of a program's machine code, which may be for another architecture than the host's.
    pub(crate) fn new(code: &Code, jited: &Jited, details: Details, symbols: Symbols) -> Self {
        let arch = jited.arch.unwrap_or(host_arch());
        let mut functions = Vec::new();
        let mut rest = jited.code.as_slice();
        let whole = [u32::try_from(jited.code.len()).unwrap_or(u32::MAX)];
        let lens = if jited.func_lens.is_empty() {
            &whole[..]
        } else {
            &jited.func_lens
        };
        for (index, &len) in lens.iter().enumerate() {
            let (bytes, after) =
                rest.split_at(rest.len().min(usize::try_from(len).unwrap_or(usize::MAX)));
            rest = after;
            let start = jited.ksyms.get(index).copied().unwrap_or_default();
            let insns = disasm::disassemble(arch, bytes, start, |address| match symbols {
                Symbols::Shown => jited_symbol(code, jited, address),
                Symbols::Hidden => None,
            });
            functions.push(Function {
                proto: code
                    .funcs
                    .get(index)
                    .map(|func| code.proto(*func))
                    .unwrap_or_default(),
                name: code.symbol_of_func(index),
                insns: with_lines(code, jited, start, bytes.len(), insns),
            });
        }
        Self { functions, details }
    }
}

/// The architecture of this process.
fn host_arch() -> Arch {
    if cfg!(target_arch = "aarch64") {
        Arch::Aarch64
    } else {
        Arch::X86_64
    }
}

fn jited_symbol(code: &Code, jited: &Jited, address: u64) -> Option<String> {
    let known = jited
        .symbols
        .iter()
        .find(|(known, _)| *known == address)
        .map(|(_, name)| escape(name));
    known.or_else(|| {
        let index = jited
            .ksyms
            .iter()
            .position(|&start| start == address && start != 0)?;
        Some(code.symbol_of_func(index))
    })
}

/// Puts to each instruction the line that begins there.
fn with_lines(
    code: &Code,
    jited: &Jited,
    start: u64,
    len: usize,
    insns: Vec<MachineInsn>,
) -> Vec<(Option<SourceLine>, MachineInsn)> {
    let end = start.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
    let inside = |address: &u64| (start..end).contains(address);
    let first = jited
        .line_addrs
        .iter()
        .position(inside)
        .unwrap_or(jited.line_addrs.len());
    let positions: Vec<u64> = jited
        .line_addrs
        .iter()
        .skip(first)
        .copied()
        .take_while(inside)
        .collect();
    let mut cursor = LineCursor::default();
    let line_of = |cursor: &mut LineCursor, insn: &MachineInsn| {
        let address = start.saturating_add(u64::try_from(insn.offset).unwrap_or(u64::MAX));
        let index = cursor.line_at(&positions, address)?;
        code.lines.get(first + index).cloned()
    };
    insns
        .into_iter()
        .map(|insn| (line_of(&mut cursor, &insn), insn))
        .collect()
}

impl Record for JitedDump {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for function in &self.functions {
            if !function.proto.is_empty() {
                writeln!(out, "{}:", function.proto)?;
            }
            writeln!(out, "{}:", function.name)?;
            for (line, insn) in &function.insns {
                if let Some(line) = line.as_ref().filter(|line| !line.text.is_empty()) {
                    writeln!(out, "{}", line_text(line, self.details))?;
                }
                writeln!(out, "{:4x}:\t{}", insn.offset, insn.text)?;
                if self.details.opcodes {
                    let bytes: String = insn
                        .bytes
                        .iter()
                        .map(|byte| format!("{byte:02x} "))
                        .collect();
                    writeln!(out, "\t{bytes}")?;
                }
            }
            writeln!(out)?;
        }
        Ok(())
    }

    fn json(&self) -> Node {
        Node::Array(
            self.functions
                .iter()
                .map(|function| function.json(self.details))
                .collect(),
        )
    }
}

impl Function {
    fn json(&self, details: Details) -> Node {
        let mut members = Vec::new();
        if !self.proto.is_empty() {
            members.push(("proto".to_owned(), Node::string(&self.proto)));
        }
        members.push(("name".to_owned(), Node::string(&self.name)));
        let insns = self
            .insns
            .iter()
            .map(|(line, insn)| insn_json(line.as_ref(), insn, details));
        members.push(("insns".to_owned(), Node::Array(insns.collect())));
        Node::Object(members)
    }
}

fn insn_json(line: Option<&SourceLine>, insn: &MachineInsn, details: Details) -> Node {
    let mut members = Vec::new();
    if let Some(line) = line.filter(|line| !line.text.is_empty()) {
        members.extend(line_members(line, details));
    }
    let mut words = insn
        .text
        .split(['\t', ',', ' ', '(', ')'])
        .filter(|word| !word.is_empty());
    let operation = words.next().unwrap_or_default().to_owned();
    let mut operands: Vec<Node> = words.map(Node::string).collect();
    if operands.is_empty() {
        // So bpftool says that there are none.
        operands.push(Node::Plain(serde_json::Value::Null));
    }
    members.push(("pc".to_owned(), Node::string(format!("{:#x}", insn.offset))));
    members.extend(plain(operation).map(|node| ("operation".to_owned(), node)));
    members.push(("operands".to_owned(), Node::Array(operands)));
    if details.opcodes {
        members.push(("opcodes".to_owned(), hex_array(&insn.bytes)));
    }
    Node::Object(members)
}
