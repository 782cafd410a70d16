//! Internet checksums (RFC 1071).

use crate::env::{copy_in, failed, low};
use crate::{Args, Env};
use skep_memory::Fault;
use skep_uapi::Errno;

/// One's complement sum of the 16-bit words of `bytes` (as this host reads them) on top of `seed`.
fn sum(bytes: &[u8], seed: u64) -> u64 {
    let (words, rest) = bytes.as_chunks::<2>();
    let rest = rest
        .first()
        .map_or(0, |last| u64::from(u16::from_ne_bytes([*last, 0])));
    words
        .iter()
        .map(|word| u64::from(u16::from_ne_bytes(*word)))
        .sum::<u64>()
        + rest
        + seed
}

/// Folds carries until 16 bits are left.
fn fold(mut sum: u64) -> u64 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

/// `s64 bpf_csum_diff(from, from_size, to, to_size, seed)`: what replacing `from` by `to` does to a checksum. Sizes are in
/// bytes and multiples of 4; since Linux 6.13 the sum is folded to 16 bits on every architecture.
pub fn csum_diff<E: Env>(env: &E, args: Args) -> Result<u64, Fault> {
    let (from_size, to_size) = (low(args[1]), low(args[3]));
    if from_size % 4 != 0 || to_size % 4 != 0 {
        return Ok(failed(Errno::EINVAL));
    }
    let mut total = u64::from(low(args[4]));
    if to_size != 0 {
        total = sum(&copy_in(env, args[2], to_size)?, total);
    }
    if from_size != 0 {
        let from = fold(sum(&copy_in(env, args[0], from_size)?, 0));
        total += 0xffff - from;
    }
    Ok(fold(total))
}
