//! Machine code of small programs, one text file each: `tests/cases/x86_64/*.txt`.
//!
//! A file has a comment (`#`), optionally `calls: far`, the program after `prog:` in the assembler's syntax, and after
//! `code:` what it must become: each slot's instruction, then offset, bytes and disassembly. `BLESS=1` rewrites the part
//! after `code:`. Every case also checks that the bytes decode without rest, and that every slot that has code starts an
//! instruction.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter, Instruction};
use skep_isa::InsnIdx;
use skep_isa::text::{AsmNames, assemble, kernel};
use skep_jit::{CallModel, Code, Options, Reloc, Symbol, Target, compile};
use skep_xlate::Xlated;
use std::fmt::Write;
use std::path::PathBuf;

fn cases() -> Vec<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases/x86_64");
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

struct Case {
    /// Everything up to and including the line `code:`.
    head: String,
    program: String,
    calls: CallModel,
    expected: String,
}

fn parse(text: &str) -> Case {
    let (before, expected) = text
        .split_once("\ncode:\n")
        .unwrap_or((text.trim_end(), ""));
    let (header, program) = before.split_once("prog:\n").unwrap();
    Case {
        head: format!("{before}\ncode:\n"),
        program: program.to_owned(),
        calls: if header.contains("calls: far") {
            CallModel::Far
        } else {
            CallModel::Near
        },
        expected: expected.to_owned(),
    }
}

fn compiled(xlated: &Xlated, calls: CallModel) -> Code {
    let options = Options {
        target: Target::X86_64,
        calls,
    };
    compile(xlated, &options).unwrap()
}

fn symbol(symbol: Symbol) -> String {
    match symbol {
        Symbol::Map { index } => format!("map {index}"),
        Symbol::MapValue { index, offset } => format!("map {index} value+{offset}"),
        Symbol::Helper { id } => format!("helper {id}"),
        Symbol::Function { index } => format!("function {index}"),
    }
}

fn reloc_in<'a>(code: &'a Code, insn: &Instruction) -> Option<&'a Reloc> {
    let range = insn.ip()..insn.next_ip();
    code.relocs()
        .iter()
        .find(|reloc| range.contains(&u64::from(reloc.offset)))
}

fn listing(xlated: &Xlated, code: &Code) -> String {
    let mut out = String::new();
    let mut formatter = GasFormatter::new();
    formatter.options_mut().set_branch_leading_zeros(false);
    let mut decoder = Decoder::with_ip(64, code.bytes(), 0, DecoderOptions::NONE);
    let mut slots = code.pc_map().iter().peekable();
    while decoder.can_decode() {
        let insn = decoder.decode();
        assert!(!insn.is_invalid(), "no instruction at {:#x}", insn.ip());
        let start = u32::try_from(insn.ip()).unwrap();
        if code.callback_thunk() == Some(start) {
            out.push_str("; callback thunk\n");
        }
        if let Some(slot) = slots.next_if(|slot| slot.offset <= start) {
            assert_eq!(
                slot.offset, start,
                "slot {} starts within an instruction",
                slot.at
            );
            let body = kernel::body(slot.at, &xlated.insns()[slot.at.index()], &AsmNames);
            writeln!(out, "; {}: {body}", slot.at).unwrap();
        }
        let mut text = String::new();
        formatter.format(&insn, &mut text);
        let bytes: String = code.bytes()[decoder.position() - insn.len()..decoder.position()]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        write!(out, "{start:4x}: {bytes:20} {text}").unwrap();
        if let Some(reloc) = reloc_in(code, &insn) {
            write!(out, "  <- {}, {:?}", symbol(reloc.symbol), reloc.kind).unwrap();
        }
        out.push('\n');
    }
    assert!(slots.next().is_none(), "slot behind the code");
    out
}

#[test]
fn machine_code_is_as_pinned() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = String::new();
    for path in cases() {
        let text = std::fs::read_to_string(&path).unwrap();
        let case = parse(&text);
        let program = assemble(&case.program).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let xlated = Xlated::assume_verified_for_tests(&program);
        let code = compiled(&xlated, case.calls);
        let got = listing(&xlated, &code);
        if got != case.expected {
            if bless {
                std::fs::write(&path, case.head + &got).unwrap();
            } else {
                writeln!(wrong, "{}:\n{got}", path.display()).unwrap();
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "not as pinned (BLESS=1 rewrites):\n{wrong}"
    );
}

#[test]
fn functions_and_thunk_have_their_offsets() {
    let program = assemble("r1 = func f\ncall g\nexit\nf: r0 = 1\nexit\ng: r0 = 2\nexit").unwrap();
    let code = compiled(
        &Xlated::assume_verified_for_tests(&program),
        CallModel::Near,
    );
    assert_eq!(code.functions().len(), 3);
    assert_eq!(code.functions()[0], 0);
    assert_eq!(code.tail_entry(), 0);
    let starts: Vec<InsnIdx> = code
        .pc_map()
        .iter()
        .filter(|entry| code.functions().contains(&entry.offset))
        .map(|entry| entry.at)
        .collect();
    assert_eq!(starts, [0, 4, 6].map(InsnIdx));
    assert!(code.callback_thunk().is_some());
}

#[test]
fn far_calls_differ_only_in_the_calls() {
    let program = assemble("call 5\ncall 6\nexit").unwrap();
    let xlated = Xlated::assume_verified_for_tests(&program);
    let near = compiled(&xlated, CallModel::Near).bytes().len();
    let far = compiled(&xlated, CallModel::Far).bytes().len();
    assert_eq!(far - near, 2 * (13 - 5));
}
