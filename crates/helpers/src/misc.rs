//! Numbers of the run: random, CPU, NUMA node.

use crate::{Args, Env};
use skep_memory::Fault;

/// `u32 bpf_get_prandom_u32()`.
pub fn get_prandom_u32<E: Env>(env: &E, _args: Args) -> Result<u64, Fault> {
    Ok(env.services().random_u32().into())
}

/// `u32 bpf_get_smp_processor_id()`: the CPU slot of the run.
pub fn get_smp_processor_id<E: Env>(env: &E, _args: Args) -> Result<u64, Fault> {
    Ok(env.cpu().into())
}

/// `long bpf_get_numa_node_id()`.
pub fn get_numa_node_id<E: Env>(env: &E, _args: Args) -> Result<u64, Fault> {
    Ok(env.numa_node().into())
}
