//! Values of maps: inside the value, and only in the directions that the map allows.

use super::special::Toucher;
use super::{Cell, Extend};
use crate::limits::POINTER_OFFSET_MAX;
use crate::path::Path;
use crate::reject::{Bound, Dir, Reject};
use crate::state::{MapIdx, Reg};
use skep_contracts::map_type_rule;
use skep_isa::{Reg as R, Size};
use skep_uapi::{BPF_F_RDONLY_PROG, BPF_F_WRONLY_PROG};

impl Path<'_> {
    pub(super) fn load_map_value(
        &self,
        cell: &Cell,
        map: MapIdx,
        extend: Extend,
    ) -> Result<Reg, Reject> {
        self.check_map_cell(cell, map, Dir::Read)?;
        let known = cell.base.value.as_const().and_then(|var| {
            let at = cell.fixed().checked_add(var.cast_signed())?;
            self.constant_at(map, at, cell.size, extend)
        });
        Ok(known.map_or_else(Reg::unknown, Reg::constant))
    }

    /// Checks that an instruction may access a cell of a map's value in this direction.
    pub(super) fn check_map_cell(&self, cell: &Cell, map: MapIdx, dir: Dir) -> Result<(), Reject> {
        let (off, bytes) = (cell.fixed(), cell.size.bytes());
        self.check_map_direction(map, dir, off, bytes)?;
        self.check_map_value(
            cell.reg,
            &cell.base,
            map,
            off,
            i64::from(bytes),
            Toucher::Insn,
        )
    }

    /// Whether programs may read or write this map's values.
    pub(crate) fn check_map_direction(
        &self,
        map: MapIdx,
        dir: Dir,
        off: i64,
        size: u32,
    ) -> Result<(), Reject> {
        let (at, desc) = (self.at, self.map(map));
        let value_bytes = desc.value_size;
        let implied = map_type_rule(desc.map_type).map_or(0, |rule| rule.implied_flags);
        let flags = desc.map_flags | implied;
        match dir {
            Dir::Write if flags & BPF_F_RDONLY_PROG != 0 => Err(Reject::MapWriteForbidden {
                at,
                value_bytes,
                off,
                size,
            }),
            Dir::Read if flags & BPF_F_WRONLY_PROG != 0 => Err(Reject::MapReadForbidden {
                at,
                value_bytes,
                off,
                size,
            }),
            Dir::Read | Dir::Write => Ok(()),
        }
    }

    /// Checks that `size` bytes at `off` plus the pointer's variable offset are inside the value, and none of its special
    /// fields.
    pub(crate) fn check_map_value(
        &self,
        reg: R,
        base: &Reg,
        map: MapIdx,
        off: i64,
        size: i64,
        toucher: Toucher,
    ) -> Result<(), Reject> {
        let at = self.at;
        let value_bytes = self.map(map).value_size;
        let inside = |off: i64, bound: Bound| {
            if off >= 0 && size > 0 && off.saturating_add(size) <= i64::from(value_bytes) {
                return Ok(());
            }
            Err(Reject::MapValueOutside {
                at,
                reg,
                value_bytes,
                off,
                size,
                bound,
            })
        };
        let (smin, umax) = (base.value.smin(), base.value.umax());
        let lowest = smin.checked_add(off);
        let fits = lowest.is_some_and(|low| i32::try_from(low).is_ok() && low >= 0);
        if smin < 0 && !fits {
            return Err(Reject::NegativeOffset { at, reg });
        }
        inside(smin.saturating_add(off), Bound::Min)?;
        if umax >= POINTER_OFFSET_MAX.cast_unsigned() {
            return Err(Reject::UnboundedOffset { at, reg });
        }
        inside(umax.cast_signed() + off, Bound::Max)?;
        self.check_special_fields(map, base, off, size, toucher)
    }

    /// The number at a place of a map's value that can no longer change.
    fn constant_at(&self, map: MapIdx, at: i64, size: Size, extend: Extend) -> Option<u64> {
        let constant = self.map(map).constant.as_ref()?;
        let start = usize::try_from(at).ok()?;
        let len = usize::try_from(size.bytes()).ok()?;
        let bytes = constant.get(start..start.checked_add(len)?)?;
        let mut whole = [0; 8];
        whole[..len].copy_from_slice(bytes);
        let value = u64::from_le_bytes(whole);
        Some(match extend {
            Extend::Zero => value,
            Extend::Sign => {
                let unused = 64 - 8 * size.bytes();
                ((value << unused).cast_signed() >> unused).cast_unsigned()
            }
        })
    }
}
