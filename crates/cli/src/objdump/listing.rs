//! The listing: sections, symbols, instructions, lines between them.

use super::Raw;
use super::elf::{CodeSection, ObjectFile};
use super::source::Source;
use crate::output::{escape, hex_array, object, plain};
use skep_btf::json::Node;
use skep_isa::text::llvm::{self, Cpu, Symbols};
use skep_isa::{InsnIdx, RawInsn, decode_one};
use std::borrow::Cow;
use std::io::{self, Write};

/// Opcode of the wide load.
const LD_IMM64: u8 = 0x18;
/// Bytes of a slot.
const SLOT_BYTES: usize = RawInsn::SIZE;

struct Insn {
    /// Symbol that begins here.
    symbol: Option<String>,
    line: Option<String>,
    /// Index of the first slot.
    at: usize,
    bytes: Vec<u8>,
    text: String,
}

struct SectionListing {
    name: String,
    insns: Vec<Insn>,
}

/// One file's listing.
pub(super) struct Listing {
    path: String,
    sections: Vec<SectionListing>,
}

impl Listing {
    /// Disassembles a file.
    pub(super) fn new(path: &str, file: &ObjectFile, source: &mut Source) -> Self {
        let sections = file.sections.iter().map(|section| SectionListing {
            name: escape(&section.name),
            insns: insns(section, source),
        });
        Self {
            path: path.to_owned(),
            sections: sections.collect(),
        }
    }

    /// Writes `llvm-objdump`'s lines.
    pub(super) fn text(&self, raw: Raw, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "\n{}:\tfile format elf64-bpf", escape(&self.path))?;
        for section in &self.sections {
            writeln!(out, "\nDisassembly of section {}:", section.name)?;
            for insn in &section.insns {
                if let Some(symbol) = &insn.symbol {
                    writeln!(out, "\n{:016x} <{symbol}>:", insn.at * SLOT_BYTES)?;
                }
                if let Some(line) = &insn.line {
                    writeln!(out, "; {line}")?;
                }
                match raw {
                    Raw::Shown => {
                        let bytes: Vec<String> = insn
                            .bytes
                            .iter()
                            .map(|byte| format!("{byte:02x}"))
                            .collect();
                        writeln!(out, "{:8}:\t{}\t{}", insn.at, bytes.join(" "), insn.text)?;
                    }
                    Raw::Hidden => writeln!(out, "{:8}:\t{}", insn.at, insn.text)?,
                }
            }
        }
        Ok(())
    }

    /// The same as a tree.
    pub(super) fn json(&self) -> Node {
        let section = |section: &SectionListing| {
            let insns = section.insns.iter().map(|insn| {
                object([
                    ("symbol", insn.symbol.as_ref().map(Node::string)),
                    ("src", insn.line.as_ref().map(Node::string)),
                    ("at", plain(insn.at)),
                    ("disasm", Some(Node::string(&insn.text))),
                    ("bytes", Some(hex_array(&insn.bytes))),
                ])
            });
            object([
                ("section", Some(Node::string(&section.name))),
                ("insns", Some(Node::Array(insns.collect()))),
            ])
        };
        object([
            ("file", Some(Node::string(&self.path))),
            ("format", plain("elf64-bpf")),
            (
                "sections",
                Some(Node::Array(self.sections.iter().map(section).collect())),
            ),
        ])
    }
}

fn insns(section: &CodeSection, source: &mut Source) -> Vec<Insn> {
    let mut out = Vec::new();
    let mut slots = section.code.chunks(SLOT_BYTES).enumerate().peekable();
    let mut symbols = section.symbols.iter().peekable();
    let targets = Targets { section };
    while let Some((at, bytes)) = slots.next() {
        let offset = u64::try_from(at * SLOT_BYTES).unwrap_or(u64::MAX);
        let mut symbol = None;
        while let Some(here) = symbols.next_if(|symbol| symbol.offset <= offset) {
            symbol = (here.offset == offset).then(|| escape(&here.name));
        }
        let symbol = symbol.or_else(|| (at == 0).then(|| escape(&section.name)));
        let line = source
            .line_at(section.index, &section.name, offset)
            .map(|line| escape(&line));
        let first = slot(bytes);
        let second = match first {
            Some(raw) if raw.code == LD_IMM64 => slots.peek().map(|&(_, bytes)| bytes),
            Some(_) | None => None,
        };
        let index = InsnIdx(u32::try_from(at).unwrap_or(u32::MAX));
        let insn = first.and_then(|raw| decode_one(raw, second.and_then(slot)).ok());
        let text = match &insn {
            Some(insn) => llvm::insn(index, insn, Cpu::Generic, &targets).to_string(),
            None => "<unknown>".to_owned(),
        };
        let mut bytes = bytes.to_vec();
        if let Some(second) = second.filter(|_| insn.is_some()) {
            bytes.extend(second);
            slots.next();
        }
        out.push(Insn {
            symbol,
            line,
            at,
            bytes,
            text,
        });
    }
    out
}

fn slot(bytes: &[u8]) -> Option<RawInsn> {
    <[u8; SLOT_BYTES]>::try_from(bytes)
        .ok()
        .map(RawInsn::from_bytes)
}

/// Names of jump targets: the symbol that covers them.
struct Targets<'a> {
    section: &'a CodeSection,
}

impl Symbols for Targets<'_> {
    fn target(&self, slot: i64) -> Option<Cow<'_, str>> {
        let offset = u64::try_from(slot)
            .ok()?
            .checked_mul(u64::try_from(SLOT_BYTES).ok()?)?;
        let symbol = self.section.symbol_of(offset)?;
        let name = escape(&symbol.name);
        let text = match offset - symbol.offset {
            0 => format!("<{name}>"),
            distance => format!("<{name}+{distance:#x}>"),
        };
        Some(text.into())
    }
}
