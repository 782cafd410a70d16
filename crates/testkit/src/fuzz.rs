//! Smoke runs of fuzz targets: a second of mutated seeds in an ordinary test.
//!
//! The mutator is small and deterministic; it knows no format and no coverage. Finding deep bugs is the task of the
//! targets in `fuzz/`, which call the same functions; this keeps them compiling and catches what any mutation finds.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

/// How long a smoke run takes.
pub const SMOKE: Duration = Duration::from_secs(1);

/// Longest input that mutation may grow to, in bytes.
const INPUT_BYTES_MAX: usize = 1 << 16;

/// Values at which lengths, offsets and counts break.
const EDGES: [u32; 10] = [
    0,
    1,
    7,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
];

/// Calls `target` with the seeds as they are, then with mutations of them for [`SMOKE`]. Gives the number of inputs.
///
/// # Panics
/// If `target` does; the input is written to the system's temporary folder, as `skep-NAME.bin`.
pub fn smoke(name: &str, seeds: &[Vec<u8>], target: impl Fn(&[u8])) -> u64 {
    assert!(!seeds.is_empty(), "{name}: no seeds");
    let mut random = Random::new(0x5ee9);
    let start = Instant::now();
    let mut count = 0;
    let mutations = std::iter::from_fn(|| {
        let seed = &seeds[random.below(seeds.len())];
        Some(mutate(&mut random, seed, seeds))
    });
    for input in seeds.iter().cloned().chain(mutations) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(&input))) {
            let path = std::env::temp_dir().join(format!("skep-{name}.bin"));
            let kept = std::fs::write(&path, &input);
            // The panic's own message has been printed by the hook; this adds where the input is.
            let place =
                kept.map_or_else(|error| error.to_string(), |()| path.display().to_string());
            if count > 0 {
                panic!("{name}: input {count} panics, kept in {place}");
            }
            resume_unwind(panic);
        }
        count += 1;
        if start.elapsed() > SMOKE {
            break;
        }
    }
    count
}

/// One to eight random changes of a seed.
fn mutate(random: &mut Random, seed: &[u8], seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(8) {
        if bytes.is_empty() {
            bytes.push(random.byte());
        }
        let at = random.below(bytes.len());
        match random.below(8) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.byte(),
            2 | 3 => put_edge(random, &mut bytes, at),
            4 => bytes.truncate(at),
            5 => {
                let end = bytes.len().min(at + random.below(16));
                bytes.drain(at..end);
            }
            6 => {
                let end = bytes.len().min(at + random.below(64));
                let copy = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            _ => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len().max(1));
                let part = other.iter().skip(from).take(random.below(256));
                bytes.splice(at..at, part.copied());
            }
        }
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

/// Overwrites one, two or four bytes with a value at an edge, little-endian, aligned as fields are.
fn put_edge(random: &mut Random, bytes: &mut [u8], at: usize) {
    let width = [1, 2, 4][random.below(3)];
    let value = EDGES[random.below(EDGES.len())].to_le_bytes();
    let at = at - at % width;
    for (byte, value) in bytes[at..].iter_mut().zip(&value[..width]) {
        *byte = *value;
    }
}

/// Marsaglia's xorshift, 64 bits: the same numbers in every run with the same seed.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator; seeds that differ in the lowest bit alone may give the same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next number.
    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `bound`.
    ///
    /// # Panics
    /// If `bound` is zero.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("a length fits 64 bits");
        usize::try_from(self.word() % bound).expect("the remainder is below a usize")
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        self.word().to_le_bytes()[3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutations_are_the_same_in_every_run() {
        let seeds = [b"abcdefgh".to_vec(), Vec::new()];
        let run = || {
            let mut random = Random::new(7);
            (0..1000)
                .map(|_| mutate(&mut random, &seeds[0], &seeds))
                .collect::<Vec<_>>()
        };
        assert_eq!(run(), run());
        assert!(run().iter().any(|input| input.len() > 8));
    }
}
