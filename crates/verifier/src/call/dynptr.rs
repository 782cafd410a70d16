//! Dynamic pointers: `bpf_dynptr_*`, `bpf_ringbuf_*_dynptr`.
//!
//! A dynamic pointer lives in two whole slots of the stack, at a known place, and is opaque: programs neither read nor, while
//! it is referenced, overwrite it; overwriting one without a reference ends it. Its slices carry its reference, or its own id
//! where it has none, and become numbers when it goes; slices of packets do so as well when the packet moves.
//!
//! A slice of a packet may lie in the buffer that the program gave. So a buffer on the stack is shared from then on if the slice
//! may be written: whatever is stored there, nothing is known of it later ([`crate::state::Frame::shared`]). And a slice ends
//! with the frame of its buffer.
//!
//! Functions that are called back or global may be given one by address ([`Kind::DynptrPtr`]), which may be of any kind.
//!
//! Not known yet: clones of given ones, and those of packets' metadata.

use crate::call::arg::Args;
use crate::call::kfunc::{KfuncCall, unsupported};
use crate::limits::{ARG_SIZE_MAX, STACK_BYTES_MAX};
use crate::log::state::var_off;
use crate::log::trace::helper_name;
use crate::mem::special::Toucher;
use crate::mem::stack::Extent;
use crate::path::Path;
use crate::reject::{Dir, Reject};
use crate::state::dynptr::{Dynptr, Half, Source};
use crate::state::frame::slot_of;
use crate::state::{Backing, Id, Kind, Mem, MemUse, Ref, Reg, Slot};
use skep_isa::{InsnIdx, Reg as R};
use skep_uapi::HelperId;

/// Bytes of a dynamic pointer.
const DYNPTR_BYTES: i64 = 16;

/// Where a dynamic pointer lies: frame, and the offset of its lowest byte, which starts a slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    frame: u8,
    off: i64,
}

impl Place {
    /// Slots of the lower and the higher half.
    fn slots(self) -> [usize; 2] {
        let low = slot_of(self.off).0;
        [low, low.saturating_sub(1)]
    }

    fn extent(self) -> Extent {
        Extent {
            min: self.off,
            end: self.off + DYNPTR_BYTES,
            fixed: true,
        }
    }
}

