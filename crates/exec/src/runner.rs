//! Running an image on packets.

use crate::env::{
    CheckedMaps, FindMap, Places, RunEnv, RunSettings, RunState, TrustedMaps, stack_addr,
};
use crate::fault::RunError;
use crate::host::RunHost;
use crate::image::Image;
use crate::packet::Packet;
use crate::shims::NativeEnv;
use crate::stack::Stack;
use skep_abi::{EntryFn, RunCtx, TAIL_CALLS_MAX};
use skep_helpers::Redirect;
use skep_interp::{Stack as InterpStack, Start};
use skep_memory::{Checked, Memory, Trusted};
use skep_sys::clock;
use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::transmute;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

/// Runs between two pins of the epoch, so that a long batch does not keep deleted elements for ever.
const RUNS_PER_PIN: u32 = 64;
/// Iterations that `may_goto` allows in one run (kernel `BPF_MAY_GOTO` count, 8 Mi).
const MAY_GOTO_MAX: u64 = 8 << 20;

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

/// One lease of a CPU slot, on which an image runs. Neither `Send` nor `Sync`: a run stays on its thread, and no two share the
/// stack.
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>(_: Option<T>) {}
/// shared::<skep_exec::Runner<'_>>(None);
/// ```
pub struct Runner<'run> {
    image: &'run Image,
    settings: RunSettings<'run>,
    stack: Stack,
    on_this_thread: PhantomData<*const ()>,
}

impl std::fmt::Debug for Runner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner")
            .field("cpu", &self.settings.cpu)
            .finish_non_exhaustive()
    }
}

impl<'run> Runner<'run> {
    /// Prepares runs of `image`.
    #[must_use]
    pub fn new(image: &'run Image, settings: RunSettings<'run>) -> Self {
        Self {
            image,
            settings,
            stack: Stack::new(),
            on_this_thread: PhantomData,
        }
    }

