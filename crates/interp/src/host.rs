//! What surrounds a run: helpers, maps, packets, budgets. `exec` implements it for real; tests as they like.

use crate::{Stack, Trap, TrapReason};
use skep_isa::{InsnIdx, Size};

/// Where in a run the host was asked, and what it may hand on to a run of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Site {
    /// The asking instruction.
    pub at: InsnIdx,
    /// Frames that are free: below the asking function for a helper's callbacks, from the asking function's own
    /// frame on for a tail call.
    pub stack: Stack,
    /// Instructions that the run may still execute, or `None` without a limit. A nested run's consumption is not
    /// subtracted from its parent's; the host sees to it if it cares.
    pub insns_left: Option<u64>,
}

/// Why the host ends a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stop {
    /// Where, if the reason came up in a nested run of the same program; else the asking instruction is meant.
    pub at: Option<InsnIdx>,
    /// Why.
    pub reason: TrapReason,
}

impl From<TrapReason> for Stop {
    fn from(reason: TrapReason) -> Self {
        Self { at: None, reason }
    }
}

impl From<Trap> for Stop {
    fn from(trap: Trap) -> Self {
        Self {
            at: Some(trap.at),
            reason: trap.reason,
        }
    }
}

/// What a program reaches outside of itself and its memory.
pub trait Host {
    /// Calls a helper.
    ///
    /// A helper that calls back runs [`Code::call_back`](crate::Code::call_back) with the site's stack.
    ///
    /// # Errors
    /// What ends the run.
    fn helper(&mut self, id: u32, args: [u64; 5], site: Site) -> Result<u64, Stop>;

    /// Makes a tail call: runs the program at `index` of the program array at `map` to its end, on the site's stack, and
    /// gives its r0. `None` if it cannot be made; then the caller goes on.
    ///
    /// # Errors
    /// What ended the run of that program.
    fn tail_call(
        &mut self,
        ctx: u64,
        map: u64,
        index: u32,
        site: Site,
    ) -> Result<Option<u64>, Stop>;

    /// Address of the header of map `index` of the program's map table; 0 if there is none.
    fn map_addr(&self, index: u32) -> u64;

    /// Address of byte `offset` of the value of map `index`; 0 if there is none.
    fn map_value_addr(&self, index: u32, offset: u32) -> u64;

    /// Legacy packet access: `size` bytes at `offset` of the packet of context `ctx`, from big endian. `None` outside
    /// of the packet, which ends the function with r0 = 0.
    ///
    /// # Errors
    /// What ends the run.
    fn load_packet(&mut self, ctx: u64, offset: i64, size: Size) -> Result<Option<u64>, Stop>;

    /// Takes one from the budget of `may_goto`; whether there was one.
    fn may_goto(&mut self) -> MayGoto;

    /// Whether to end the run now. Asked on every jump back and every local call.
    fn poll_stop(&self) -> Poll;
}

/// Answer of [`Host::may_goto`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MayGoto {
    /// There was budget: go on with the next instruction.
    FallThrough,
    /// It is used up: jump.
    Jump,
}

/// Answer of [`Host::poll_stop`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Poll {
    /// Go on.
    Continue,
    /// End the run.
    Stop,
}
