//! Where everything goes: emitted bytes with holes for branches, and the choice of each branch's form.
//!
//! A backend emits straight-line bytes once and leaves branches out; [`Stream`] remembers where each one belongs. When
//! all is emitted, [`Stream::finish`] starts with every branch in its short form, grows those that do not reach until
//! nothing changes, and copies the bytes with the branches put in. Growing never makes another branch reach, so the
//! result is the smallest layout in which all reach; each pass is linear in the number of branches.
//!
//! Invariants: fixups are in order of position, so that a mark's final offset is its raw offset plus the bytes of
//! the branches before it. Blocks keep the order of the program. This module does not know any encoding: see
//! [`BranchShape`].

use crate::{CompileError, PcEntry, Reloc, RelocKind, Symbol};
use skep_isa::InsnIdx;

/// Passes in which branches may grow one by one. A chain of branches that push each other out of reach could take as
/// many passes as there are branches; after these, all that are not certain to reach grow at once.
const GROW_PASSES_MAX: usize = 12;

/// Form of a branch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// The form with the small reach.
    Short,
    /// The form that reaches everything in a program of sane size.
    Long,
}

/// What a backend says about a kind of branch.
pub(crate) trait BranchShape: Copy {
    /// Bytes of a form.
    fn bytes(self, form: Form) -> u32;
    /// Whether a form reaches `distance` bytes, counted from the first byte of the branch.
    fn reaches(self, form: Form, distance: i64) -> bool;
    /// Appends the branch. `distance` is one that the form reaches.
    fn encode(self, form: Form, distance: i64, out: &mut Vec<u8>);
}

/// A place that branches lead to: first one per slot of the program, then those of [`Stream::new_label`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Label(u32);

impl Label {
    /// The code of a slot.
    pub(crate) fn of_slot(at: InsnIdx) -> Self {
        Self(at.0)
    }
}

/// A position in the stream: raw bytes and branches before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Mark {
    raw: u32,
    branches: u32,
}

#[derive(Clone, Copy, Debug)]
struct Fixup<B> {
    raw: u32,
    branch: B,
    target: Label,
    form: Form,
}

/// Emitted code before layout.
#[derive(Debug)]
pub(crate) struct Stream<B> {
    bytes: Vec<u8>,
    fixups: Vec<Fixup<B>>,
    labels: Vec<Mark>,
    relocs: Vec<(Mark, RelocKind, Symbol)>,
    pcs: Vec<(Mark, InsnIdx)>,
}

/// Code after layout.
#[derive(Debug)]
pub(crate) struct Laid {
    pub(crate) bytes: Vec<u8>,
    pub(crate) relocs: Vec<Reloc>,
    pub(crate) pc_map: Vec<PcEntry>,
    labels: Vec<u32>,
}

impl Laid {
    /// Byte offset of a label.
    pub(crate) fn offset(&self, label: Label) -> u32 {
        self.labels[index(label.0)]
    }
}

fn index(value: u32) -> usize {
    usize::try_from(value).expect("usize holds 32 bits on every host skep builds for")
}

