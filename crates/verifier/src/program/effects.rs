//! What a function does to the packet, without walking it: needed where it is taken by its prototype.

use super::Extent;
use super::cfg::called;
use skep_contracts::{PacketEffect, helper};
use skep_isa::{CallTarget, Insn, InsnIdx};
use skep_uapi::HelperId;

/// For each function, whether it or anything that it calls may move the packet. A tail call may do anything.
pub(crate) fn moves_packet(insns: &[Insn], subprogs: &[Extent]) -> Vec<bool> {
    let mut moves: Vec<bool> = subprogs
        .iter()
        .map(|extent| body(insns, *extent).any(|(_, insn)| moves_itself(insn)))
        .collect();
    let mut changed = true;
    while changed {
        changed = false;
        for (index, extent) in subprogs.iter().enumerate() {
            let callee_moves = body(insns, *extent)
                .filter_map(|(at, insn)| called(insn, at))
                .filter_map(|start| subprogs.iter().position(|other| other.start == start))
                .any(|callee| moves[callee]);
            if callee_moves && !moves[index] {
                moves[index] = true;
                changed = true;
            }
        }
    }
    moves
}

fn body(insns: &[Insn], extent: Extent) -> impl Iterator<Item = (InsnIdx, &Insn)> {
    (extent.start.0..extent.end.0)
        .map(InsnIdx)
        .map(move |at| (at, &insns[at.index()]))
}

fn moves_itself(insn: &Insn) -> bool {
    let Insn::Call(CallTarget::Helper(id)) = *insn else {
        return false;
    };
    let id = HelperId(id.cast_unsigned());
    id == HelperId::TAIL_CALL
        // Through a dynamic pointer to a packet, a write may move it.
        || id == HelperId::DYNPTR_WRITE
        || helper(id).is_some_and(|row| row.packet == PacketEffect::Invalidates)
}
