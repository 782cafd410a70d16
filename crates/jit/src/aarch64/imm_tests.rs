//! The encodable values are exactly those that the manual's decoding gives.

use super::{ArithImm, LogicalImm, Offset, OpSize};
use std::collections::HashMap;

/// All logical immediates of 64 bits by the manual's `DecodeBitMasks`, with their fields.
fn decodable() -> HashMap<u64, u32> {
    let mut all = HashMap::new();
    for bits in [2_u32, 4, 8, 16, 32, 64] {
        for ones in 1..bits {
            for immr in 0..bits {
                let mask = u64::MAX >> (64 - bits);
                let run = u64::MAX >> (64 - ones);
                let element = (run >> immr | run << ((bits - immr) % bits)) & mask;
                let value = (0..64 / bits).fold(0, |value, at| value | element << (at * bits));
                let size_bits = if bits == 64 {
                    0
                } else {
                    0x3f & !(2 * bits - 1)
                };
                let fields =
                    u32::from(bits == 64) << 22 | immr << 16 | (size_bits | (ones - 1)) << 10;
                all.entry(value).or_insert(fields);
            }
        }
    }
    all
}

#[test]
fn every_logical_immediate_is_found() {
    let all = decodable();
    assert_eq!(all.len(), 5334, "the number of distinct logical immediates");
    for (&value, &fields) in &all {
        let found = LogicalImm::new(value, OpSize::X).map(LogicalImm::fields);
        assert_eq!(found, Some(fields), "{value:#x}");
        if value >> 32 == value & 0xffff_ffff {
            let found = LogicalImm::new(value & 0xffff_ffff, OpSize::W).map(LogicalImm::fields);
            assert_eq!(found, Some(fields), "{value:#x}");
        }
        for bit in 0..64 {
            let near = value ^ 1 << bit;
            let found = LogicalImm::new(near, OpSize::X).map(LogicalImm::fields);
            assert_eq!(found, all.get(&near).copied(), "{near:#x}");
        }
    }
}

#[test]
fn zero_and_all_ones_are_no_logical_immediates() {
    for value in [0, u64::MAX, 0xffff_ffff_0000_0000] {
        assert_eq!(LogicalImm::new(value, OpSize::W), None);
    }
    assert_eq!(LogicalImm::new(0, OpSize::X), None);
    assert_eq!(LogicalImm::new(u64::MAX, OpSize::X), None);
}

#[test]
fn arithmetic_immediates() {
    let fields = |value| ArithImm::new(value).map(ArithImm::fields);
    assert_eq!(fields(0), Some(0));
    assert_eq!(fields(0xfff), Some(0xfff << 10));
    assert_eq!(fields(0x1000), Some(1 << 22 | 1 << 10));
    assert_eq!(fields(0xfff_000), Some(1 << 22 | 0xfff << 10));
    for none in [0x1001, 0x100_0000, 0xfff_fff, u64::MAX, 1 << 44] {
        assert_eq!(fields(none), None, "{none:#x}");
    }
}

#[test]
fn offsets() {
    assert_eq!(Offset::new(8, 3), Some(Offset::Scaled(1 << 10)));
    assert_eq!(Offset::new(32760, 3), Some(Offset::Scaled(4095 << 10)));
    assert_eq!(Offset::new(4, 3), Some(Offset::Unscaled(4 << 12)));
    assert_eq!(Offset::new(-1, 0), Some(Offset::Unscaled(0x1ff << 12)));
    assert_eq!(Offset::new(-256, 3), Some(Offset::Unscaled(0x100 << 12)));
    for none in [-257, 257, 32764] {
        assert_eq!(Offset::new(none, 3), None, "{none}");
    }
}
