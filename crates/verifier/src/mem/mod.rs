//! Memory accesses: dispatch on the kind of the pointer. One file per kind holds its rules.

pub(crate) mod align;
pub(crate) mod ctx;
pub(crate) mod map_value;
pub(crate) mod object;
pub(crate) mod packet;
pub(crate) mod region;
pub(crate) mod special;
pub(crate) mod stack;

use crate::Dir;
use crate::path::Path;
use crate::reject::Reject;
use crate::state::{Kind, Reg};
use crate::verified::Access;
use region::Region;
use skep_contracts::MapTypeRule;
use skep_isa::{Reg as R, Size};

/// An access of a few bytes through a register.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    /// The register that holds the address.
    pub(crate) reg: R,
    /// Its value.
    pub(crate) base: Reg,
    /// The instruction's offset.
    pub(crate) off: i16,
    pub(crate) size: Size,
    pub(crate) alignment: Alignment,
}

/// How an access must be aligned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Alignment {
    /// As its memory wants it.
    OfMemory,
    /// To its size: atomic accesses.
    Strict,
}

impl Cell {
    /// The instruction's offset and the pointer's fixed one.
    pub(crate) fn fixed(&self) -> i64 {
        i64::from(self.off) + i64::from(self.base.off)
    }
}

/// Whether a load sign-extends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Extend {
    Zero,
    Sign,
}

/// What a store writes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stored {
    /// A register's value.
    Reg(R, Reg),
    /// An immediate.
    Imm(i32),
    /// Something: the result of an atomic operation.
    Unknown,
}

impl Path<'_> {
    /// A cell behind a register that was read.
    pub(crate) fn cell(&mut self, reg: R, off: i16, size: Size) -> Result<Cell, Reject> {
        let base = self.read(reg)?;
        Ok(Cell {
            reg,
            base,
            off,
            size,
            alignment: Alignment::OfMemory,
        })
    }

    /// As [`Self::cell`], for an atomic access.
    pub(crate) fn atomic_cell(&mut self, reg: R, off: i16, size: Size) -> Result<Cell, Reject> {
        let cell = self.cell(reg, off, size)?;
        Ok(Cell {
            alignment: Alignment::Strict,
            ..cell
        })
    }

    fn no_memory(&self, cell: &Cell) -> Reject {
        Reject::InvalidMemAccess {
            at: self.at,
            reg: cell.reg,
            kind: cell.base.kind.name(),
        }
    }

    /// Checks a load and gives its value, cut to its size.
    pub(crate) fn load(&mut self, cell: &Cell, extend: Extend) -> Result<Reg, Reject> {
        self.check_alignment(cell)?;
        let (value, access) = match cell.base.kind {
            Kind::Ctx => {
                let (value, access) = self.load_ctx(cell, extend)?;
                (value, access)
            }
            Kind::Stack(frame) => (self.load_stack(cell, frame)?, Access::Direct),
            Kind::MapValue(map) => (self.load_map_value(cell, map, extend)?, Access::Direct),
            Kind::Packet | Kind::PacketMeta => {
                self.check_packet(cell.reg, &cell.base, cell.fixed(), cell.size.bytes())?;
                (Reg::unknown(), Access::Direct)
            }
            Kind::MapPtr(_) => {
                return Err(Reject::Unsupported {
                    what: "reading a map's own fields".to_owned(),
                });
            }
            Kind::Object(object) => self.load_object(cell, object)?,
            Kind::MapKey(map) => {
                self.check_cell_region(cell, self.key_region(map))?;
                (Reg::unknown(), Access::Direct)
            }
            Kind::Mem(mem) => {
                self.check_cell_region(cell, Region::Memory(mem.bytes))?;
                (Reg::unknown(), Access::Direct)
            }
            Kind::Uninit
            | Kind::Scalar
            | Kind::MapValueOrNull(_)
            | Kind::MapOrNull(_)
            | Kind::PacketEnd
            | Kind::ObjectOrNull(_)
            | Kind::MemOrNull(_)
            | Kind::Func(_)
            | Kind::DynptrPtr(_) => {
                return Err(self.no_memory(cell));
            }
        };
        self.access(access)?;
        Ok(cut(value, cell.size, extend))
    }

    /// Checks a store and carries it out.
    pub(crate) fn store(&mut self, cell: &Cell, value: Stored) -> Result<(), Reject> {
        self.check_alignment(cell)?;
        let access = match cell.base.kind {
            Kind::Ctx => self.store_ctx(cell)?,
            Kind::Stack(frame) => {
                self.store_stack(cell, frame, value)?;
                Access::Direct
            }
            Kind::MapValue(map) => {
                self.check_map_cell(cell, map, Dir::Write)?;
                Access::Direct
            }
            Kind::Packet | Kind::PacketMeta => {
                if !self.row.packet_write {
                    return Err(Reject::PacketWrite { at: self.at });
                }
                self.check_packet(cell.reg, &cell.base, cell.fixed(), cell.size.bytes())?;
                Access::Direct
            }
            Kind::MapPtr(map) => {
                return Err(Reject::MapPointerWrite {
                    at: self.at,
                    structure: MapTypeRule::structure(self.map(map).map_type),
                });
            }
            Kind::Object(object) => self.store_object(cell, object)?,
            Kind::MapKey(_) => {
                let (at, reg) = (self.at, cell.reg);
                return Err(Reject::MapKeyWrite { at, reg });
            }
            Kind::Mem(mem) => {
                self.check_mem_write(cell, mem)?;
                Access::Direct
            }
            Kind::Uninit
            | Kind::Scalar
            | Kind::MapValueOrNull(_)
            | Kind::MapOrNull(_)
            | Kind::PacketEnd
            | Kind::ObjectOrNull(_)
            | Kind::MemOrNull(_)
            | Kind::Func(_)
            | Kind::DynptrPtr(_) => {
                return Err(self.no_memory(cell));
            }
        };
        self.access(access)
    }
}

/// A loaded value cut to the size of the load.
fn cut(mut value: Reg, size: Size, extend: Extend) -> Reg {
    if !value.is_scalar() || size == Size::Dw {
        return value;
    }
    let narrow = match extend {
        Extend::Zero => value.value.cast(size),
        Extend::Sign => crate::domain::movsx(skep_isa::Width::W64, size, &value.value),
    };
    if narrow != value.value && extend == Extend::Sign {
        value.unlink();
    }
    value.value = narrow;
    value
}
