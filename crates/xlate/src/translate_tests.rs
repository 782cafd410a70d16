#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(
    clippy::field_reassign_with_default,
    reason = "the verifier has fields of its own in InsnInfo"
)]

use super::*;
use crate::WireNames;
use skep_isa::text::{AsmNames, assemble, kernel};
use skep_uapi::ProgType;

fn known(reached: bool, access: Access) -> InsnInfo {
    let mut info = InsnInfo::default();
    info.reached = reached;
    info.access = access;
    info
}

/// Facts as a test states them: which slots are dead, which access the context (in order).
fn translated(text: &str, dead: &[u32], ctx: &[(u32, u32, u32)]) -> Result<Xlated, TranslateError> {
    let program = assemble(text).unwrap();
    let info = |at: InsnIdx| {
        let access = ctx.binary_search_by_key(&at.0, |access| access.0);
        let access = access.map_or(Access::None, |index| Access::Ctx {
            offset: ctx[index].1,
            bytes: ctx[index].2,
        });
        known(!dead.contains(&at.0), access)
    };
    let subprogs: Vec<Subprog> = crate::function::discover(program.insns())
        .iter()
        .map(|function| Subprog {
            start: function.start,
            end: function.end,
            stack_bytes: 0,
            name: String::new(),
        })
        .collect();
    let source = Source {
        program: &program,
        subprogs: &subprogs,
        ctx: prog_type(ProgType::XDP).and_then(|row| row.ctx),
        missing: Missing::Refused,
    };
    rewrite(&source, info)
}

fn text(xlated: &Xlated) -> String {
    let mut out = String::new();
    for (at, insn) in (0..).map(InsnIdx).zip(xlated.insns()) {
        if *insn != Insn::Imm64High {
            out.push_str(&format!("{at}: {}\n", kernel::body(at, insn, &AsmNames)));
        }
    }
    out
}

