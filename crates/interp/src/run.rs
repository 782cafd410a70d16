//! The loop.
//!
//! Position and count are locals of [`run`], so that they can live in registers; the rest is in [`Run`]; what is rare (calls, atomics, packets) is in methods of its
//! own, so that the loop stays small.

use crate::op::{Op, Ops, with_rows};
use crate::{Host, MayGoto, Poll, Site, Stack, Start, Stop, Trap, TrapReason, Unsupported};
use skep_abi::CALL_FRAMES_MAX;
use skep_isa::{AluOp, AtomicOp, InsnIdx, JmpOp, Reg, Size, Width, eval_mov, eval_movsx, eval_neg};
use skep_memory::{AtomicAccess, Fault, Memory};

/// Where a run begins and what is in r1 to r5.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) start: InsnIdx,
    pub(crate) args: [u64; 5],
}

/// The registers. Sixteen, so that a register's number needs no check.
struct Regs([u64; 16]);

impl Regs {
    #[inline]
    fn at(&self, reg: Reg) -> u64 {
        self.0[usize::from(reg.number() & 15)]
    }

    #[inline]
    fn set(&mut self, reg: Reg, value: u64) {
        self.0[usize::from(reg.number() & 15)] = value;
    }

    fn args(&self) -> [u64; 5] {
        [Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5].map(|reg| self.at(reg))
    }

    fn address(&self, base: Reg, off: i16) -> u64 {
        self.at(base).wrapping_add_signed(off.into())
    }
}

/// What a local call keeps of its caller: where to go on, r6 to r9, r10.
#[derive(Clone, Copy, Default)]
struct Caller {
    pc: usize,
    saved: [u64; 5],
}

const SAVED: [Reg; 5] = [Reg::R6, Reg::R7, Reg::R8, Reg::R9, Reg::R10];

/// Callers of the running function.
struct Callers {
    frames: [Caller; CALL_FRAMES_MAX],
    depth: usize,
    /// Frames from the running function's own on.
    stack: Stack,
}

impl Callers {
    fn new(stack: Stack) -> Self {
        Self {
            frames: [Caller::default(); CALL_FRAMES_MAX],
            depth: 0,
            stack,
        }
    }

    /// Keeps the caller and gives the callee its frame.
    fn push(&mut self, regs: &mut Regs, pc: usize) -> Result<(), TrapReason> {
        let below = self.stack.below();
        let slot = self.frames.get_mut(self.depth);
        match slot {
            Some(caller) if below.frames > 0 => {
                *caller = Caller {
                    pc,
                    saved: SAVED.map(|reg| regs.at(reg)),
                };
            }
            Some(_) | None => return Err(TrapReason::CallDepth),
        }
        self.depth += 1;
        self.stack = below;
        regs.set(Reg::R10, below.top);
        Ok(())
    }

    /// Back to the caller: where it goes on, or `None` if there is none.
    fn pop(&mut self, regs: &mut Regs) -> Option<usize> {
        self.depth = self.depth.checked_sub(1)?;
        let caller = self.frames[self.depth];
        for (reg, value) in SAVED.into_iter().zip(caller.saved) {
            regs.set(reg, value);
        }
        self.stack = self.stack.above();
        Some(caller.pc)
    }
}

/// The slot before `pc`, which is the one that is running.
fn running(pc: usize) -> InsnIdx {
    InsnIdx(u32::try_from(pc).unwrap_or(u32::MAX).saturating_sub(1))
}

/// How a run goes on after something rare.
enum Flow {
    /// With the next slot.
    Next,
    /// With this slot.
    Goto(usize),
    /// Not at all: this is r0.
    Return(u64),
}

/// A run in progress. The position is not in here, so that it can live in a register.
struct Run<'a, M, H> {
    ops: &'a Ops,
    memory: &'a M,
    host: &'a mut H,
    regs: Regs,
    callers: Callers,
    /// Whether the count of instructions means anything to the host.
    limited: bool,
}

