//! Machine code of small programs, one text file each: `tests/cases/aarch64/*.txt`.
//!
//! A file has a comment (`#`), optionally `calls: far`, the program after `prog:` in the assembler's syntax, and after
//! `code:` what it must become: each slot's instruction, then offset, word and disassembly. `BLESS=1` rewrites the part
//! after `code:`. Every case also checks that each word is an instruction, and that every slot that has code starts one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use skep_isa::text::{AsmNames, assemble, kernel};
use skep_jit::{CallModel, Code, Options, Symbol, Target, compile};
use skep_xlate::Xlated;
use std::fmt::Write;
use std::path::PathBuf;
use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::InstDecoder;

fn cases() -> Vec<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases/aarch64");
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
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
        target: Target::Aarch64,
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

fn listing(xlated: &Xlated, code: &Code) -> String {
    let mut out = String::new();
    let mut slots = code.pc_map().iter().peekable();
    assert_eq!(code.bytes().len() % 4, 0);
    for (start, word) in (0_u32..).step_by(4).zip(code.bytes().chunks_exact(4)) {
        if code.callback_thunk() == Some(start) {
            out.push_str("; callback thunk\n");
        }
        if let Some(slot) = slots.next_if(|slot| slot.offset <= start) {
            assert_eq!(slot.offset, start, "slot {} is not aligned", slot.at);
            let body = kernel::body(slot.at, &xlated.insns()[slot.at.index()], &AsmNames);
            writeln!(out, "; {}: {body}", slot.at).unwrap();
        }
        let insn = InstDecoder::default()
            .decode(&mut U8Reader::new(word))
            .unwrap_or_else(|error| panic!("no instruction at {start:#x}: {error}"));
        let word = u32::from_le_bytes(word.try_into().unwrap());
        write!(out, "{start:4x}: {word:08x}  {insn}").unwrap();
        let reloc = code.relocs().iter().find(|reloc| reloc.offset == start);
        if let Some(reloc) = reloc {
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
