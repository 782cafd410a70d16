//! Meeting stored states: covered paths end, loops without progress are refused, and states are stored at a pace that
//! makes comparing them pay.

use super::Explorer;
use super::visited::{Bucket, StoredIdx};
use crate::limits::{FRAMES_MAX, JUMPS_WITHOUT_CHECKPOINT_MAX};
use crate::log::history::Route;
use crate::program::{Checked, Converges};
use crate::reject::Reject;
use crate::state::equal::{Comparison, Rule};
use crate::state::{LiveStack, Node, Reg, Slot, Slots, State};
use skep_isa::InsnIdx;
use skep_uapi::BPF_F_TEST_STATE_FREQ;
use std::rc::Rc;

/// Instructions and jumps since the last stored state that make the next one worthwhile.
const INSNS_BETWEEN: u32 = 8;
const JUMPS_BETWEEN: u32 = 2;
/// The same within a loop that is still being walked, where most states cover nothing.
const LOOP_INSNS_BETWEEN: u32 = 100;
const LOOP_JUMPS_BETWEEN: u32 = 20;
/// A state is dropped when it covered nothing this many times more often than it covered something; in loops that end by
/// meeting a stored state, later.
const MISSES_PER_HIT: u32 = 3;
const LOOP_MISSES_PER_HIT: u32 = 64;

/// Whether the current path goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// A stored state covers it.
    Covered,
    /// It goes on.
    Open,
}

/// How far the walk came since a state was stored.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    insns: u32,
    jumps: u32,
    /// Instructions since then that Linux keeps a history of, to track precision: where it comes from, the stack.
    pub(crate) history: u32,
}

impl Pace {
    /// The walk arrives at an instruction, whether or not it goes on from there.
    pub(crate) fn arrive(&mut self) {
        self.insns += 1;
    }

    /// A jump, call or exit is carried out.
    pub(crate) fn jump(&mut self) {
        self.jumps += 1;
    }

    /// An instruction that was jumped to or that accessed the stack.
    pub(crate) fn note(&mut self) {
        self.history += 1;
    }

    fn is_due(self) -> bool {
        self.insns >= INSNS_BETWEEN && self.jumps >= JUMPS_BETWEEN
    }

    fn is_due_in_loop(self) -> bool {
        self.insns >= LOOP_INSNS_BETWEEN || self.jumps >= LOOP_JUMPS_BETWEEN
    }
}

impl Explorer<'_, '_> {
    /// Compares the current state with those stored at this instruction, and stores it if it is time.
    pub(super) fn meet_stored(&mut self) -> Result<Verdict, Reject> {
        let at = self.path.at;
        let force = self.path.checked.points[at.index()].force
            || self.path.env.prog_flags & BPF_F_TEST_STATE_FREQ != 0
            || self.pace.history > JUMPS_WITHOUT_CHECKPOINT_MAX;
        let mut store = force || self.pace.is_due();
        let bucket = self.visited.bucket(at, &self.path.state);
        let length = self.visited.listed(bucket).len();
        // The latest first; dropping one moves only those that were met already.
        for position in (0..length).rev() {
            let index = self.visited.listed(bucket)[position];
            if self.visited.get(index).at != at {
                continue;
            }
            if self.visited.get(index).open > 0 {
                match self.meet_ancestor(index)? {
                    Verdict::Covered => return Ok(Verdict::Covered),
                    Verdict::Open => {}
                }
                if !force && !self.pace.is_due_in_loop() {
                    store = false;
                }
                let per_hit = if self.path.checked.points[at.index()].force {
                    LOOP_MISSES_PER_HIT
                } else {
                    MISSES_PER_HIT
                };
                self.missed(bucket, index, store, per_hit);
                continue;
            }
            if let Some(ancestor) = self.visited.loops_to(index) {
                if self.loop_converged(index) {
                    self.loop_back(index, ancestor);
                    return Ok(Verdict::Covered);
                }
            } else if self.covered_by(index) {
                self.visited.get_mut(index).hits += 1;
                self.keep_what_matters(index);
                self.print_propagated(index);
                self.path.print_safe();
                return Ok(Verdict::Covered);
            }
            self.missed(bucket, index, store, MISSES_PER_HIT);
        }
        self.visited.note_length(length);
        if store && self.visited.has_room() {
            self.store();
        }
        Ok(Verdict::Open)
    }

    /// A stored state covered nothing again.
    fn missed(&mut self, bucket: Bucket, index: StoredIdx, storing: bool, per_hit: u32) {
        let stored = self.visited.get_mut(index);
        // A comparison on the way to storing another state counts; others happen too often to mean anything.
        if storing {
            stored.misses += 1;
        }
        if stored.misses > stored.hits.saturating_mul(per_hit).saturating_add(per_hit) {
            self.visited.unlist(bucket, index);
        }
    }

