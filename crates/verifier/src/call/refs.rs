//! References: what a call gives that must be given back, and giving it back.
//!
//! A reference is an [`Id`](crate::state::Id) in the state's [`Held`](crate::state::Held); the pointer that the call gave, its
//! copies, and what was derived from it carry the same in `ref_id`. Giving it back
//! takes all of them away. What is null holds nothing: the null check gives the reference back, too.

use crate::call::arg::Args;
use crate::log::state::var_off;
use crate::path::Path;
use crate::reject::Reject;
use crate::state::{Id, Kind, Ref, Reg};
use skep_contracts::ArgKind;
use skep_isa::Reg as R;

impl Path<'_> {
    /// A pointer, or null, whose reference the program now holds.
    pub(crate) fn acquired(&mut self, kind: Kind) -> Reg {
        let mut pointer = self.pointer_with_id(kind);
        // Linux numbers the unknown first, and then gives it the reference's number.
        pointer.id = self.fresh_id();
        pointer.ref_id = pointer.id;
        let (id, at) = (pointer.id, self.at);
        self.state.held.refs.push(Ref { id, at });
        pointer
    }

    /// The first argument under another kind, or null: it is gone when the argument is.
    pub(crate) fn cast(&mut self, args: &Args, kind: Kind) -> Reg {
        let mut pointer = self.pointer_with_id(kind);
        pointer.ref_id = args.values[0].ref_id;
        pointer
    }

    /// The argument of a call that gives its reference back.
    pub(crate) fn check_released(&self, reg: R, value: &Reg) -> Result<(), Reject> {
        let at = self.at;
        if value.off != 0 {
            return Err(Reject::ReleasedOffset { at, reg });
        }
        if value.value.as_const() != Some(0) {
            let (kind, var_off) = (value.kind.name(), var_off(&value.value));
            return Err(Reject::ReleasedVariable { at, kind, var_off });
        }
        if value.ref_id.is_some() {
            Ok(())
        } else {
            Err(Reject::NotReferenced { at, reg })
        }
    }

    /// Gives a reference back: pointers that depend on it are numbers of which nothing is known.
    pub(crate) fn release(&mut self, id: Id) {
        self.state.held.release(id);
        self.state
            .update_regs(|reg| reg.ref_id == id, |reg| *reg = Reg::unknown());
    }

    /// Gives back what the call's row says.
    pub(crate) fn release_args(&mut self, args: &Args) {
        let released = args.row.args.iter().zip(&args.values);
        let ids: Vec<Id> = released
            .filter(|(kind, _)| matches!(kind, ArgKind::SockReleased | ArgKind::RingbufRecord))
            .map(|(_, value)| value.ref_id)
            .collect();
        for id in ids {
            self.release(id);
        }
    }
}