/// The match over all ops. Generated, so that the rows of `op` need not be listed again; `$run` is the [`Run`], `$pc`
/// the next slot, `$left` how many instructions may still run, `$slots` all of them.
macro_rules! dispatch {
    (
        ($run:ident $pc:ident $left:ident $slots:ident)
        alu { $($alu:ident $ar32:ident $ak32:ident $ar64:ident $ak64:ident;)* }
        jump { $($jmp:ident $jr32:ident $jk32:ident $jr64:ident $jk64:ident;)* }
        mem { $($size:ident $load:ident $load_sx:ident $store_r:ident $store_k:ident;)* }
    ) => {
        match $slots[$pc - 1] {
            $(
                Op::$ar32 { dst, src } => alu!($run $alu W32 dst $run.regs.at(src)),
                Op::$ak32 { dst, imm } => alu!($run $alu W32 dst extend(imm)),
                Op::$ar64 { dst, src } => alu!($run $alu W64 dst $run.regs.at(src)),
                Op::$ak64 { dst, imm } => alu!($run $alu W64 dst extend(imm)),
            )*
            $(
                Op::$jr32 { dst, src, off } => jump_if!($run $pc $jmp W32 dst $run.regs.at(src), off),
                Op::$jk32 { dst, off, imm } => jump_if!($run $pc $jmp W32 dst extend(imm), off),
                Op::$jr64 { dst, src, off } => jump_if!($run $pc $jmp W64 dst $run.regs.at(src), off),
                Op::$jk64 { dst, off, imm } => jump_if!($run $pc $jmp W64 dst extend(imm), off),
            )*
            $(
                Op::$load { dst, base, off } => {
                    let value = $run.load(Size::$size, base, off, $pc)?;
                    $run.regs.set(dst, value);
                }
                Op::$load_sx { dst, base, off } => {
                    let value = $run.load(Size::$size, base, off, $pc)?;
                    $run.regs.set(dst, Size::$size.sign_extend(value));
                }
                Op::$store_r { base, src, off } => {
                    $run.store(Size::$size, base, off, $run.regs.at(src), $pc)?;
                }
                Op::$store_k { base, off, imm } => {
                    $run.store(Size::$size, base, off, extend(imm), $pc)?;
                }
            )*
            Op::Neg { width, dst } => $run.regs.set(dst, eval_neg(width, $run.regs.at(dst))),
            Op::MovR32 { dst, src } => $run.regs.set(dst, eval_mov(Width::W32, $run.regs.at(src))),
            Op::MovR64 { dst, src } => $run.regs.set(dst, $run.regs.at(src)),
            Op::MovK32 { dst, imm } => $run.regs.set(dst, eval_mov(Width::W32, extend(imm))),
            Op::MovK64 { dst, imm } => $run.regs.set(dst, extend(imm)),
            Op::MovSx { width, dst, src, from } => {
                $run.regs.set(dst, eval_movsx(width, from, $run.regs.at(src)));
            }
            Op::Swap { kind, dst, size } => {
                $run.regs.set(dst, kind.eval(size, $run.regs.at(dst)));
            }
            Op::Wide { dst, pool } => {
                $run.regs.set(dst, $run.pooled(pool));
                $pc += 1;
            }
            Op::Map { dst, index } => {
                $run.regs.set(dst, $run.host.map_addr(index));
                $pc += 1;
            }
            Op::MapValue { dst, pool } => {
                let (index, offset) = halves($run.pooled(pool));
                $run.regs.set(dst, $run.host.map_value_addr(index, offset));
                $pc += 1;
            }
            Op::Jump { off } => $pc = $run.jump($pc, distance(off))?,
            Op::MayGoto { off } => match $run.host.may_goto() {
                MayGoto::FallThrough => {}
                MayGoto::Jump => $pc = $run.jump($pc, distance(off))?,
            },
            Op::Atomic { op, size, dst, src, off } => $run.atomic(op, size, (dst, src, off), $pc)?,
            Op::Helper { id } => $run.helper(id, $pc, $left)?,
            Op::Call { start } => $pc = $run.call(InsnIdx(start), $pc)?,
            Op::Exit => flow!($pc $run.leave()),
            Op::TailCall => flow!($pc $run.tail_call($pc, $left)?),
            Op::LoadAbs { size, imm } => flow!($pc $run.packet(size, imm, $pc)?),
            Op::LoadInd { size, src, imm } => {
                // The sum is one of 32 bits, as the classic instruction's was.
                let offset = halves($run.regs.at(src)).1.cast_signed().wrapping_add(imm);
                flow!($pc $run.packet(size, offset, $pc)?);
            }
            Op::Unsupported(what) => return Err(trap($pc, TrapReason::Unsupported(what))),
            // Jumps into a wide instruction are refused when a program is lowered or verified.
            Op::High => return Err(trap($pc, TrapReason::Unsupported(Unsupported::NotAFunction))),
        }
    };
}

