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

use skep_testkit::Need;

fn main() {
    use Need::{Clang, Netns};
    common::run(&[
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
    ]);
}
