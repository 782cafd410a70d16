//! The stack of nested calls together: at most 512 bytes over at most 8 frames.
//!
//! Linux walks every chain of calls; this walk skips calls whose deepest chain was found to fit, so that it is linear
//! and still stops at the same call. Frames count in units of 16 bytes.

use super::btf_info::tail_calls;
use super::cfg::called;
use super::kfuncs::kfunc_name;
use super::{Checked, Extent};
use crate::env::Env;
use crate::limits::{FRAMES_MAX, STACK_BYTES_MAX, TAIL_CALL_STACK_MAX};
use crate::reject::Reject;
use crate::state::SubprogIdx;
use skep_contracts::{KfuncRule, kfunc};
use skep_isa::{CallTarget, Imm64, Insn, InsnIdx};

/// The deepest chain from a function: bytes and frames, its own included.
#[derive(Clone, Copy)]
struct Deepest {
    bytes: u32,
    frames: usize,
}

/// What the walk over paths found out about functions.
pub(crate) struct Used<'a> {
    pub(crate) env: &'a Env<'a>,
    /// Bytes of stack of each function.
    pub(crate) bytes: &'a [u32],
    /// Whether a function runs later, with nothing around it.
    pub(crate) later: &'a [bool],
}

/// A function being walked.
struct Walk {
    subprog: SubprogIdx,
    next: InsnIdx,
    deepest: Deepest,
}

/// Checks all chains from the main function and from each function that is verified by itself.
pub(crate) fn check(checked: &Checked, used: &Used<'_>) -> Result<(), Reject> {
    check_throws(checked, used.env)?;
    let mut known: Vec<Option<Deepest>> = vec![None; checked.subprogs.len()];
    for index in 0..checked.subprogs.len() {
        let subprog = SubprogIdx(u16::try_from(index).unwrap_or(u16::MAX));
        let alone = index == 0 || used.later[index] || checked.decl(subprog).is_global();
        if alone && known[index].is_none() {
            chains(checked, used, subprog, &mut known)?;
        }
    }
    Ok(())
}

fn rounded(bytes: u32) -> u32 {
    bytes.next_multiple_of(16)
}

fn chains(
    checked: &Checked,
    used: &Used<'_>,
    root: SubprogIdx,
    known: &mut [Option<Deepest>],
) -> Result<(), Reject> {
    let bytes = used.bytes;
    let enter = |subprog: SubprogIdx| Walk {
        subprog,
        next: checked.extent(subprog).start,
        deepest: Deepest {
            bytes: 0,
            frames: 0,
        },
    };
    let known_tail_calls: Vec<bool> = (0..checked.subprogs.len())
        .map(|index| reaches_tail_call(checked, index))
        .collect();
    let mut total = rounded(bytes[root.index()]);
    let mut walks = vec![enter(root)];
    fits(total, 1)?;
    loop {
        let frames = walks.len();
        let Some(walk) = walks.last_mut() else {
            return Ok(());
        };
        let extent = checked.extent(walk.subprog);
        match next_call(checked, extent, walk.next, used.later) {
            Some((at, callee)) => {
                walk.next = InsnIdx(at.0 + 1);
                let tail_calls = known_tail_calls[callee.index()];
                let fitting = known[callee.index()].filter(|deepest| {
                    !tail_calls
                        && frames + deepest.frames <= FRAMES_MAX
                        && total + deepest.bytes <= STACK_BYTES_MAX
                });
                if let Some(deepest) = fitting {
                    note(&mut walk.deepest, deepest);
                    continue;
                }
                if frames >= FRAMES_MAX {
                    return Err(Reject::ChainTooDeep { frames });
                }
                if total >= TAIL_CALL_STACK_MAX && makes_tail_calls(checked, callee) {
                    return Err(Reject::TailCallStack { bytes: total });
                }
                total += rounded(bytes[callee.index()]);
                walks.push(enter(callee));
                fits(total, walks.len())?;
            }
            None => {
                let own = rounded(bytes[walk.subprog.index()]);
                let deepest = Deepest {
                    bytes: walk.deepest.bytes + own,
                    frames: walk.deepest.frames + 1,
                };
                known[walk.subprog.index()] = Some(deepest);
                total -= own;
                walks.pop();
                if let Some(caller) = walks.last_mut() {
                    note(&mut caller.deepest, deepest);
                }
            }
        }
    }
}

