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
use skep_jit::CallModel;
use skep_testkit::{Harness, Need};
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
    let harness = TESTS
        .into_iter()
        .fold(Harness::from_args(), |harness, (name, test)| {
            harness.case(name, &[Need::Qemu], test)
        });
    harness.run()
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
