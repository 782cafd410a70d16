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

/// Stack of a function of a test: the lowest offset from r10 that an access or an addition names; all of it where r10 is
/// used in another way.
#[cfg(feature = "testing")]
pub(crate) fn stack_guess(insns: &[Insn]) -> u32 {
    use crate::facts::RegUse;
    use skep_isa::{AluOp, AtomicOp, Operand, Reg};
    let mut lowest = 0;
    for (at, insn) in insns.iter().enumerate() {
        if !RegUse::of(insn).reads.contains(Reg::R10) {
            continue;
        }
        lowest = lowest.min(match (*insn, insns.get(at + 1)) {
            (Insn::Load { off, .. }, _) => i32::from(off),
            (Insn::Store { base, off, src, .. }, _)
                if base == Reg::R10 && src != Operand::Reg(Reg::R10) =>
            {
                i32::from(off)
            }
            (Insn::Atomic { op, dst, off, .. }, _)
                if dst == Reg::R10 && op != AtomicOp::LoadAcquire =>
            {
                i32::from(off)
            }
            (
                Insn::Mov { dst: copy, .. },
                Some(Insn::Alu {
                    op: AluOp::Add,
                    dst,
                    src: Operand::Imm(imm),
                    ..
                }),
            ) if copy == *dst => *imm,
            (_, _) => i32::MIN,
        });
    }
    lowest
        .unsigned_abs()
        .min(STACK_BYTES_MAX)
        .next_multiple_of(8)
}
