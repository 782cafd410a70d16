//! The walk: every command that a newcomer is shown, through the real program, as an ordinary user.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;
mod linux;

use common::Program;
use skep_testkit::{Harness, Need};

fn main() {
    use Need::{Bpftool, Clang, Oracle};
    let rows: &[(&str, &[Need], fn(&Program))] = &[
        ("linux::own_by_pin", &[], linux::own_by_pin),
        ("linux::own_by_name", &[], linux::own_by_name),
        ("linux::own_by_id", &[], linux::own_by_id),
        ("linux::bpftool", &[Oracle, Bpftool], linux::bpftool),
        ("linux::skep_on_linux", &[Oracle], linux::skep_on_linux),
        ("linux::listings", &[], linux::listings),
        ("linux::translated", &[], linux::translated),
        ("linux::translated_by_linux", &[Oracle, Bpftool], linux::translated_by_linux),
    ];
    let program = Program::copy();
    let mut harness = Harness::from_args();
    for &(name, needs, test) in rows {
        let program = program.clone();
        harness = harness.case(name, needs, move || test(&program));
    }
    drop(program);
    harness.run();
}
