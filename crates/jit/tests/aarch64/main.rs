//! Code for aarch64, run under qemu and compared with the meanings of `isa`.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "tests"
)]

mod batch;
mod model;
mod programs;
mod sweep;

use batch::Batch;
use libtest_mimic::{Arguments, Failed, Trial};
use skep_jit::CallModel;
use std::process::{Command, Stdio};
use sweep::Sweep;

use iced_x86 as _;
use skep_abi as _;
use skep_contracts as _;
use skep_uapi as _;
use thiserror as _;
use yaxpeax_arch as _;
use yaxpeax_arm as _;

type Test = fn();

const TESTS: [(&str, Test); 8] = [
    ("alu", || compare(sweep::alu())),
    ("fused", || compare(sweep::fused())),
    ("unary", || compare(sweep::unary())),
    ("jumps", || compare(sweep::jumps())),
    ("memory", || compare(sweep::memory())),
    ("atomics", || compare(sweep::atomics())),
    ("modelled_programs", || compare(programs::modelled())),
    ("expected_programs", programs::expected),
];

fn main() {
    let args = Arguments::from_args();
    let missing = missing();
    let required = std::env::var("SKEP_REQUIRE")
        .is_ok_and(|needs| needs.split(',').any(|need| need == "qemu"));
    let trials = TESTS.map(|(name, test)| {
        let body = missing.clone();
        let trial = Trial::test(name, move || match body {
            None => {
                test();
                Ok(())
            }
            Some(why) => Err(Failed::from(format!("needs qemu: {why}"))),
        });
        if missing.is_some() && !required {
            trial.with_kind("needs qemu").with_ignored_flag(true)
        } else {
            trial
        }
    });
    libtest_mimic::run(&args, trials.into()).exit();
}

/// The first tool that is not there.
fn missing() -> Option<String> {
    let tools = ["qemu-aarch64-static", "aarch64-linux-gnu-gcc"];
    let works = |tool: &str| {
        let mut command = Command::new(tool);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    tools.into_iter().find(|tool| !works(tool)).map(|tool| format!("no {tool}"))
}

/// Runs all in one go and compares each outcome with the model's.
fn compare(sweeps: Vec<Sweep>) {
    for calls in [CallModel::Near, CallModel::Far] {
        let mut batch = Batch::default();
        for sweep in &sweeps {
            batch.add(&sweep.program, calls, sweep.runs.clone());
        }
        let outcomes = batch.run();
        for (index, (sweep, outcomes)) in sweeps.iter().zip(outcomes).enumerate() {
            for (run, outcome) in sweep.runs.iter().zip(outcomes) {
                let expected = model::run(&sweep.program, run);
                assert_eq!(
                    outcome,
                    expected,
                    "program {index}: {:?}\nfrom {:x?}",
                    sweep.program.insns(),
                    run.memory
                );
            }
        }
    }
}
