//! The context: fixed offsets only, fields and sizes as the layout of the program type says.

use super::{Cell, Extend};
use crate::log::state::var_off;
use crate::path::Path;
use crate::reject::Reject;
use crate::state::{Kind, Object, Reg};
use crate::verified::Access;
use skep_contracts::{CtxLayout, FieldAccess, FieldKind, Held};
use skep_isa::Reg as R;

impl Path<'_> {
    /// A context pointer must be what the program was given.
    pub(crate) fn check_unmoved(&self, reg: R, base: &Reg) -> Result<(), Reject> {
        if base.off < 0 {
            return Err(Reject::CtxNegative {
                at: self.at,
                reg,
                off: base.off,
            });
        }
        if base.off != 0 {
            return Err(Reject::CtxModified {
                at: self.at,
                reg,
                off: base.off,
            });
        }
        if base.value.as_const() != Some(0) {
            return Err(Reject::CtxVariable {
                at: self.at,
                var_off: var_off(&base.value),
            });
        }
        Ok(())
    }

    pub(super) fn load_ctx(
        &mut self,
        cell: &Cell,
        extend: Extend,
    ) -> Result<(Reg, Access), Reject> {
        self.check_unmoved(cell.reg, &cell.base)?;
        let field = self
            .ctx_access(cell)
            .and_then(|(layout, access)| layout.readable(access))
            .ok_or_else(|| self.bad_ctx(cell))?;
        let whole = cell.size.bytes() == field.bytes;
        if extend == Extend::Sign && field.kind != FieldKind::Scalar && whole {
            // A pointer has no sign.
            return Err(self.bad_ctx(cell));
        }
        let value = match field.kind {
            FieldKind::Scalar => Reg::unknown(),
            FieldKind::PacketData => Reg::pointer(Kind::Packet),
            FieldKind::PacketEnd => Reg::pointer(Kind::PacketEnd),
            FieldKind::PacketMeta => Reg::pointer(Kind::PacketMeta),
            FieldKind::Pointer(held) if whole => self.held(held),
            FieldKind::Pointer(_) => Reg::unknown(),
        };
        Ok((value, access(cell)))
    }

    /// A pointer that the context holds.
    fn held(&mut self, held: Held) -> Reg {
        let kind = match held {
            Held::Sock => Kind::Object(Object::Sock),
            Held::SockOrNull => Kind::ObjectOrNull(Object::Sock),
            Held::SockCommonOrNull => Kind::ObjectOrNull(Object::SockCommon),
            Held::FlowKeys => Kind::Object(Object::FlowKeys),
            Held::TracepointBuffer => Kind::Object(Object::TracepointBuffer),
            Held::SkBuff => Kind::Object(Object::SkBuff),
            Held::NfHookState => Kind::Object(Object::NfHookState),
        };
        self.pointer_with_id(kind)
    }

    pub(super) fn store_ctx(&self, cell: &Cell) -> Result<Access, Reject> {
        self.check_unmoved(cell.reg, &cell.base)?;
        self.ctx_access(cell)
            .and_then(|(layout, access)| layout.writable(access))
            .map(|_| access(cell))
            .ok_or_else(|| self.bad_ctx(cell))
    }

    fn bad_ctx(&self, cell: &Cell) -> Reject {
        Reject::CtxAccess {
            at: self.at,
            off: cell.off.into(),
            size: cell.size.bytes(),
        }
    }

    fn ctx_access(&self, cell: &Cell) -> Option<(&'static CtxLayout, FieldAccess)> {
        let access = FieldAccess {
            offset: u32::try_from(cell.off).ok()?,
            bytes: cell.size.bytes(),
            attach: self.attach,
        };
        Some((self.row.ctx?, access))
    }
}

fn access(cell: &Cell) -> Access {
    Access::Ctx {
        offset: u32::try_from(cell.off).unwrap_or(0),
        bytes: cell.size.bytes(),
    }
}
