//! XDP programs (`prog`) and what they become (`xlated`), through the verifier.
//!
//! `attach` says `devmap` for a program of a device map. A `result` is for the test of `exec`, which runs the same programs
//! on every engine. The sequences are those of Linux 6.18, but for the place of a device's index (224 bytes into Linux's
//! device) and for may_goto, which Linux spells out with a counter on the stack.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use skep_contracts::Version;
use skep_isa::text::{AsmNames, assemble, kernel};
use skep_isa::{Insn, InsnIdx};
use skep_testkit::{Case, cases};
use skep_uapi::{AttachType, ProgType};
use skep_verifier::{Env, Log, LogLevel, verify};
use skep_xlate::{Xlated, translate};
use std::fmt::Write;

fn xlated(case: &Case) -> Xlated {
    let program = assemble(case.input("prog")).unwrap_or_else(|error| panic!("{error}"));
    let attach = match case.optional("attach") {
        None => AttachType::XDP,
        Some("devmap\n") => AttachType::XDP_DEVMAP,
        Some(other) => panic!("no attach type is named {other}"),
    };
    let env = Env {
        prog_type: ProgType::XDP,
        expected_attach_type: attach,
        prog_flags: 0,
        gpl_compatible: true,
        maps: &[],
        fd_array: &[],
        btf: None,
        kernel: None,
        func_info: &[],
        line_info: &[],
        profile: Version::DEFAULT,
    };
    let verified = verify(program, &env, &mut Log::new(LogLevel::NONE));
    translate(&verified.unwrap_or_else(|reject| panic!("{reject}"))).unwrap()
}

fn text(xlated: &Xlated) -> String {
    let mut out = String::new();
    for (at, insn) in (0..).map(InsnIdx).zip(xlated.insns()) {
        if *insn != Insn::Imm64High {
            writeln!(out, "{at}: {}", kernel::body(at, insn, &AsmNames)).unwrap();
        }
    }
    out
}

#[test]
fn programs_become_what_the_cases_say() {
    cases::dir("tests/cases", |case| {
        case.leave(&["result"]);
        case.expect("xlated", &text(&xlated(case)));
    });
}