    /// Meets a state that the current path came from: if a loop makes progress, its continuation may cover this path's; if it
    /// makes none, it never ends.
    fn meet_ancestor(&mut self, index: StoredIdx) -> Result<Verdict, Reject> {
        let at = self.path.at;
        let Some(old) = self.visited.get(index).state.as_ref() else {
            return Ok(Verdict::Open);
        };
        let cur = &self.path.state;
        let converges = match self.path.checked.points[at.index()].converges {
            None => false,
            Some(Converges::MayGoto) => old.may_goto_depth != cur.may_goto_depth,
            Some(Converges::Iterator | Converges::Callback) => true,
        };
        if converges {
            if self.loop_converged(index) {
                self.loop_back(index, index);
                return Ok(Verdict::Covered);
            }
            return Ok(Verdict::Open);
        }
        if old.made_progress_since(cur) || !may_be_same(old, cur) {
            return Ok(Verdict::Open);
        }
        let mut comparison = Comparison {
            rule: Rule::Same,
            precision: &self.path.precision,
            ids: &mut self.ids,
        };
        if !covers_all(&mut comparison, self.path.checked, old, cur, at) {
            return Ok(Verdict::Open);
        }
        let old = old.clone();
        if self.path.log.prints_insns() {
            self.path
                .log
                .write(format_args!("infinite loop detected at insn {at}\n"));
        }
        self.path.print_loop(&old);
        Err(Reject::InfiniteLoop { at })
    }

    /// Whether a state whose continuation is not known completely covers the current one, all numbers respected.
    fn loop_converged(&mut self, index: StoredIdx) -> bool {
        let at = self.path.at;
        let Some(old) = self.visited.get(index).state.as_ref() else {
            return false;
        };
        let iterator = self.path.checked.points[at.index()].converges == Some(Converges::Iterator);
        if iterator && !self.path.next_is_active() {
            return false;
        }
        let mut comparison = Comparison {
            rule: Rule::CoveredPrecisely,
            precision: &self.path.precision,
            ids: &mut self.ids,
        };
        let (checked, cur) = (self.path.checked, &self.path.state);
        old.call_sites().eq(cur.call_sites()) && covers_all(&mut comparison, checked, old, cur, at)
    }

    /// The current path ends at a state that is, or depends on, `ancestor`, which is still being walked. What its continuation
    /// will turn out to depend on matters for this path's past, too.
    fn loop_back(&mut self, index: StoredIdx, ancestor: StoredIdx) {
        self.visited.get_mut(index).hits += 1;
        let Some(old) = self.visited.get(index).state.as_ref() else {
            return;
        };
        let mut pairs: Vec<(Node, Node)> = Vec::new();
        for (old, cur) in old.frames().iter().zip(self.path.state.frames()) {
            let regs = old.regs.iter().zip(&cur.regs);
            let slots = (0..old.stack.len().min(cur.stack.len()))
                .filter_map(|index| old.slot(index).spilled().zip(cur.slot(index).spilled()));
            let numbers = regs
                .chain(slots)
                .filter(|(old, cur)| old.is_scalar() && cur.is_scalar());
            pairs.extend(numbers.map(|(old, cur)| (old.node, cur.node)));
        }
        for (old, cur) in pairs {
            self.path.precision.follow(old, cur);
        }
        self.visited.loop_back(self.parent, ancestor);
        self.path.print_safe();
    }

    fn covered_by(&mut self, index: StoredIdx) -> bool {
        let at = self.path.at;
        let Some(old) = self.visited.get(index).state.as_ref() else {
            return false;
        };
        let (checked, cur) = (self.path.checked, &self.path.state);
        if old.depth() != cur.depth() || !old.call_sites().eq(cur.call_sites()) {
            return false;
        }
        let mut comparison = Comparison {
            rule: Rule::Covered,
            precision: &self.path.precision,
            ids: &mut self.ids,
        };
        // Most differ in registers, and what of the stack is live is not looked up for nothing.
        if !comparison.regs_cover(old, cur, &checked.live_regs_at(old, at)) {
            return false;
        }
        let live = live_slots(checked, &mut self.path.live, old, at);
        comparison.slots_cover(old, cur, &live)
    }

    /// What the covering state's continuation depends on, this path's past now matters for, too.
    fn keep_what_matters(&mut self, index: StoredIdx) {
        let Some(old) = self.visited.get(index).state.as_ref() else {
            return;
        };
        let (checked, at) = (self.path.checked, self.path.at);
        let live_regs = checked.live_regs_at(old, at);
        let live_slots = live_slots(checked, &mut self.path.live, old, at);
        let live = live_regs.into_iter().zip(live_slots);
        let mut nodes: Vec<Node> = Vec::new();
        for ((old, cur), (regs, slots)) in
            old.frames().iter().zip(self.path.state.frames()).zip(live)
        {
            let pairs = (0..old.regs.len())
                .filter(|number| regs & (1 << number) != 0)
                .map(|number| (&old.regs[number], &cur.regs[number]));
            let slots = (0..old.stack.len().min(cur.stack.len()))
                .filter(|index| slots & (1 << index) != 0)
                .filter_map(|index| old.slot(index).spilled().zip(cur.slot(index).spilled()));
            for (old, cur) in pairs.chain(slots) {
                if old.is_scalar() && cur.is_scalar() && self.path.precision.is_precise(old.node) {
                    nodes.push(cur.node);
                }
            }
        }
        for node in nodes {
            self.path.precision.mark(node);
        }
    }

