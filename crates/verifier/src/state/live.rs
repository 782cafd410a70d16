//! Which stack slots a stored state's continuation may still read.
//!
//! Each function in each chain of calls is an [`Instance`]. While paths are explored, instances collect per instruction
//! which slots, of their own frame and of those above, it may read and which it always overwrites. From that, a backward
//! pass over the function's control flow gives what is live. The answer is used only for states whose continuation was
//! explored completely, so that all reads it can make have been collected; reads that come later belong to other paths.
//!
//! If the collection outgrows its bound, everything counts as live, which is sound and merely prunes less.

use skep_isa::InsnIdx;
use std::collections::HashMap;

/// Masks collected in all at most; 24 bytes each.
const MASKS_MAX: usize = 8 << 20;
/// Steps of the backward pass in all at most: a few seconds.
const STEPS_MAX: u64 = 500_000_000;

/// An instance, as index.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct InstanceIdx(u32);

/// Slots of one frame: bit `i` is the slot of bytes `fp - 8 * (i + 1)` upwards.
pub(crate) type Slots = u64;

#[derive(Clone, Copy, Default, Debug)]
struct Masks {
    reads: Slots,
    writes: Slots,
    live: Slots,
}

#[derive(Debug)]
struct Instance {
    parent: Option<(InstanceIdx, InsnIdx)>,
    /// Frames that it can see: its own and those above.
    frames: usize,
    start: u32,
    /// `frames` masks per instruction.
    masks: Vec<Masks>,
    /// Whether an instruction's writes were collected before.
    seen: Vec<bool>,
    dirty: bool,
}

impl Instance {
    fn at(&self, insn: InsnIdx) -> usize {
        usize::try_from(insn.0 - self.start).unwrap_or(0) * self.frames
    }
}

/// All instances.
#[derive(Debug, Default)]
pub(crate) struct LiveStack {
    instances: Vec<Instance>,
    by_call: HashMap<(InstanceIdx, InsnIdx, InsnIdx), InstanceIdx>,
    masks: usize,
    steps: u64,
    any_dirty: bool,
    full: bool,
}

impl LiveStack {
    /// Starts over with a function that is verified by itself.
    pub(crate) fn root(&mut self, start: InsnIdx, end: InsnIdx) -> InstanceIdx {
        self.instances.clear();
        self.by_call.clear();
        self.masks = 0;
        self.add(None, 1, start, end)
    }

    /// A function that runs later, with nothing around it.
    pub(crate) fn another_root(&mut self, start: InsnIdx, end: InsnIdx) -> InstanceIdx {
        self.add(None, 1, start, end)
    }

    /// The instance that a call enters.
    pub(crate) fn callee(
        &mut self,
        caller: InstanceIdx,
        call: InsnIdx,
        start: InsnIdx,
        end: InsnIdx,
    ) -> InstanceIdx {
        if let Some(&known) = self.by_call.get(&(caller, call, start)) {
            return known;
        }
        let frames = self.instances[caller.index()].frames + 1;
        let callee = self.add(Some((caller, call)), frames, start, end);
        self.by_call.insert((caller, call, start), callee);
        callee
    }

    fn add(
        &mut self,
        parent: Option<(InstanceIdx, InsnIdx)>,
        frames: usize,
        start: InsnIdx,
        end: InsnIdx,
    ) -> InstanceIdx {
        let insns = end.index().saturating_sub(start.index());
        self.masks += insns * frames;
        if self.masks > MASKS_MAX {
            self.full = true;
        }
        let insns = if self.full { 0 } else { insns };
        let index = InstanceIdx(u32::try_from(self.instances.len()).unwrap_or(u32::MAX));
        self.instances.push(Instance {
            parent,
            frames,
            start: start.0,
            masks: vec![Masks::default(); insns * frames],
            seen: vec![false; insns],
            dirty: false,
        });
        index
    }

    /// An instruction may read slots of a frame.
    pub(crate) fn read(&mut self, at: InstanceIdx, insn: InsnIdx, frame: u8, slots: Slots) {
        if self.full {
            return;
        }
        let instance = &mut self.instances[at.index()];
        let index = instance.at(insn) + usize::from(frame);
        let masks = &mut instance.masks[index];
        if masks.reads & slots != slots {
            masks.reads |= slots;
            instance.dirty = true;
            self.any_dirty = true;
        }
    }

