#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use skep_isa::text::assemble;

fn refusal(text: &str) -> Option<LowerError> {
    lower_unchecked(&assemble(text).unwrap()).err()
}

#[test]
fn targets_outside_of_the_program_are_refused() {
    let bad = |at, target| {
        Some(LowerError::BadTarget {
            at: InsnIdx(at),
            target,
        })
    };
    assert_eq!(refusal("goto pc+1\nexit"), bad(0, 2));
    assert_eq!(refusal("goto pc-2\nexit"), bad(0, -1));
    assert_eq!(refusal("gotol pc+2000000000\nexit"), bad(0, 2_000_000_001));
    assert_eq!(refusal("if r1 == 0x0 goto pc-3\nexit"), bad(0, -2));
    assert_eq!(refusal("may_goto pc+7\nexit"), bad(0, 8));
    assert_eq!(refusal("call pc-9\nexit"), bad(0, -8));
    assert_eq!(refusal("r1 = func pc+2\nexit"), bad(0, 3));
    assert_eq!(refusal("goto pc-1"), None);
}

#[test]
fn targets_within_a_wide_instruction_are_refused() {
    let bad = Some(LowerError::BadTarget {
        at: InsnIdx(0),
        target: 2,
    });
    assert_eq!(refusal("goto pc+1\nr1 = 1 ll\nexit"), bad);
    assert_eq!(refusal("call pc+1\nr1 = 1 ll\nexit"), bad);
    assert_eq!(refusal("goto pc+0\nr1 = 1 ll\nexit"), None);
}

#[test]
fn program_may_not_run_off_its_end() {
    let falls = |at| Some(LowerError::FallsOffEnd { at: InsnIdx(at) });
    assert_eq!(refusal("r0 = 0"), falls(0));
    assert_eq!(refusal("exit\nr0 = 1 ll"), falls(1));
    assert_eq!(refusal("exit\nif r1 == 0x0 goto pc-2"), falls(1));
}

#[test]
fn unresolved_names_are_refused() {
    let at = InsnIdx(0);
    assert_eq!(
        refusal("r1 = map_fd[3]\nexit"),
        Some(LowerError::Unresolved { at })
    );
    assert_eq!(
        refusal("call kfunc[3]\nexit"),
        Some(LowerError::Unresolved { at })
    );
    assert_eq!(refusal("r1 = map_idx[3]\nexit"), None);
}