impl Path<'_> {
    /// The place of a dynamic pointer argument; `then` is what Linux adds.
    fn dynptr_place(
        &self,
        index: usize,
        value: &Reg,
        then: impl Fn() -> String,
    ) -> Result<Place, Reject> {
        let at = self.at;
        let Kind::Stack(frame) = value.kind else {
            return Err(Reject::DynptrNotOnStack { at, index });
        };
        let Some(variable) = value.value.as_const() else {
            let then = then();
            return Err(Reject::DynptrVariable { at, then });
        };
        let off = i64::from(value.off).saturating_add(variable.cast_signed());
        if off % 8 != 0 || off > -DYNPTR_BYTES {
            let then = then();
            return Err(Reject::DynptrOffset { at, off, then });
        }
        if off < -i64::from(STACK_BYTES_MAX) {
            self.stack_extent(R::ALL[index + 1], value, value.off.into(), 8, Dir::Write)?;
        }
        Ok(Place { frame, off })
    }

    /// The whole dynamic pointer that lies at a place.
    fn dynptr_at(&self, place: Place) -> Option<Dynptr> {
        let frame = self.state.frame_at(place.frame);
        let [low, high] = place.slots();
        let low = *frame.slot(low).dynptr()?;
        let high = *frame.slot(high).dynptr()?;
        let half = Half::High;
        (low.half == Half::Low && high == Dynptr { half, ..low }).then_some(low)
    }

    /// An argument that must be a dynamic pointer.
    pub(crate) fn dynptr_argument(&mut self, index: usize, value: &Reg) -> Result<Dynptr, Reject> {
        if let Kind::DynptrPtr(_) = value.kind {
            return self.given_argument(index, value);
        }
        let at = self.at;
        let then = || Reject::DynptrInit { at, index }.to_string();
        let place = self.dynptr_place(index, value, then)?;
        let found = self.dynptr_at(place);
        let dynptr = found.ok_or(Reject::DynptrInit { at, index })?;
        let slots = place.slots().iter().fold(0, |all, slot| all | 1 << slot);
        self.note_read(place.frame, slots);
        self.grow_stack(place.frame, place.off);
        Ok(dynptr)
    }

    /// An argument that is a dynamic pointer which the function was given.
    fn given_argument(&self, index: usize, value: &Reg) -> Result<Dynptr, Reject> {
        let (at, reg, off) = (self.at, R::ALL[index + 1], value.off);
        if off < 0 {
            return Err(Reject::DynptrNegative { at, reg, off });
        }
        if off != 0 {
            return Err(Reject::DynptrModified { at, reg, off });
        }
        if value.value.as_const() != Some(0) {
            let var_off = var_off(&value.value);
            return Err(Reject::DynptrPtrVariable { at, var_off });
        }
        Ok(Dynptr {
            // It may be of any kind; a packet is the one of which the least is known.
            source: Source::Skb,
            id: value.ref_id,
            reference: Id::NONE,
            half: Half::Low,
        })
    }

    /// What a function is given that the draining of a ring buffer calls back.
    pub(crate) fn given_dynptr(&mut self) -> Reg {
        Reg::pointer(Kind::DynptrPtr(self.state.top() + 1))
    }

    /// Makes a dynamic pointer on the stack that an argument names.
    fn new_dynptr(
        &mut self,
        index: usize,
        value: &Reg,
        source: Source,
        reference: NewReference,
    ) -> Result<(), Reject> {
        let at = self.at;
        if let Kind::DynptrPtr(_) = value.kind {
            self.given_argument(index, value)?;
            return Err(Reject::DynptrUninit { at });
        }
        let then = || Reject::DynptrUninit { at }.to_string();
        let place = self.dynptr_place(index, value, then)?;
        let [low, high] = place.slots();
        let shared = self.state.frame_at(place.frame).shared;
        if shared & (1 << low | 1 << high) != 0 {
            let what = "a dynamic pointer where a slice may lie".to_owned();
            return Err(Reject::Unsupported { what });
        }
        self.overwrite_dynptrs(place.frame, place.extent())?;
        self.grow_stack(place.frame, place.off);
        let id = self.fresh_id();
        let reference = match reference {
            NewReference::None => Id::NONE,
            NewReference::Of(id) => id,
            NewReference::Acquired => {
                let id = self.fresh_id();
                let at = self.at;
                self.state.held.refs.push(Ref { id, at });
                id
            }
        };
        for (slot, half) in [(low, Half::Low), (high, Half::High)] {
            let dynptr = Dynptr {
                source,
                id,
                reference,
                half,
            };
            *self.state.frame_at_mut(place.frame).slot_mut(slot) = Slot::of_dynptr(dynptr);
            self.touch_in_log(place.frame, slot);
            self.overwritten[usize::from(place.frame)] |= 1 << slot;
        }
        Ok(())
    }

    fn touch_in_log(&mut self, frame: u8, slot: usize) {
        if frame == self.state.top() {
            self.trace.touch_slot(slot);
        }
    }

    /// The stack of an extent is overwritten: dynamic pointers there end, and may not be referenced.
    pub(crate) fn overwrite_dynptrs(&mut self, frame: u8, extent: Extent) -> Result<(), Reject> {
        let stack = self.state.frame_at(frame);
        if stack.stack.iter().all(|slot| slot.dynptr().is_none()) {
            return Ok(());
        }
        for off in extent.min..extent.end {
            let slot = slot_of(off).0;
            let Some(dynptr) = self.state.frame_at(frame).slot(slot).dynptr().copied() else {
                continue;
            };
            if dynptr.reference.is_some() {
                return Err(Reject::DynptrOverwritten { at: self.at });
            }
            self.end_dynptrs(dynptr.id, |other| other.id);
        }
        Ok(())
    }

    /// No helper may write over a dynamic pointer.
    pub(crate) fn check_no_dynptr(&self, frame: u8, extent: Extent) -> Result<(), Reject> {
        let stack = self.state.frame_at(frame);
        let mut offsets = extent.min..extent.end;
        match offsets.find(|off| stack.slot(slot_of(*off).0).dynptr().is_some()) {
            Some(off) => Err(Reject::DynptrHelperWrite { at: self.at, off }),
            None => Ok(()),
        }
    }

    /// Ends all dynamic pointers whose `key` is `id`, and the slices that carry it.
    fn end_dynptrs(&mut self, id: Id, key: impl Fn(&Dynptr) -> Id) {
        for frame in 0..=self.state.top() {
            let stack = &self.state.frame_at(frame).stack;
            let slots: Vec<usize> = (0..stack.len())
                .filter(|slot| stack[*slot].dynptr().is_some_and(|one| key(one) == id))
                .collect();
            for slot in slots {
                *self.state.frame_at_mut(frame).slot_mut(slot) = Slot::INVALID;
                self.touch_in_log(frame, slot);
            }
        }
        self.state
            .update_regs(|reg| reg.ref_id == id, |reg| *reg = Reg::unknown());
    }

    /// Gives the reference of a dynamic pointer up: it, its clones and their slices end.
    fn release_dynptr(&mut self, index: usize, value: &Reg) -> Result<(), Reject> {
        let at = self.at;
        if let Kind::DynptrPtr(_) = value.kind {
            self.given_argument(index, value)?;
            return Err(Reject::DynptrNotOwned { at });
        }
        let number = index + 1;
        let then = || Reject::Unacquired { at, number }.to_string();
        let place = self.dynptr_place(index, value, then)?;
        let first = *self.state.frame_at(place.frame).slot(place.slots()[0]);
        let reference = first.dynptr().map_or(Id::NONE, |dynptr| dynptr.reference);
        if !reference.is_some() {
            return Err(Reject::Unacquired { at, number });
        }
        let dynptr = self.dynptr_argument(index, value)?;
        if dynptr.source != Source::Ringbuf {
            let source = Source::Ringbuf.name();
            return Err(Reject::DynptrType { at, index, source });
        }
        self.state.held.release(reference);
        self.end_dynptrs(reference, |other| other.reference);
        Ok(())
    }

    /// A helper's argument that becomes a dynamic pointer.
    pub(crate) fn helper_makes_dynptr(&mut self, args: &Args, index: usize) -> Result<(), Reject> {
        let value = args.values[index];
        match args.row.id {
            HelperId::DYNPTR_FROM_MEM => {
                let data = args.values[0];
                let Kind::MapValue(map) = data.kind else {
                    let (at, kind) = (self.at, data.kind.name());
                    return Err(Reject::DynptrData { at, kind });
                };
                // What it is for is written through it.
                let size = u32::try_from(args.size_max).unwrap_or(u32::MAX);
                self.check_map_direction(map, Dir::Write, data.off.into(), size)?;
                self.new_dynptr(index, &value, Source::Local, NewReference::None)
            }
            HelperId::RINGBUF_RESERVE_DYNPTR => {
                self.new_dynptr(index, &value, Source::Ringbuf, NewReference::Acquired)
            }
            _ => Err(unsupported_helper(args)),
        }
    }

    /// A helper's argument that is a dynamic pointer.
    pub(crate) fn helper_takes_dynptr(
        &mut self,
        args: &mut Args,
        index: usize,
    ) -> Result<(), Reject> {
        let value = args.values[index];
        match args.row.id {
            HelperId::RINGBUF_SUBMIT_DYNPTR | HelperId::RINGBUF_DISCARD_DYNPTR => {
                self.release_dynptr(index, &value)
            }
            HelperId::DYNPTR_READ | HelperId::DYNPTR_WRITE | HelperId::DYNPTR_DATA => {
                args.dynptr = Some(self.dynptr_argument(index, &value)?);
                Ok(())
            }
            _ => Err(unsupported_helper(args)),
        }
    }

    /// A write through a dynamic pointer to a packet may move it.
    pub(crate) fn after_dynptr_write(&mut self, args: &Args) {
        let packet = args
            .dynptr
            .is_some_and(|dynptr| dynptr.source == Source::Skb);
        if packet && args.row.id == HelperId::DYNPTR_WRITE {
            self.forget_packet();
        }
    }

    /// What `bpf_dynptr_data` gives: so many bytes that end with the dynamic pointer.
    pub(crate) fn dynptr_data(&mut self, args: &Args) -> Result<Reg, Reject> {
        let size = args.values[2].as_const();
        let (Some(dynptr), Some(size)) = (args.dynptr, size) else {
            return Err(unsupported_helper(args));
        };
        let bytes = u32::try_from(size).map_err(|_| unsupported_helper(args))?;
        let given = args.values[0].kind;
        let mem = Mem {
            bytes,
            usage: MemUse::Write,
            backing: given
                .slice_frame()
                .map_or(Backing::Own, Backing::OwnOrStack),
        };
        Ok(self.slice(&dynptr, mem))
    }

    fn slice(&mut self, dynptr: &Dynptr, mem: Mem) -> Reg {
        let mut slice = self.pointer_with_id(Kind::MemOrNull(mem));
        slice.ref_id = dynptr.slice_id();
        slice
    }

    /// Checks a kernel function's dynamic pointer argument, and makes it where it is to be made.
    pub(crate) fn kfunc_dynptr(
        &mut self,
        call: &mut KfuncCall,
        index: usize,
    ) -> Result<(), Reject> {
        let value = call.values[index];
        call.dynptr = Some(self.dynptr_argument(index, &value)?);
        Ok(())
    }

    /// As [`Self::kfunc_dynptr`], for stack that becomes one.
    pub(crate) fn kfunc_makes_dynptr(
        &mut self,
        call: &KfuncCall,
        index: usize,
    ) -> Result<(), Reject> {
        let value = call.values[index];
        let (source, reference) = match (call.row.name, call.dynptr) {
            ("bpf_dynptr_clone", Some(_)) if matches!(call.values[0].kind, Kind::DynptrPtr(_)) => {
                return Err(unsupported(call.row));
            }
            ("bpf_dynptr_from_skb", _) => (Source::Skb, NewReference::None),
            ("bpf_dynptr_from_xdp", _) => (Source::Xdp, NewReference::None),
            ("bpf_dynptr_clone", Some(origin)) if origin.reference.is_some() => {
                (origin.source, NewReference::Of(origin.reference))
            }
            ("bpf_dynptr_clone", Some(origin)) => (origin.source, NewReference::None),
            _ => return Err(unsupported(call.row)),
        };
        self.new_dynptr(index, &value, source, reference)
    }

    /// The size of a slice and the buffer before it.
    pub(crate) fn kfunc_slice_size(
        &mut self,
        call: &KfuncCall,
        index: usize,
    ) -> Result<(), Reject> {
        let (at, reg) = (self.at, R::ALL[index + 1]);
        let (buffer, size) = (call.values[index - 1], call.values[index]);
        if !size.is_scalar() {
            return Err(Reject::KfuncNotScalar { at, reg });
        }
        if !buffer.is_null() {
            self.check_buffer(R::ALL[index], &buffer, reg, &size)
                .map_err(|reject| in_buffer(at, index, reject))?;
        }
        if size.as_const().is_none() {
            return Err(Reject::KfuncNotConst { at, reg });
        }
        self.must_keep(&size);
        Ok(())
    }

    /// The buffer that a slice may lie in: the program must be able to write it.
    fn check_buffer(
        &mut self,
        reg: R,
        buffer: &Reg,
        size_reg: R,
        size: &Reg,
    ) -> Result<(), Reject> {
        let at = self.at;
        if size.value.smin() < 0 {
            return Err(Reject::SizeNegative { at, reg: size_reg });
        }
        let bytes = size.value.umax();
        if bytes >= ARG_SIZE_MAX {
            return Err(Reject::SizeUnbounded { at, reg: size_reg });
        }
        let off = i64::from(buffer.off);
        match buffer.kind {
            Kind::Stack(frame) => {
                let extent = self.stack_extent(reg, buffer, off, bytes, Dir::Read)?;
                self.check_readable_argument(reg, frame, extent)?;
                self.helper_stack(frame, extent, Dir::Read);
                self.helper_stack(frame, extent, Dir::Write);
                Ok(())
            }
            Kind::MapValue(map) => {
                let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
                self.check_map_direction(map, Dir::Write, off, bytes)?;
                self.check_map_value(
                    reg,
                    buffer,
                    map,
                    off,
                    i64::from(bytes.max(1)),
                    Toucher::Helper,
                )
            }
            _ => {
                let what = format!("a slice's buffer of kind {}", buffer.kind.name());
                Err(Reject::Unsupported { what })
            }
        }
    }

    /// From now on, nothing is known of this stack.
    fn share(&mut self, buffer: &Reg, bytes: u64) -> Result<(), Reject> {
        let Kind::Stack(frame) = buffer.kind else {
            return Ok(());
        };
        let off = i64::from(buffer.off);
        let extent = self.stack_extent(R::R3, buffer, off, bytes, Dir::Write)?;
        if extent.end > extent.min {
            self.state.frame_at_mut(frame).shared |= extent.slots();
        }
        Ok(())
    }

    /// What a kernel function for dynamic pointers gives.
    pub(crate) fn kfunc_dynptr_result(&mut self, call: &KfuncCall) -> Result<Reg, Reject> {
        let usage = match call.row.name {
            "bpf_dynptr_slice" => MemUse::Read,
            "bpf_dynptr_slice_rdwr" if !self.row.packet_write => {
                return Err(Reject::SliceWrite { at: self.at });
            }
            "bpf_dynptr_slice_rdwr" => MemUse::Write,
            "bpf_dynptr_from_skb"
            | "bpf_dynptr_from_xdp"
            | "bpf_dynptr_clone"
            | "bpf_dynptr_adjust"
            | "bpf_dynptr_size"
            | "bpf_dynptr_is_null"
            | "bpf_dynptr_is_rdonly" => return Ok(Reg::unknown()),
            _ => return Err(unsupported(call.row)),
        };
        let size = call.values[3].as_const();
        let (Some(dynptr), Some(size)) = (call.dynptr, size) else {
            return Err(unsupported(call.row));
        };
        let bytes = u32::try_from(size).map_err(|_| unsupported(call.row))?;
        if usage == MemUse::Write {
            self.share(&call.values[2], size)?;
        }
        let buffer = match call.values[2].kind {
            Kind::Stack(frame) => Some(frame),
            _ => None,
        };
        // What comes of a given one ends with the function that it was given to, too.
        let frame = buffer.max(call.values[0].kind.slice_frame());
        let backing = match (dynptr.source.is_packet(), frame) {
            (true, Some(frame)) => Backing::PacketOrStack(frame),
            (false, Some(frame)) => Backing::OwnOrStack(frame),
            (true, None) => Backing::Packet,
            (false, None) => Backing::Own,
        };
        let mem = Mem {
            bytes,
            usage,
            backing,
        };
        Ok(self.slice(&dynptr, mem))
    }
}

/// The reference of a new dynamic pointer.
#[derive(Clone, Copy)]
enum NewReference {
    None,
    /// The one of its origin.
    Of(Id),
    /// A new one.
    Acquired,
}

/// A refusal of a kernel function's buffer, whose size is argument `size`.
fn in_buffer(at: InsnIdx, size: usize, reject: Reject) -> Reject {
    if let Reject::Unsupported { .. } = reject {
        return reject;
    }
    Reject::KfuncBuffer {
        at,
        memory: size - 1,
        size,
        why: reject.to_string(),
    }
}

fn unsupported_helper(args: &Args) -> Reject {
    let name = helper_name(args.row.id.0.cast_signed()).unwrap_or_default();
    let what = format!("helper {name}");
    Reject::Unsupported { what }
}
