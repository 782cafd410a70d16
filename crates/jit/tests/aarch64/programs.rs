//! Programs of several instructions: those that the model can run, and those with outcomes of their own, which
//! it cannot (tail calls, callbacks).

use crate::batch::{Batch, Run};
use crate::model::ENV_MARK;
use crate::sweep::Sweep;
use skep_isa::text::assemble;
use skep_isa::{Insn, JmpOp, Operand, Program, Reg, Width};
use skep_jit::CallModel;
use skep_xlate::Xlated;

fn xlated(text: &str) -> Xlated {
    let program = assemble(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    Xlated::assume_verified_for_tests(&program)
}

fn memory() -> Run {
    Run::new((0..64_u32).map(|at| (at * 29 + 5) as u8).collect())
}

const LOOP: &str = "
r0 = 0
r2 = 100
again: r3 = r2
r3 *= r2
r0 += r3
r2 += -1
if r2 != 0 goto again
exit";

const STACK: &str = "
r2 = *(u64 *)(r1 - 8)
*(u64 *)(r10 - 8) = r2
*(u32 *)(r10 - 12) = 7
*(u8 *)(r10 - 512) = 9
*(u64 *)(r10 - 264) = -3
r3 = r10
r3 += -16
r0 = *(u32 *)(r3 + 4)
r4 = *(u64 *)(r10 - 8)
r0 += r4
r4 = *(u8 *)(r10 - 512)
r0 += r4
r4 = *(u64 *)(r10 - 264)
r0 ^= r4
exit";

/// Recursion of locals keeps r6 to r9 and gives each function its own stack.
const LOCAL_CALLS: &str = "
r6 = r1
r7 = 7
r8 = 8
r9 = 9
*(u64 *)(r10 - 8) = r6
r1 = *(u8 *)(r6 - 1)
r2 = 5
call sum
r0 += r7
r0 += r8
r0 += r9
r1 = *(u64 *)(r10 - 8)
if r1 == r6 goto kept
r0 = 0
kept: *(u64 *)(r6 + 0) = r0
exit
sum: *(u64 *)(r10 - 8) = r1
*(u64 *)(r10 - 24) = r2
r6 = r2
r7 = 70
r1 = 3
call leaf
r1 = *(u64 *)(r10 - 8)
r0 += r1
r0 += r6
r0 += r7
exit
leaf: r0 = r1
r0 <<= 3
exit";

const HELPERS: &str = "
r6 = r1
r7 = 77
r1 = 1
r2 = 2
r3 = 3
r4 = 4
r5 = 5
call 1
r8 = r0
call 2
r9 = r0
r1 = r8
r2 = r9
r3 = r7
r4 = 0
r5 = -1
call 28
*(u64 *)(r6 + 0) = r8
*(u64 *)(r6 + 8) = r9
r0 ^= r7
exit";

/// The run context reaches a helper called from a local function with a stack of an odd number of words.
const HELPER_IN_LOCAL: &str = "
r6 = r1
call local
*(u64 *)(r6 + 8) = r0
exit
local: *(u64 *)(r10 - 24) = 3
call 2
r6 = r0
call 2
if r0 == r6 goto same
r0 = 1
same: exit";

const MAY_GOTO: &str = "
r0 = 0
again: may_goto out
r0 += 1
goto again
out: exit";

const WIDE: &str = "
r6 = r1
r0 = 0x0 ll
r2 = 0xffffffffffffffff ll
r3 = 0x123456789abcdef0 ll
r4 = 0xffff0000ffff1234 ll
r5 = 0x00ff00ff00ff00ff ll
r7 = 0xffff1234ffffffff ll
r8 = map_idx[3]
r9 = map_value_idx[2]+100
r0 ^= r2
r0 += r3
r0 ^= r4
r0 += r5
r0 ^= r7
r0 += r8
r0 ^= r9
r1 = 0x80000000 ll
r0 += r1
r1 = 0xffff8000 ll
r0 ^= r1
r1 = 0xfffe0001 ll
r0 += r1
*(u64 *)(r6 + 0) = r0
exit";

/// Programs that the model can run.
pub(crate) fn modelled() -> Vec<Sweep> {
    let texts = [
        LOOP,
        STACK,
        LOCAL_CALLS,
        HELPERS,
        HELPER_IN_LOCAL,
        MAY_GOTO,
        WIDE,
    ];
    let mut all: Vec<Sweep> = texts
        .into_iter()
        .map(|text| Sweep {
            program: xlated(text),
            runs: vec![
                memory(),
                Run {
                    may_goto_left: 0,
                    ..memory()
                },
            ],
        })
        .collect();
    // Within and beyond the reach of tbz (32 KiB) and of the other conditional branches (1 MiB).
    let near = assemble("r0 += 1\nexit").unwrap().insns()[0];
    let long = assemble("call 12\nexit").unwrap().insns()[0];
    for (count, filler) in [
        (8189, near),
        (8190, near),
        (8191, near),
        (8192, near),
        (13000, long),
        (16000, long),
    ] {
        for (op, src) in [
            (JmpOp::Jset, Operand::Imm(4)),
            (JmpOp::Jeq, Operand::Imm(4)),
            (JmpOp::Jne, Operand::Imm(0)),
            (JmpOp::Jgt, Operand::Reg(Reg::R3)),
        ] {
            let runs = [0, 4].map(|value| {
                let mut run = Run {
                    tail_calls_left: 0,
                    ..memory()
                };
                let ctx = run.memory.len() / 2;
                run.memory[ctx] = value;
                run
            });
            let program = far_branch(op, src, &vec![filler; count]);
            all.push(Sweep {
                program,
                runs: runs.into(),
            });
        }
    }
    all
}

/// Branches over `filler`, from before and from behind it.
fn far_branch(op: JmpOp, src: Operand, filler: &[Insn]) -> Xlated {
    let slots = i16::try_from(filler.len()).unwrap();
    let branch = |off: i16| Insn::JumpIf {
        op,
        width: Width::W64,
        dst: Reg::R2,
        src,
        off,
    };
    let body =
        assemble("r2 = *(u8 *)(r1 + 0)\nr3 = 2\nr0 = 0\ngoto +1\nexit\nr0 += 1000\nexit").unwrap();
    let mut insns = body.insns()[..4].to_vec();
    let exit = body.insns()[4];
    // The landing of the branch back: an exit.
    insns.push(exit);
    insns.push(branch(slots));
    insns.extend(filler);
    insns.push(body.insns()[5]);
    insns.push(branch(-(slots + 4)));
    insns.push(exit);
    Xlated::assume_verified_for_tests(&Program::new(insns).unwrap())
}

/// Callbacks and tail calls.
pub(crate) fn expected() {
    for calls in [CallModel::Near, CallModel::Far] {
        call_back(calls, "");
        // More than 1 MiB away.
        call_back(calls, &"call 12\n".repeat(16000));
        tail_calls(calls);
    }
}

/// r1 to r5 of the callback are at the context, the thunk's offset is in front of it.
const CALL_BACK: &str = "
r6 = r1
r7 = 7
r2 = r1
r3 = *(u64 *)(r1 - 8)
r1 = func body
call 3
r0 += r7
exit
body: r6 = r1
r7 = r2
r8 = r3
r6 -= r7
r6 *= r8
r6 -= r4
r6 *= r5
call 2
r0 += r6
exit";

/// The callback with code between the functions.
fn call_back(calls: CallModel, between: &str) {
    let mut batch = Batch::default();
    let program = xlated(&CALL_BACK.replace("body: ", &format!("{between}body: ")));
    let run = |thunk: u64| {
        let mut memory = vec![0; 80];
        memory[32..40].copy_from_slice(&thunk.to_le_bytes());
        for (index, word) in [90_u64, 20, 3, 8, 11].into_iter().enumerate() {
            memory[40 + 8 * index..48 + 8 * index].copy_from_slice(&word.to_le_bytes());
        }
        Run::new(memory)
    };
    // Where the thunk is shows only after compilation.
    let thunk = Batch::default()
        .add(&program, calls, Vec::new())
        .callback_thunk();
    batch.add(&program, calls, vec![run(thunk.unwrap().into())]);
    let outcome = &batch.run()[0][0];
    let body = (90 - 20) * 3 - 8;
    assert_eq!(outcome.r0, ENV_MARK + body * 11 + 7);
    assert_eq!(outcome.not_kept, 0);
}

/// Adds one to the word at the context and tail-calls; the target is in front. If the call cannot be made, it
/// adds 100.
const TAIL_CALL: &str = "
r6 = r1
r7 = *(u64 *)(r6 + 0)
r7 += 1
*(u64 *)(r6 + 0) = r7
*(u64 *)(r10 - 16) = r7
r2 = 0 ll
r3 = *(u64 *)(r6 - 8)
call 12
r0 = *(u64 *)(r6 + 0)
r0 += 100
exit";

/// The same from a local function; whatever runs instead of it returns to the main function.
const LOCAL_TAIL_CALL: &str = "
r6 = r1
r9 = 3
call local
r0 += r9
r0 += 1000
exit
local: r9 = 5
*(u64 *)(r10 - 8) = r9
r2 = 0 ll
r3 = *(u64 *)(r1 - 8)
call 12
r0 = 1
exit";

fn tail_calls(calls: CallModel) {
    let run = |target: u64, left: u32| {
        let mut memory = vec![0; 32];
        memory[8..16].copy_from_slice(&target.to_le_bytes());
        Run {
            tail_calls_left: left,
            ..Run::new(memory)
        }
    };
    let mut batch = Batch::default();
    let direct = xlated(TAIL_CALL);
    let own = batch.next_offset();
    let nowhere = u64::MAX;
    batch.add(
        &direct,
        calls,
        vec![run(own, 33), run(own, 5), run(own, 0), run(nowhere, 33)],
    );
    let leaf = batch.next_offset();
    batch.add(
        &xlated("r0 = *(u64 *)(r1 - 8)\nr0 += 7\nexit"),
        calls,
        Vec::new(),
    );
    batch.add(&direct, calls, vec![run(leaf, 1)]);
    let local = xlated(LOCAL_TAIL_CALL);
    batch.add(
        &local,
        calls,
        vec![run(leaf, 33), run(nowhere, 33), run(own, 33)],
    );
    let outcomes = batch.run();
    let seen = |program: usize| -> Vec<(u64, u64, u64)> {
        let outcomes = outcomes[program].iter();
        outcomes
            .map(|one| (one.r0, one.tail_calls_left, one.not_kept))
            .collect()
    };
    assert_eq!(
        seen(0),
        [(134, 0, 0), (106, 0, 0), (101, 0, 0), (101, 33, 0)]
    );
    assert_eq!(seen(2), [(leaf + 7, 0, 0)]);
    assert_eq!(
        seen(3),
        [
            (leaf + 7 + 1003, 32, 0),
            (1 + 1003, 33, 0),
            (133 + 1003, 0, 0)
        ]
    );
}
