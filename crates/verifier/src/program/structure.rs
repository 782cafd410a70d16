//! Functions and jumps: where functions start, that jumps stay inside, how each ends.

use super::{Extent, target};
use crate::limits::{PROGRAM_INSNS_MAX, SUBPROGS_MAX};
use crate::reject::Reject;
use skep_isa::{CallTarget, Imm64, Insn, InsnIdx};

fn index(at: usize) -> InsnIdx {
    InsnIdx(u32::try_from(at).unwrap_or(u32::MAX))
}

/// The functions, in order of their start: the main one, and what calls and function addresses name.
pub(crate) fn subprogs(insns: &[Insn]) -> Result<Vec<Extent>, Reject> {
    if insns.len() > PROGRAM_INSNS_MAX {
        return Err(Reject::ProgramTooLong {});
    }
    let mut starts = vec![InsnIdx(0)];
    for (at, insn) in insns.iter().enumerate() {
        let (Insn::Call(CallTarget::Local(off))
        | Insn::LoadImm64 {
            imm: Imm64::Func(off),
            ..
        }) = *insn
        else {
            continue;
        };
        let start = index(at).offset(1 + i64::from(off));
        match usize::try_from(start) {
            Ok(start) if start < insns.len() => starts.push(index(start)),
            Ok(_) | Err(_) => return Err(Reject::CallOutOfRange { at: index(at) }),
        }
        // Calls repeat their targets: sorting now and then keeps the list short without sorting for each.
        if starts.len() > 4 * SUBPROGS_MAX {
            sort(&mut starts)?;
        }
    }
    sort(&mut starts)?;
    let ends = starts.iter().skip(1).copied().chain([index(insns.len())]);
    Ok(starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| Extent { start, end })
        .collect())
}

fn sort(starts: &mut Vec<InsnIdx>) -> Result<(), Reject> {
    starts.sort_unstable();
    starts.dedup();
    if starts.len() > SUBPROGS_MAX {
        return Err(Reject::TooManySubprogs {});
    }
    Ok(())
}

/// Jumps stay within their function, and a function does not run into the next.
pub(crate) fn check_extents(insns: &[Insn], subprogs: &[Extent]) -> Result<(), Reject> {
    for extent in subprogs {
        let body = extent.start.index()..extent.end.index();
        for at in body.clone() {
            let Some(off) = jump_offset(&insns[at]) else {
                continue;
            };
            let target = index(at).offset(1 + i64::from(off));
            if target < i64::from(extent.start.0) || target >= i64::from(extent.end.0) {
                return Err(Reject::JumpOutOfRange {
                    at: index(at),
                    target,
                });
            }
        }
        match insns[body].last() {
            Some(Insn::Exit | Insn::Jump { .. }) => {}
            Some(_) | None => return Err(Reject::LastNotExit {}),
        }
    }
    Ok(())
}

/// The offset of an instruction that jumps within its function.
pub(crate) fn jump_offset(insn: &Insn) -> Option<i32> {
    match *insn {
        Insn::Jump { off, .. } => Some(off),
        Insn::JumpIf { off, .. } | Insn::MayGoto { off } => Some(off.into()),
        Insn::Alu { .. }
        | Insn::Neg { .. }
        | Insn::Mov { .. }
        | Insn::MovSx { .. }
        | Insn::Swap { .. }
        | Insn::AddrSpaceCast { .. }
        | Insn::LoadImm64 { .. }
        | Insn::Imm64High
        | Insn::Load { .. }
        | Insn::Store { .. }
        | Insn::Atomic { .. }
        | Insn::LoadAbs { .. }
        | Insn::LoadInd { .. }
        | Insn::Call(_)
        | Insn::CallReg { .. }
        | Insn::Exit => None,
    }
}

/// Where control may go after `at` within the function: next slot first, then a jump's target. Both are inside the
/// program once [`check_extents`] has passed.
pub(crate) fn successors(insns: &[Insn], at: InsnIdx) -> [Option<InsnIdx>; 2] {
    let insn = &insns[at.index()];
    let next = match insn {
        Insn::Exit | Insn::Jump { .. } => None,
        Insn::LoadImm64 { .. } => Some(InsnIdx(at.0 + 2)),
        _ => Some(InsnIdx(at.0 + 1)),
    };
    let inside = |slot: &InsnIdx| slot.index() < insns.len();
    [
        next.filter(inside),
        jump_offset(insn).map(|off| target(at, off)).filter(inside),
    ]
}
