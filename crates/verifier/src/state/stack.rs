//! One eight-byte slot of a frame's stack.

use super::dynptr::{Dynptr, Half};
use super::iter::Iter;
use super::reg::Reg;

/// What a byte of the stack is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Byte {
    /// Never written.
    Invalid,
    /// Part of a spilled register.
    Spill,
    /// Something.
    Misc,
    /// Zero.
    Zero,
    /// Part of an iterator.
    Iter,
    /// Part of a dynamic pointer.
    Dynptr,
}

/// What programs reach through calls only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Opaque {
    None,
    Iter(Iter),
    Dynptr(Dynptr),
}

/// An eight-byte slot. A spilled register has its bytes at the top of the slot's numbering as the log prints it: bytes
/// `8 - n ..` of `bytes` are `Spill` where byte 0 of a little-endian value is `bytes[0]`.
///
/// `bytes[i]` is the byte at the slot's lowest address plus `i`. A spill of `n` bytes covers the `n` lowest addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Slot {
    pub(crate) bytes: [Byte; 8],
    reg: Reg,
    opaque: Opaque,
}

impl Slot {
    /// Never written.
    pub(crate) const INVALID: Self = Self {
        bytes: [Byte::Invalid; 8],
        reg: Reg::UNINIT,
        opaque: Opaque::None,
    };

    /// A spilled register, or the low `bytes` of one.
    pub(crate) fn spill(previous: &Self, reg: Reg, bytes: usize) -> Self {
        let mut slot = Self {
            bytes: previous.without_spill().bytes,
            reg,
            opaque: Opaque::None,
        };
        slot.bytes[..bytes].fill(Byte::Spill);
        slot
    }

    /// Part of an iterator.
    pub(crate) fn of_iter(iter: Iter) -> Self {
        Self {
            bytes: [Byte::Iter; 8],
            reg: Reg::UNINIT,
            opaque: Opaque::Iter(iter),
        }
    }

    /// Half of a dynamic pointer.
    pub(crate) fn of_dynptr(dynptr: Dynptr) -> Self {
        Self {
            bytes: [Byte::Dynptr; 8],
            reg: Reg::UNINIT,
            opaque: Opaque::Dynptr(dynptr),
        }
    }

    /// The iterator that the slot is part of.
    pub(crate) fn iter(&self) -> Option<&Iter> {
        match &self.opaque {
            Opaque::Iter(iter) => Some(iter),
            Opaque::None | Opaque::Dynptr(_) => None,
        }
    }

    /// The dynamic pointer that the slot is half of.
    pub(crate) fn dynptr(&self) -> Option<&Dynptr> {
        match &self.opaque {
            Opaque::Dynptr(dynptr) => Some(dynptr),
            Opaque::None | Opaque::Iter(_) => None,
        }
    }

    /// Whether the slot is the higher half of a dynamic pointer, which the lower one stands for.
    pub(crate) fn is_high_half(&self) -> bool {
        self.dynptr()
            .is_some_and(|dynptr| dynptr.half == Half::High)
    }

    /// The slot with bytes of which nothing is known.
    pub(crate) fn unknown(&self) -> Self {
        let mut slot = self.without_spill();
        slot.bytes = [Byte::Misc; 8];
        slot
    }

    /// The spilled register, if the slot's lowest byte belongs to one.
    pub(crate) fn spilled(&self) -> Option<&Reg> {
        (self.bytes[0] == Byte::Spill).then_some(&self.reg)
    }

    /// As [`Self::spilled`], to be changed.
    pub(crate) fn spilled_mut(&mut self) -> Option<&mut Reg> {
        (self.bytes[0] == Byte::Spill).then_some(&mut self.reg)
    }

    /// Number of bytes of the spilled register, 0 if there is none.
    pub(crate) fn spill_bytes(&self) -> usize {
        self.bytes.iter().filter(|b| **b == Byte::Spill).count()
    }

    /// Whether its bytes may be anything.
    pub(crate) fn says_nothing(&self) -> bool {
        let anything = |byte: &Byte| matches!(byte, Byte::Invalid | Byte::Misc);
        self.bytes.iter().all(anything)
    }

    /// The register, if all eight bytes belong to it.
    pub(crate) fn whole_spill(&self) -> Option<&Reg> {
        (self.bytes[0] == Byte::Spill && self.bytes[7] == Byte::Spill).then_some(&self.reg)
    }

    /// The same bytes with a spill turned into what is left of it when part of it is overwritten.
    pub(crate) fn without_spill(&self) -> Self {
        let mut slot = *self;
        if slot.opaque != Opaque::None {
            slot.opaque = Opaque::None;
            for byte in &mut slot.bytes {
                if matches!(byte, Byte::Iter | Byte::Dynptr) {
                    *byte = Byte::Misc;
                }
            }
        }
        if self.spilled().is_some() {
            for byte in &mut slot.bytes {
                if *byte == Byte::Spill {
                    *byte = Byte::Misc;
                }
            }
            slot.reg = Reg::UNINIT;
        }
        slot
    }
}
