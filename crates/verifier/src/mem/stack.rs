//! The stack: slots, spilled registers, bytes.
//!
//! A store at a fixed offset that is a multiple of 8 spills the register or constant, so that its value survives; other
//! stores leave bytes of which only zero is known. Reads of bytes never written are allowed (programs are privileged) and
//! give something unknown.

use super::{Cell, Stored};
use crate::domain::Scalar;
use crate::limits::{STACK_BYTES_MAX, STACK_SLOTS_MAX};
use crate::log::state::var_off;
use crate::path::Path;
use crate::reject::{Dir, Reject};
use crate::state::frame::slot_of;
use crate::state::{Byte, Kind, Node, Reg, Slot, Slots};
use skep_isa::{Reg as R, Size};

/// Offsets that an access can touch: from `min` to below `end`, both within the frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Extent {
    pub(crate) min: i64,
    pub(crate) end: i64,
    /// Whether the pointer's offset is known.
    pub(crate) fixed: bool,
}

impl Extent {
    /// Slots that are touched.
    pub(crate) fn slots(self) -> Slots {
        if self.end <= self.min {
            return 0;
        }
        let (first, last) = (slot_of(self.end - 1).0, slot_of(self.min).0);
        (first..=last).fold(0, |all, slot| all | 1 << slot)
    }
}

/// Bits that a number may need.
fn width(value: &Scalar) -> u32 {
    64 - value.umax().leading_zeros()
}

