//! Stored states: a tree by origin, listed in buckets.
//!
//! Lists are buckets by instruction and call site, as in Linux, so that states from other calls are not met.
//!
//! A stored state counts the paths that come from it and are not walked to their end. At zero its continuation is known
//! completely: what is live and what is precise will not change any more. States that cover nothing for long are
//! dropped from their list (as in Linux), and freed once nothing refers to them.

use crate::limits::STORED_REGS_MAX;
use crate::log::history::{AllPlaces, Route};
use crate::state::State;
use skep_isa::InsnIdx;

/// A stored state, as index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct StoredIdx(u32);

/// A list of stored states, as index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bucket(u32);

impl Bucket {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// A stored state.
#[derive(Debug)]
pub(crate) struct Stored {
    /// `None` once dropped.
    pub(crate) state: Option<State>,
    /// The instruction that it is before.
    pub(crate) at: InsnIdx,
    parent: Option<StoredIdx>,
    /// The earliest state, still being walked then, at which a path from here ended: until that is walked to its end, what
    /// happens from here is not known completely.
    loops_to: Option<StoredIdx>,
    /// Paths from here that are not walked to their end.
    pub(crate) open: u32,
    pub(crate) misses: u32,
    pub(crate) hits: u32,
    /// How it was reached, at log level 2.
    route: Option<Box<Route>>,
}

impl Stored {
    pub(crate) fn parent(&self) -> Option<StoredIdx> {
        self.parent
    }
}

/// All stored states of a walk.
#[derive(Debug)]
pub(crate) struct Visited {
    stored: Vec<Stored>,
    buckets: Vec<Vec<StoredIdx>>,
    kept: u32,
    /// Registers and slots of all states that are not dropped.
    weight: usize,
    peak: u32,
    longest: u32,
}

impl Visited {
    pub(crate) fn new(insns: usize) -> Self {
        Self {
            stored: Vec::new(),
            buckets: vec![Vec::new(); insns],
            kept: 0,
            weight: 0,
            peak: 0,
            longest: 0,
        }
    }

    /// States stored in all.
    pub(crate) fn total(&self) -> u32 {
        u32::try_from(self.stored.len()).unwrap_or(u32::MAX)
    }

    /// States kept at one time at most.
    pub(crate) fn peak(&self) -> u32 {
        self.peak
    }

    /// The most states that a bucket had when another was compared with all.
    pub(crate) fn longest(&self) -> u32 {
        self.longest
    }

    /// The bucket of a state before an instruction: the call that entered the current frame counts, too.
    pub(crate) fn bucket(&self, at: InsnIdx, state: &State) -> Bucket {
        let call = state.call_sites().last().map_or(u32::MAX, |call| call.0);
        let buckets = u32::try_from(self.buckets.len()).unwrap_or(u32::MAX);
        Bucket((at.0 ^ call) % buckets)
    }

    /// States in a bucket, the latest last.
    pub(crate) fn listed(&self, bucket: Bucket) -> &[StoredIdx] {
        &self.buckets[bucket.index()]
    }

    pub(crate) fn get(&self, index: StoredIdx) -> &Stored {
        &self.stored[index.index()]
    }

    pub(crate) fn get_mut(&mut self, index: StoredIdx) -> &mut Stored {
        &mut self.stored[index.index()]
    }

    /// Notes how many states a bucket had.
    pub(crate) fn note_length(&mut self, length: usize) {
        self.longest = self.longest.max(u32::try_from(length).unwrap_or(u32::MAX));
    }

    /// Whether there is room for more states.
    pub(crate) fn has_room(&self) -> bool {
        self.weight < STORED_REGS_MAX
    }

    /// Stores a state from which the current path goes on.
    pub(crate) fn store(
        &mut self,
        at: InsnIdx,
        state: State,
        parent: Option<StoredIdx>,
        route: Option<Box<Route>>,
    ) -> StoredIdx {
        let index = StoredIdx(self.total());
        let bucket = self.bucket(at, &state);
        self.weight += state.weight();
        self.stored.push(Stored {
            state: Some(state),
            at,
            parent,
            loops_to: None,
            open: 1,
            misses: 0,
            hits: 0,
            route,
        });
        self.buckets[bucket.index()].push(index);
        self.kept += 1;
        self.peak = self.peak.max(self.kept);
        index
    }

