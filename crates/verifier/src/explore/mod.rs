//! The driver: one work list of paths, one loop over instructions.
//!
//! A path is walked until it ends, meets a stored state that covers it, or is refused; then the branch that was left last
//! goes on. Each function that is verified by itself starts over with an empty store.

mod backtrace;
pub(crate) mod prune;
pub(crate) mod visited;

use crate::limits::{PENDING_PATHS_MAX, PROCESSED_INSNS_MAX};
use crate::log::history::Step;
use crate::path::{Path, Widen};
use crate::program::Checked;
use crate::reject::Reject;
use crate::state::ids::IdMap;
use crate::state::{Frame, Kind, Reg, State, SubprogIdx};
use crate::step::Flow;
use crate::verified::Stats;
use prune::Verdict;
use skep_isa::{Insn, InsnIdx, Reg as R};
use visited::{StoredIdx, Visited};

/// A branch that waits.
#[derive(Debug)]
struct Pending {
    state: State,
    at: InsnIdx,
    /// The instruction that left it.
    from: InsnIdx,
    /// The stored state that it came from.
    parent: Option<StoredIdx>,
    /// The steps since then, at log level 2.
    steps: Vec<Step>,
    /// What it kept a history of since then.
    history: u32,
    /// How much of the trail led to it.
    trail: usize,
}

/// The walk over all paths of one function.
pub(crate) struct Explorer<'p, 'a> {
    path: &'p mut Path<'a>,
    visited: Visited,
    pending: Vec<Pending>,
    /// The stored state that the current path came from.
    parent: Option<StoredIdx>,
    pace: prune::Pace,
    /// Room to compare ids in, kept from one comparison to the next.
    ids: IdMap,
    stats: &'p mut Stats,
}

/// A state at the entry of a function.
pub(crate) fn entry(path: &mut Path<'_>, subprog: SubprogIdx) -> State {
    let checked: &Checked = path.checked;
    let extent = checked.extent(subprog);
    let instance = path.live.root(extent.start, extent.end);
    let mut frame = Frame::new(0, subprog, extent.start, instance);
    if subprog == SubprogIdx(0) {
        frame.regs[R::R1.index()] = Reg::pointer(Kind::Ctx);
    } else {
        path.global_arguments(subprog, &mut frame);
    }
    State::new(frame)
}

impl<'p, 'a> Explorer<'p, 'a> {
    pub(crate) fn new(path: &'p mut Path<'a>, stats: &'p mut Stats) -> Self {
        let insns = path.checked.insns.len();
        path.history.steps.clear();
        Self {
            path,
            visited: Visited::new(insns),
            pending: Vec::new(),
            parent: None,
            pace: prune::Pace::default(),
            ids: IdMap::default(),
            stats,
        }
    }

    /// Walks every path from the path's current point.
    pub(crate) fn run(mut self) -> Result<(), Reject> {
        let result = self.walk();
        self.stats.total_states += self.visited.total();
        self.stats.peak_states = self.stats.peak_states.max(self.visited.peak());
        self.stats.max_states_per_insn = self.stats.max_states_per_insn.max(self.visited.longest());
        result
    }

    fn walk(&mut self) -> Result<(), Reject> {
        loop {
            self.walk_path()?;
            self.visited.path_ended(self.parent);
            self.path.drop_path_text();
            let Some(next) = self.pending.pop() else {
                return Ok(());
            };
            self.parent = next.parent;
            self.pace.history = next.history;
            self.path.history.steps = next.steps;
            self.path.state = next.state;
            self.path.at = next.at;
            self.path.trace.previous = next.from;
            self.path.trace.arrived = true;
            self.path.trail.cut(next.trail);
            self.path.touch_all();
        }
    }

    /// Walks the current path to its end.
    fn walk_path(&mut self) -> Result<(), Reject> {
        loop {
            self.stats.processed_insns += 1;
            if self.stats.processed_insns > PROCESSED_INSNS_MAX {
                return Err(Reject::TooComplex {
                    processed: self.stats.processed_insns,
                });
            }
            self.pace.arrive();
            let point = self.path.checked.points[self.path.at.index()];
            if point.prune && self.meet_stored()? == Verdict::Covered {
                return Ok(());
            }
            self.path.print_insn();
            let processed = self.stats.processed_insns;
            let (at, depth) = (self.path.at, self.path.state.depth());
            self.path.trail.walk(at, depth, processed);
            match self.step()? {
                Flow::To(next) => {
                    self.path.trace.previous = self.path.at;
                    self.path.at = next;
                }
                Flow::Ends => return Ok(()),
            }
        }
    }

    /// Carries out one instruction and takes over the branches that it leaves.
    fn step(&mut self) -> Result<Flow, Reject> {
        let at = self.path.at;
        let instance = self.path.state.frame().instance;
        self.path.infos[at.index()].reached = true;
        self.path.overwritten = [0; 8];
        self.path.stack_touched = false;
        self.path.history.begin(at);
        let flow = self.path.step();
        self.print_marks();
        let flow = flow?;
        if matches!(self.path.checked.insns[at.index()], Insn::JumpIf { .. }) {
            self.path.print_jump_changes();
        }
        if self.path.checked.writes_stack(at) {
            let overwritten = self.path.overwritten;
            self.path.live.wrote(instance, at, &overwritten);
        }
        if self.path.checked.is_jump(at) {
            self.pace.jump();
        }
        if self.path.checked.points[at.index()].jump || self.path.stack_touched {
            self.pace.note();
        }
        if let Some(call) = self.path.called_back.take() {
            let mut state = self.path.state.clone();
            self.widen_since(self.parent, call, &mut state);
            self.path.state = state;
        }
        if self.path.forks.is_empty() {
            return Ok(flow);
        }
        let mut forks = std::mem::take(&mut self.path.forks);
        for mut fork in forks.drain(..) {
            if fork.widen == Widen::SinceLastVisit {
                // The parent is this visit's own state.
                let before = self.parent.and_then(|own| self.visited.parent_of(own));
                self.widen_since(before, at, &mut fork.state);
            }
            self.visited.branch_left(self.parent);
            self.pending.push(Pending {
                state: fork.state,
                at: fork.at,
                from: at,
                parent: self.parent,
                history: self.pace.history,
                steps: self.path.history.steps.clone(),
                trail: self.path.trail.len(),
            });
        }
        // Its room is used again.
        self.path.forks = forks;
        if self.pending.len() > PENDING_PATHS_MAX {
            return Err(Reject::TooManyPaths {
                paths: self.pending.len(),
            });
        }
        Ok(flow)
    }
}
