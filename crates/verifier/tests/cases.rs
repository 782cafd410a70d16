//! Every case: verdict and log.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::Question;
use skep_testkit::{Case, Harness};

fn check(case: &Case) {
    let question = Question::read(case);
    let answer = question.answer();
    case.expect("verdict", &answer.verdict());
    case.expect("log", &answer.log);
    if let Ok(verified) = &answer.result {
        assert_eq!(verified.program().insns().len(), question.program.insns().len());
    }
}

fn main() {
    Harness::from_args().cases("tests/cases", &[], check).run();
}
