//! Helpers as compiled code calls them: one `extern "C"` function for each body.
//!
//! A shim recovers its environment from the run context, runs the body, and turns a fault or a panic into a stopped run: an
//! unwind must not reach compiled code, which has no unwind tables.

use crate::env::{RunEnv, TrustedMaps};
use crate::fault::RunError;
use skep_abi::{HelperFn, RunCtx};
use skep_helpers::bodies;
use skep_memory::{Fault, Trusted};
use skep_uapi::HelperId;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::with_exposed_provenance;
use std::sync::atomic::Ordering;

/// The environment of compiled code.
pub(crate) type NativeEnv<'run> = RunEnv<'run, Trusted<'run>, TrustedMaps<'run>>;

#[inline]
fn call(run: &RunCtx, body: impl FnOnce(&NativeEnv<'_>) -> Result<u64, Fault>) -> u64 {
    let env: *const NativeEnv<'_> =
        with_exposed_provenance(usize::try_from(run.env).expect("skep builds for 64-bit hosts"));
    // SAFETY: `Runner` sets `run.env` to its environment before it enters compiled code, and keeps it for the run.
    let env = unsafe { &*env };
    let here = 0_u8;
    env.places
        .native_low
        .set((&raw const here).expose_provenance() as u64);
    match catch_unwind(AssertUnwindSafe(|| body(env))) {
        Ok(Ok(value)) => value,
        Ok(Err(fault)) => stop(run, env, RunError::Fault { at: None, fault }),
        Err(panic) => stop(run, env, RunError::of_panic(&*panic)),
    }
}

/// Records why the run failed and asks for its end; the value given to the program no longer matters.
#[cold]
fn stop(run: &RunCtx, env: &NativeEnv<'_>, error: RunError) -> u64 {
    env.state.failure.borrow_mut().get_or_insert(error);
    run.stop.store(1, Ordering::Relaxed);
    0
}

macro_rules! shims {
    ($($body:ident = $id:ident;)*) => {
        /// The shims themselves.
        mod shim {
            use super::*;
            $(pub(super) extern "C" fn $body(r1: u64, r2: u64, r3: u64, r4: u64, r5: u64, run: &RunCtx) -> u64 {
                call(run, |env| bodies::$body(env, [r1, r2, r3, r4, r5]))
            })*
        }

        /// The shim of a helper, or `None` if it has no body.
        pub(crate) fn shim(id: HelperId) -> Option<HelperFn> {
            match id {
                $(HelperId::$id => Some(shim::$body),)*
                _ => None,
            }
        }
    };
}
skep_helpers::for_each_helper!(shims);

/// Address of a helper's shim.
pub(crate) fn addr(id: HelperId) -> Option<u64> {
    shim(id).map(|shim| (shim as *const ()).expose_provenance() as u64)
}

#[cfg(test)]
mod tests {
    /// A shim cannot find its environment without the run context.
    #[test]
    fn every_row_hands_the_run_context_to_its_shim() {
        for id in skep_helpers::IMPLEMENTED {
            let row = skep_contracts::helper(*id);
            assert!(row.is_some_and(|row| row.needs_run_ctx), "{id}");
        }
    }
}