    /// Drops a state from its list.
    pub(crate) fn unlist(&mut self, bucket: Bucket, index: StoredIdx) {
        self.buckets[bucket.index()].retain(|other| *other != index);
        let stored = &mut self.stored[index.index()];
        if let Some(state) = stored.state.take() {
            self.weight -= state.weight();
            if let Some(route) = &mut stored.route {
                route.dropped = Some(state);
            }
        }
        // Linux keeps it until its last path ends, and counts it so long.
        if stored.open == 0 {
            self.kept -= 1;
        }
    }

    /// A stored state and how it was reached; `None` at other log levels than 2.
    pub(crate) fn route(&self, index: StoredIdx) -> Option<(&State, &Route)> {
        let stored = self.get(index);
        let route = stored.route.as_deref()?;
        let state = stored.state.as_ref().or(route.dropped.as_ref())?;
        Some((state, route))
    }

    /// As [`Self::route`], to note what of it was traced.
    pub(crate) fn route_mut(&mut self, index: StoredIdx) -> Option<(&State, &mut AllPlaces)> {
        let stored = self.get_mut(index);
        let Route {
            precise, dropped, ..
        } = stored.route.as_deref_mut()?;
        let state = stored.state.as_ref().or(dropped.as_ref())?;
        Some((state, precise))
    }

    /// The state still being walked on which a state's continuation depends, if there is one.
    pub(crate) fn loops_to(&self, index: StoredIdx) -> Option<StoredIdx> {
        let mut next = self.get(index).loops_to;
        while let Some(ancestor) = next {
            let stored = self.get(ancestor);
            if stored.open > 0 {
                return Some(ancestor);
            }
            next = stored.loops_to;
        }
        None
    }

    /// A path from `parent` ends at `ancestor`, which is still being walked.
    pub(crate) fn loop_back(&mut self, parent: Option<StoredIdx>, ancestor: StoredIdx) {
        let mut next = parent;
        while let Some(index) = next.filter(|index| index.0 > ancestor.0) {
            if self
                .loops_to(index)
                .is_some_and(|known| known.0 <= ancestor.0)
            {
                return;
            }
            let stored = self.get_mut(index);
            stored.loops_to = Some(ancestor);
            next = stored.parent;
        }
    }

    /// The state that another came from.
    pub(crate) fn parent_of(&self, index: StoredIdx) -> Option<StoredIdx> {
        self.get(index).parent
    }

    /// The last state, from `from` back, that was stored at `at` in the same calls.
    pub(crate) fn previous_visit(
        &self,
        from: Option<StoredIdx>,
        at: InsnIdx,
        cur: &State,
    ) -> Option<&State> {
        let mut next = from;
        while let Some(index) = next {
            let stored = self.get(index);
            let state = stored.state.as_ref().filter(|_| stored.at == at);
            if let Some(state) = state.filter(|old| old.call_sites().eq(cur.call_sites())) {
                return Some(state);
            }
            next = stored.parent;
        }
        None
    }

    /// A path from `parent` is left for later.
    pub(crate) fn branch_left(&mut self, parent: Option<StoredIdx>) {
        if let Some(parent) = parent {
            self.stored[parent.index()].open += 1;
        }
    }

    /// A path from `parent` ended; so did its ancestors' that have no other.
    pub(crate) fn path_ended(&mut self, parent: Option<StoredIdx>) {
        let mut next = parent;
        while let Some(index) = next {
            let stored = &mut self.stored[index.index()];
            stored.open -= 1;
            if stored.open > 0 {
                return;
            }
            if stored.state.is_none() {
                self.kept -= 1;
            }
            next = stored.parent;
        }
    }
}

impl StoredIdx {
    fn index(self) -> usize {
        self.0 as usize
    }
}
