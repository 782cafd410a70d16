//! The interpreter: translated programs to results, over checked or trusted memory.
//!
//! [`Code`] is a verified program and runs over any [`Memory`]; [`UncheckedCode`] is one that nobody verified and runs only
//! over [`Bounded`] memory, which checks every access. Both are decoded once and run by the same loop. Scalar meaning
//! comes from `isa` alone; helpers, maps and budgets from the [`Host`].
//! This crate does not know the machine: no map types, no helper bodies, no contexts.
#![forbid(unsafe_code)]

mod host;
mod op;
mod run;
mod trap;

pub use host::{Host, MayGoto, Poll, Site, Stop};
pub use op::Unsupported;
pub use trap::{Trap, TrapReason};

use op::Ops;
use run::Entry;
use skep_abi::{CALL_FRAMES_MAX, STACK_BYTES_MAX};
use skep_isa::InsnIdx;
use skep_memory::{Checked, Memory};
use skep_xlate::{Unchecked, Xlated};

/// Memory that refuses every access outside of what the run may touch.
pub trait Bounded: Memory {}

impl Bounded for Checked<'_> {}

/// Bytes that [`Stack::new`] wants.
#[expect(
    clippy::cast_possible_truncation,
    reason = "eight frames; the constant is checked below"
)]
pub const STACK_BYTES: u32 = STACK_BYTES_MAX * CALL_FRAMES_MAX as u32;
const _: () = assert!(STACK_BYTES == 4096);

/// Free stack frames of a run. The first function's r10 is `top`, each further one's 512 bytes lower.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stack {
    top: u64,
    frames: usize,
}

impl Stack {
    /// The frames in the [`STACK_BYTES`] bytes from `block` on.
    #[must_use]
    pub fn new(block: u64) -> Self {
        Self {
            top: block.wrapping_add(u64::from(STACK_BYTES)),
            frames: CALL_FRAMES_MAX,
        }
    }

    /// Whether all frames are free. A tail call out of a local function leaves fewer, and a chain of such calls runs
    /// out of them although Linux allows 33; the host may give each of these runs a block of its own.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self.frames == CALL_FRAMES_MAX
    }

    /// The frames behind the first.
    fn below(self) -> Self {
        Self {
            top: self.top.wrapping_sub(u64::from(STACK_BYTES_MAX)),
            frames: self.frames.saturating_sub(1),
        }
    }

    /// Undoes [`Self::below`].
    fn above(self) -> Self {
        Self {
            top: self.top.wrapping_add(u64::from(STACK_BYTES_MAX)),
            frames: self.frames + 1,
        }
    }
}

/// How a run starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Start {
    /// Free frames.
    pub stack: Stack,
    /// Instructions that may be executed, or `None` for no limit.
    pub insns_max: Option<u64>,
}

/// What `ld_imm64` of a function gives in this engine: no address, but a number that only [`Code::call_back`] reads.
fn function_value(start: InsnIdx) -> u64 {
    FUNCTION_TAG | u64::from(start.0)
}

/// No address of user space looks like this.
const FUNCTION_TAG: u64 = 0xbf00_0000_0000_0000;

/// A verified program, ready to run over any memory.
#[derive(Clone, Debug)]
pub struct Code(Ops);

/// An unverified program, ready to run over bounded memory.
#[derive(Clone, Debug)]
pub struct UncheckedCode(Ops);

impl Code {
    /// Decodes a program.
    #[must_use]
    pub fn new(program: &Xlated) -> Self {
        Self(Ops::new(program))
    }

    /// Runs the main function with r1 = `ctx`, and gives r0.
    ///
    /// # Errors
    /// Why it ended without one.
    pub fn run(
        &self,
        memory: &impl Memory,
        host: &mut impl Host,
        ctx: u64,
        start: Start,
    ) -> Result<u64, Trap> {
        enter(&self.0, memory, host, main_entry(ctx), start)
    }

    /// Runs the function whose address a helper was given, with r1 to r5 = `args`, and gives r0.
    ///
    /// # Errors
    /// Why it ended without one.
    pub fn call_back(
        &self,
        memory: &impl Memory,
        host: &mut impl Host,
        function: u64,
        args: [u64; 5],
        start: Start,
    ) -> Result<u64, Trap> {
        let entry = callback_entry(&self.0, function, args)?;
        enter(&self.0, memory, host, entry, start)
    }
}

impl UncheckedCode {
    /// Decodes a program.
    #[must_use]
    pub fn new(program: &Unchecked) -> Self {
        Self(Ops::new(program))
    }

    /// Runs the main function with r1 = `ctx`, and gives r0.
    ///
    /// # Errors
    /// Why it ended without one.
    pub fn run(
        &self,
        memory: &impl Bounded,
        host: &mut impl Host,
        ctx: u64,
        start: Start,
    ) -> Result<u64, Trap> {
        enter(&self.0, memory, host, main_entry(ctx), start)
    }

    /// Runs the function whose address a helper was given, with r1 to r5 = `args`, and gives r0.
    ///
    /// # Errors
    /// Why it ended without one.
    pub fn call_back(
        &self,
        memory: &impl Bounded,
        host: &mut impl Host,
        function: u64,
        args: [u64; 5],
        start: Start,
    ) -> Result<u64, Trap> {
        let entry = callback_entry(&self.0, function, args)?;
        enter(&self.0, memory, host, entry, start)
    }
}

fn main_entry(ctx: u64) -> Entry {
    Entry {
        start: InsnIdx(0),
        args: [ctx, 0, 0, 0, 0],
    }
}

fn callback_entry(ops: &Ops, function: u64, args: [u64; 5]) -> Result<Entry, Trap> {
    let start = function
        .checked_sub(FUNCTION_TAG)
        .and_then(|slot| u32::try_from(slot).ok())
        .map(InsnIdx)
        .filter(|start| ops.functions.binary_search(start).is_ok());
    match start {
        Some(start) => Ok(Entry { start, args }),
        None => Err(Trap {
            at: InsnIdx(0),
            reason: TrapReason::NotAFunction { value: function },
        }),
    }
}

fn enter(
    ops: &Ops,
    memory: &impl Memory,
    host: &mut impl Host,
    entry: Entry,
    start: Start,
) -> Result<u64, Trap> {
    if start.stack.frames == 0 {
        return Err(Trap {
            at: entry.start,
            reason: TrapReason::CallDepth,
        });
    }
    run::run(ops, memory, host, entry, start)
}
