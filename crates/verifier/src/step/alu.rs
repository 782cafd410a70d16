//! Arithmetic: on numbers here, on pointers in `pointer`.

use super::pointer::Sum;
use crate::domain::{self, Scalar};
use crate::path::{Fork, Path};
use crate::reject::Reject;
use crate::state::{Added, Reg};
use skep_isa::{AluOp, Operand, Reg as R, Width};

impl Path<'_> {
    pub(super) fn alu(
        &mut self,
        op: AluOp,
        width: Width,
        dst: R,
        src: Operand,
    ) -> Result<(), Reject> {
        let right = self.operand(src)?;
        let left = self.read(dst)?;
        check_immediate(self, op, width, src)?;
        self.writable(dst)?;
        let result = match (left.kind.is_pointer(), right.kind.is_pointer()) {
            (false, false) => self.scalars(op, width, dst, &left, &right),
            // Programs may see addresses, so the distance of two pointers is just an unknown number.
            (true, true) if op == AluOp::Sub => Reg::scalar(unknown(width)),
            (true, true) => {
                return Err(Reject::PointerPointer {
                    at: self.at,
                    reg: dst,
                    op: op.text(),
                });
            }
            (true, false) => {
                self.must_keep_operand(src, &right);
                let sum = Sum {
                    op,
                    width,
                    dst,
                    pointer: left,
                    number: right,
                };
                self.pointer_sum(&sum)?
            }
            (false, true) => {
                self.must_keep_reg(dst, &left);
                if op == AluOp::Sub && width == Width::W64 {
                    return Err(Reject::SubtractPointer {
                        at: self.at,
                        reg: dst,
                    });
                }
                let sum = Sum {
                    op,
                    width,
                    dst,
                    pointer: right,
                    number: left,
                };
                self.pointer_sum(&sum)?
            }
        };
        self.write(dst, result)
    }

    fn scalars(&mut self, op: AluOp, width: Width, dst: R, left: &Reg, right: &Reg) -> Reg {
        let mut left = *left;
        if let Some((now, later)) = domain::split(op, &left.value, &right.value) {
            // The other half of the values repeats this instruction on a path of its own.
            let mut state = self.state.clone();
            let mut other = left;
            other.value = later;
            other.unlink();
            state.set(dst, other);
            self.forks.push(Fork::new(state, self.at));
            left.value = now;
        }
        let mut result = Reg::scalar(domain::alu(op, width, &left.value, &right.value));
        result.node = self.joined(&left, right);
        link_sum(op, width, &left, right, &mut result);
        result
    }
}

/// A sum with a constant keeps a number linked with what it was a copy of, once.
fn link_sum(op: AluOp, width: Width, left: &Reg, right: &Reg, result: &mut Reg) {
    let known = right.as_const().map(u64::cast_signed);
    let by = match op {
        AluOp::Add => known,
        AluOp::Sub => known.and_then(i64::checked_neg),
        _ => None,
    };
    let Some(by) = by.and_then(|by| i32::try_from(by).ok()) else {
        return;
    };
    if left.id.is_some() && left.added == Added::Nothing {
        result.id = left.id;
        result.off = by;
        result.added = match width {
            Width::W64 => Added::Whole,
            Width::W32 => Added::Half,
        };
    }
}

fn unknown(width: Width) -> Scalar {
    domain::mov(width, &Scalar::UNKNOWN)
}

/// Immediates for which an operation is not defined.
fn check_immediate(path: &Path<'_>, op: AluOp, width: Width, src: Operand) -> Result<(), Reject> {
    let Operand::Imm(imm) = src else {
        return Ok(());
    };
    let at = path.at;
    match op {
        AluOp::Div | AluOp::Sdiv | AluOp::Mod | AluOp::Smod if imm == 0 => {
            Err(Reject::DivByZero { at })
        }
        AluOp::Lsh | AluOp::Rsh | AluOp::Arsh => {
            let bits = match width {
                Width::W32 => 32,
                Width::W64 => 64,
            };
            if (0..bits).contains(&imm) {
                Ok(())
            } else {
                Err(Reject::InvalidShift { at, by: imm })
            }
        }
        AluOp::Add
        | AluOp::Sub
        | AluOp::Mul
        | AluOp::Div
        | AluOp::Sdiv
        | AluOp::Or
        | AluOp::And
        | AluOp::Mod
        | AluOp::Smod
        | AluOp::Xor => Ok(()),
    }
}
