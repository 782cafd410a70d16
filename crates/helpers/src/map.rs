//! Maps.

use crate::env::{failed, length, low};
use crate::{Args, Env};
use skep_maps::MapObject;
use skep_memory::{Fault, Memory};
use skep_uapi::Errno;

/// Keys and values up to this many bytes are copied to the native stack.
const SMALL: usize = 64;

/// Calls `then` with a copy of `bytes` bytes of verified memory.
fn with_copy<E: Env, R>(
    env: &E,
    addr: u64,
    bytes: u32,
    then: impl FnOnce(&[u8]) -> R,
) -> Result<R, Fault> {
    let bytes = length(bytes);
    let mut small = [0; SMALL];
    if let Some(copy) = small.get_mut(..bytes) {
        env.memory().read(addr, copy)?;
        return Ok(then(copy));
    }
    let mut copy = vec![0; bytes];
    env.memory().read(addr, &mut copy)?;
    Ok(then(&copy))
}

fn with_key<'env, E: Env, R>(
    env: &'env E,
    map: u64,
    key: u64,
    then: impl FnOnce(&'env MapObject, &[u8]) -> R,
) -> Result<R, Fault> {
    let map = env.map(map)?;
    with_copy(env, key, map.header().key_bytes, |key| then(map, key))
}

fn status(result: Result<(), Errno>) -> u64 {
    result.map_or_else(failed, |()| 0)
}

/// `void *bpf_map_lookup_elem(map, key)`.
pub fn map_lookup_elem<E: Env>(env: &E, args: Args) -> Result<u64, Fault> {
    with_key(env, args[0], args[1], |map, key| {
        map.object().lookup(env.cpu(), key).unwrap_or(0)
    })
}

/// `void *bpf_map_lookup_percpu_elem(map, key, cpu)`.
pub fn map_lookup_percpu_elem<E: Env>(env: &E, args: Args) -> Result<u64, Fault> {
    with_key(env, args[0], args[1], |map, key| {
        map.object().lookup(low(args[2]), key).unwrap_or(0)
    })
}

/// `long bpf_map_update_elem(map, key, value, flags)`.
pub fn map_update_elem<E: Env>(env: &E, args: Args) -> Result<u64, Fault> {
    let value_bytes = env.map(args[0])?.header().value_bytes;
    with_copy(env, args[2], value_bytes, |value| {
        with_key(env, args[0], args[1], |map, key| {
            status(map.object().update(env.cpu(), key, value, args[3]))
        })
    })?
}

/// `long bpf_map_delete_elem(map, key)`.
pub fn map_delete_elem<E: Env>(env: &E, args: Args) -> Result<u64, Fault> {
    with_key(env, args[0], args[1], |map, key| {
        status(map.object().delete(key))
    })
}
