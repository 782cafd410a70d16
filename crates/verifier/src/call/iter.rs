//! Open-coded iterators: `bpf_iter_*_new`, `_next`, `_destroy`.
//!
//! An iterator lives in whole slots of the stack, at a known place. `next` divides the path: one way has another element, on
//! the other the iterator is drained. The call is where loops over iterators meet stored states: each visit stores one, and
//! numbers that changed since the last visit are given up, so that the loop ends.

use crate::call::kfunc::KfuncCall;
use crate::limits::STACK_BYTES_MAX;
use crate::path::{Fork, Path, Widen};
use crate::reject::{Dir, Reject};
use crate::state::frame::slot_of;
use crate::state::{Backing, Iter, Kind, Mem, MemUse, Phase, Ref, Reg, Slot};
use skep_contracts::{KfuncProto, KfuncRet};
use skep_isa::{InsnIdx, Reg as R};

/// Bytes of a slot.
const SLOT_BYTES: u32 = 8;

/// Where an iterator lies: frame, the slot of its lowest address, number of slots.
#[derive(Clone, Copy)]
struct Place {
    frame: u8,
    slot: usize,
    slots: usize,
}

impl Place {
    /// Slots with their distance from the lowest address.
    fn parts(self) -> impl Iterator<Item = (usize, u8)> {
        (0..self.slots).map(move |part| {
            let number = u8::try_from(part).unwrap_or(u8::MAX);
            (self.slot - part, number)
        })
    }
}

/// `num` of `bpf_iter_num_next`.
fn class(row: &KfuncProto) -> &'static str {
    let name = row.name.strip_prefix("bpf_iter_").unwrap_or(row.name);
    name.rsplit_once('_').map_or(name, |(class, _)| class)
}

