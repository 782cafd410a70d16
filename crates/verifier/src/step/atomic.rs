//! Atomic operations: a load and a store of the same cell, on memory that allows them.

use crate::mem::{Cell, Extend, Stored};
use crate::path::Path;
use crate::reject::Reject;
use crate::state::{Kind, Object, Reg};
use skep_isa::{AtomicOp, Reg as R, Size};

impl Path<'_> {
    pub(super) fn atomic(
        &mut self,
        op: AtomicOp,
        size: Size,
        dst: R,
        src: R,
        off: i16,
    ) -> Result<(), Reject> {
        match op {
            AtomicOp::LoadAcquire => self.load_acquire(size, dst, src, off),
            AtomicOp::StoreRelease => self.store_release(size, dst, src, off),
            AtomicOp::Cmpxchg => self.modify(size, dst, src, off, Some(R::R0)),
            AtomicOp::Xchg
            | AtomicOp::Add { fetch: true }
            | AtomicOp::Or { fetch: true }
            | AtomicOp::And { fetch: true }
            | AtomicOp::Xor { fetch: true } => self.modify(size, dst, src, off, Some(src)),
            AtomicOp::Add { fetch: false }
            | AtomicOp::Or { fetch: false }
            | AtomicOp::And { fetch: false }
            | AtomicOp::Xor { fetch: false } => self.modify(size, dst, src, off, None),
        }
    }

    fn modify(
        &mut self,
        size: Size,
        dst: R,
        src: R,
        off: i16,
        old: Option<R>,
    ) -> Result<(), Reject> {
        self.read(src)?;
        let mut cell = self.atomic_cell(dst, off, size)?;
        if old == Some(R::R0) {
            let expected = self.read(R::R0)?;
            // What is compared with decides what is stored.
            self.must_keep(&expected);
        }
        if let Some(old) = old {
            self.writable(old)?;
        }
        if !allows(&cell) {
            return Err(Reject::AtomicKind {
                at: self.at,
                reg: dst,
                kind: cell.base.kind.name(),
            });
        }
        if old == Some(dst) {
            // Linux takes the register of the old value for written before it looks at the address.
            cell.base = Reg::unknown();
        }
        let value = self.load(&cell, Extend::Zero)?;
        self.store(&cell, Stored::Unknown)?;
        match old {
            Some(old) => self.write(old, value),
            None => Ok(()),
        }
    }

    fn load_acquire(&mut self, size: Size, dst: R, base: R, off: i16) -> Result<(), Reject> {
        let cell = self.atomic_cell(base, off, size)?;
        self.writable(dst)?;
        if !allows(&cell) {
            return Err(Reject::LoadAcquireKind {
                at: self.at,
                reg: base,
                kind: cell.base.kind.name(),
            });
        }
        let value = self.load(&cell, Extend::Zero)?;
        self.write(dst, value)
    }

    fn store_release(&mut self, size: Size, base: R, src: R, off: i16) -> Result<(), Reject> {
        let value = Stored::Reg(src, self.read(src)?);
        let cell = self.atomic_cell(base, off, size)?;
        if !allows(&cell) {
            return Err(Reject::StoreReleaseKind {
                at: self.at,
                reg: base,
                kind: cell.base.kind.name(),
            });
        }
        self.store(&cell, value)
    }
}

/// Memory that is rewritten (contexts) or that others do not access atomically (packets) is out.
fn allows(cell: &Cell) -> bool {
    match cell.base.kind {
        Kind::Ctx | Kind::Packet | Kind::PacketMeta => false,
        Kind::Object(object) => object == Object::TracepointBuffer,
        Kind::Uninit
        | Kind::Scalar
        | Kind::Stack(_)
        | Kind::MapPtr(_)
        | Kind::MapValue(_)
        | Kind::MapValueOrNull(_)
        | Kind::MapOrNull(_)
        | Kind::PacketEnd
        | Kind::ObjectOrNull(_)
        | Kind::MapKey(_)
        | Kind::Mem(_)
        | Kind::MemOrNull(_)
        | Kind::Func(_)
        | Kind::DynptrPtr(_) => true,
    }
}
