//! The control-flow graph: every instruction can be reached, and where the walk looks at stored states.

use super::kfuncs::kfunc_name;
use super::structure::{jump_offset, successors};
use super::{Extent, target};
use crate::env::Env;
use crate::reject::Reject;
use skep_contracts::{ArgKind, KfuncArg, KfuncRule, helper, kfunc};
use skep_isa::{CallTarget, Imm64, Insn, InsnIdx};
use skep_uapi::HelperId;

/// What the walk does when it arrives at an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Point {
    /// Compare with states stored here, and maybe store this one.
    pub(crate) prune: bool,
    /// Control can come from elsewhere than the slot before.
    pub(crate) jump: bool,
    /// Store a state on each visit.
    pub(crate) force: bool,
    /// Loops through here end by meeting a stored state.
    pub(crate) converges: Option<Converges>,
}

/// What makes progress at an instruction though the state may look the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Converges {
    /// The budget of `may_goto`.
    MayGoto,
    /// An iterator's next element.
    Iterator,
    /// A function that is called back.
    Callback,
}

/// Checks reachability from the main function through jumps, calls and function addresses, and finds the points.
pub(crate) fn check(
    insns: &[Insn],
    subprogs: &[Extent],
    env: &Env<'_>,
) -> Result<Vec<Point>, Reject> {
    let mut reached = vec![false; insns.len()];
    let mut points = vec![Point::default(); insns.len()];
    let mut work = vec![InsnIdx(0)];
    while let Some(at) = work.pop() {
        if std::mem::replace(&mut reached[at.index()], true) {
            continue;
        }
        for next in successors(insns, at).into_iter().flatten() {
            if insns[next.index()] == Insn::Imm64High {
                return Err(Reject::JumpIntoWide {
                    at: InsnIdx(next.0 - 1),
                });
            }
            work.push(next);
        }
        if let Insn::LoadImm64 { .. } = insns[at.index()] {
            reached[at.index() + 1] = true;
        }
        if let Some(callee) = called(&insns[at.index()], at) {
            if insns[callee.index()] == Insn::Imm64High {
                return Err(Reject::JumpIntoWide {
                    at: InsnIdx(callee.0 - 1),
                });
            }
            work.push(callee);
        }
        mark(insns, at, &mut points, env);
    }
    debug_assert!(!subprogs.is_empty(), "the main function always is one");
    match reached.iter().position(|reached| !reached) {
        Some(at) => Err(Reject::UnreachableInsn {
            at: InsnIdx(u32::try_from(at).unwrap_or(u32::MAX)),
        }),
        None => Ok(points),
    }
}

/// The function that an instruction calls or takes the address of.
pub(crate) fn called(insn: &Insn, at: InsnIdx) -> Option<InsnIdx> {
    match *insn {
        Insn::Call(CallTarget::Local(off))
        | Insn::LoadImm64 {
            imm: Imm64::Func(off),
            ..
        } => Some(target(at, off)),
        _ => None,
    }
}

/// Stored states pay at conditional jumps, at the targets of jumps, behind calls, and where functions start. `may_goto` stores always,
/// because its loops end by meeting a stored state.
fn mark(insns: &[Insn], at: InsnIdx, points: &mut [Point], env: &Env<'_>) {
    let insn = &insns[at.index()];
    if let Some(off) = jump_offset(insn) {
        let target = &mut points[target(at, off).index()];
        target.prune = true;
        target.jump = true;
        if !matches!(insn, Insn::Jump { .. }) {
            points[at.index()].prune = true;
        }
    }
    let converges = converges(insn, env);
    if converges.is_some() {
        let point = &mut points[at.index()];
        point.converges = converges;
        point.force = true;
        point.prune = true;
        point.jump = true;
    }
    let Insn::Call(call) = *insn else {
        return;
    };
    if let Some(after) = points.get_mut(at.index() + 1) {
        after.prune = true;
        after.jump |= matches!(call, CallTarget::Local(_));
    }
    if let CallTarget::Local(off) = call {
        points[at.index()].prune = true;
        let entry = &mut points[target(at, off).index()];
        entry.prune = true;
        entry.jump = true;
    }
}

/// Whether loops through an instruction end by meeting a stored state.
fn converges(insn: &Insn, env: &Env<'_>) -> Option<Converges> {
    match *insn {
        Insn::MayGoto { .. } => Some(Converges::MayGoto),
        Insn::Call(CallTarget::Helper(id)) => {
            let row = helper(HelperId(id.cast_unsigned()))?;
            // What a timer calls, it calls later.
            let calls_back = row.id != HelperId::TIMER_SET_CALLBACK;
            (calls_back && row.args.contains(&ArgKind::Func)).then_some(Converges::Callback)
        }
        Insn::Call(CallTarget::Kfunc { id, .. }) => {
            let row = kfunc(kfunc_name(env, id)?)?;
            let calls_back = row.args.contains(&KfuncArg::Callback);
            match row.rule {
                KfuncRule::IterNext => Some(Converges::Iterator),
                _ => calls_back.then_some(Converges::Callback),
            }
        }
        _ => None,
    }
}