macro_rules! alu {
    ($run:ident $op:ident $width:ident $dst:ident $src:expr) => {{
        let value = AluOp::$op.eval(Width::$width, $run.regs.at($dst), $src);
        $run.regs.set($dst, value);
    }};
}

macro_rules! jump_if {
    ($run:ident $pc:ident $op:ident $width:ident $dst:ident $src:expr, $off:ident) => {
        if JmpOp::$op.eval(Width::$width, $run.regs.at($dst), $src) {
            $pc = $run.jump($pc, distance($off))?;
        }
    };
}

macro_rules! flow {
    ($pc:ident $flow:expr) => {
        match $flow {
            Flow::Next => {}
            Flow::Goto(slot) => $pc = slot,
            Flow::Return(value) => return Ok(value),
        }
    };
}

/// Runs from `entry` to the exit of that function.
pub(crate) fn run<M: Memory, H: Host>(
    ops: &Ops,
    memory: &M,
    host: &mut H,
    entry: Entry,
    start: Start,
) -> Result<u64, Trap> {
    let mut regs = Regs([0; 16]);
    regs.0[1..6].copy_from_slice(&entry.args);
    regs.set(Reg::R10, start.stack.top);
    let mut run = Run {
        ops,
        memory,
        host,
        regs,
        callers: Callers::new(start.stack),
        limited: start.insns_max.is_some(),
    };
    let slots = &ops.ops;
    let mut pc = entry.start.index();
    // Always counted: measured, the loop is not faster without.
    let mut left = start.insns_max.unwrap_or(u64::MAX);
    loop {
        pc += 1;
        if left == 0 {
            return Err(trap(pc, TrapReason::BudgetSpent));
        }
        left -= 1;
        with_rows!(dispatch(run pc left slots));
    }
}

impl<M: Memory, H: Host> Run<'_, M, H> {
    #[inline]
    fn load(&self, size: Size, base: Reg, off: i16, pc: usize) -> Result<u64, Trap> {
        let addr = self.regs.address(base, off);
        let value = self.memory.load(addr, size.bytes());
        value.map_err(|fault| trap(pc, fault.into()))
    }

    #[inline]
    fn store(&self, size: Size, base: Reg, off: i16, value: u64, pc: usize) -> Result<(), Trap> {
        let addr = self.regs.address(base, off);
        let stored = self.memory.store(addr, size.bytes(), size.truncate(value));
        stored.map_err(|fault| trap(pc, fault.into()))
    }

    #[inline]
    fn jump(&self, pc: usize, off: isize) -> Result<usize, Trap> {
        if off < 0 {
            self.poll(pc)?;
        }
        Ok(pc.wrapping_add_signed(off))
    }

    #[inline]
    fn poll(&self, pc: usize) -> Result<(), Trap> {
        match self.host.poll_stop() {
            Poll::Continue => Ok(()),
            Poll::Stop => Err(trap(pc, TrapReason::Stopped)),
        }
    }

    #[inline]
    fn pooled(&self, pool: u32) -> u64 {
        self.ops.pool[InsnIdx(pool).index()]
    }

    fn site(&self, pc: usize, left: u64, stack: Stack) -> Site {
        Site {
            at: running(pc),
            stack,
            insns_left: self.limited.then_some(left),
        }
    }

    fn helper(&mut self, id: u32, pc: usize, left: u64) -> Result<(), Trap> {
        let site = self.site(pc, left, self.callers.stack.below());
        let value = self.host.helper(id, self.regs.args(), site);
        self.regs
            .set(Reg::R0, value.map_err(|stop| stopped(stop, pc))?);
        Ok(())
    }

    fn call(&mut self, start: InsnIdx, pc: usize) -> Result<usize, Trap> {
        self.poll(pc)?;
        let pushed = self.callers.push(&mut self.regs, pc);
        pushed.map_err(|reason| trap(pc, reason))?;
        Ok(start.index())
    }

    fn leave(&mut self) -> Flow {
        match self.callers.pop(&mut self.regs) {
            Some(back) => Flow::Goto(back),
            None => Flow::Return(self.regs.at(Reg::R0)),
        }
    }

    fn tail_call(&mut self, pc: usize, left: u64) -> Result<Flow, Trap> {
        let site = self.site(pc, left, self.callers.stack);
        let [ctx, map, index, ..] = self.regs.args();
        let made = self.host.tail_call(ctx, map, halves(index).1, site);
        match made.map_err(|stop| stopped(stop, pc))? {
            None => Ok(Flow::Next),
            Some(value) => {
                self.regs.set(Reg::R0, value);
                Ok(self.leave())
            }
        }
    }

    fn packet(&mut self, size: Size, offset: i32, pc: usize) -> Result<Flow, Trap> {
        let ctx = self.regs.at(Reg::R6);
        let loaded = self.host.load_packet(ctx, offset.into(), size);
        let loaded = loaded.map_err(|stop| stopped(stop, pc))?;
        self.regs.set(Reg::R0, loaded.unwrap_or(0));
        Ok(match loaded {
            Some(_) => Flow::Next,
            None => self.leave(),
        })
    }

    #[inline(never)]
    fn atomic(
        &mut self,
        op: AtomicOp,
        size: Size,
        operands: (Reg, Reg, i16),
        pc: usize,
    ) -> Result<(), Trap> {
        let done = atomic(&mut self.regs, self.memory, op, size, operands);
        done.map_err(|fault| trap(pc, fault.into()))
    }
}

