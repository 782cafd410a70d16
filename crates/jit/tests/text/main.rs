//! Machine code of small programs, one file each: `tests/cases/*.case`.
//!
//! A case has the program (`prog`), `calls` if helpers are out of reach (`far`), and per architecture (`x86_64`, `aarch64`)
//! what it must become: each slot's instruction, then offset, bytes and disassembly. Every case also checks that the bytes
//! decode without rest, and that every slot that has code starts an instruction.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod aarch64;
mod x86_64;

use skep_isa::InsnIdx;
use skep_isa::text::{AsmNames, assemble, kernel};
use skep_jit::{CallModel, Code, Options, PcEntry, Symbol, Target, compile};
use skep_testkit::{Case, cases};
use skep_xlate::Xlated;
use std::fmt::Write;
use std::iter::Peekable;
use std::slice::Iter;

fn compiled(xlated: &Xlated, target: Target, calls: CallModel) -> Code {
    compile(xlated, &Options { target, calls }).unwrap()
}

/// What the architectures' listings share: the lines between instructions.
struct Listing<'a> {
    xlated: &'a Xlated,
    code: &'a Code,
    slots: Peekable<Iter<'a, PcEntry>>,
    out: String,
}

impl<'a> Listing<'a> {
    fn new(xlated: &'a Xlated, code: &'a Code) -> Self {
        let slots = code.pc_map().iter().peekable();
        let out = String::new();
        Self {
            xlated,
            code,
            slots,
            out,
        }
    }

    /// What stands in front of the instruction at `start`.
    fn heading(&mut self, start: u32) {
        if self.code.callback_thunk() == Some(start) {
            self.out.push_str("; callback thunk\n");
        }
        if let Some(slot) = self.slots.next_if(|slot| slot.offset <= start) {
            let at = slot.at;
            assert_eq!(slot.offset, start, "slot {at} starts within an instruction");
            let body = kernel::body(at, &self.xlated.insns()[at.index()], &AsmNames);
            writeln!(self.out, "; {at}: {body}").unwrap();
        }
    }

    /// The instruction from `start` up to `end`, in bytes and text.
    fn insn(&mut self, start: u32, end: u32, text: std::fmt::Arguments<'_>) {
        write!(self.out, "{start:4x}: {text}").unwrap();
        let mut relocs = self.code.relocs().iter();
        if let Some(reloc) = relocs.find(|reloc| (start..end).contains(&reloc.offset)) {
            let symbol = symbol(reloc.symbol);
            write!(self.out, "  <- {symbol}, {:?}", reloc.kind).unwrap();
        }
        self.out.push('\n');
    }

    fn finish(mut self) -> String {
        assert!(self.slots.next().is_none(), "slot behind the code");
        self.out
    }
}

fn symbol(symbol: Symbol) -> String {
    match symbol {
        Symbol::Map { index } => format!("map {index}"),
        Symbol::MapValue { index, offset } => format!("map {index} value+{offset}"),
        Symbol::Helper { id } => format!("helper {id}"),
        Symbol::Function { index } => format!("function {index}"),
    }
}

fn check(case: &Case) {
    let program = assemble(case.input("prog")).unwrap_or_else(|error| panic!("{error}"));
    let xlated = Xlated::assume_verified_for_tests(&program);
    let calls = match case.optional("calls") {
        Some("far\n") => CallModel::Far,
        None => CallModel::Near,
        Some(other) => panic!("no call model is named {other}"),
    };
    let code = compiled(&xlated, Target::X86_64, calls);
    case.expect("x86_64", &x86_64::listing(&xlated, &code));
    let code = compiled(&xlated, Target::Aarch64, calls);
    case.expect("aarch64", &aarch64::listing(&xlated, &code));
}

#[test]
fn machine_code_is_as_pinned() {
    cases::dir("tests/cases", check);
}

#[test]
fn functions_and_thunk_have_their_offsets() {
    let program = assemble("r1 = func f\ncall g\nexit\nf: r0 = 1\nexit\ng: r0 = 2\nexit").unwrap();
    let xlated = Xlated::assume_verified_for_tests(&program);
    for target in [Target::X86_64, Target::Aarch64] {
        let code = compiled(&xlated, target, CallModel::Near);
        assert_eq!(code.functions().len(), 3);
        assert_eq!(code.functions()[0], 0);
        assert_eq!(code.tail_entry(), 0);
        let entries = code.pc_map().iter();
        let starts = entries.filter(|entry| code.functions().contains(&entry.offset));
        let starts: Vec<InsnIdx> = starts.map(|entry| entry.at).collect();
        assert_eq!(starts, [0, 4, 6].map(InsnIdx));
        assert!(code.callback_thunk().is_some());
    }
}

#[test]
fn far_calls_differ_only_in_the_calls() {
    let program = assemble("call 5\ncall 6\nexit").unwrap();
    let xlated = Xlated::assume_verified_for_tests(&program);
    for (target, bytes) in [(Target::X86_64, 13 - 5), (Target::Aarch64, 20 - 4)] {
        let near = compiled(&xlated, target, CallModel::Near).bytes().len();
        let far = compiled(&xlated, target, CallModel::Far).bytes().len();
        assert_eq!(far - near, 2 * bytes);
    }
}
