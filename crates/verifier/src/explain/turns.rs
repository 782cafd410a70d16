//! The way that led to the refused instruction, as the turns that it took.
//!
//! A turn that was taken several times stands where it was taken last, with the number: a loop of a thousand rounds is as
//! many lines as its body has branches.

use super::{Scene, Turn, TurnKind};
use crate::path::Path;
use crate::trail::Step;
use skep_isa::{Insn, InsnIdx};
use std::collections::HashMap;

pub(super) fn of(scene: &Scene<'_>, path: &Path<'_>) -> Vec<Turn> {
    let mut seen: HashMap<(InsnIdx, InsnIdx), (usize, usize, TurnKind)> = HashMap::new();
    let steps = path.trail.steps();
    let current = Step {
        at: path.at,
        depth: u8::MAX,
    };
    let next = steps.iter().skip(1).chain([&current]);
    for (number, (step, next)) in steps.iter().zip(next).enumerate() {
        if let Some(kind) = kind(scene, step, next) {
            let entry = seen.entry((step.at, next.at)).or_insert((0, 0, kind));
            entry.0 = number;
            entry.1 += 1;
        }
    }
    let mut turns: Vec<_> = seen.into_iter().collect();
    turns.sort_by_key(|(_, (last, _, _))| *last);
    let turns = turns
        .into_iter()
        .map(|((from, to), (_, times, kind))| Turn {
            kind,
            from: scene.places.at(from),
            to: scene.places.at(to),
            times,
        });
    turns.collect()
}

/// Whether there was a turn between two steps.
fn kind(scene: &Scene<'_>, step: &Step, next: &Step) -> Option<TurnKind> {
    if next.at == step.at {
        return None;
    }
    match scene.insns.get(step.at.index())? {
        Insn::JumpIf { .. } | Insn::MayGoto { .. } => Some(TurnKind::Branch),
        // A loop's way back.
        Insn::Jump { .. } if next.at < step.at => Some(TurnKind::Branch),
        Insn::Call(_) if next.depth > step.depth && next.depth != u8::MAX => Some(TurnKind::Call),
        Insn::Exit => Some(TurnKind::Return),
        _ => None,
    }
}