/// An immediate as operations see it.
#[inline]
fn extend(imm: i32) -> u64 {
    i64::from(imm).cast_unsigned()
}

#[inline]
fn distance(off: impl Into<i32>) -> isize {
    isize::try_from(off.into()).expect("isize holds 32 bits on every host skep builds for")
}

/// Upper and lower half.
fn halves(value: u64) -> (u32, u32) {
    let low = Width::W32.truncate(value);
    let half = |value| u32::try_from(value).expect("32 bits are left");
    (half(value >> 32), half(low))
}

#[cold]
fn trap(pc: usize, reason: TrapReason) -> Trap {
    Trap {
        at: running(pc),
        reason,
    }
}

#[cold]
fn stopped(stop: Stop, pc: usize) -> Trap {
    Trap {
        at: stop.at.unwrap_or(running(pc)),
        reason: stop.reason,
    }
}

impl From<Fault> for TrapReason {
    fn from(fault: Fault) -> Self {
        Self::Memory(fault)
    }
}

/// One atomic access and what it leaves in registers.
fn atomic(
    regs: &mut Regs,
    memory: &impl Memory,
    op: AtomicOp,
    size: Size,
    (dst, src, off): (Reg, Reg, i16),
) -> Result<(), Fault> {
    let bytes = size.bytes();
    let operand = size.truncate(regs.at(src));
    let base = match op {
        AtomicOp::LoadAcquire => src,
        AtomicOp::Add { .. }
        | AtomicOp::Or { .. }
        | AtomicOp::And { .. }
        | AtomicOp::Xor { .. }
        | AtomicOp::Xchg
        | AtomicOp::Cmpxchg
        | AtomicOp::StoreRelease => dst,
    };
    // What is done, and which register receives the old value.
    let (access, result) = match op {
        AtomicOp::Add { fetch } => (AtomicAccess::Add(operand), fetch.then_some(src)),
        AtomicOp::Or { fetch } => (AtomicAccess::Or(operand), fetch.then_some(src)),
        AtomicOp::And { fetch } => (AtomicAccess::And(operand), fetch.then_some(src)),
        AtomicOp::Xor { fetch } => (AtomicAccess::Xor(operand), fetch.then_some(src)),
        AtomicOp::Xchg => (AtomicAccess::Xchg(operand), Some(src)),
        AtomicOp::Cmpxchg => {
            let access = AtomicAccess::Cmpxchg {
                expected: size.truncate(regs.at(Reg::R0)),
                new: operand,
            };
            (access, Some(Reg::R0))
        }
        AtomicOp::LoadAcquire => (AtomicAccess::LoadAcquire, Some(dst)),
        AtomicOp::StoreRelease => (AtomicAccess::StoreRelease(operand), None),
    };
    let old = memory.atomic(regs.address(base, off), bytes, access)?;
    if let Some(reg) = result {
        regs.set(reg, old);
    }
    Ok(())
}
