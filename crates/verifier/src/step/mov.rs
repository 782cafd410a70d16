//! Moves, wide immediates, byte swaps and negation.

use crate::domain::{self, Scalar};
use crate::path::Path;
use crate::reject::Reject;
use crate::state::{Kind, MapIdx, Reg};
use skep_isa::{Imm64, Operand, Reg as R, Size, SwapKind, Width};

impl Path<'_> {
    pub(super) fn mov(&mut self, width: Width, dst: R, src: Operand) -> Result<(), Reject> {
        let value = self.operand(src)?;
        self.writable(dst)?;
        let (Operand::Reg(reg), true) = (src, value.is_scalar()) else {
            // A 32-bit copy of a pointer is a number that nobody knows.
            let copy = match width {
                Width::W64 => value,
                Width::W32 if value.is_scalar() => scalar_mov(width, value),
                Width::W32 => Reg::scalar(Scalar::unknown_of_size(Size::W)),
            };
            return self.write(dst, copy);
        };
        let whole = width == Width::W64 || value.value.umax() <= u64::from(u32::MAX);
        let copy = if whole {
            let linked = self.with_id(value);
            self.state.set(reg, linked);
            scalar_mov(width, linked)
        } else {
            let mut copy = scalar_mov(width, value);
            copy.unlink();
            copy
        };
        self.write(dst, copy)
    }

    pub(super) fn movsx(&mut self, width: Width, dst: R, src: R, from: Size) -> Result<(), Reject> {
        let value = self.read(src)?;
        self.writable(dst)?;
        if !value.is_scalar() {
            let unknown = domain::movsx(width, from, &Scalar::UNKNOWN);
            return self.write(dst, Reg::scalar(unknown));
        }
        let positive = value.value.umax() < 1 << (from.bits() - 1);
        let mut copy = if positive {
            let linked = self.with_id(value);
            self.state.set(src, linked);
            linked
        } else {
            value
        };
        if !positive {
            copy.unlink();
        }
        copy.value = domain::movsx(width, from, &value.value);
        self.write(dst, copy)
    }

    pub(super) fn neg(&mut self, width: Width, dst: R) -> Result<(), Reject> {
        self.unary(dst, |value| domain::neg(width, value))
    }

    pub(super) fn swap(&mut self, kind: SwapKind, dst: R, size: Size) -> Result<(), Reject> {
        if kind == SwapKind::ToLe && size == Size::Dw && self.state.reg(dst).is_scalar() {
            // Nothing changes, so links with other registers stay.
            let value = self.read(dst)?;
            return self.write(dst, value);
        }
        self.unary(dst, |value| domain::swap(kind, size, value))
    }

    /// An operation on one number; a pointer becomes a number that nobody knows.
    fn unary(&mut self, dst: R, change: impl Fn(&Scalar) -> Scalar) -> Result<(), Reject> {
        let mut value = self.read(dst)?;
        self.writable(dst)?;
        if !value.is_scalar() {
            value = Reg::unknown();
        }
        value.unlink();
        value.value = change(&value.value);
        self.write(dst, value)
    }

    /// The address of a static function.
    fn function_address(&self, off: i32) -> Result<Reg, Reject> {
        let at = self.at;
        if self.env.func_info.is_empty() {
            return Err(Reject::BadFuncAddress { at });
        }
        let start = crate::program::target(at, off);
        let subprog = self.checked.subprog_at(start);
        let subprog = subprog.ok_or(Reject::BadFuncAddress { at })?;
        if self.checked.decl(subprog).is_global() {
            return Err(Reject::GlobalCallback { at });
        }
        Ok(Reg::pointer(Kind::Func(subprog)))
    }

    pub(super) fn load_imm64(&mut self, dst: R, imm: Imm64) -> Result<(), Reject> {
        let map = |index: u32| MapIdx(u16::try_from(index).unwrap_or(u16::MAX));
        let value = match imm {
            Imm64::Value(value) => Reg::constant(value),
            Imm64::MapIdx(index) => Reg::pointer(Kind::MapPtr(map(index))),
            Imm64::MapIdxValue { idx, off } => {
                let mut value = Reg::pointer(Kind::MapValue(map(idx)));
                value.off = i32::try_from(off).unwrap_or(i32::MAX);
                value
            }
            Imm64::Func(off) => self.function_address(off)?,
            Imm64::BtfId { id, .. } => return Err(Reject::KernelVariable { id }),
            Imm64::MapFd(fd) | Imm64::MapValue { fd, .. } => return Err(Reject::BadMapFd { fd }),
        };
        self.write(dst, value)
    }
}

fn scalar_mov(width: Width, mut value: Reg) -> Reg {
    value.value = domain::mov(width, &value.value);
    value
}