impl<B: BranchShape> Stream<B> {
    /// An empty stream for a program of `slots` slots.
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(slots * 6 + 64),
            fixups: Vec::with_capacity(slots / 4 + 4),
            labels: vec![Mark::default(); slots],
            relocs: Vec::new(),
            pcs: Vec::with_capacity(slots),
        }
    }

    /// The bytes so far, to append to. Nothing may be removed from them.
    pub(crate) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// A label of its own, to be bound later.
    pub(crate) fn new_label(&mut self) -> Label {
        let label = u32::try_from(self.labels.len()).expect("fewer labels than 2^32");
        self.labels.push(Mark::default());
        Label(label)
    }

    /// Makes `label` lead here.
    pub(crate) fn bind(&mut self, label: Label) {
        self.labels[index(label.0)] = self.here();
    }

    /// Puts a branch here.
    pub(crate) fn branch(&mut self, branch: B, target: Label) {
        let raw = self.here().raw;
        self.fixups.push(Fixup {
            raw,
            branch,
            target,
            form: Form::Short,
        });
    }

    /// Notes that the address of `symbol` goes into the bytes that follow.
    pub(crate) fn reloc(&mut self, kind: RelocKind, symbol: Symbol) {
        let here = self.here();
        self.relocs.push((here, kind, symbol));
    }

    /// Notes that the code of slot `at` starts here, unless that was noted before (a prologue belongs to the first slot of
    /// its function). Replaces an entry without code.
    pub(crate) fn pc(&mut self, at: InsnIdx) {
        let here = self.here();
        match self.pcs.last_mut() {
            Some(last) if last.1 == at => {}
            Some(last) if last.0 == here => last.1 = at,
            Some(_) | None => self.pcs.push((here, at)),
        }
    }

    fn here(&self) -> Mark {
        Mark {
            raw: u32::try_from(self.bytes.len()).unwrap_or(u32::MAX),
            branches: u32::try_from(self.fixups.len()).unwrap_or(u32::MAX),
        }
    }

    /// Chooses the forms and joins bytes and branches.
    ///
    /// # Errors
    /// [`CompileError::TooLarge`] if a branch does not reach in its long form.
    pub(crate) fn finish(mut self) -> Result<Laid, CompileError> {
        let long: u64 = self
            .fixups
            .iter()
            .map(|fixup| u64::from(fixup.branch.bytes(Form::Long)))
            .sum();
        // `Mark`s saturate, so a stream that is too long is noticed here at the latest.
        let total = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        if total.saturating_add(long) >= u64::from(u32::MAX) {
            return Err(CompileError::TooLarge);
        }
        let mut before = vec![0; self.fixups.len() + 1];
        self.sum(&mut before, |fixup| fixup.form);
        let mut passes = 0;
        while self.grow(&before) {
            passes += 1;
            if passes == GROW_PASSES_MAX {
                self.sum(&mut before, |_| Form::Long);
                self.grow(&before);
            }
            self.sum(&mut before, |fixup| fixup.form);
        }
        self.join(&before)
    }

    /// Bytes of the branches before each fixup, and of all at the end.
    fn sum(&self, before: &mut [u32], form: impl Fn(&Fixup<B>) -> Form) {
        let mut sum = 0;
        for (fixup, slot) in self.fixups.iter().zip(before.iter_mut()) {
            *slot = sum;
            sum += fixup.branch.bytes(form(fixup));
        }
        if let Some(last) = before.last_mut() {
            *last = sum;
        }
    }

    fn place(mark: Mark, before: &[u32]) -> u32 {
        mark.raw + before[index(mark.branches)]
    }

    fn distance(&self, fixup: &Fixup<B>, own: u32, before: &[u32]) -> i64 {
        let target = Self::place(self.labels[index(fixup.target.0)], before);
        i64::from(target) - i64::from(fixup.raw + own)
    }

    /// One pass; whether anything grew.
    fn grow(&mut self, before: &[u32]) -> bool {
        let mut grew = false;
        for at in 0..self.fixups.len() {
            let fixup = self.fixups[at];
            if fixup.form == Form::Short
                && !fixup
                    .branch
                    .reaches(Form::Short, self.distance(&fixup, before[at], before))
            {
                self.fixups[at].form = Form::Long;
                grew = true;
            }
        }
        grew
    }

    fn join(&self, before: &[u32]) -> Result<Laid, CompileError> {
        let extra = before.last().copied().unwrap_or(0);
        let mut bytes = Vec::with_capacity(self.bytes.len() + index(extra));
        let mut copied = 0;
        for (fixup, own) in self.fixups.iter().zip(before) {
            let raw = index(fixup.raw);
            bytes.extend_from_slice(&self.bytes[copied..raw]);
            copied = raw;
            let distance = self.distance(fixup, *own, before);
            if !fixup.branch.reaches(fixup.form, distance) {
                return Err(CompileError::TooLarge);
            }
            fixup.branch.encode(fixup.form, distance, &mut bytes);
        }
        bytes.extend_from_slice(&self.bytes[copied..]);
        Ok(Laid {
            bytes,
            relocs: self
                .relocs
                .iter()
                .map(|&(mark, kind, symbol)| Reloc {
                    offset: Self::place(mark, before),
                    kind,
                    symbol,
                })
                .collect(),
            pc_map: self
                .pcs
                .iter()
                .map(|&(mark, at)| PcEntry {
                    offset: Self::place(mark, before),
                    at,
                })
                .collect(),
            labels: self
                .labels
                .iter()
                .map(|&mark| Self::place(mark, before))
                .collect(),
        })
    }
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
