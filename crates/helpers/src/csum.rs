//! Internet checksums (RFC 1071).

use crate::env::{copy_in, low};
use crate::{Args, Env};
use skep_memory::Fault;

/// One's complement addition of 32-bit sums: a carry comes back at the low end.
fn add(a: u32, b: u32) -> u32 {
    let (sum, carry) = a.overflowing_add(b);
    sum.wrapping_add(carry.into())
}

/// One's complement sum of the 32-bit words of `bytes` (as this host reads them; the rest is filled with zeros) and `seed`.
fn partial(bytes: &[u8], seed: u32) -> u32 {
    let word = |chunk: &[u8]| {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        u32::from_ne_bytes(word)
    };
    bytes.chunks(4).map(word).fold(seed, add)
}

/// Folds a sum to 16 bits.
fn fold(sum: u32) -> u32 {
    let once = (sum & 0xffff) + (sum >> 16);
    (once & 0xffff) + (once >> 16)
}

/// `s64 bpf_csum_diff(from, from_size, to, to_size, seed)`: what replacing `from` by `to` does to a checksum. Sizes are in
/// bytes. Since Linux 6.13 the sum is folded to 16 bits on every architecture; which of the two zeros comes out (0 or 0xffff)
/// follows from subtracting by adding the complement.
pub fn csum_diff<E: Env>(env: &E, args: Args) -> Result<u64, Fault> {
    let (from_size, to_size, seed) = (low(args[1]), low(args[3]), low(args[4]));
    let from = || copy_in(env, args[0], from_size);
    let to = || copy_in(env, args[2], to_size);
    let sum = match (from_size, to_size) {
        (0, 0) => seed,
        (0, _) => partial(&to()?, seed),
        (_, 0) => !partial(&from()?, !seed),
        (_, _) => add(partial(&to()?, seed), !partial(&from()?, 0)),
    };
    Ok(fold(sum).into())
}
