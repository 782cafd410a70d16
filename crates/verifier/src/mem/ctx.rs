//! The context: fixed offsets only, fields and sizes as the layout of the program type says.

use super::{Cell, Extend};
use crate::log::state::var_off;
use crate::path::Path;
use crate::reject::Reject;
use crate::state::{Kind, Reg};
use crate::verified::Access;
use skep_contracts::{CtxAccess, CtxField, FieldKind};
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

    pub(super) fn load_ctx(&self, cell: &Cell, extend: Extend) -> Result<(Reg, Access), Reject> {
        self.check_unmoved(cell.reg, &cell.base)?;
        let field = self.ctx_field(cell).ok_or_else(|| self.bad_ctx(cell))?;
        if extend == Extend::Sign && field.kind != FieldKind::Scalar {
            // A pointer has no sign.
            return Err(self.bad_ctx(cell));
        }
        let value = match field.kind {
            FieldKind::Scalar => Reg::unknown(),
            FieldKind::PacketData => Reg::pointer(Kind::Packet),
            FieldKind::PacketEnd => Reg::pointer(Kind::PacketEnd),
            FieldKind::PacketMeta => Reg::pointer(Kind::PacketMeta),
        };
        Ok((value, access(cell)))
    }

    pub(super) fn store_ctx(&self, cell: &Cell) -> Result<Access, Reject> {
        self.check_unmoved(cell.reg, &cell.base)?;
        match self.ctx_field(cell) {
            Some(field) if field.access == CtxAccess::ReadWrite => Ok(access(cell)),
            Some(_) | None => Err(self.bad_ctx(cell)),
        }
    }

    fn bad_ctx(&self, cell: &Cell) -> Reject {
        Reject::CtxAccess {
            at: self.at,
            off: cell.off.into(),
            size: cell.size.bytes(),
        }
    }

    /// The field that an access touches as it may: as a whole, or an aligned part where that is allowed.
    fn ctx_field(&self, cell: &Cell) -> Option<&'static CtxField> {
        let off = u32::try_from(cell.off).ok()?;
        let bytes = cell.size.bytes();
        let field = self.row.ctx?.field_at(off)?;
        if field
            .only_attach
            .is_some_and(|attach| attach != self.env.expected_attach_type)
        {
            return None;
        }
        let whole = off == field.offset && bytes == field.bytes;
        let part = field.access == CtxAccess::ReadNarrow
            && off.is_multiple_of(bytes)
            && off + bytes <= field.offset + field.bytes;
        (whole || part).then_some(field)
    }
}

fn access(cell: &Cell) -> Access {
    Access::Ctx {
        offset: u32::try_from(cell.off).unwrap_or(0),
        bytes: cell.size.bytes(),
    }
}
