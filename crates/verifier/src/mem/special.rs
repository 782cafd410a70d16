//! Special fields of map values: locks, timers, heads and the like belong to their helpers, and tagged pointers are read and
//! written whole. Nodes are of no use in a map's value, and may be accessed like any bytes.

use crate::path::Path;
use crate::reject::Reject;
use crate::state::{MapIdx, Reg};
use skep_btf::{KptrForm, SpecialField, SpecialKind};

/// Who accesses a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Toucher {
    /// An instruction.
    Insn,
    /// A helper that is given the memory.
    Helper,
}

impl Path<'_> {
    /// Checks that `size` bytes at `off` plus the pointer's variable offset touch no special field. They are known to be inside the
    /// value.
    pub(super) fn check_special_fields(
        &self,
        map: MapIdx,
        base: &Reg,
        off: i64,
        size: i64,
        toucher: Toucher,
    ) -> Result<(), Reject> {
        let (min, max) = (base.value.smin(), base.value.umax().cast_signed());
        let start = off.saturating_add(min);
        let end = off.saturating_add(max).saturating_add(size);
        let touched = |field: &&SpecialField| {
            let first = i64::from(field.offset);
            start < first + i64::from(field.bytes) && first < end
        };
        let mut fields = self.map(map).fields.iter().filter(touched);
        fields.try_for_each(|field| self.check_field(field, base, off, size, toucher))
    }

    fn check_field(
        &self,
        field: &SpecialField,
        base: &Reg,
        off: i64,
        size: i64,
        toucher: Toucher,
    ) -> Result<(), Reject> {
        let (at, Some(name)) = (self.at, name(field.kind)) else {
            return Ok(());
        };
        if !matches!(field.kind, SpecialKind::Kptr(_)) {
            return Err(Reject::SpecialField { at, name });
        }
        if toucher == Toucher::Helper {
            return Err(Reject::KptrIndirect { at, name });
        }
        let Some(var) = base.value.as_const() else {
            return Err(Reject::KptrVariable { at });
        };
        let at_off = off.wrapping_add(var.cast_signed());
        if i64::from(field.offset) != at_off {
            let expected = field.offset;
            let off = at_off;
            return Err(Reject::KptrMisaligned {
                at,
                name,
                expected,
                off,
            });
        }
        if size != 8 {
            return Err(Reject::KptrSize { at, name });
        }
        Err(Reject::Unsupported {
            what: "access to a kernel pointer in a map".to_owned(),
        })
    }
}

/// The name of a field in refusals; `None` for those that anyone may access.
fn name(kind: SpecialKind) -> Option<&'static str> {
    Some(match kind {
        SpecialKind::SpinLock => "bpf_spin_lock",
        SpecialKind::ResSpinLock => "bpf_res_spin_lock",
        SpecialKind::Timer => "bpf_timer",
        SpecialKind::Workqueue => "bpf_wq",
        SpecialKind::TaskWork => "bpf_task_work",
        SpecialKind::ListHead(_) => "bpf_list_head",
        SpecialKind::RbRoot(_) => "bpf_rb_root",
        SpecialKind::Refcount => "bpf_refcount",
        SpecialKind::ListNode | SpecialKind::RbNode => return None,
        SpecialKind::Kptr(kptr) => match kptr.form {
            KptrForm::Untrusted | KptrForm::Referenced => "kptr",
            KptrForm::PerCpu => "percpu_kptr",
            KptrForm::User => "uptr",
        },
    })
}
