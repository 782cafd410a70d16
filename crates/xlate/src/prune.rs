//! What of a verified program is kept: unreached slots go, conditional jumps with one possible target are hard-wired, jumps
//! to the next slot go.
//!
//! The rules are Linux's, so that dumps have Linux's sequence; they were found by loading programs on 6.18. A jump is
//! judged by whether exploration reached its two *targets*, by any path. `goto +0` and `may_goto +0` are removed in one
//! pass from the front, so that a jump over a removed one stays even if it now leads to the next slot; only in front of a
//! removed `may_goto` is the previous slot looked at again. `gotol +0` stays.

use crate::facts::jump_target;
use skep_isa::{Insn, InsnIdx};

/// The kept slots: for each slot, what remains of it.
#[derive(Debug)]
pub(crate) struct Pruned {
    /// Instruction that runs at each slot, or `None` if nothing does.
    pub(crate) kept: Vec<Option<Insn>>,
}

/// Prunes a program; `reached` says of each slot whether exploration came there. The second half of a wide instruction
/// goes with the first.
pub(crate) fn prune(insns: &[Insn], reached: impl Fn(InsnIdx) -> bool) -> Pruned {
    let mut alive = Vec::with_capacity(insns.len());
    for (at, insn) in (0..).map(InsnIdx).zip(insns) {
        let with_first = matches!(insn, Insn::Imm64High).then(|| alive.last().copied());
        alive.push(with_first.flatten().unwrap_or_else(|| reached(at)));
    }
    let mut kept: Vec<Option<Insn>> = (0..)
        .map(InsnIdx)
        .zip(insns)
        .map(|(at, insn)| alive[at.index()].then(|| hard_wire(at, insn, &alive)))
        .collect();
    remove_nops(&mut kept);
    Pruned { kept }
}

/// A conditional jump of which one way leads to a slot that nothing reached becomes the other way.
fn hard_wire(at: InsnIdx, insn: &Insn, alive: &[bool]) -> Insn {
    let (Insn::JumpIf { off, .. } | Insn::MayGoto { off }) = *insn else {
        return *insn;
    };
    let reached = |slot: i64| {
        usize::try_from(slot)
            .ok()
            .and_then(|slot| alive.get(slot).copied())
            .unwrap_or(false)
    };
    let goto = |off: i16| Insn::Jump {
        off: i32::from(off),
        long: false,
    };
    if !reached(at.offset(1)) {
        goto(off)
    } else if !reached(at.offset(i64::from(off) + 1)) {
        goto(0)
    } else {
        *insn
    }
}

/// Removes jumps to the next slot, in the order described above.
fn remove_nops(kept: &mut [Option<Insn>]) {
    // Live slots before each slot, nops counted: the distance that a jump has when the pass comes to it.
    let mut before = Vec::with_capacity(kept.len() + 1);
    let mut live = 0usize;
    for slot in kept.iter() {
        before.push(live);
        live += usize::from(slot.is_some());
    }
    before.push(live);
    // Slots that stay so far, in order: the last is the one in front of the slot that the pass looks at.
    let mut stay: Vec<usize> = Vec::new();
    for at in 0..kept.len() {
        let Some(insn) = kept[at] else { continue };
        stay.push(at);
        let after = before[at] + 1;
        let mut candidate = Some((at, insn));
        while let Some((slot, insn)) = candidate.take() {
            if !leads_to(slot, &insn, after, &before) {
                break;
            }
            // `goto 0` that `hard_wire` made leads to the next slot whatever that is.
            kept[slot] = None;
            stay.pop();
            if matches!(insn, Insn::MayGoto { .. }) {
                candidate = stay
                    .last()
                    .and_then(|&front| kept[front].map(|insn| (front, insn)));
            }
        }
    }
}

/// Whether a removable jump at `slot` leads to the live slot number `after`, which is the next one behind it.
fn leads_to(slot: usize, insn: &Insn, after: usize, before: &[usize]) -> bool {
    if !matches!(insn, Insn::Jump { long: false, .. } | Insn::MayGoto { .. }) {
        return false;
    }
    let at = InsnIdx(u32::try_from(slot).expect("programs are shorter than 2^32 slots"));
    let target = jump_target(at, insn).and_then(|target| usize::try_from(target).ok());
    target.is_some_and(|target| target > slot && before.get(target).is_some_and(|&n| n <= after))
}
