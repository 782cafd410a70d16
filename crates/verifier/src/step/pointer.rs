//! Pointer arithmetic: adding to and subtracting from pointers that allow it, within what is tracked.

use crate::domain::{self, Scalar};
use crate::limits::POINTER_OFFSET_MAX;
use crate::path::Path;
use crate::reject::Reject;
use crate::state::{Kind, Node, Object, Range, Reg};
use skep_isa::{AluOp, Reg as R, Size, Width};

/// `dst = pointer op number`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sum {
    pub(crate) op: AluOp,
    pub(crate) width: Width,
    pub(crate) dst: R,
    pub(crate) pointer: Reg,
    pub(crate) number: Reg,
}

impl Path<'_> {
    pub(super) fn pointer_sum(&mut self, sum: &Sum) -> Result<Reg, Reject> {
        let (at, reg) = (self.at, sum.dst);
        if sum.width == Width::W32 {
            // Programs may see addresses; half of a difference is a number that nobody knows.
            if sum.op == AluOp::Sub {
                return Ok(Reg::scalar(Scalar::unknown_of_size(Size::W)));
            }
            return Err(Reject::Pointer32 { at, reg });
        }
        self.check_kind(sum)?;
        let kind = sum.pointer.kind.name();
        check_sane(at, kind, &sum.number)?;
        let result = match sum.op {
            AluOp::Add => self.add(sum),
            AluOp::Sub if matches!(sum.pointer.kind, Kind::Stack(_)) => {
                return Err(Reject::SubtractFromFp { at, reg });
            }
            AluOp::Sub => self.sub(sum),
            AluOp::And | AluOp::Or | AluOp::Xor => {
                return Err(Reject::PointerBitwise {
                    at,
                    reg,
                    op: sum.op.text(),
                });
            }
            AluOp::Mul
            | AluOp::Div
            | AluOp::Sdiv
            | AluOp::Lsh
            | AluOp::Rsh
            | AluOp::Mod
            | AluOp::Smod
            | AluOp::Arsh => {
                return Err(Reject::PointerOperator {
                    at,
                    reg,
                    op: sum.op.text(),
                });
            }
        };
        check_sane(at, kind, &result)?;
        Ok(result)
    }

    fn check_kind(&self, sum: &Sum) -> Result<(), Reject> {
        let (at, reg) = (self.at, sum.dst);
        let kind = sum.pointer.kind.name();
        match sum.pointer.kind {
            Kind::MapValueOrNull(_)
            | Kind::MapOrNull(_)
            | Kind::ObjectOrNull(_)
            | Kind::MemOrNull(_) => Err(Reject::MaybeNullArithmetic { at, reg, kind }),
            // Adding nothing to a map is what compilers emit for its first field.
            Kind::MapPtr(_) if sum.op == AluOp::Add && sum.number.is_null() => Ok(()),
            Kind::Object(Object::TracepointBuffer) => Ok(()),
            Kind::Object(Object::FlowKeys) if sum.number.value.is_const() => Ok(()),
            Kind::MapPtr(_) | Kind::PacketEnd | Kind::Object(_) | Kind::Func(_) => {
                Err(Reject::PointerArithmetic { at, reg, kind })
            }
            Kind::Uninit
            | Kind::Scalar
            | Kind::Ctx
            | Kind::Stack(_)
            | Kind::MapValue(_)
            | Kind::MapKey(_)
            | Kind::Mem(_)
            | Kind::Packet
            | Kind::PacketMeta
            | Kind::DynptrPtr(_) => Ok(()),
        }
    }

    /// A known number changes the fixed offset; an unknown one becomes part of the variable offset, with which a packet
    /// pointer is a new unknown.
    fn add(&mut self, sum: &Sum) -> Reg {
        let mut result = sum.pointer;
        let known = sum.number.value.as_const().map(u64::cast_signed);
        if let Some(off) = known.and_then(|k| moved(sum.pointer.off, k)) {
            result.off = off;
            // Beyond the end stays beyond only further up.
            if result.range.bytes().is_none() && off < sum.pointer.off {
                result.range = Range::UNPROVEN;
            }
            return result;
        }
        result.value = domain::alu(
            AluOp::Add,
            Width::W64,
            &sum.pointer.value,
            &sum.number.value,
        );
        self.forget_range(&mut result);
        result
    }

    fn sub(&mut self, sum: &Sum) -> Reg {
        let mut result = sum.pointer;
        let known = sum.number.value.as_const().map(u64::cast_signed);
        let down = known.and_then(i64::checked_neg);
        if let Some(off) = down.and_then(|k| moved(sum.pointer.off, k)) {
            result.off = off;
            if result.range.bytes().is_none() {
                result.range = Range::UNPROVEN;
            }
            return result;
        }
        result.value = domain::alu(
            AluOp::Sub,
            Width::W64,
            &sum.pointer.value,
            &sum.number.value,
        );
        self.forget_range(&mut result);
        result
    }

    fn forget_range(&mut self, result: &mut Reg) {
        result.node = Node::NONE;
        if result.kind.is_packet() {
            result.id = self.fresh_id();
            result.range = Range::UNPROVEN;
        }
    }
}

/// A fixed offset moved by a constant, if it still fits.
fn moved(off: i32, by: i64) -> Option<i32> {
    i32::try_from(i64::from(off).checked_add(by)?).ok()
}

/// Offsets must stay where arithmetic on them cannot overflow.
fn check_sane(at: skep_isa::InsnIdx, kind: &'static str, reg: &Reg) -> Result<(), Reject> {
    let limit = POINTER_OFFSET_MAX;
    let value = &reg.value;
    let far = |value: &i64| *value >= limit || *value <= -limit;
    if let Some(value) = value.as_const().map(u64::cast_signed).filter(far) {
        return Err(Reject::PointerConstant { at, kind, value });
    }
    let off = reg.off;
    if reg.kind.is_pointer() && (i64::from(off) >= limit || i64::from(off) <= -limit) {
        return Err(Reject::PointerOffset { at, kind, off });
    }
    let smin = value.smin();
    if smin == i64::MIN {
        return Err(Reject::PointerUnboundedMin { at, kind });
    }
    if smin >= limit || smin <= -limit {
        return Err(Reject::PointerSum {
            at,
            kind,
            value: smin,
        });
    }
    Ok(())
}
