//! The walk: every command that a newcomer is shown, through the real program, as an ordinary user.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod capture;
#[path = "../common/mod.rs"]
mod common;
mod jited;
mod lifetimes;
mod linux;
mod objdump;
mod run;
mod tool;
mod tracelog;
mod verified;
mod verify;

use skep_testkit::Need;

fn main() {
    use Need::{Bpftool, Clang, Oracle};
    common::run(&[
        ("run::hello", &[], run::hello),
        ("run::engines", &[], run::engines),
        ("run::packets", &[], run::packets),
        ("run::captures", &[], run::captures),
        ("run::changed_packets", &[], run::changed_packets),
        ("run::c_source", &[Clang], run::c_source),
        ("run::c_error", &[Clang], run::c_error),
        ("run::without_clang", &[], run::without_clang),
        ("objdump::recorded", &[], objdump::recorded),
        ("objdump::like_llvm", &[Clang], objdump::like_llvm),
        ("linux::own_by_pin", &[], linux::own_by_pin),
        ("linux::own_by_name", &[], linux::own_by_name),
        ("linux::own_by_id", &[], linux::own_by_id),
        ("linux::bpftool", &[Oracle, Bpftool], linux::bpftool),
        ("linux::skep_on_linux", &[Oracle], linux::skep_on_linux),
        ("linux::listings", &[], linux::listings),
        ("verified::translated", &[], verified::translated),
        (
            "verified::translated_by_linux",
            &[Oracle, Bpftool],
            verified::translated_by_linux,
        ),
        ("verified::log", &[], verified::log),
        (
            "verified::log_of_linux",
            &[Oracle, Bpftool],
            verified::log_of_linux,
        ),
        ("verify::refused", &[], verify::refused),
        ("verify::verdicts", &[], verify::verdicts),
        ("verify::json", &[], verify::json),
        ("verify::lines_by_dwarf", &[], verify::lines_by_dwarf),
        ("verify::comparison", &[], verify::comparison),
        ("jited::recorded", &[], jited::recorded),
        ("jited::forms_agree", &[], jited::forms_agree),
        ("jited::to_files", &[], jited::to_files),
        ("jited::like_llvm", &[Clang], jited::like_llvm),
        ("tracelog::live", &[], tracelog::live),
        ("tracelog::json", &[], tracelog::json),
        ("tracelog::each_line_once", &[], tracelog::each_line_once),
        ("lifetimes::of_a_program", &[], lifetimes::of_a_program),
        ("lifetimes::of_a_map", &[], lifetimes::of_a_map),
        (
            "lifetimes::of_a_shared_map",
            &[],
            lifetimes::of_a_shared_map,
        ),
        ("lifetimes::of_the_daemon", &[], lifetimes::of_the_daemon),
        ("lifetimes::status", &[], lifetimes::status),
    ]);
}
