//! Functions of an instruction sequence.

use crate::facts::local_target;
use skep_abi::STACK_BYTES_MAX;
use skep_isa::{Insn, InsnIdx};

/// One function of a translated program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Function {
    /// First slot.
    pub start: InsnIdx,
    /// One past the last slot.
    pub end: InsnIdx,
    /// Bytes of stack that it uses itself, a multiple of 8, at most 512.
    pub stack_bytes: u32,
    /// Name from BTF, else empty.
    pub name: String,
}

impl Function {
    /// Its slots within the whole sequence.
    #[must_use]
    pub fn slots(&self) -> std::ops::Range<usize> {
        self.start.index()..self.end.index()
    }
}

/// Index of the function that starts at slot `start`.
#[must_use]
pub fn function_at(functions: &[Function], start: i64) -> Option<usize> {
    let start = InsnIdx(u32::try_from(start).ok()?);
    functions
        .binary_search_by_key(&start, |function| function.start)
        .ok()
}

/// Splits a sequence at slot 0 and at every local target. Nothing is known about stacks, so each function gets all of it.
///
/// Targets outside of the sequence are left out; the caller refuses them.
pub(crate) fn discover(insns: &[Insn]) -> Box<[Function]> {
    let slots = u32::try_from(insns.len()).expect("programs are shorter than 2^32 slots");
    let mut starts = vec![0];
    for (at, insn) in (0..slots).zip(insns) {
        if let Some(target) = local_target(InsnIdx(at), insn)
            && let Ok(target) = u32::try_from(target)
            && target < slots
        {
            starts.push(target);
        }
    }
    starts.sort_unstable();
    starts.dedup();
    let ends = starts.iter().copied().skip(1).chain([slots]);
    starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| Function {
            start: InsnIdx(start),
            end: InsnIdx(end),
            stack_bytes: STACK_BYTES_MAX,
            name: String::new(),
        })
        .collect()
}
