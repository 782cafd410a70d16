//! The loop.
//!
//! Registers and position are locals of [`run`]; what is rare (calls, atomics, packets) is in functions of its own, so that
//! the loop stays small enough for the compiler to keep them in registers.

use crate::op::{Op, Ops, with_rows};
use crate::{Host, MayGoto, Poll, Site, Stack, Stop, Trap, TrapReason};
use skep_abi::CALL_FRAMES_MAX;
use skep_isa::{AluOp, AtomicOp, InsnIdx, JmpOp, Reg, Size, Width, eval_mov, eval_movsx, eval_neg};
use skep_memory::{AtomicAccess, Fault, Memory};

/// Where a run begins and what is in r1 to r5.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) start: InsnIdx,
    pub(crate) args: [u64; 5],
}

/// Counts instructions, or does not.
pub(crate) trait Meter {
    /// One more; whether it may run.
    fn tick(&mut self) -> bool;
    /// How many may still run, if that is limited.
    fn left(&self) -> Option<u64>;
}

/// No limit: costs nothing.
pub(crate) struct Unlimited;

impl Meter for Unlimited {
    #[inline]
    fn tick(&mut self) -> bool {
        true
    }

    fn left(&self) -> Option<u64> {
        None
    }
}

/// A limit of instructions.
pub(crate) struct Limited {
    pub(crate) left: u64,
}

impl Meter for Limited {
    #[inline]
    fn tick(&mut self) -> bool {
        let more = self.left != 0;
        self.left = self.left.saturating_sub(1);
        more
    }

