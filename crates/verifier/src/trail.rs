//! What somebody who watches a verification sees of it: how far it is, the path in progress, and what it ended with.
//!
//! The path is kept only where an explanation is wanted: it takes eight bytes for each instruction that it walked, of which
//! there are at most as many as may be processed.

use crate::explain::Explanation;
use crate::verified::Stats;
use skep_isa::InsnIdx;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Instructions between two marks of progress, a power of two.
const MARK: u32 = 1024;

/// A watched verification. By default nothing is watched but the figures.
#[derive(Debug, Default)]
pub struct Watch {
    /// Is set to the number of processed instructions now and then.
    pub processed: Option<Arc<AtomicU32>>,
    /// Figures, of a refused program too.
    pub stats: Stats,
    explains: bool,
    pub(crate) explanation: Option<Explanation>,
}

impl Watch {
    /// One whose progress another thread reads.
    #[must_use]
    pub fn with_progress(processed: Arc<AtomicU32>) -> Self {
        Self {
            processed: Some(processed),
            ..Self::default()
        }
    }

    pub(crate) fn for_explanation() -> Self {
        Self {
            explains: true,
            ..Self::default()
        }
    }

    pub(crate) fn explains(&self) -> bool {
        self.explains
    }

    pub(crate) fn trail(&self) -> Trail {
        Trail {
            processed: self.processed.clone(),
            steps: self.explains.then(Vec::new),
        }
    }
}

/// One instruction of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Step {
    pub(crate) at: InsnIdx,
    /// Frames while it was carried out.
    pub(crate) depth: u8,
}

/// The instructions of the path in progress, oldest first, the current one last.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    processed: Option<Arc<AtomicU32>>,
    /// `None`: nobody wants them.
    steps: Option<Vec<Step>>,
}

impl Trail {
    /// The path walks an instruction, as the `processed`-th of all.
    pub(crate) fn walk(&mut self, at: InsnIdx, depth: usize, processed: u32) {
        if let Some(steps) = &mut self.steps {
            let depth = u8::try_from(depth).unwrap_or(u8::MAX);
            steps.push(Step { at, depth });
        }
        if let Some(seen) = &self.processed
            && processed.is_multiple_of(MARK)
        {
            seen.store(processed, Ordering::Relaxed);
        }
    }

    /// Instructions so far.
    pub(crate) fn len(&self) -> usize {
        self.steps.as_ref().map_or(0, Vec::len)
    }

    /// Goes back to where a branch was left.
    pub(crate) fn cut(&mut self, len: usize) {
        if let Some(steps) = &mut self.steps {
            steps.truncate(len);
        }
    }

    pub(crate) fn steps(&self) -> &[Step] {
        self.steps.as_deref().unwrap_or_default()
    }
}
