//! The stack of nested calls together: at most 512 bytes over at most 8 frames.
//!
//! Linux walks every chain of calls; this walk skips calls whose deepest chain was found to fit, so that it is linear
//! and still stops at the same call. Frames count in units of 16 bytes.

use super::cfg::called;
use super::{Checked, Extent};
use crate::limits::{FRAMES_MAX, STACK_BYTES_MAX};
use crate::reject::Reject;
use crate::state::SubprogIdx;
use skep_isa::{CallTarget, Insn, InsnIdx};

/// The deepest chain from a function: bytes and frames, its own included.
#[derive(Clone, Copy)]
struct Deepest {
    bytes: u32,
    frames: usize,
}

/// A function being walked.
struct Walk {
    subprog: SubprogIdx,
    next: InsnIdx,
    deepest: Deepest,
}

/// Checks all chains from the main function and from each function that is verified by itself. `bytes` is the stack of
/// each function.
pub(crate) fn check(checked: &Checked, bytes: &[u32]) -> Result<(), Reject> {
    let mut known: Vec<Option<Deepest>> = vec![None; checked.subprogs.len()];
    for index in 0..checked.subprogs.len() {
        let subprog = SubprogIdx(u16::try_from(index).unwrap_or(u16::MAX));
        let alone = index == 0 || checked.decl(subprog).is_global();
        if alone && known[index].is_none() {
            chains(checked, bytes, subprog, &mut known)?;
        }
    }
    Ok(())
}

fn rounded(bytes: u32) -> u32 {
    bytes.next_multiple_of(16)
}

fn chains(
    checked: &Checked,
    bytes: &[u32],
    root: SubprogIdx,
    known: &mut [Option<Deepest>],
) -> Result<(), Reject> {
    let enter = |subprog: SubprogIdx| Walk {
        subprog,
        next: checked.extent(subprog).start,
        deepest: Deepest {
            bytes: 0,
            frames: 0,
        },
    };
    let mut total = rounded(bytes[root.index()]);
    let mut walks = vec![enter(root)];
    fits(total, 1)?;
    loop {
        let frames = walks.len();
        let Some(walk) = walks.last_mut() else {
            return Ok(());
        };
        let extent = checked.extent(walk.subprog);
        match next_call(checked, extent, walk.next) {
            Some((at, callee)) => {
                walk.next = InsnIdx(at.0 + 1);
                let fitting = known[callee.index()].filter(|deepest| {
                    frames + deepest.frames <= FRAMES_MAX
                        && total + deepest.bytes <= STACK_BYTES_MAX
                });
                if let Some(deepest) = fitting {
                    note(&mut walk.deepest, deepest);
                    continue;
                }
                if frames >= FRAMES_MAX {
                    return Err(Reject::ChainTooDeep { frames });
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

fn next_call(checked: &Checked, extent: Extent, from: InsnIdx) -> Option<(InsnIdx, SubprogIdx)> {
    (from.0..extent.end.0).map(InsnIdx).find_map(|at| {
        let insn = &checked.insns[at.index()];
        if !matches!(insn, Insn::Call(CallTarget::Local(_))) {
            return None;
        }
        let callee = called(insn, at)?;
        Some((at, checked.subprog_at(callee)?))
    })
}
