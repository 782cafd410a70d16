//! Every case on the running kernel: the error number and the telling line of the log must be skep's. That is the refusal,
//! or, for accepted programs, the figures: instructions processed, states stored.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "common/linux.rs"]
mod linux;
#[path = "common/rows.rs"]
mod rows;

use common::Question;
use linux::{ask_linux, telling_line};
use skep_testkit::{Case, Harness, Need};

const LOG_BYTES: usize = 16 << 20;

fn check(case: &Case) {
    let question = Question::read(case);
    case.leave(&["verdict", "log"]);
    if question.linux.is_some() {
        return;
    }
    let answer = question.answer();
    let (errno, log) = ask_linux(&question, LOG_BYTES).unwrap();
    let ours = (answer.errno(), telling_line(answer.errno(), &answer.log));
    let theirs = (errno, telling_line(errno, &log));
    assert_eq!(ours, theirs, "skep: {}\nLinux:\n{log}", answer.verdict());
}

fn main() {
    Harness::from_args()
        .cases("tests/cases", &[Need::Oracle], check)
        .case("rows_attachments", &[Need::Oracle], rows::attachments)
        .case("rows_contexts", &[Need::Oracle], rows::contexts)
        .case("rows_helpers", &[Need::Oracle], rows::helpers)
        .run();
}