    /// Runs `repeat` times over one packet, which keeps what the program did to it from run to run.
    ///
    /// # Errors
    /// [`RunError`]; a verified program only gives one when it is stopped or skep has a bug.
    pub fn run(
        &self,
        engine: EngineKind,
        packet: &Packet,
        repeat: u32,
    ) -> Result<Outcome, RunError> {
        let state = RunState::default();
        let places = self.places(packet);
        let (retval, elapsed_ns) = match engine {
            EngineKind::Native => self.native(&places, &state, |entry, ctx, run| {
                batch(entry, ctx, run, repeat)
            })?,
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
        Ok(Outcome {
            retval,
            elapsed_ns,
            redirect: state.redirect.take(),
        })
    }

    /// Runs once, without reading a clock: r0, and the redirection that was asked for. The way for embedders who run a program on
    /// one packet after the other.
    ///
    /// # Errors
    /// As [`Runner::run`].
    #[inline]
    pub fn once(
        &self,
        engine: EngineKind,
        packet: &Packet,
    ) -> Result<(u64, Option<Redirect>), RunError> {
        if engine != EngineKind::Native {
            let outcome = self.run(engine, packet, 1)?;
            return Ok((outcome.retval, outcome.redirect));
        }
        let state = RunState::default();
        let retval = self.native(&self.places(packet), &state, |entry, ctx, run| {
            let _pin = skep_maps::pin();
            enter(entry, ctx, run)
        })?;
        Ok((retval, state.redirect.take()))
    }

    fn places<'a>(&'a self, packet: &'a Packet) -> Places<'a> {
        Places {
            maps: self.image.maps(),
            packet,
            stack: &self.stack,
            native_top: Cell::new(0),
            native_low: Cell::new(0),
        }
    }

    fn env<'a, M, F>(
        &'a self,
        memory: M,
        maps: F,
        places: &'a Places<'a>,
        state: &'a RunState,
    ) -> RunEnv<'a, M, F> {
        RunEnv {
            memory,
            maps,
            places,
            state,
            settings: self.settings,
        }
    }

    /// Sets up an entry into machine code and lets `work` enter it.
    #[inline]
    fn native<T>(
        &self,
        places: &Places<'_>,
        state: &RunState,
        work: impl FnOnce(EntryFn, u64, &RunCtx) -> T,
    ) -> Result<T, RunError> {
        let compiled = self.image.compiled().ok_or_else(|| RunError::NoEngine {
            why: "this program has no machine code: skep has no compiler for this host".to_owned(),
        })?;
        // SAFETY: the image was made from a verified program (`Image::publish` takes nothing else).
        let memory = unsafe { Trusted::new() };
        let env: NativeEnv<'_> = self.env(memory, TrustedMaps(memory), places, state);
        let run = RunCtx {
            cpu: self.settings.cpu,
            numa_node: self.settings.numa_node,
            env: (&raw const env).expose_provenance() as u64,
            ..RunCtx::default()
        };
        places.native_top.set(stack_addr());
        // SAFETY: the pages hold `jit::compile`'s code for this host, whose main function lies at their start, with relocations
        // applied by `image::place`; they live as long as the image.
        let entry = unsafe { transmute::<*mut u8, EntryFn>(compiled.pages().as_ptr().as_ptr()) };
        let outcome = work(entry, places.packet.ctx_addr(), &run);
        match state.failure.take() {
            Some(error) => Err(error),
            None if run.stop.load(Ordering::Relaxed) != 0 => Err(RunError::Stopped),
            None => Ok(outcome),
        }
    }

    /// Interprets; a panicking helper ends the run as it does under compiled code.
    fn interpret<M: Memory, F: FindMap>(
        &self,
        env: &RunEnv<'_, M, F>,
        repeat: u32,
    ) -> Result<(u64, u64), RunError> {
        catch_unwind(AssertUnwindSafe(|| self.interpret_all(env, repeat)))
            .unwrap_or_else(|panic| Err(RunError::of_panic(&*panic)))
    }

    fn interpret_all<M: Memory, F: FindMap>(
        &self,
        env: &RunEnv<'_, M, F>,
        repeat: u32,
    ) -> Result<(u64, u64), RunError> {
        let mut host = RunHost::new(env);
        let start = Start {
            stack: InterpStack::new(self.stack.region().start),
            insns_max: None,
        };
        let ctx = env.places.packet.ctx_addr();
        let mut pin = skep_maps::pin();
        let begun = clock::now_ns(clock::Clock::Monotonic);
        let mut retval = 0;
        for number in 0..repeat {
            host.reset(MAY_GOTO_MAX);
            retval = self
                .image
                .interp()
                .run(&env.memory, &mut host, ctx, start)
                .map_err(RunError::from)?;
            if number % RUNS_PER_PIN == RUNS_PER_PIN - 1 {
                skep_maps::renew(&mut pin);
            }
        }
        Ok((retval, clock::now_ns(clock::Clock::Monotonic) - begun))
    }
}

/// The repeat loop of compiled code, between two readings of the clock.
fn batch(entry: EntryFn, ctx: u64, run: &RunCtx, repeat: u32) -> (u64, u64) {
    let mut pin = skep_maps::pin();
    let mut retval = 0;
    let mut left = repeat;
    let begun = clock::now_ns(clock::Clock::Monotonic);
    while left > 0 && run.stop.load(Ordering::Relaxed) == 0 {
        let runs = left.min(RUNS_PER_PIN);
        for _ in 0..runs {
            retval = enter(entry, ctx, run);
        }
        left -= runs;
        skep_maps::renew(&mut pin);
    }
    (retval, clock::now_ns(clock::Clock::Monotonic) - begun)
}

/// One entry into compiled code, with fresh budgets.
#[inline]
fn enter(entry: EntryFn, ctx: u64, run: &RunCtx) -> u64 {
    run.tail_calls_left.store(TAIL_CALLS_MAX, Ordering::Relaxed);
    run.may_goto_left.store(MAY_GOTO_MAX, Ordering::Relaxed);
    entry(ctx, run)
}
