//! Decoder and disassemblers against what Linux 6.18 and LLVM 19 say; the answers are in `golden/`.
#![allow(
    clippy::unwrap_used,
    clippy::cast_sign_loss,
    missing_docs,
    reason = "tests"
)]

use std::borrow::Cow;

use skep_isa::text::llvm::{self, Cpu, Symbols};
use skep_isa::text::{AsmNames, Names, PlainNames, assemble, kernel};
use skep_isa::{
    CallTarget, DecodeErrorKind, Imm64, Insn, InsnIdx, RawInsn, decode_bytes, decode_one,
};

/// Rows of a table: fields apart by ` | `, lines that begin with `#` left out.
fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(" | ").collect())
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// The one instruction that the slots hold.
fn only(hex: &str) -> Insn {
    decode_bytes(&bytes(hex)).unwrap().insns()[0]
}

#[test]
fn kernel_text() {
    for row in rows(include_str!("golden/kernel.txt")) {
        let insn = only(row[0]);
        let text = kernel::insn(InsnIdx(0), &insn, &PlainNames).to_string();
        assert_eq!(text, row[1], "{}", row[0]);
        let read = assemble(row[1]).unwrap();
        assert_eq!(read.insns()[0], insn, "{}", row[1]);
    }
}

/// The symbols of a section that begins with the function `hello`.
struct Hello;

impl Symbols for Hello {
    fn target(&self, slot: i64) -> Option<Cow<'_, str>> {
        let offset = slot.wrapping_mul(8) as u64;
        Some(match offset {
            0 => "<hello>".into(),
            _ => format!("<hello+{offset:#x}>").into(),
        })
    }
}

#[test]
fn llvm_text() {
    let mut at = InsnIdx(0);
    for row in rows(include_str!("golden/llvm.txt")) {
        let insn = only(row[0]);
        for (cpu, expected) in [(Cpu::Generic, row[1]), (Cpu::V4, row[2])] {
            let text = llvm::insn(at, &insn, cpu, &Hello).to_string();
            if expected != "-" {
                assert_eq!(text, expected, "{} {cpu:?}", row[0]);
            }
        }
        at = InsnIdx(at.0 + if insn.encode_wide().1.is_some() { 2 } else { 1 });
    }
}

#[test]
fn refusals() {
    let mut count = 0;
    for row in rows(include_str!("golden/refused.txt")) {
        let error = decode_bytes(&bytes(row[0])).unwrap_err();
        assert_eq!(error.to_string(), row[1], "{} at {}", row[0], error.at);
        count += 1;
    }
    assert!(count > 4000);
}

#[test]
fn length() {
    for (length, shown) in [(0, 0), (7, 7), (12, 12)] {
        let error = decode_bytes(&vec![0x95; length]).unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::InvalidLength(shown));
    }
}

#[test]
fn wide_instruction_cut_off() {
    let raw = RawInsn {
        code: 0x18,
        ..RawInsn::default()
    };
    let error = decode_one(raw, None).unwrap_err();
    assert_eq!(error.to_string(), "invalid bpf_ld_imm64 insn");
}

/// bpftool's names for the program in `golden/hello.xlated.txt`.
struct Bpftool;

impl Names for Bpftool {
    fn call(&self, _at: InsnIdx, target: CallTarget) -> Option<Cow<'_, str>> {
        match target {
            CallTarget::Helper(id) => Some(format!("bpf_trace_printk#{id}").into()),
            CallTarget::Local(_) | CallTarget::Kfunc { .. } => None,
        }
    }

    fn imm64(&self, _at: InsnIdx, imm: Imm64) -> Option<Cow<'_, str>> {
        match imm {
            Imm64::MapValue { fd, off } => Some(format!("map[id:{fd}][0]+{off}").into()),
            _ => None,
        }
    }
}

/// `bpftool prog dump xlated … opcodes`, without the source lines: text and bytes take turns.
#[test]
fn xlated_dump() {
    let dump = include_str!("golden/hello.xlated.txt");
    let (mut text, mut code) = (String::new(), Vec::new());
    for line in dump.lines() {
        if line.contains(": (") {
            text.push_str(line);
            text.push('\n');
        } else {
            code.extend(bytes(&line.replace(' ', "")));
        }
    }
    let program = decode_bytes(&code).unwrap();
    assert_eq!(kernel::program(&program, &Bpftool).to_string(), text);
    let ours = kernel::program(&program, &AsmNames).to_string();
    assert_eq!(assemble(&ours).unwrap(), program);
    assert_eq!(program.to_bytes(), code);
}
