//! Whether a state is covered by a stored one, so that its continuation needs no second walk.
//!
//! Covered means: every value that the stored state's continuation depends on allows at least what the current state
//! allows. Registers and slots that are not live do not matter, nor do numbers that nobody marked precise.

use super::ids::IdMap;
use super::precision::Precision;
use super::reg::{Added, Kind, Reg};
use super::stack::{Byte, Slot};
use super::{Frame, Slots, State};
use crate::domain::Scalar;

/// How strictly states are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rule {
    /// Covered, as far as precision and liveness say.
    Covered,
    /// Covered with every number respected: for loops whose continuation is not known yet.
    CoveredPrecisely,
    /// The same, for loops that cannot make progress.
    Same,
}

/// One comparison.
pub(crate) struct Comparison<'a> {
    pub(crate) rule: Rule,
    pub(crate) precision: &'a Precision,
    pub(crate) ids: &'a mut IdMap,
}

impl Comparison<'_> {
    /// Whether the registers of `old` cover those of `cur`. `live` says per frame which ones the continuation of `old` may read.
    /// The first question of a comparison; [`Self::slots_cover`] is the other.
    pub(crate) fn regs_cover(&mut self, old: &State, cur: &State, live: &[u16]) -> bool {
        self.ids.clear();
        old.depth() == cur.depth()
            && self.held(old, cur)
            && old
                .frames()
                .iter()
                .zip(cur.frames())
                .zip(live)
                .all(|((old, cur), live)| self.frame_regs(old, cur, *live))
    }

    /// Whether the stack of `old` covers that of `cur`, with links as the registers have them.
    pub(crate) fn slots_cover(&mut self, old: &State, cur: &State, live: &[Slots]) -> bool {
        old.frames()
            .iter()
            .zip(cur.frames())
            .zip(live)
            .all(|((old, cur), live)| self.frame_slots(old, cur, *live))
    }

    /// Slots deeper than the current frame ever went hold nothing, whatever numbers were spilled there in `old`.
    fn frame_slots(&mut self, old: &Frame, cur: &Frame, live: Slots) -> bool {
        (0..old.stack.len())
            .filter(|index| live & (1 << index) != 0)
            .all(|index| {
                let old = old.slot(index);
                if index >= cur.stack.len() {
                    return old.says_nothing();
                }
                self.slot(old, cur.slot(index))
            })
    }

    /// Whether the same is held.
    fn held(&mut self, old: &State, cur: &State) -> bool {
        let (old, cur) = (&old.held, &cur.held);
        let pairs = |old: &[super::Ref], cur: &[super::Ref], ids: &mut IdMap| {
            old.iter()
                .zip(cur)
                .all(|(old, cur)| ids.matches(old.id, cur.id))
        };
        old.is_like(cur)
            && pairs(&old.refs, &cur.refs, self.ids)
            && self.locks(old.lock, cur.lock)
            && pairs(&old.irqs, &cur.irqs, self.ids)
    }

    /// Whether the locks are those of the same value.
    fn locks(&mut self, old: Option<super::Lock>, cur: Option<super::Lock>) -> bool {
        match (old, cur) {
            (None, None) => true,
            (Some(old), Some(cur)) => old.map == cur.map && self.ids.matches(old.id, cur.id),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    /// Whether both are the same part of iterators that are equally far.
    fn iters(&mut self, old: &Slot, cur: &Slot) -> bool {
        match (old.iter(), cur.iter()) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(old), Some(cur)) => {
                old.class == cur.class
                    && old.phase == cur.phase
                    && old.part == cur.part
                    && self.ids.matches(old.id, cur.id)
            }
        }
    }

    /// Whether both are the same half of dynamic pointers to the same sort of memory.
    fn dynptrs(&mut self, old: &Slot, cur: &Slot) -> bool {
        match (old.dynptr(), cur.dynptr()) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(old), Some(cur)) => {
                old.source == cur.source
                    && old.half == cur.half
                    && self.ids.matches(old.id, cur.id)
                    && self.ids.matches(old.reference, cur.reference)
            }
        }
    }

    fn frame_regs(&mut self, old: &Frame, cur: &Frame, live: u16) -> bool {
        old.subprog == cur.subprog
            && old.call_site == cur.call_site
            && old.entered == cur.entered
            && old.calls_back <= cur.calls_back
            && cur.shared & !old.shared == 0
            && (0..old.regs.len())
                .filter(|number| live & (1 << number) != 0)
                .all(|number| self.reg(&old.regs[number], &cur.regs[number]))
    }

    fn reg(&mut self, old: &Reg, cur: &Reg) -> bool {
        if self.rule == Rule::Same {
            return old.kind == cur.kind && self.exact(old, cur);
        }
        match old.kind {
            Kind::Uninit => true,
            _ if old.kind != cur.kind => false,
            Kind::Scalar => self.scalar(old, cur),
            Kind::MapValue(_)
            | Kind::MapValueOrNull(_)
            | Kind::MapOrNull(_)
            | Kind::MapKey(_)
            | Kind::Mem(_)
            | Kind::MemOrNull(_) => {
                old.off == cur.off
                    && cur.value.is_within(&old.value)
                    && self.ids.matches(old.id, cur.id)
                    && self.ids.matches(old.ref_id, cur.ref_id)
            }
            Kind::Packet | Kind::PacketMeta => self.packet(old, cur),
            Kind::Ctx
            | Kind::Stack(_)
            | Kind::MapPtr(_)
            | Kind::PacketEnd
            | Kind::Object(_)
            | Kind::ObjectOrNull(_)
            | Kind::Func(_)
            | Kind::DynptrPtr(_) => self.exact(old, cur),
        }
    }

    fn exact(&mut self, old: &Reg, cur: &Reg) -> bool {
        old.off == cur.off
            && old.added == cur.added
            && old.range == cur.range
            && old.value == cur.value
            && self.ids.matches(old.id, cur.id)
            && self.ids.matches(old.ref_id, cur.ref_id)
    }

    fn scalar(&mut self, old: &Reg, cur: &Reg) -> bool {
        if self.rule == Rule::Covered && !self.precision.is_precise(old.node) {
            return true;
        }
        // A link promises a distance between two registers, so the distances must be the same; without one nothing is promised.
        let same_distance =
            old.added == cur.added && (old.added == Added::Nothing || old.off == cur.off);
        (!old.id.is_some() || same_distance)
            && cur.value.is_within(&old.value)
            && self.ids.scalars_match(old.id, cur.id)
    }

    fn packet(&mut self, old: &Reg, cur: &Reg) -> bool {
        let range = match (old.range.bytes(), cur.range.bytes()) {
            (Some(old), Some(cur)) => old <= cur,
            _ => old.range == cur.range,
        };
        range
            && old.off == cur.off
            && cur.value.is_within(&old.value)
            && self.ids.matches(old.id, cur.id)
    }

    fn slot(&mut self, old: &Slot, cur: &Slot) -> bool {
        if self.rule == Rule::Same {
            return self.same_slot(old, cur);
        }
        if let (Some(old), Some(cur)) = (whole_number(old), whole_number(cur)) {
            return self.reg(&old, &cur);
        }
        let bytes = old.bytes.iter().zip(&cur.bytes);
        let bytes_fit = bytes.clone().all(|(old, cur)| match old {
            Byte::Invalid | Byte::Misc => true,
            Byte::Zero | Byte::Spill | Byte::Iter | Byte::Dynptr => old == cur,
        });
        bytes_fit
            && self.iters(old, cur)
            && self.dynptrs(old, cur)
            && match (old.spilled(), cur.spilled()) {
                (None, _) => true,
                (Some(_), None) => false,
                // More bytes of it may be there than in `old`, which then says nothing of them.
                (Some(a), Some(b)) => self.reg(a, b),
            }
    }

    fn same_slot(&mut self, old: &Slot, cur: &Slot) -> bool {
        old.bytes == cur.bytes
            && self.iters(old, cur)
            && self.dynptrs(old, cur)
            && match (old.spilled(), cur.spilled()) {
                (None, None) => true,
                (Some(old), Some(cur)) => self.reg(old, cur),
                (Some(_), None) | (None, Some(_)) => false,
            }
    }
}

/// A slot as the number that an eight-byte load gives, if it gives one.
fn whole_number(slot: &Slot) -> Option<Reg> {
    if let Some(reg) = slot.whole_spill() {
        return reg.is_scalar().then_some(*reg);
    }
    let anything = slot
        .bytes
        .iter()
        .all(|byte| matches!(byte, Byte::Misc | Byte::Invalid));
    anything.then(|| Reg::scalar(Scalar::UNKNOWN))
}