fn check(source: &str, dead: &[u32], ctx: &[(u32, u32, u32)], expected: &[&str]) {
    let xlated = translated(source, dead, ctx).unwrap();
    let lines = text(&xlated);
    assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn context_fields_become_chains_of_loads() {
    check(
        "r2 = *(u32 *)(r1 +0)\nif r2 != 0x0 goto pc+1\nr1 = *(u32 *)(r1 +12)\nr0 = *(u32 *)(r1 +16)\nexit",
        &[],
        &[(0, 0, 4), (2, 12, 4), (3, 16, 4)],
        &[
            "0: r2 = *(u64 *)(r1 +0)",
            "1: if r2 != 0x0 goto pc+3",
            "2: r1 = *(u64 *)(r1 +32)",
            "3: r1 = *(u64 *)(r1 +0)",
            "4: r1 = *(u32 *)(r1 +0)",
            "5: r0 = *(u64 *)(r1 +32)",
            "6: r0 = *(u32 *)(r0 +8)",
            "7: exit",
        ],
    );
}

#[test]
fn part_of_a_field_is_shifted_and_masked() {
    check(
        "r0 = *(u8 *)(r1 +17)\nr0 = *(s16 *)(r1 +16)\nexit",
        &[],
        &[(0, 17, 1), (1, 16, 2)],
        &[
            "0: r0 = *(u64 *)(r1 +32)",
            "1: r0 = *(u32 *)(r0 +8)",
            "2: w0 >>= 8",
            "3: w0 &= 255",
            "4: r0 = *(u64 *)(r1 +32)",
            "5: r0 = *(u32 *)(r0 +8)",
            "6: w0 &= 65535",
            "7: r0 = (s16)r0",
            "8: exit",
        ],
    );
}

#[test]
fn pointer_into_the_context_keeps_its_distance() {
    check(
        "r1 += 4\nr0 = *(u32 *)(r1 +4)\nexit",
        &[],
        &[(1, 8, 4)],
        &["0: r1 += 4", "1: r0 = *(u64 *)(r1 +12)", "2: exit"],
    );
}

#[test]
fn unreached_code_goes_and_its_jumps_are_hard_wired() {
    // Seen on Linux 6.18.
    check(
        "call 7\nr1 = 1\nif r1 == 0x1 goto pc+1\nr0 = 5\nif w0 == 0x0 goto pc+0\nif r1 == 0x1 goto pc+2\nr0 = 7\nr0 = 8\n\
         if r1 == 0x7 goto pc+2\nr0 = 0\ngoto pc+1\nr0 = 9\ngotol pc+0\nexit",
        &[3, 6, 7, 11],
        &[],
        &[
            "0: call 7",
            "1: r1 = 1",
            "2: if w0 == 0x0 goto pc+0",
            "3: r0 = 0",
            "4: gotol pc+0",
            "5: exit",
        ],
    );
}

#[test]
fn jump_over_a_removed_jump_stays() {
    // Seen on Linux 6.18.
    check(
        "call 7\nif w0 == 0x0 goto pc+1\ngoto pc+1\ngoto pc+0\nr0 = 0\nexit",
        &[],
        &[],
        &[
            "0: call 7",
            "1: if w0 == 0x0 goto pc+1",
            "2: goto pc+0",
            "3: r0 = 0",
            "4: exit",
        ],
    );
}

#[test]
fn chain_of_may_goto_goes_whole() {
    // Seen on Linux 6.18.
    check(
        "call 7\nmay_goto pc+1\nmay_goto pc+0\nmay_goto pc+1\nr0 = 1\nexit",
        &[],
        &[],
        &["0: call 7", "1: may_goto pc+1", "2: r0 = 1", "3: exit"],
    );
}

#[test]
fn function_that_nothing_calls_any_more_goes() {
    let xlated = translated(
        "if r1 == 0x0 goto pc+1\ncall pc+5\nr2 = func pc+6\ncall pc+4\nr0 = 0\nexit\nr0 = 1\nexit\nr0 = 2\nexit",
        &[1, 7, 8],
        &[],
    )
    .unwrap();
    assert_eq!(
        text(&xlated),
        "0: r2 = func pc+4\n2: call pc+2\n3: r0 = 0\n4: exit\n5: r0 = 2\n6: exit\n"
    );
    let starts: Vec<u32> = xlated.functions().iter().map(|f| f.start.0).collect();
    assert_eq!(starts, [0, 5]);
    assert_eq!(
        xlated.origin().iter().map(|at| at.0).collect::<Vec<_>>(),
        [2, 3, 4, 5, 6, 9, 10]
    );
    struct Names;
    impl WireNames for Names {
        fn map_id(&self, index: u32) -> u32 {
            index + 100
        }
        fn helper_imm(&self, id: i32) -> i32 {
            id + 1000
        }
    }
    let wire = xlated.wire(&Names);
    assert_eq!((wire[0].src, wire[0].imm, wire[1].imm), (4, 4, 1));
    assert_eq!((wire[2].src, wire[2].off, wire[2].imm), (1, 2, 1));
    let tagged = xlated.wire_for_tags(&Names);
    assert_eq!((tagged[2].src, tagged[2].off, tagged[2].imm), (1, 1, 1));
}

#[test]
fn wire_names_maps_and_helpers() {
    let program = assemble("r1 = map_idx[1]\nr2 = map_value_idx[0]+8\ncall 6\nexit").unwrap();
    let source = Source {
        program: &program,
        subprogs: &[],
        ctx: None,
        missing: Missing::Refused,
    };
    let xlated = rewrite(&source, |_| known(true, Access::None)).unwrap();
    struct Names;
    impl WireNames for Names {
        fn map_id(&self, index: u32) -> u32 {
            index + 100
        }
        fn helper_imm(&self, id: i32) -> i32 {
            id - 1000
        }
    }
    let wire = xlated.wire(&Names);
    assert_eq!((wire[0].src, wire[0].imm, wire[1].imm), (1, 101, 0));
    assert_eq!((wire[2].src, wire[2].imm, wire[3].imm), (2, 100, 8));
    assert_eq!((wire[4].src, wire[4].imm), (0, -994));
}

/// `n` context loads of three slots each between a jump and its target.
fn far_jump(jump: &str, n: usize) -> Result<Xlated, TranslateError> {
    let mut source = format!("{jump} goto pc+{n}\n");
    for _ in 0..n {
        source.push_str("r2 = *(u32 *)(r1 +12)\n");
    }
    source.push_str("exit");
    let ctx: Vec<_> = (1..=u32::try_from(n).unwrap())
        .map(|at| (at, 12, 4))
        .collect();
    translated(&source, &[], &ctx)
}

#[test]
fn jump_that_no_longer_reaches_becomes_long_or_an_error() {
    let xlated = far_jump("", 11_000).unwrap();
    assert_eq!(
        xlated.insns()[0],
        Insn::Jump {
            off: 33_000,
            long: true
        }
    );
    assert!(far_jump("if r1 == 0x0", 10_922).is_ok());
    assert_eq!(
        far_jump("if r1 == 0x0", 10_923).unwrap_err(),
        TranslateError::JumpOutOfRange { at: InsnIdx(0) }
    );
}

#[test]
fn access_without_a_row_is_an_error() {
    assert_eq!(
        translated("r0 = *(u32 *)(r1 +64)\nexit", &[], &[(0, 64, 4)]).unwrap_err(),
        TranslateError::NoContextField {
            at: InsnIdx(0),
            offset: 64
        }
    );
}
