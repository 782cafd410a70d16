//! Bad input through the real program: each gets one line that says what is wrong and where, and an exit code as bpftool's.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;
mod elf;
mod objects;
mod outputs;
mod places;
mod words;

use common::Program;
use skep_testkit::{Harness, Need};

fn main() {
    use Need::{Clang, Netns};
    let rows: &[(&str, &[Need], fn(&Program))] = &[
        ("objects::truncated", &[], objects::truncated),
        ("objects::mutated", &[], objects::mutated),
        ("objects::no_objects", &[], objects::no_objects),
        (
            "objects::another_machine",
            &[Clang],
            objects::another_machine,
        ),
        (
            "objects::unknown_sections",
            &[Clang],
            objects::unknown_sections,
        ),
        ("objects::refused_programs", &[], objects::refused_programs),
        ("places::unusable_folders", &[], places::unusable_folders),
        ("places::full_disk", &[Netns], places::full_disk),
        (
            "places::started_by_many_at_once",
            &[],
            places::started_by_many_at_once,
        ),
        ("places::second_daemon", &[], places::second_daemon),
        ("places::killed_daemon", &[], places::killed_daemon),
        (
            "places::killed_while_a_command_waits",
            &[],
            places::killed_while_a_command_waits,
        ),
        ("outputs::closed_pipe", &[], outputs::closed_pipe),
        ("outputs::full_device", &[], outputs::full_device),
        (
            "outputs::no_standard_output",
            &[],
            outputs::no_standard_output,
        ),
        ("words::recorded", &[], words::recorded),
        ("words::captures", &[], words::captures),
    ];
    let mut harness = Harness::from_args();
    let program = Program::copy();
    for &(name, needs, test) in rows {
        let program = program.clone();
        harness = harness.case(name, needs, move || test(&program));
    }
    drop(program);
    harness.run();
}
