//! Spin locks in values of maps: at most one is held, nearly nothing may be called meanwhile, and it is given back by the program
//! that took it.
//!
//! A lock is known by its map and by the id of the pointer to its value. That is why pointers into values with a lock keep their
//! id when they turn out not to be null; the value of a map of one entry that has an address has none.

use crate::path::Path;
use crate::reject::Reject;
use crate::state::{Id, Kind, Lock, MapIdx, Reg};
use skep_btf::SpecialKind;
use skep_isa::Reg as R;
use skep_uapi::HelperId;

/// Kernel functions that may be called while a lock is held: iterating over numbers.
const UNDER_LOCK: &str = "bpf_iter_num_";

impl Path<'_> {
    /// Offset of the lock in a map's values.
    fn lock_offset(&self, map: MapIdx) -> Option<u32> {
        let mut fields = self.map(map).fields.iter();
        fields
            .find(|field| field.kind == SpecialKind::SpinLock)
            .map(|field| field.offset)
    }

    /// A pointer to a value that exists.
    pub(crate) fn value_pointer(&mut self, map: MapIdx) -> Reg {
        let mut pointer = Reg::pointer(Kind::MapValue(map));
        if self.lock_offset(map).is_some() {
            pointer.id = self.fresh_id();
        }
        pointer
    }

    /// The id that a pointer has once it is known not to be null.
    pub(crate) fn id_when_not_null(&self, pointer: &Reg) -> Id {
        match pointer.kind {
            Kind::MapValueOrNull(map) if self.lock_offset(map).is_some() => pointer.id,
            _ => Id::NONE,
        }
    }

    /// Takes or gives back the lock that a pointer names.
    pub(crate) fn change_lock(
        &mut self,
        helper: HelperId,
        reg: R,
        value: &Reg,
    ) -> Result<(), Reject> {
        let at = self.at;
        let Kind::MapValue(map) = value.kind else {
            let what = "a lock outside of maps".to_owned();
            return Err(Reject::Unsupported { what });
        };
        let Some(var) = value.value.as_const() else {
            return Err(Reject::LockVariable { at, reg });
        };
        let desc = self.map(map);
        let Some(lock) = self.lock_offset(map) else {
            let map = desc.name.clone();
            return Err(match desc.btf {
                None => Reject::LockWithoutBtf { at, map },
                Some(_) => Reject::NoLock { at, map },
            });
        };
        let off = i64::from(value.off).wrapping_add(var.cast_signed());
        if off != i64::from(lock) {
            return Err(Reject::LockOffset { at, off, lock });
        }
        let this = Lock { id: value.id, map };
        let taken = &mut self.state.held.lock;
        if helper == HelperId::SPIN_LOCK {
            if taken.is_some() {
                return Err(Reject::TwoLocks { at });
            }
            *taken = Some(this);
            return Ok(());
        }
        match *taken {
            None => Err(Reject::UnlockUnheld { at }),
            Some(other) if other != this => Err(Reject::UnlockOther { at }),
            Some(_) => {
                *taken = None;
                Ok(())
            }
        }
    }

    /// Whether a helper may be called now.
    pub(crate) fn check_call_under_lock(&self, helper: HelperId) -> Result<(), Reject> {
        let allowed = [HelperId::SPIN_UNLOCK, HelperId::KPTR_XCHG].contains(&helper);
        if self.state.held.lock.is_some() && !allowed {
            return Err(Reject::CallLocked { at: self.at });
        }
        Ok(())
    }

    /// Whether a kernel function may be called now.
    pub(crate) fn check_kfunc_under_lock(&self, id: i32) -> Result<(), Reject> {
        let name = self.kfunc_name(id).unwrap_or_default();
        if self.state.held.lock.is_some() && !name.starts_with(UNDER_LOCK) {
            return Err(Reject::CallLocked { at: self.at });
        }
        Ok(())
    }
}
