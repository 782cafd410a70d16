//! Clocks.

use crate::{Args, Clock, Env};
use skep_memory::Fault;

/// `u64 bpf_ktime_get_ns()`.
pub fn ktime_get_ns<E: Env>(env: &E, _args: Args) -> Result<u64, Fault> {
    Ok(env.services().clock_ns(Clock::Monotonic))
}

/// `u64 bpf_ktime_get_boot_ns()`.
pub fn ktime_get_boot_ns<E: Env>(env: &E, _args: Args) -> Result<u64, Fault> {
    Ok(env.services().clock_ns(Clock::Boot))
}

/// `u64 bpf_ktime_get_coarse_ns()`.
pub fn ktime_get_coarse_ns<E: Env>(env: &E, _args: Args) -> Result<u64, Fault> {
    Ok(env.services().clock_ns(Clock::Coarse))
}

/// `u64 bpf_ktime_get_tai_ns()`.
pub fn ktime_get_tai_ns<E: Env>(env: &E, _args: Args) -> Result<u64, Fault> {
    Ok(env.services().clock_ns(Clock::Tai))
}
