//! Memory of a known size without a structure: keys of maps, what iterators give, memory that global functions are given.

use super::Cell;
use crate::limits::POINTER_OFFSET_MAX;
use crate::path::Path;
use crate::reject::{Bound, Dir, Reject};
use crate::state::{Kind, MapIdx, Mem, MemUse, Reg};
use skep_isa::Reg as R;

/// What is accessed, for the wording.
#[derive(Clone, Copy)]
pub(crate) enum Region {
    /// A key of so many bytes.
    Key(u32),
    /// Memory of so many bytes.
    Memory(u32),
}

impl Region {
    fn bytes(self) -> u32 {
        match self {
            Self::Key(bytes) | Self::Memory(bytes) => bytes,
        }
    }
}

impl Path<'_> {
    pub(crate) fn key_region(&self, map: MapIdx) -> Region {
        Region::Key(self.map(map).key_size)
    }

    /// Whether a store may write to memory.
    pub(super) fn check_mem_write(&self, cell: &Cell, mem: Mem) -> Result<(), Reject> {
        match mem.usage {
            MemUse::Read => Err(self.cannot_write(cell.reg, cell.base.kind)),
            MemUse::Write | MemUse::Record => {
                self.check_cell_region(cell, Region::Memory(mem.bytes))
            }
        }
    }

    pub(crate) fn cannot_write(&self, reg: R, kind: Kind) -> Reject {
        Reject::ObjectWrite {
            at: self.at,
            reg,
            kind: kind.name(),
        }
    }

    pub(super) fn check_cell_region(&self, cell: &Cell, region: Region) -> Result<(), Reject> {
        let size = i64::from(cell.size.bytes());
        self.check_plain_region(cell.reg, &cell.base, region, cell.fixed(), size)
    }

    /// An argument's memory in a region.
    pub(crate) fn check_argument_region(
        &self,
        reg: R,
        value: &Reg,
        dir: Dir,
        size: i64,
    ) -> Result<(), Reject> {
        let region = match (value.kind, dir) {
            (Kind::MapKey(map), Dir::Read) => self.key_region(map),
            (Kind::Mem(mem), Dir::Read) => Region::Memory(mem.bytes),
            (Kind::Mem(mem), Dir::Write) if mem.usage != MemUse::Read => Region::Memory(mem.bytes),
            (kind, _) => return Err(self.cannot_write(reg, kind)),
        };
        self.check_plain_region(reg, value, region, value.off.into(), size)
    }

    /// Checks that `size` bytes at `off` plus the pointer's variable offset are inside.
    fn check_plain_region(
        &self,
        reg: R,
        base: &Reg,
        region: Region,
        off: i64,
        size: i64,
    ) -> Result<(), Reject> {
        let at = self.at;
        let (smin, umax) = (base.value.smin(), base.value.umax());
        let lowest = smin.checked_add(off);
        let fits = lowest.is_some_and(|low| i32::try_from(low).is_ok() && low >= 0);
        if smin < 0 && !fits {
            return Err(Reject::NegativeOffset { at, reg });
        }
        let inside = |off: i64, bound: Bound| {
            let bytes = region.bytes();
            if off >= 0 && size >= 0 && off.saturating_add(size) <= i64::from(bytes) {
                return Ok(());
            }
            Err(match region {
                Region::Key(key_bytes) => Reject::MapKeyOutside {
                    at,
                    reg,
                    key_bytes,
                    off,
                    size,
                    bound,
                },
                Region::Memory(bytes) => Reject::MemoryOutside {
                    at,
                    reg,
                    bytes,
                    off,
                    size,
                    bound,
                },
            })
        };
        inside(smin.saturating_add(off), Bound::Min)?;
        if umax >= POINTER_OFFSET_MAX.cast_unsigned() {
            return Err(Reject::UnboundedOffset { at, reg });
        }
        inside(umax.cast_signed() + off, Bound::Max)
    }
}