    /// Stores the current state; from now on its numbers are told apart from those of other stored states.
    fn store(&mut self) {
        let at = self.path.at;
        let live = self.path.checked.live_regs_at(&self.path.state, at);
        let precision = &mut self.path.precision;
        for (index, live) in (0..=self.path.state.top()).zip(live) {
            let frame = self.path.state.frame_at_mut(index);
            for (number, reg) in frame.regs.iter_mut().enumerate() {
                if live & (1 << number) != 0 && reg.is_scalar() {
                    reg.node = precision.stored(reg.node);
                }
            }
            if frame.stack.iter().any(|slot| slot.spilled().is_some()) {
                let slots = Rc::make_mut(&mut frame.stack);
                for reg in slots.iter_mut().filter_map(Slot::spilled_mut) {
                    if reg.is_scalar() {
                        reg.node = precision.stored(reg.node);
                    }
                }
            }
        }
        let state = self.path.state.clone();
        let history = &mut self.path.history;
        let route = history.is_on().then(|| {
            Box::new(Route {
                steps: std::mem::take(&mut history.steps),
                precise: Default::default(),
                dropped: None,
            })
        });
        self.parent = Some(self.visited.store(at, state, self.parent, route));
        self.pace = Pace::default();
    }

    /// Numbers that changed since the last visit of `at`, from the stored state `from` back, and that nobody depends on become unknown in `state`, so that loops
    /// with counters meet a stored state. Sound: more values are allowed.
    pub(super) fn widen_since(&self, from: Option<StoredIdx>, at: InsnIdx, state: &mut State) {
        let Some(old) = self.visited.previous_visit(from, at, state) else {
            return;
        };
        for index in 0..=state.top() {
            let before = old.frame_at(index);
            let frame = state.frame_at_mut(index);
            for (number, reg) in frame.regs.iter_mut().enumerate() {
                widen(&before.regs[number], reg, &self.path.precision);
            }
            let slots = Rc::make_mut(&mut frame.stack);
            for (number, slot) in slots.iter_mut().enumerate() {
                let (before, bytes) = (before.slot(number), slot.spill_bytes());
                let before = before.spilled().filter(|_| before.spill_bytes() == bytes);
                if let (Some(before), Some(reg)) = (before, slot.spilled_mut()) {
                    widen(before, reg, &self.path.precision);
                }
            }
        }
    }
}

fn widen(before: &Reg, reg: &mut Reg, precision: &crate::state::Precision) {
    let both = before.is_scalar() && reg.is_scalar();
    let imprecise = !precision.is_precise(before.node) && !precision.is_precise(reg.node);
    if both && before.value != reg.value && imprecise {
        let node = reg.node;
        *reg = Reg::unknown();
        reg.node = node;
    }
}

/// A cheap test before the exact one.
fn may_be_same(old: &State, cur: &State) -> bool {
    old.depth() == cur.depth()
        && old
            .frame()
            .regs
            .iter()
            .zip(&cur.frame().regs)
            .all(|(old, cur)| old.kind == cur.kind && old.value == cur.value && old.off == cur.off)
}

/// Slots that the continuation of a state at `at` may read, per frame.
fn live_slots(
    checked: &Checked,
    live: &mut LiveStack,
    state: &State,
    at: InsnIdx,
) -> [Slots; FRAMES_MAX] {
    let mut slots = [0; FRAMES_MAX];
    if state.frames().iter().all(|frame| frame.stack.is_empty()) {
        return slots;
    }
    let next = |at: InsnIdx| checked.successors(at);
    for (reader, point) in state.return_points(at).enumerate() {
        let instance = state.frames()[reader].instance;
        for (frame, slots) in slots.iter_mut().enumerate().take(reader + 1) {
            *slots |= live.live(instance, point, frame, &next);
        }
    }
    slots
}

/// Whether `old` covers `cur` while its continuation is unknown, and with it what of the stack is read.
fn covers_all(
    comparison: &mut Comparison<'_>,
    checked: &Checked,
    old: &State,
    cur: &State,
    at: InsnIdx,
) -> bool {
    let live = checked.live_regs_at(old, at);
    comparison.regs_cover(old, cur, &live)
        && comparison.slots_cover(old, cur, &[Slots::MAX; FRAMES_MAX])
}