impl Path<'_> {
    /// The stack that becomes an iterator.
    pub(crate) fn check_iter_uninit(&self, call: &KfuncCall, bytes: u32) -> Result<(), Reject> {
        let (at, class) = (self.at, class(call.row));
        let value = call.values[0];
        let Kind::Stack(frame) = value.kind else {
            return Err(Reject::IterNotOnStack { at });
        };
        let Some(off) = fixed_offset(&value) else {
            return Err(Reject::IterVariable {
                at,
                reg: R::R1,
                class,
            });
        };
        if off % i64::from(SLOT_BYTES) != 0 {
            return Err(Reject::IterOffset { at, off, class });
        }
        if off < -i64::from(STACK_BYTES_MAX) || off >= 0 {
            self.stack_extent(
                R::R1,
                &value,
                value.off.into(),
                SLOT_BYTES.into(),
                Dir::Write,
            )?;
        }
        let place = place(frame, off, bytes).ok_or(Reject::IterUninit { at, class })?;
        let stack = self.state.frame_at(frame);
        let taken = place
            .parts()
            .any(|(slot, _)| stack.slot(slot).iter().is_some() || stack.shared & (1 << slot) != 0);
        match taken {
            true => Err(Reject::IterUninit { at, class }),
            false => Ok(()),
        }
    }

    /// An iterator of the function's class.
    pub(crate) fn check_iter(&mut self, call: &KfuncCall) -> Result<(), Reject> {
        let (at, class) = (self.at, class(call.row));
        let value = call.values[0];
        if !matches!(value.kind, Kind::Stack(_)) {
            return Err(Reject::IterNotOnStack { at });
        }
        if fixed_offset(&value).is_none() {
            return Err(Reject::IterVariable {
                at,
                reg: R::R1,
                class,
            });
        }
        match self.iter_at(&value) {
            Some((_, iter)) if iter.class == class => Ok(()),
            Some(_) | None => Err(Reject::IterInit { at, class }),
        }
    }

    /// The iterator that a pointer names, whole.
    fn iter_at(&self, value: &Reg) -> Option<(Place, Iter)> {
        let Kind::Stack(frame) = value.kind else {
            return None;
        };
        let off = fixed_offset(value).filter(|off| *off < 0 && off % 8 == 0)?;
        let first = place(frame, off, SLOT_BYTES)?;
        let stack = self.state.frame_at(frame);
        let iter = *stack.slot(first.slot).iter()?;
        let of_it = |slot: usize, part: u8| {
            stack
                .slot(slot)
                .iter()
                .is_some_and(|other| *other == Iter { part, ..iter })
        };
        let slots = usize::from(iter.slots);
        let whole = Place { slots, ..first };
        let fits = iter.part == 0
            && slots <= first.slot + 1
            && whole.parts().all(|(slot, part)| of_it(slot, part));
        fits.then_some((whole, iter))
    }

    /// Whether the iterator that the current call takes the next element of may have one.
    pub(crate) fn next_is_active(&self) -> bool {
        self.iter_at(self.state.reg(R::R1))
            .is_some_and(|(_, iter)| iter.phase == Phase::Active)
    }

    /// `new`: the stack is an iterator, whose reference the program holds.
    pub(crate) fn iter_new(&mut self, call: &KfuncCall, bytes: u32) {
        let value = call.values[0];
        let Kind::Stack(frame) = value.kind else {
            return;
        };
        let Some(place) = fixed_offset(&value).and_then(|off| place(frame, off, bytes)) else {
            return;
        };
        let id = self.fresh_id();
        let at = self.at;
        self.state.held.refs.push(Ref { id, at });
        let iter = Iter {
            class: class(call.row),
            id,
            phase: Phase::Active,
            depth: 0,
            part: 0,
            slots: u8::try_from(place.slots).unwrap_or(u8::MAX),
        };
        self.grow_stack(frame, fixed_offset(&value).unwrap_or(0));
        self.set_iter(place, iter);
        self.end_call(Reg::unknown());
    }

    fn set_iter(&mut self, place: Place, iter: Iter) {
        set_iter(&mut self.state, place, iter);
        self.touch_place(place);
    }

    fn touch_place(&mut self, place: Place) {
        if place.frame == self.state.top() {
            for (slot, _) in place.parts() {
                self.trace.touch_slot(slot);
            }
        }
    }

    /// `next`: null here, where the iterator is drained; the other way, with an element, is left for later.
    pub(crate) fn iter_next(&mut self, call: &KfuncCall) -> Result<(), Reject> {
        let Some((place, iter)) = self.iter_at(&call.values[0]) else {
            let (at, class) = (self.at, class(call.row));
            return Err(Reject::IterInit { at, class });
        };
        let KfuncRet::ReadMemory(bytes) = call.row.ret else {
            return Err(super::kfunc::unsupported(call.row));
        };
        self.note_iter_read(place);
        let element = Kind::Mem(Mem {
            bytes,
            usage: MemUse::Read,
            backing: Backing::Own,
        });
        let mut pointer = Reg::pointer(element);
        pointer.id = self.fresh_id();
        pointer.ref_id = iter.id;
        self.end_call(pointer);
        if iter.phase == Phase::Active {
            let mut state = self.state.clone();
            let depth = iter.depth + 1;
            set_iter(&mut state, place, Iter { depth, ..iter });
            self.forks.push(Fork {
                widen: Widen::SinceLastVisit,
                ..Fork::new(state, InsnIdx(self.at.0 + 1))
            });
        }
        let phase = Phase::Drained;
        self.set_iter(place, Iter { phase, ..iter });
        self.state.set(R::R0, Reg::constant(0));
        Ok(())
    }

    /// `destroy`: the stack is free again, and what the iterator gave is gone.
    pub(crate) fn iter_destroy(&mut self, call: &KfuncCall) {
        let Some((place, iter)) = self.iter_at(&call.values[0]) else {
            return;
        };
        self.note_iter_read(place);
        for (slot, _) in place.parts() {
            *self.state.frame_at_mut(place.frame).slot_mut(slot) = Slot::INVALID;
        }
        self.touch_place(place);
        self.release(iter.id);
        self.end_call(Reg::UNINIT);
    }

    fn note_iter_read(&mut self, place: Place) {
        let slots = place.parts().fold(0, |all, (slot, _)| all | 1 << slot);
        self.note_read(place.frame, slots);
    }
}

fn set_iter(state: &mut crate::state::State, place: Place, iter: Iter) {
    for (slot, part) in place.parts() {
        *state.frame_at_mut(place.frame).slot_mut(slot) = Slot::of_iter(Iter { part, ..iter });
    }
}

fn place(frame: u8, off: i64, bytes: u32) -> Option<Place> {
    let slots = usize::try_from(bytes / SLOT_BYTES).ok()?;
    let slot = slot_of(off).0;
    (off < 0 && slots <= slot + 1).then_some(Place { frame, slot, slots })
}

fn fixed_offset(value: &Reg) -> Option<i64> {
    let variable = value.value.as_const()?.cast_signed();
    i64::from(value.off).checked_add(variable)
}