impl Path<'_> {
    /// Checks that `size` bytes through a stack pointer stay in the frame.
    pub(crate) fn stack_extent(
        &self,
        reg: R,
        base: &Reg,
        off: i64,
        size: u64,
        dir: Dir,
    ) -> Result<Extent, Reject> {
        let at = self.at;
        let fixed = base.value.as_const();
        let (low, high) = match fixed {
            Some(value) => (value.cast_signed(), value.cast_signed()),
            None => (base.value.smin(), base.value.smax()),
        };
        let limit = crate::limits::POINTER_OFFSET_MAX;
        if fixed.is_none() && (low <= -limit || high >= limit) {
            return Err(Reject::StackUnbounded { at, reg, dir });
        }
        let (min, max) = (low.saturating_add(off), high.saturating_add(off));
        let end = max.saturating_add_unsigned(size);
        if (-i64::from(STACK_BYTES_MAX)..0).contains(&min) && end <= 0 {
            let fixed = fixed.is_some();
            return Ok(Extent { min, end, fixed });
        }
        let past_end = (-i64::from(STACK_BYTES_MAX)..0).contains(&min);
        Err(match (fixed.is_some(), past_end) {
            (true, true) => Reject::StackPastEnd {
                at,
                reg,
                dir,
                off: min,
                size,
            },
            (true, false) => Reject::StackOutside {
                at,
                reg,
                dir,
                off: min,
                size,
            },
            (false, true) => Reject::StackVariablePastEnd {
                at,
                reg,
                dir,
                var_off: var_off(&base.value),
                off,
                size,
            },
            (false, false) => Reject::StackVariableOutside {
                at,
                reg,
                dir,
                var_off: var_off(&base.value),
                off,
                size,
            },
        })
    }

    /// The frame is at least this deep.
    pub(crate) fn grow_stack(&mut self, frame: u8, min: i64) {
        let subprog = self.state.frame_at(frame).subprog;
        let bytes = u32::try_from(-min).unwrap_or(STACK_BYTES_MAX);
        let used = &mut self.stack_bytes[subprog.index()];
        *used = (*used).max(bytes.next_multiple_of(8));
        let slots = usize::try_from(bytes.div_ceil(8)).unwrap_or(STACK_SLOTS_MAX);
        if self.state.frame_at(frame).stack.len() < slots {
            self.state.frame_at_mut(frame).slot_mut(slots - 1);
        }
    }

    pub(super) fn load_stack(&mut self, cell: &Cell, frame: u8) -> Result<Reg, Reject> {
        let size = u64::from(cell.size.bytes());
        let extent = self.stack_extent(cell.reg, &cell.base, cell.fixed(), size, Dir::Read)?;
        self.grow_stack(frame, extent.min);
        self.note_read(frame, extent.slots());
        if !extent.fixed {
            self.check_readable(frame, extent)?;
            return Ok(self.bytes_value(frame, extent));
        }
        self.stack_touched = true;
        let (index, byte) = slot_of(extent.min);
        self.history.slot(frame, index);
        if frame == self.state.top() {
            self.trace.touch_slot(index);
        }
        self.check_readable(frame, extent)?;
        match self.state.frame_at(frame).slot(index).spilled() {
            Some(_) => self.fill(frame, index, byte, cell.size),
            None => Ok(self.bytes_value(frame, extent)),
        }
    }

    /// As [`Self::check_readable`], for an argument.
    pub(crate) fn check_readable_argument(
        &self,
        reg: R,
        frame: u8,
        extent: Extent,
    ) -> Result<(), Reject> {
        self.check_readable(frame, extent)
            .map_err(|reject| match reject {
                Reject::StackOpaque {
                    at,
                    off,
                    byte,
                    size,
                } => Reject::StackOpaqueArgument {
                    at,
                    reg,
                    off,
                    byte,
                    size,
                },
                other => other,
            })
    }

    /// Iterators and dynamic pointers are opaque.
    pub(crate) fn check_readable(&self, frame: u8, extent: Extent) -> Result<(), Reject> {
        let stack = self.state.frame_at(frame);
        let mut offsets = extent.min..extent.end;
        match offsets.find(|off| matches!(stack.byte(*off), Byte::Iter | Byte::Dynptr)) {
            None => Ok(()),
            Some(off) => Err(Reject::StackOpaque {
                at: self.at,
                off: extent.min,
                byte: off - extent.min,
                size: extent.end - extent.min,
            }),
        }
    }

    /// Loads from a slot that holds a spilled register.
    fn fill(&mut self, frame: u8, index: usize, byte: usize, size: Size) -> Result<Reg, Reject> {
        let slot = *self.state.frame_at(frame).slot(index);
        let Some(&spilled) = slot.spilled() else {
            return Ok(Reg::unknown());
        };
        let (bytes, spill) = (Self::len(size), slot.spill_bytes());
        if bytes == 8 && spill == 8 {
            return Ok(self.linked_fill(frame, index, spilled));
        }
        if !spilled.is_scalar() {
            return Err(Reject::FillSize { at: self.at });
        }
        if byte == 0 && bytes <= spill {
            let fits = width(&spilled.value) <= size.bits();
            let mut value = if bytes == 4 && spill == 4 && fits {
                self.linked_fill(frame, index, spilled)
            } else {
                spilled
            };
            if !fits {
                value.unlink();
            }
            return Ok(value);
        }
        let part = &slot.bytes[byte..byte + bytes];
        let known_zero = spilled.is_null() && part.iter().all(|b| *b == Byte::Spill);
        if known_zero || part.iter().all(|b| *b == Byte::Zero) {
            let mut zero = Reg::constant(0);
            zero.node = if known_zero { spilled.node } else { Node::NONE };
            return Ok(zero);
        }
        Ok(Reg::unknown())
    }

    /// A filled copy is linked with the slot.
    fn linked_fill(&mut self, frame: u8, index: usize, spilled: Reg) -> Reg {
        let value = self.with_id(spilled);
        if value != spilled {
            let slot = self.state.frame_at_mut(frame).slot_mut(index);
            if let Some(reg) = slot.spilled_mut() {
                *reg = value;
            }
        }
        value
    }

    fn len(size: Size) -> usize {
        usize::try_from(size.bytes()).unwrap_or(8)
    }

    /// What bytes that are no register give: zero if all are, else anything.
    fn bytes_value(&self, frame: u8, extent: Extent) -> Reg {
        let frame = self.state.frame_at(frame);
        let zero = (extent.min..extent.end).all(|off| frame.byte(off) == Byte::Zero);
        if zero {
            Reg::constant(0)
        } else {
            Reg::unknown()
        }
    }

    pub(super) fn store_stack(
        &mut self,
        cell: &Cell,
        frame: u8,
        value: Stored,
    ) -> Result<(), Reject> {
        let size = u64::from(cell.size.bytes());
        let extent = self.stack_extent(cell.reg, &cell.base, cell.fixed(), size, Dir::Write)?;
        self.grow_stack(frame, extent.min);
        self.overwrite_dynptrs(frame, extent)?;
        if !extent.fixed {
            self.store_variable(frame, extent, value);
            self.settle_shared(frame, extent);
            return Ok(());
        }
        self.stack_touched = true;
        let (index, byte) = slot_of(extent.min);
        self.history.slot(frame, index);
        if frame == self.state.top() {
            self.trace.touch_slot(index);
        }
        let bytes = Self::len(cell.size);
        if bytes == 8 {
            self.overwritten[usize::from(frame)] |= 1 << index;
        }
        match value {
            Stored::Reg(reg, value) if value.kind.is_pointer() => {
                self.spill_pointer(frame, index, bytes, value)?;
                let _ = reg;
            }
            Stored::Reg(reg, value) if byte == 0 => {
                self.spill_scalar(frame, index, cell.size, reg, value);
            }
            Stored::Imm(imm) if byte == 0 => {
                let value = Reg::scalar(Scalar::immediate(imm));
                let slot = self.state.frame_at_mut(frame).slot_mut(index);
                *slot = Slot::spill(slot, value, bytes);
            }
            Stored::Reg(..) | Stored::Imm(_) | Stored::Unknown => {
                let kind = self.stored_byte(value);
                let slot = self.state.frame_at_mut(frame).slot_mut(index);
                let mut written = slot.without_spill();
                written.bytes[byte..byte + bytes].fill(kind);
                *slot = written;
            }
        }
        self.settle_shared(frame, extent);
        Ok(())
    }

    /// Nothing is known of shared slots, whatever was stored.
    fn settle_shared(&mut self, frame: u8, extent: Extent) {
        let hit = self.state.frame_at(frame).shared & extent.slots();
        for index in (0..64).filter(|index| hit & (1 << index) != 0) {
            let slot = self.state.frame_at_mut(frame).slot_mut(index);
            *slot = slot.unknown();
        }
    }

    fn spill_pointer(
        &mut self,
        frame: u8,
        index: usize,
        bytes: usize,
        value: Reg,
    ) -> Result<(), Reject> {
        if bytes != 8 {
            return Err(Reject::SpillSize { at: self.at });
        }
        if frame != self.state.top() && matches!(value.kind, Kind::Stack(_)) {
            return Err(Reject::SpillToCaller { at: self.at });
        }
        let slot = self.state.frame_at_mut(frame).slot_mut(index);
        *slot = Slot::spill(slot, value, bytes);
        Ok(())
    }

    fn spill_scalar(&mut self, frame: u8, index: usize, size: Size, reg: R, value: Reg) {
        let mut value = value;
        if width(&value.value) <= size.bits() {
            value = self.with_id(value);
            if *self.state.reg(reg) != value {
                self.state.set(reg, value);
            }
        } else {
            value.unlink();
        }
        let slot = self.state.frame_at_mut(frame).slot_mut(index);
        *slot = Slot::spill(slot, value, Self::len(size));
    }

    /// What a stored value leaves in bytes that hold no register. That a byte is zero is relied upon, so a number must
    /// be kept for that.
    fn stored_byte(&mut self, value: Stored) -> Byte {
        match value {
            Stored::Reg(reg, value) if value.is_null() => {
                self.must_keep_reg(reg, &value);
                Byte::Zero
            }
            Stored::Imm(0) => Byte::Zero,
            Stored::Reg(..) | Stored::Imm(_) | Stored::Unknown => Byte::Misc,
        }
    }

    /// A store that may go to several places: each byte that it can touch is zero only if it was and stays so.
    fn store_variable(&mut self, frame: u8, extent: Extent, value: Stored) {
        let zero = self.stored_byte(value) == Byte::Zero;
        for off in extent.min..extent.end {
            let (index, byte) = slot_of(off);
            if frame == self.state.top() {
                self.trace.touch_slot(index);
            }
            let slot = *self.state.frame_at(frame).slot(index);
            if zero && slot.spilled().is_some_and(Reg::is_null) {
                if let Some(reg) = slot.spilled().copied() {
                    self.must_keep(&reg);
                }
                continue;
            }
            let slot = self.state.frame_at_mut(frame).slot_mut(index);
            let mut written = slot.without_spill();
            if !(zero && written.bytes[byte] == Byte::Zero) {
                written.bytes[byte] = Byte::Misc;
            }
            *slot = written;
        }
    }

    /// A helper reads or writes the bytes of an extent.
    pub(crate) fn helper_stack(&mut self, frame: u8, extent: Extent, dir: Dir) {
        self.grow_stack(frame, extent.min);
        match dir {
            Dir::Read => self.note_read(frame, extent.slots()),
            Dir::Write => {
                for off in extent.min..extent.end {
                    let (index, byte) = slot_of(off);
                    if frame == self.state.top() {
                        self.trace.touch_slot(index);
                    }
                    let slot = self.state.frame_at_mut(frame).slot_mut(index);
                    let mut written = slot.without_spill();
                    written.bytes[byte] = Byte::Misc;
                    *slot = written;
                }
            }
        }
    }

    /// The number in `size` bytes of the stack, if it is known.
    pub(crate) fn stack_constant(&self, frame: u8, min: i64, bytes: usize) -> Option<Reg> {
        let (index, byte) = slot_of(min);
        let slot = self.state.frame_at(frame).slot(index);
        if byte == 0 && slot.spill_bytes() == bytes {
            return slot
                .spilled()
                .filter(|reg| reg.as_const().is_some())
                .copied();
        }
        let part = slot.bytes.get(byte..byte + bytes)?;
        part.iter()
            .all(|b| *b == Byte::Zero)
            .then(|| Reg::constant(0))
    }
}