    /// An instruction has overwritten these slots, frame by frame, on this visit; on each visit it must say so.
    pub(crate) fn wrote(&mut self, at: InstanceIdx, insn: InsnIdx, slots: &[Slots; 8]) {
        if self.full {
            return;
        }
        let instance = &mut self.instances[at.index()];
        let first = instance.at(insn);
        let seen = &mut instance.seen[first / instance.frames];
        for (masks, &slots) in instance.masks[first..]
            .iter_mut()
            .zip(&slots[..instance.frames])
        {
            let writes = if *seen { masks.writes & slots } else { slots };
            if writes != masks.writes {
                masks.writes = writes;
                instance.dirty = true;
                self.any_dirty = true;
            }
        }
        *seen = true;
    }

    /// Slots of frame `frame` that may be read from instruction `insn` of an instance on.
    pub(crate) fn live(
        &mut self,
        at: InstanceIdx,
        insn: InsnIdx,
        frame: usize,
        next: &impl Fn(InsnIdx) -> [Option<InsnIdx>; 2],
    ) -> Slots {
        if self.any_dirty && !self.full {
            self.settle(next);
        }
        if self.full {
            return Slots::MAX;
        }
        let instance = &self.instances[at.index()];
        instance
            .masks
            .get(instance.at(insn) + frame)
            .map_or(Slots::MAX, |masks| masks.live)
    }

    /// Recomputes what changed, callees before their callers (which were made earlier).
    fn settle(&mut self, next: &impl Fn(InsnIdx) -> [Option<InsnIdx>; 2]) {
        self.any_dirty = false;
        for index in (0..self.instances.len()).rev() {
            if !self.instances[index].dirty {
                continue;
            }
            self.steps += settle_one(&mut self.instances[index], next);
            if self.steps > STEPS_MAX {
                self.full = true;
                return;
            }
            self.pass_to_caller(index);
        }
    }

    /// What a callee reads of the frames above, its call reads.
    fn pass_to_caller(&mut self, index: usize) {
        let (callers, rest) = self.instances.split_at_mut(index);
        let callee = &rest[0];
        let Some((caller, call)) = callee.parent else {
            return;
        };
        let caller = &mut callers[caller.index()];
        let at = caller.at(call);
        for (masks, entry) in caller.masks[at..at + caller.frames]
            .iter_mut()
            .zip(&callee.masks)
        {
            if masks.reads & entry.live != entry.live {
                masks.reads |= entry.live;
                caller.dirty = true;
            }
        }
    }
}

/// The backward pass over one instance, to its fixed point; gives the number of steps.
fn settle_one(instance: &mut Instance, next: &impl Fn(InsnIdx) -> [Option<InsnIdx>; 2]) -> u64 {
    let mut steps = 0;
    let mut changed = true;
    instance.dirty = false;
    while changed {
        changed = false;
        for index in (0..instance.seen.len()).rev() {
            let insn = InsnIdx(instance.start + u32::try_from(index).unwrap_or(0));
            let successors = next(insn);
            for frame in 0..instance.frames {
                let after = successors
                    .iter()
                    .flatten()
                    .map(|next| instance.masks[instance.at(*next) + frame].live)
                    .fold(0, |all, live| all | live);
                let masks = &mut instance.masks[index * instance.frames + frame];
                let live = masks.reads | (after & !masks.writes);
                changed |= live != masks.live;
                masks.live = live;
            }
            steps += 1;
        }
    }
    steps
}

impl InstanceIdx {
    fn index(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_keeps_a_slot_live_up_to_its_write() {
        let next = |at: InsnIdx| [(at.0 < 3).then(|| InsnIdx(at.0 + 1)), None];
        let mut live = LiveStack::default();
        let main = live.root(InsnIdx(0), InsnIdx(4));
        live.wrote(main, InsnIdx(1), &[1, 0, 0, 0, 0, 0, 0, 0]);
        live.read(main, InsnIdx(2), 0, 1);
        let at = |live: &mut LiveStack, at| live.live(main, InsnIdx(at), 0, &next);
        assert_eq!([0, 1, 2, 3].map(|i| at(&mut live, i)), [0, 0, 1, 0]);
        live.wrote(main, InsnIdx(1), &[0; 8]);
        assert_eq!(at(&mut live, 0), 1, "one visit did not write");
    }

    #[test]
    fn callees_read_for_their_calls() {
        let next = |at: InsnIdx| [(at.0 != 1 && at.0 != 3).then(|| InsnIdx(at.0 + 1)), None];
        let mut live = LiveStack::default();
        let main = live.root(InsnIdx(0), InsnIdx(2));
        let callee = live.callee(main, InsnIdx(0), InsnIdx(2), InsnIdx(4));
        live.read(callee, InsnIdx(3), 0, 4);
        assert_eq!(live.live(main, InsnIdx(0), 0, &next), 4);
        assert_eq!(live.live(main, InsnIdx(1), 0, &next), 0);
    }
}
