//! Random programs: the same verdict as Linux's, and the same results from every engine and from Linux.
//!
//! Programs come from a seeded generator ([`generate`]) that knows enough to have most of them accepted. An accepted program runs on
//! random packets in the checked interpreter first: a fault there is a program that should have been refused, and no other
//! engine sees it. A difference is made small and printed as assembler text.
//!
//! `SKEP_FUZZ_PROGRAMS` and `SKEP_FUZZ_SEED` make a long run of it (`cargo xtask fuzz`); `SKEP_FUZZ_KEEP` names a folder for the
//! differences, which then do not end the run.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    reason = "tests"
)]

mod access;
mod blocks;
mod code;
mod compare;
mod generate;
mod mutate;
mod shrink;
mod world;

use skep_testkit::{Harness, Need};

fn main() {
    Harness::from_args()
        .case("engines", &[], || {
            compare::run(compare::Sides::Engines, 3000)
        })
        .case("linux", &[Need::Oracle], || {
            compare::run(compare::Sides::Linux, 400)
        })
        .run();
}