    fn left(&self) -> Option<u64> {
        Some(self.left)
    }
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

/// Runs from `entry` to the exit of that function.
pub(crate) fn run<M: Memory, H: Host, L: Meter>(
    ops: &Ops,
    memory: &M,
    host: &mut H,
    entry: Entry,
    stack: Stack,
    mut meter: L,
) -> Result<u64, Trap> {
    let mut regs = Regs([0; 16]);
    regs.0[1..6].copy_from_slice(&entry.args);
    regs.set(Reg::R10, stack.top);
    let mut callers = Callers::new(stack);
    let mut pc = entry.start.index();

    /// One dispatch. Generated, so that the rows of `op` need not be listed again.
    macro_rules! dispatch {
        (
            alu { $($alu:ident $ar32:ident $ak32:ident $ar64:ident $ak64:ident;)* }
            jump { $($jmp:ident $jr32:ident $jk32:ident $jr64:ident $jk64:ident;)* }
            mem { $($size:ident $load:ident $load_sx:ident $store_r:ident $store_k:ident;)* }
        ) => {
            match ops.ops[pc - 1] {
                $(
                    Op::$ar32 { dst, src } => {
                        let value = AluOp::$alu.eval(Width::W32, regs.at(dst), regs.at(src));
                        regs.set(dst, value);
                    }
                    Op::$ak32 { dst, imm } => {
                        let value = AluOp::$alu.eval(Width::W32, regs.at(dst), extend(imm));
                        regs.set(dst, value);
                    }
                    Op::$ar64 { dst, src } => {
                        let value = AluOp::$alu.eval(Width::W64, regs.at(dst), regs.at(src));
                        regs.set(dst, value);
                    }
                    Op::$ak64 { dst, imm } => {
                        let value = AluOp::$alu.eval(Width::W64, regs.at(dst), extend(imm));
                        regs.set(dst, value);
                    }
                )*
                $(
                    Op::$jr32 { dst, src, off } => {
                        if JmpOp::$jmp.eval(Width::W32, regs.at(dst), regs.at(src)) {
                            jump!(off);
                        }
                    }
                    Op::$jk32 { dst, off, imm } => {
                        if JmpOp::$jmp.eval(Width::W32, regs.at(dst), extend(imm)) {
                            jump!(off);
                        }
                    }
                    Op::$jr64 { dst, src, off } => {
                        if JmpOp::$jmp.eval(Width::W64, regs.at(dst), regs.at(src)) {
                            jump!(off);
                        }
                    }
                    Op::$jk64 { dst, off, imm } => {
                        if JmpOp::$jmp.eval(Width::W64, regs.at(dst), extend(imm)) {
                            jump!(off);
                        }
                    }
                )*
                $(
                    Op::$load { dst, base, off } => {
                        let value = tried!(memory.load(regs.address(base, off), Size::$size.bytes()));
                        regs.set(dst, value);
                    }
                    Op::$load_sx { dst, base, off } => {
                        let value = tried!(memory.load(regs.address(base, off), Size::$size.bytes()));
                        regs.set(dst, Size::$size.sign_extend(value));
                    }
                    Op::$store_r { base, src, off } => {
                        let value = Size::$size.truncate(regs.at(src));
                        tried!(memory.store(regs.address(base, off), Size::$size.bytes(), value));
                    }
                    Op::$store_k { base, off, imm } => {
                        let value = Size::$size.truncate(extend(imm));
                        tried!(memory.store(regs.address(base, off), Size::$size.bytes(), value));
                    }
                )*
                Op::Neg { width, dst } => regs.set(dst, eval_neg(width, regs.at(dst))),
                Op::MovR32 { dst, src } => regs.set(dst, eval_mov(Width::W32, regs.at(src))),
                Op::MovR64 { dst, src } => regs.set(dst, regs.at(src)),
                Op::MovK32 { dst, imm } => regs.set(dst, eval_mov(Width::W32, extend(imm))),
                Op::MovK64 { dst, imm } => regs.set(dst, extend(imm)),
                Op::MovSx { width, dst, src, from } => {
                    regs.set(dst, eval_movsx(width, from, regs.at(src)));
                }
                Op::Swap { kind, dst, size } => regs.set(dst, kind.eval(size, regs.at(dst))),
                Op::Wide { dst, pool } => {
                    regs.set(dst, pooled(ops, pool));
                    pc += 1;
                }
                Op::Map { dst, index } => {
                    regs.set(dst, host.map_addr(index));
                    pc += 1;
                }
                Op::MapValue { dst, pool } => {
                    let (index, offset) = halves(pooled(ops, pool));
                    regs.set(dst, host.map_value_addr(index, offset));
                    pc += 1;
                }
                Op::Jump { off } => jump!(off),
                Op::MayGoto { off } => match host.may_goto() {
                    MayGoto::FallThrough => {}
                    MayGoto::Jump => jump!(off),
                },
                Op::Atomic { op, size, dst, src, off } => {
                    tried!(atomic(&mut regs, memory, op, size, (dst, src, off)));
                }
                Op::Helper { id } => {
                    let site = site(pc, callers.stack.below(), &meter);
                    let value = host.helper(id, regs.args(), site);
                    regs.set(Reg::R0, value.map_err(|stop| stopped(stop, pc))?);
                }
                Op::Call { start } => {
                    poll!();
                    tried!(callers.push(&mut regs, pc));
                    pc = InsnIdx(start).index();
                }
                Op::Exit => match callers.pop(&mut regs) {
                    Some(back) => pc = back,
                    None => return Ok(regs.at(Reg::R0)),
                },
                Op::TailCall => {
                    let site = site(pc, callers.stack, &meter);
                    let [ctx, map, index, ..] = regs.args();
                    let made = host.tail_call(ctx, map, halves(index).1, site);
                    if let Some(value) = made.map_err(|stop| stopped(stop, pc))? {
                        leave!(value);
                    }
                }
                Op::LoadAbs { size, imm } => {
                    packet!(size, i64::from(imm));
                }
                Op::LoadInd { size, src, imm } => {
                    // The sum is one of 32 bits, as the classic instruction's was.
                    let offset = halves(regs.at(src)).1.cast_signed().wrapping_add(imm);
                    packet!(size, i64::from(offset));
                }
                Op::Unsupported(what) => tried!(Err(TrapReason::Unsupported(what))),
                // Jumps into a wide instruction are refused when a program is lowered or verified.
                Op::High => tried!(Err(TrapReason::Unsupported(crate::Unsupported::NotAFunction))),
            }
        };
    }
    macro_rules! tried {
        ($result:expr) => {
            $result.map_err(|error| Trap {
                at: running(pc),
                reason: TrapReason::from(error),
            })?
        };
    }
    macro_rules! poll {
        () => {
            if host.poll_stop() == Poll::Stop {
                tried!(Err(TrapReason::Stopped));
            }
        };
    }
    macro_rules! jump {
        ($off:expr) => {{
            if $off < 0 {
                poll!();
            }
            pc = pc.wrapping_add_signed(slots($off));
        }};
    }
    macro_rules! leave {
        ($value:expr) => {{
            regs.set(Reg::R0, $value);
            match callers.pop(&mut regs) {
                Some(back) => pc = back,
                None => return Ok($value),
            }
        }};
    }
    macro_rules! packet {
        ($size:expr, $offset:expr) => {{
            let loaded = host.load_packet(regs.at(Reg::R6), $offset, $size);
            match loaded.map_err(|stop| stopped(stop, pc))? {
                Some(value) => regs.set(Reg::R0, value),
                None => leave!(0),
            }
        }};
    }
    loop {
        if !meter.tick() {
            return Err(Trap {
                at: running(pc + 1),
                reason: TrapReason::BudgetSpent,
            });
        }
        pc += 1;
        with_rows!(dispatch);
    }
}

/// An immediate as operations see it.
#[inline]
fn extend(imm: i32) -> u64 {
    i64::from(imm).cast_unsigned()
}

#[inline]
fn slots(off: impl Into<i32>) -> isize {
    isize::try_from(off.into()).expect("isize holds 32 bits on every host skep builds for")
}

#[inline]
fn pooled(ops: &Ops, pool: u32) -> u64 {
    ops.pool[InsnIdx(pool).index()]
}

/// Upper and lower half.
fn halves(value: u64) -> (u32, u32) {
    let low = Width::W32.truncate(value);
    let half = |value| u32::try_from(value).expect("32 bits are left");
    (half(value >> 32), half(low))
}

fn site(pc: usize, stack: Stack, meter: &impl Meter) -> Site {
    Site {
        at: running(pc),
        stack,
        insns_left: meter.left(),
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
#[inline(never)]
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
