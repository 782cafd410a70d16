//! What a prologue needs to know about a function: which registers it changes, whether it calls, whether it has a frame.
//!
//! One pass over the slots, flow-insensitive: a register counts as changed if any instruction of the function writes
//! it. Values, pointer kinds and liveness are not computed here.

use crate::Function;
use skep_isa::{AtomicOp, CallTarget, Imm64, Insn, InsnIdx, Operand, Reg};

/// A set of registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RegSet(u16);

impl RegSet {
    /// The empty set.
    pub const NONE: Self = Self(0);
    /// r6 to r9, which a function must hand back unchanged.
    pub const CALLEE_SAVED: Self = Self(0b11_1100_0000);
    /// r0 to r5, which a call changes.
    pub const CALL_CLOBBERED: Self = Self(0b11_1111);

    /// The set with one more register.
    #[must_use]
    pub const fn with(self, reg: Reg) -> Self {
        Self(self.0 | 1 << reg.number())
    }

    /// Whether it holds a register.
    #[must_use]
    pub const fn contains(self, reg: Reg) -> bool {
        self.0 & (1 << reg.number()) != 0
    }

    /// Registers in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Registers in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether it holds none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its registers in order.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = Reg> {
        Reg::ALL.into_iter().filter(move |reg| self.contains(*reg))
    }
}

/// Registers that an instruction reads and writes. A call reads r1 to r5 as far as anybody here can know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RegUse {
    /// Read.
    pub reads: RegSet,
    /// Written, also when the old value is a part of the new one.
    pub writes: RegSet,
}

impl RegUse {
    /// The registers of one instruction.
    #[must_use]
    pub fn of(insn: &Insn) -> Self {
        let none = RegSet::NONE;
        let (reads, writes) = match *insn {
            Insn::Alu { dst, src, .. } => (operand(src).with(dst), none.with(dst)),
            Insn::Neg { dst, .. } | Insn::Swap { dst, .. } => (none.with(dst), none.with(dst)),
            Insn::Mov { dst, src, .. } => (operand(src), none.with(dst)),
            Insn::MovSx { dst, src, .. } | Insn::AddrSpaceCast { dst, src, .. } => {
                (none.with(src), none.with(dst))
            }
            Insn::LoadImm64 { dst, .. } => (none, none.with(dst)),
            Insn::Load { dst, base, .. } => (none.with(base), none.with(dst)),
            Insn::Store { base, src, .. } => (operand(src).with(base), none),
            Insn::Atomic { op, dst, src, .. } => atomic(op, dst, src),
            Insn::LoadAbs { .. } => (none.with(Reg::R6), RegSet::CALL_CLOBBERED),
            Insn::LoadInd { src, .. } => (none.with(Reg::R6).with(src), RegSet::CALL_CLOBBERED),
            Insn::JumpIf { dst, src, .. } => (operand(src).with(dst), none),
            Insn::Imm64High | Insn::Jump { .. } | Insn::MayGoto { .. } => (none, none),
            Insn::Call(_) => (RegSet::CALL_CLOBBERED, RegSet::CALL_CLOBBERED),
            Insn::CallReg { reg } => (RegSet::CALL_CLOBBERED.with(reg), RegSet::CALL_CLOBBERED),
            Insn::Exit => (none.with(Reg::R0), none),
        };
        Self { reads, writes }
    }
}

fn operand(src: Operand) -> RegSet {
    match src {
        Operand::Reg(reg) => RegSet::NONE.with(reg),
        Operand::Imm(_) => RegSet::NONE,
    }
}

fn atomic(op: AtomicOp, dst: Reg, src: Reg) -> (RegSet, RegSet) {
    let both = RegSet::NONE.with(dst).with(src);
    match op {
        AtomicOp::Add { fetch: false }
        | AtomicOp::Or { fetch: false }
        | AtomicOp::And { fetch: false }
        | AtomicOp::Xor { fetch: false }
        | AtomicOp::StoreRelease => (both, RegSet::NONE),
        AtomicOp::Add { fetch: true }
        | AtomicOp::Or { fetch: true }
        | AtomicOp::And { fetch: true }
        | AtomicOp::Xor { fetch: true }
        | AtomicOp::Xchg => (both, RegSet::NONE.with(src)),
        AtomicOp::Cmpxchg => (both.with(Reg::R0), RegSet::NONE.with(Reg::R0)),
        AtomicOp::LoadAcquire => (RegSet::NONE.with(src), RegSet::NONE.with(dst)),
    }
}

/// Whether a function calls anything that runs on the native stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Calls {
    /// It is a leaf.
    None,
    /// It calls helpers or local functions.
    Some,
}

/// Whether a function names r10.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FramePointer {
    /// No instruction reads r10: the stack is unreachable.
    Unused,
    /// Some instruction reads it.
    Used,
}

/// What the prologue of one function depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PrologueFacts {
    /// Whether it calls.
    pub calls: Calls,
    /// Registers of r6 to r9 that it changes.
    pub saved: RegSet,
    /// Whether it names r10.
    pub frame_pointer: FramePointer,
    /// Bytes of stack below r10, a multiple of 8; 0 when r10 is unused.
    pub stack_bytes: u32,
}

impl PrologueFacts {
    /// Facts of `function`, whose slots are `insns`.
    pub(crate) fn of(function: &Function, insns: &[Insn]) -> Self {
        let mut all = RegUse::default();
        let mut calls = Calls::None;
        for insn in insns {
            let one = RegUse::of(insn);
            all.reads = all.reads.union(one.reads);
            all.writes = all.writes.union(one.writes);
            if matches!(insn, Insn::Call(_) | Insn::CallReg { .. }) {
                calls = Calls::Some;
            }
        }
        let frame_pointer = if all.reads.contains(Reg::R10) {
            FramePointer::Used
        } else {
            FramePointer::Unused
        };
        Self {
            calls,
            saved: all.writes.intersection(RegSet::CALLEE_SAVED),
            frame_pointer,
            stack_bytes: match frame_pointer {
                FramePointer::Used => function.stack_bytes,
                FramePointer::Unused => 0,
            },
        }
    }
}

/// Where a local call, or the address of a local function, leads: the slot, if the instruction is one of the two.
#[must_use]
pub fn local_target(at: InsnIdx, insn: &Insn) -> Option<i64> {
    if let Insn::Call(CallTarget::Local(off))
    | Insn::LoadImm64 {
        imm: Imm64::Func(off),
        ..
    } = *insn
    {
        Some(at.offset(i64::from(off) + 1))
    } else {
        None
    }
}

/// Where a jump leads when it is taken: the slot, if the instruction is a jump.
#[must_use]
pub fn jump_target(at: InsnIdx, insn: &Insn) -> Option<i64> {
    if let Insn::Jump { off, .. } = *insn {
        Some(at.offset(i64::from(off) + 1))
    } else if let Insn::JumpIf { off, .. } | Insn::MayGoto { off } = *insn {
        Some(at.offset(i64::from(off) + 1))
    } else {
        None
    }
}
