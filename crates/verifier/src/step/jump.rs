//! Conditional jumps: which ways are possible, and what each says about the operands.

use super::Flow;
use crate::domain::{self, Scalar};
use crate::path::{Fork, Path, Widen};
use crate::reject::Reject;
use crate::state::{Kind, Range, Reg};
use skep_isa::{InsnIdx, JmpOp, Operand, Reg as R, Width};

/// `if dst op src`, with the operands' values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compare {
    pub(crate) op: JmpOp,
    pub(crate) width: Width,
    pub(crate) dst: R,
    pub(crate) src: Operand,
    pub(crate) left: Reg,
    pub(crate) right: Reg,
}

impl Path<'_> {
    pub(super) fn jump_if(
        &mut self,
        op: JmpOp,
        width: Width,
        dst: R,
        src: Operand,
        target: InsnIdx,
    ) -> Result<Flow, Reject> {
        let right = self.operand(src)?;
        let left = self.read(dst)?;
        for (reg, value) in [(Operand::Reg(dst), &left), (src, &right)] {
            if let (Operand::Reg(reg), Kind::Stack(_)) = (reg, value.kind) {
                self.history.stack_reg(reg);
            }
        }
        let compare = Compare {
            op,
            width,
            dst,
            src,
            left,
            right,
        };
        let next = InsnIdx(self.at.0 + 1);
        let known = known(&compare);
        let info = &mut self.infos[self.at.index()];
        info.taken_possible |= known != Some(false);
        info.fallthrough_possible |= known != Some(true);
        if let Some(holds) = known {
            self.must_keep_reg(dst, &left);
            self.must_keep_operand(src, &right);
            if left.is_scalar() && right.is_scalar() && left.value.as_const().is_none() {
                // That the other way is impossible may follow from known bits; the ends of the intervals are to say so, too.
                let mut taken = self.state.clone();
                self.refine(&compare, &mut taken);
                if holds {
                    self.state = taken;
                }
            }
            return Ok(Flow::To(if holds { target } else { next }));
        }
        self.note_linked(&compare);
        let mut taken = self.state.clone();
        self.refine(&compare, &mut taken);
        self.forks.push(Fork::new(taken, target));
        Ok(Flow::To(next))
    }

    /// `may_goto`: the loop goes on, or ends because the budget is used up. Linux walks the end first.
    pub(super) fn may_goto(&mut self, target: InsnIdx) -> Flow {
        let info = &mut self.infos[self.at.index()];
        info.taken_possible = true;
        info.fallthrough_possible = true;
        let mut on = self.state.clone();
        on.may_goto_depth += 1;
        self.forks.push(Fork {
            widen: Widen::SinceLastVisit,
            ..Fork::new(on, InsnIdx(self.at.0 + 1))
        });
        Flow::To(target)
    }
}

/// Whether the condition's outcome is known.
fn known(compare: &Compare) -> Option<bool> {
    let (left, right) = (&compare.left, &compare.right);
    match (left.is_scalar(), right.is_scalar()) {
        (true, true) if same_register(compare) => same(compare.op, compare.width, &left.value),
        (true, true) => domain::compare_known(compare.op, compare.width, &left.value, &right.value),
        (false, false) if compare.width == Width::W64 => packet_known(compare),
        (false, true) if compare.width == Width::W64 => never_null(compare.op, left, right),
        (true, false) if compare.width == Width::W64 => never_null(compare.op, right, left),
        (false, _) | (_, false) => None,
    }
}

fn same_register(compare: &Compare) -> bool {
    compare.src == Operand::Reg(compare.dst)
}

/// A number compared with itself.
fn same(op: JmpOp, width: Width, value: &Scalar) -> Option<bool> {
    match op {
        JmpOp::Jset => domain::compare_known(op, width, value, value),
        JmpOp::Jeq | JmpOp::Jge | JmpOp::Jsge | JmpOp::Jle | JmpOp::Jsle => {
            value.as_const().map(|_| true)
        }
        JmpOp::Jne | JmpOp::Jgt | JmpOp::Jsgt | JmpOp::Jlt | JmpOp::Jslt => {
            value.as_const().map(|_| false)
        }
    }
}

/// A pointer that cannot be null compared with zero.
fn never_null(op: JmpOp, pointer: &Reg, number: &Reg) -> Option<bool> {
    if !number.is_null() {
        return None;
    }
    let never = match pointer.kind {
        Kind::MapPtr(_) | Kind::MapValue(_) | Kind::MapKey(_) | Kind::Mem(_) | Kind::Func(_) => {
            true
        }
        Kind::Object(object) => object.is_socket(),
        Kind::Uninit
        | Kind::Scalar
        | Kind::Ctx
        | Kind::Stack(_)
        | Kind::MapValueOrNull(_)
        | Kind::MapOrNull(_)
        | Kind::Packet
        | Kind::PacketMeta
        | Kind::DynptrPtr(_)
        | Kind::PacketEnd
        | Kind::ObjectOrNull(_)
        | Kind::MemOrNull(_) => false,
    };
    match op {
        JmpOp::Jeq if never => Some(false),
        JmpOp::Jne if never => Some(true),
        _ => None,
    }
}

/// The same condition with its operands exchanged.
pub(super) fn flipped(op: JmpOp) -> JmpOp {
    match op {
        JmpOp::Jgt => JmpOp::Jlt,
        JmpOp::Jge => JmpOp::Jle,
        JmpOp::Jlt => JmpOp::Jgt,
        JmpOp::Jle => JmpOp::Jge,
        JmpOp::Jsgt => JmpOp::Jslt,
        JmpOp::Jsge => JmpOp::Jsle,
        JmpOp::Jslt => JmpOp::Jsgt,
        JmpOp::Jsle => JmpOp::Jsge,
        JmpOp::Jeq | JmpOp::Jne | JmpOp::Jset => op,
    }
}

/// A packet pointer that an earlier comparison put at or beyond the end.
fn packet_known(compare: &Compare) -> Option<bool> {
    let (pointer, op) = match (compare.left.kind, compare.right.kind) {
        (Kind::Packet, Kind::PacketEnd) => (&compare.left, compare.op),
        (Kind::PacketEnd, Kind::Packet) => (&compare.right, flipped(compare.op)),
        _ => return None,
    };
    match (op, pointer.range) {
        (JmpOp::Jgt, Range::BEYOND_END) => Some(true),
        (JmpOp::Jle, Range::BEYOND_END) => Some(false),
        (JmpOp::Jge, Range::BEYOND_END | Range::AT_END) => Some(true),
        (JmpOp::Jlt, Range::BEYOND_END | Range::AT_END) => Some(false),
        _ => None,
    }
}

impl Compare {
    /// The register on the right, if it is one.
    pub(crate) fn right_reg(&self) -> Option<R> {
        match self.src {
            Operand::Reg(reg) => Some(reg),
            Operand::Imm(_) => None,
        }
    }
}
