//! What the interpreter asks of a run.

use crate::env::{FindMap, RunEnv};
use skep_helpers::dispatch;
use skep_interp::{Host, MayGoto, Poll, Site, Stop, TrapReason};
use skep_isa::Size;
use skep_maps::MapRef;
use skep_memory::{Memory, Shared};
use skep_uapi::HelperId;

/// The host of an interpreted run: the same helpers and maps as compiled code has.
pub(crate) struct RunHost<'run, M, F> {
    env: &'run RunEnv<'run, M, F>,
    may_goto_left: u64,
}

impl<'run, M, F> RunHost<'run, M, F> {
    pub(crate) fn new(env: &'run RunEnv<'run, M, F>) -> Self {
        Self {
            env,
            may_goto_left: 0,
        }
    }

    /// Gives a new run its budgets.
    pub(crate) fn reset(&mut self, may_goto: u64) {
        self.may_goto_left = may_goto;
    }

    fn map(&self, index: u32) -> Option<&MapRef> {
        self.env.places.maps.get(usize::try_from(index).ok()?)
    }
}

impl<M: Memory, F: FindMap> Host for RunHost<'_, M, F> {
    fn helper(&mut self, id: u32, args: [u64; 5], _site: Site) -> Result<u64, Stop> {
        match dispatch(HelperId(id), self.env, args) {
            Some(result) => result.map_err(|fault| TrapReason::Memory(fault).into()),
            None => Err(TrapReason::UnknownHelper { id }.into()),
        }
    }

    /// There is no program array yet, so that no tail call can be made.
    fn tail_call(
        &mut self,
        _ctx: u64,
        _map: u64,
        _index: u32,
        _site: Site,
    ) -> Result<Option<u64>, Stop> {
        Ok(None)
    }

    fn map_addr(&self, index: u32) -> u64 {
        self.map(index).map_or(0, Shared::addr)
    }

    fn map_value_addr(&self, index: u32, offset: u32) -> u64 {
        let value = self.map(index).and_then(|map| map.object().direct_value());
        value.map_or(0, |value| value.start + u64::from(offset))
    }

    /// XDP programs have no legacy packet access.
    fn load_packet(&mut self, _ctx: u64, _offset: i64, _size: Size) -> Result<Option<u64>, Stop> {
        Ok(None)
    }

    fn may_goto(&mut self) -> MayGoto {
        match self.may_goto_left.checked_sub(1) {
            Some(left) => {
                self.may_goto_left = left;
                MayGoto::FallThrough
            }
            None => MayGoto::Jump,
        }
    }

    fn poll_stop(&self) -> Poll {
        Poll::Continue
    }
}
