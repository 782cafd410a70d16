//! Unnamed bitfields that fill the gap before a member, so that C places it where BTF says.
//!
//! Two means: `unit: 0` moves to the next boundary of the unit, `unit: n` takes n bits. A boundary mark is left out where
//! the compiler reaches the boundary by itself, through the alignment of what follows.

/// Unnamed bitfields of one type and width in bits, so many times: a hostile structure of 4 GiB has a gap of as much.
#[derive(Clone, Copy)]
pub(super) struct Filler {
    pub(super) unit: &'static str,
    pub(super) bits: u32,
    pub(super) times: u32,
}

impl Filler {
    fn once(unit: &'static str, bits: u32) -> Self {
        Self {
            unit,
            bits,
            times: 1,
        }
    }
}

/// Widest first.
const UNITS: [(&str, u32); 4] = [("long", 64), ("int", 32), ("short", 16), ("char", 8)];

/// What precedes the gap.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// A bitfield, and another follows: boundaries must be reached by counting bits.
    Bitfield,
    /// Anything else.
    Other,
}

/// The fillers from bit `at` to bit `to`, where something of `align` bytes follows.
pub(super) fn fillers(at: u32, to: u32, align: u32, after: After) -> Vec<Filler> {
    let mut fillers = Vec::new();
    if to <= at {
        return fillers;
    }
    let reachable = UNITS
        .into_iter()
        .find(|(_, bits)| boundary(at, *bits).is_some_and(|boundary| boundary <= to));
    let Some((unit, unit_bits)) = reachable else {
        // The gap lies within a byte.
        fillers.push(Filler::once("char", to - at));
        return fillers;
    };
    let start = boundary(at, unit_bits).unwrap_or(to);
    if start > at {
        if after == After::Bitfield {
            fillers.push(Filler::once(unit, start - at));
        } else if needs_mark(at, start, to, align) {
            fillers.push(Filler::once(unit, 0));
        }
    }
    fillers.push(Filler {
        unit,
        bits: unit_bits,
        times: (to - start) / unit_bits,
    });
    let rest = (to - start) % unit_bits;
    if rest > 0 {
        let smallest = UNITS
            .into_iter()
            .rev()
            .find(|(_, bits)| *bits >= rest)
            .unwrap_or((unit, unit_bits));
        fillers.push(Filler::once(smallest.0, rest));
    }
    fillers
}

/// Whether the compiler needs to be told to move to the boundary `start`.
fn needs_mark(at: u32, start: u32, to: u32, align: u32) -> bool {
    if start == to {
        // The next member lies on the boundary: unless its own alignment takes it there.
        boundary(at, align.saturating_mul(8)) != Some(start)
    } else {
        // The rest of the gap would fit before the boundary.
        to - start <= start - at
    }
}

fn boundary(at: u32, bits: u32) -> Option<u32> {
    at.checked_next_multiple_of(bits.max(1))
}
