//! Every case: verdict and log. And programs that nobody would write: the cases' with a few bits changed.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::Question;
use skep_testkit::{Case, Harness};

fn check(case: &Case) {
    let question = Question::read(case);
    let reason = question.linux.as_deref().map(str::trim);
    assert_ne!(reason, Some(""), "a difference to Linux needs its reason");
    let answer = question.answer();
    question.check_explained(&answer);
    case.expect("verdict", &answer.verdict());
    case.expect("log", &answer.log);
    if let Ok(verified) = &answer.result {
        assert_eq!(
            verified.program().insns().len(),
            question.program.insns().len()
        );
    }
}

/// Programs made of each case, and instructions changed in each, at most.
const MUTANTS: u32 = 12;
const CHANGES_MAX: u64 = 3;

/// A sequence of numbers that is the same on each run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end.max(1)
    }
}

/// Whatever the program, there is a verdict.
fn mutants(case: &Case) {
    case.leave(&["verdict", "log"]);
    let mut question = Question::read(case);
    if question.level == 0 {
        return;
    }
    question.level = 2;
    let bytes = question.program.to_bytes();
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ bytes.len() as u64);
    for number in 0..MUTANTS {
        let mut mutant = bytes.clone();
        for _ in 0..=random.below(CHANGES_MAX) {
            let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
            let other = usize::try_from(random.below(bytes.len() as u64)).unwrap();
            mutant[at] = match random.below(3) {
                0 => mutant[other],
                1 => mutant[at] ^ (1 << random.below(8)),
                _ => u8::try_from(random.below(256)).unwrap(),
            };
        }
        if let Ok(program) = skep_isa::decode_bytes(&mutant) {
            question.program = program;
            let answer = question.answer();
            assert_eq!(answer.result.is_ok(), answer.errno() == 0);
            if number == 0 {
                question.check_explained(&answer);
            }
        }
    }
}

fn main() {
    Harness::from_args()
        .cases("tests/cases", &[], check)
        .case("mutants", &[], || {
            skep_testkit::cases::dir("tests/cases", mutants);
        })
        .run();
}