fn note(deepest: &mut Deepest, callee: Deepest) {
    deepest.bytes = deepest.bytes.max(callee.bytes);
    deepest.frames = deepest.frames.max(callee.frames);
}

fn fits(total: u32, frames: usize) -> Result<(), Reject> {
    if total > STACK_BYTES_MAX {
        return Err(Reject::CombinedStack {
            frames,
            bytes: total,
        });
    }
    Ok(())
}

/// Whether a function makes tail calls itself.
fn makes_tail_calls(checked: &Checked, subprog: SubprogIdx) -> bool {
    let extent = checked.extent(subprog);
    tail_calls(&checked.insns[extent.start.index()..extent.end.index()])
}

/// The next call of a function, or function whose address it takes and that is called back while its frame is there.
fn next_call(
    checked: &Checked,
    extent: Extent,
    from: InsnIdx,
    later: &[bool],
) -> Option<(InsnIdx, SubprogIdx)> {
    (from.0..extent.end.0).map(InsnIdx).find_map(|at| {
        let insn = &checked.insns[at.index()];
        let callee = checked.subprog_at(called(insn, at)?)?;
        let counts = matches!(insn, Insn::Call(_)) || !later[callee.index()];
        counts.then_some((at, callee))
    })
}

/// Whether a function or any that it calls makes tail calls: what is around it counts then.
fn reaches_tail_call(checked: &Checked, index: usize) -> bool {
    reachable(checked, index)
        .into_iter()
        .any(|subprog| makes_tail_calls(checked, subprog))
}

/// A function and all that it calls.
fn reachable(checked: &Checked, index: usize) -> Vec<SubprogIdx> {
    let mut found = vec![false; checked.subprogs.len()];
    let mut work = vec![SubprogIdx(u16::try_from(index).unwrap_or(u16::MAX))];
    let mut all = Vec::new();
    while let Some(subprog) = work.pop() {
        if std::mem::replace(&mut found[subprog.index()], true) {
            continue;
        }
        all.push(subprog);
        let extent = checked.extent(subprog);
        for at in (extent.start.0..extent.end.0).map(InsnIdx) {
            let insn = &checked.insns[at.index()];
            let callee = called(insn, at).and_then(|start| checked.subprog_at(start));
            work.extend(callee);
        }
    }
    all
}

/// What is called back does not throw: the helper in between would not notice.
fn check_throws(checked: &Checked, env: &Env<'_>) -> Result<(), Reject> {
    for (index, insn) in checked.insns.iter().enumerate() {
        let at = InsnIdx(u32::try_from(index).unwrap_or(u32::MAX));
        let Insn::LoadImm64 {
            imm: Imm64::Func(_),
            ..
        } = insn
        else {
            continue;
        };
        let Some(callback) = called(insn, at).and_then(|start| checked.subprog_at(start)) else {
            continue;
        };
        let mut throws = reachable(checked, callback.index())
            .into_iter()
            .filter_map(|subprog| throw_in(checked, env, subprog));
        if let Some(at) = throws.next() {
            let subprog = callback.0;
            return Err(Reject::ThrowInCallback { at, subprog });
        }
    }
    Ok(())
}

fn throw_in(checked: &Checked, env: &Env<'_>, subprog: SubprogIdx) -> Option<InsnIdx> {
    let extent = checked.extent(subprog);
    (extent.start.0..extent.end.0).map(InsnIdx).find(|at| {
        let Insn::Call(CallTarget::Kfunc { id, .. }) = checked.insns[at.index()] else {
            return false;
        };
        let row = kfunc_name(env, id).and_then(kfunc);
        row.is_some_and(|row| row.rule == KfuncRule::Throw)
    })
}
