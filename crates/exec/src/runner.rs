//! Running an image on packets.

use crate::env::{CheckedMaps, Places, RunEnv, RunSettings, RunState, TrustedMaps};
use crate::fault::RunError;
use crate::host::RunHost;
use crate::image::Image;
use crate::packet::Packet;
use crate::shims::NativeEnv;
use crate::stack::Stack;
use skep_abi::{EntryFn, RunCtx, TAIL_CALLS_MAX};
use skep_helpers::Redirect;
use skep_memory::{Checked, Memory, Trusted};
use skep_sys::clock;
use std::cell::Cell;
use std::sync::atomic::Ordering;

/// Runs between two pins of the epoch, so that a long batch does not keep deleted elements for ever.
const RUNS_PER_PIN: u32 = 64;
/// Iterations that `may_goto` allows in one run (kernel `BPF_MAY_GOTO` count, 8 Mi).
const MAY_GOTO_MAX: u64 = 8 << 20;
/// Bytes of native stack that compiled code can use at most: eight frames and what helpers add above them.
const NATIVE_STACK_BYTES: u64 = 64 << 10;

/// Which engine runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EngineKind {
    /// Machine code.
    Native,
    /// The interpreter over trusted memory.
    Interp,
    /// The interpreter that checks every access.
    Checked,
}

/// What a batch of runs gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// r0 of the last run.
    pub retval: u64,
    /// Nanoseconds of all runs together.
    pub elapsed_ns: u64,
    /// Redirection asked for in the last run, if any.
    pub redirect: Option<Redirect>,
}

/// One lease of a CPU slot, on which an image runs. Not `Send`: a run stays on its thread.
pub struct Runner<'run> {
    image: &'run Image,
    settings: RunSettings<'run>,
    stack: Stack,
}

impl std::fmt::Debug for Runner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("cpu", &self.settings.cpu).finish_non_exhaustive()
    }
}

impl<'run> Runner<'run> {
    /// Prepares runs of `image`.
    #[must_use]
    pub fn new(image: &'run Image, settings: RunSettings<'run>) -> Self {
        Self { image, settings, stack: Stack::new() }
    }

    /// Runs `repeat` times over one packet, which keeps what the program did to it from run to run.
    ///
    /// # Errors
    /// [`RunError`]; a verified program only gives one when it is stopped or skep has a bug.
    pub fn run(&self, engine: EngineKind, packet: &Packet, repeat: u32) -> Result<Outcome, RunError> {
        let state = RunState::default();
        let places = Places {
            maps: self.image.maps(),
            packet,
            stack: &self.stack,
            native_stack: Cell::new((0, 0)),
        };
        let (retval, elapsed_ns) = match engine {
            EngineKind::Native => self.native(&places, &state, repeat)?,
            EngineKind::Interp => {
                // SAFETY: the image was made from a verified program (`Image::publish` takes nothing else).
                let memory = unsafe { Trusted::new() };
                let env = self.env(memory, TrustedMaps(memory), &places, &state);
                self.interpret(&env, repeat)?
            }
            EngineKind::Checked => {
                // SAFETY: stack, packet, context and maps of the run live as long as `places` borrows them.
                let memory = unsafe { Checked::new(Vec::new(), &places) };
                let env = self.env(memory, CheckedMaps(self.image.maps()), &places, &state);
                self.interpret(&env, repeat)?
            }
        };
        Ok(Outcome { retval, elapsed_ns, redirect: state.redirect.take() })
    }

    fn env<M, F>(&self, memory: M, maps: F, places: &'run Places<'run>, state: &'run RunState) -> RunEnv<'run, M, F> {
        RunEnv { memory, maps, places, state, settings: self.settings }
    }
}
