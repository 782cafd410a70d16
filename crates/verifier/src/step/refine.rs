//! What a conditional jump says about registers, on both of its ways: ranges of numbers and of those linked with them,
//! null checks, and how much of the packet there is.

use super::jump::{Compare, flipped};
use crate::domain::{self, Scalar};
use crate::limits::{FRAMES_MAX, PACKET_OFFSET_MAX};
use crate::log::history::AllPlaces;
use crate::path::Path;
use crate::state::{Id, Kind, Node, Range, Reg, Slot, State};
use skep_isa::{JmpOp, Operand, Reg as R, Width};

/// What a way says about one scalar register.
#[derive(Clone, Copy)]
struct Learnt {
    reg: R,
    value: Scalar,
    node: Node,
}

impl Path<'_> {
    /// Refines the current state for the way where the comparison fails, and `taken` for the one where it holds.
    pub(super) fn refine(&mut self, compare: &Compare, taken: &mut State) {
        let (left, right) = (&compare.left, &compare.right);
        if left.is_scalar() && right.is_scalar() {
            self.refine_numbers(compare, taken);
        } else if compare.width == Width::W32 {
            // Half of an address says nothing.
        } else if compare.src == Operand::Imm(0) && left.id.is_some() {
            if left.kind.when_not_null().is_some() {
                self.null_check(compare.op, left, taken);
            }
        } else if !left.is_scalar() && !right.is_scalar() {
            self.refine_pointers(compare, taken);
        }
    }

    fn refine_numbers(&mut self, compare: &Compare, taken: &mut State) {
        let same = compare.right_reg() == Some(compare.dst);
        let (left, right) = (&compare.left, &compare.right);
        let branches = domain::refine(compare.op, compare.width, &left.value, &right.value);
        let node = self.linked_node(compare);
        let live = self.checked.live_regs_at(&self.state, self.at);
        let ways = [
            (&mut self.state, branches.fallthrough),
            (taken, branches.taken),
        ];
        for (state, learnt) in ways {
            let Some((dst, src)) = learnt else {
                continue;
            };
            // Both sides of a register that is compared with itself hold for it.
            let value = match same {
                true => dst.meet(&src).unwrap_or(dst),
                false => dst,
            };
            let left = Learnt {
                reg: compare.dst,
                value,
                node,
            };
            learn(state, &left, &live);
            if let Some(reg) = compare.right_reg().filter(|_| !same) {
                let right = Learnt {
                    reg,
                    value: src,
                    node,
                };
                learn(state, &right, &live);
            }
        }
    }

    /// Which places this comparison refines together, for the log.
    pub(super) fn note_linked(&mut self, compare: &Compare) {
        if !self.history.is_on() {
            return;
        }
        let live = self.checked.live_regs_at(&self.state, self.at);
        let ids = [compare.left.id, compare.right.id];
        let linked = |reg: &Reg| reg.is_scalar() && reg.id.is_some() && ids.contains(&reg.id);
        let mut places = AllPlaces::default();
        for ((places, frame), live) in places.iter_mut().zip(self.state.frames()).zip(live) {
            for (number, reg) in frame.regs.iter().enumerate() {
                places.regs |= u16::from(linked(reg)) << number;
            }
            places.regs &= live;
            for (number, slot) in frame.stack.iter().enumerate() {
                places.slots |= u64::from(slot.spilled().is_some_and(linked)) << number;
            }
        }
        self.history.linked(&places);
    }

    /// The node of all that this comparison refines: the operands and what is linked with them.
    fn linked_node(&mut self, compare: &Compare) -> Node {
        let mut node = compare.left.node;
        if compare.right_reg().is_some() {
            node = self.precision.join(node, compare.right.node);
        }
        let ids = [compare.left.id, compare.right.id];
        let mut others: Vec<Node> = Vec::new();
        for frame in self.state.frames() {
            let slots = frame.stack.iter().filter_map(Slot::spilled);
            for reg in frame.regs.iter().chain(slots) {
                let linked = reg.is_scalar() && reg.id.is_some() && ids.contains(&reg.id);
                if linked && reg.node != node && !others.contains(&reg.node) {
                    others.push(reg.node);
                }
            }
        }
        for other in others {
            node = self.precision.join(node, other);
        }
        node
    }

    /// Every copy of a pointer that may be null is null on one way and not on the other.
    fn null_check(&mut self, op: JmpOp, pointer: &Reg, taken: &mut State) {
        let (id, keeps) = (pointer.id, self.id_when_not_null(pointer));
        match op {
            JmpOp::Jeq => {
                not_null(&mut self.state, id, keeps);
                null(taken, id);
            }
            JmpOp::Jne => {
                null(&mut self.state, id);
                not_null(taken, id, keeps);
            }
            JmpOp::Jgt
            | JmpOp::Jge
            | JmpOp::Jset
            | JmpOp::Jsgt
            | JmpOp::Jsge
            | JmpOp::Jlt
            | JmpOp::Jle
            | JmpOp::Jslt
            | JmpOp::Jsle => {}
        }
    }

    fn refine_pointers(&mut self, compare: &Compare, taken: &mut State) {
        let (left, right) = (&compare.left, &compare.right);
        let maybe_null = [(left, right), (right, left)]
            .into_iter()
            .find(|(pointer, _)| pointer.kind.when_not_null().is_some());
        if let Some((pointer, other)) = maybe_null {
            self.same_as_pointer(compare.op, pointer, other, taken);
            return;
        }
        match (left.kind, right.kind) {
            (Kind::Packet, Kind::PacketEnd) => {
                self.packet_end(compare.op, compare.dst, left, taken);
            }
            (Kind::PacketMeta, Kind::Packet) if is_start(right) => {
                self.packet_end(compare.op, compare.dst, left, taken);
            }
            (Kind::PacketEnd, Kind::Packet) => self.packet_end_right(compare, taken),
            (Kind::Packet, Kind::PacketMeta) if is_start(left) => {
                self.packet_end_right(compare, taken);
            }
            _ => {}
        }
    }

    /// A pointer that may be null was compared with one that is not.
    fn same_as_pointer(&mut self, op: JmpOp, pointer: &Reg, other: &Reg, taken: &mut State) {
        let keeps = self.id_when_not_null(pointer);
        let never_null = other.kind.when_not_null().is_none()
            && !matches!(
                other.kind,
                Kind::Packet | Kind::PacketMeta | Kind::PacketEnd
            );
        match op {
            JmpOp::Jeq if never_null => not_null(taken, pointer.id, keeps),
            JmpOp::Jne if never_null => not_null(&mut self.state, pointer.id, keeps),
            _ => {}
        }
    }

    fn packet_end_right(&mut self, compare: &Compare, taken: &mut State) {
        if let Some(reg) = compare.right_reg() {
            self.packet_end(flipped(compare.op), reg, &compare.right, taken);
        }
    }

    /// A packet pointer in `reg` was compared with the end: `pointer op end`.
    fn packet_end(&mut self, op: JmpOp, reg: R, pointer: &Reg, taken: &mut State) {
        let current = &mut self.state;
        match op {
            JmpOp::Jgt => {
                prove(current, pointer, 0);
                mark_end(taken, reg, Range::BEYOND_END);
            }
            JmpOp::Jge => {
                prove(current, pointer, 1);
                mark_end(taken, reg, Range::AT_END);
            }
            JmpOp::Jlt => {
                prove(taken, pointer, 1);
                mark_end(current, reg, Range::AT_END);
            }
            JmpOp::Jle => {
                prove(taken, pointer, 0);
                mark_end(current, reg, Range::BEYOND_END);
            }
            JmpOp::Jeq
            | JmpOp::Jset
            | JmpOp::Jne
            | JmpOp::Jsgt
            | JmpOp::Jsge
            | JmpOp::Jslt
            | JmpOp::Jsle => {}
        }
    }
}

/// Whether a packet pointer is the start of the packet.
fn is_start(reg: &Reg) -> bool {
    reg.off == 0 && !reg.id.is_some() && reg.value.as_const() == Some(0)
}

/// Sets what a way says about a register, and what follows for numbers linked with it. Of registers that nobody will read
/// nothing is said, as in Linux.
fn learn(state: &mut State, learnt: &Learnt, live: &[u16; FRAMES_MAX]) {
    let mut known = *state.reg(learnt.reg);
    known.value = learnt.value;
    known.node = learnt.node;
    state.set(learnt.reg, known);
    if !known.id.is_some() {
        return;
    }
    let linked = |reg: &Reg| reg.is_scalar() && reg.id == known.id;
    state.update_live_regs(live, linked, |reg| {
        reg.node = known.node;
        reg.value = known.linked_value(reg).unwrap_or(reg.value);
    });
}

/// What is null holds no reference.
fn null(state: &mut State, id: Id) {
    state.held.release(id);
    state.update_regs(
        |reg| reg.id == id && reg.kind.when_not_null().is_some(),
        |reg| *reg = Reg::constant(0),
    );
}

/// `keeps` is the id that it has then.
fn not_null(state: &mut State, id: Id, keeps: Id) {
    state.update_regs(
        |reg| reg.id == id && reg.kind.when_not_null().is_some(),
        |reg| {
            reg.kind = reg.kind.when_not_null().unwrap_or(reg.kind);
            reg.id = keeps;
        },
    );
}

/// All pointers with the same unknown part have at least the bytes up to `pointer`, and `more`.
fn prove(state: &mut State, pointer: &Reg, more: u16) {
    let off = i64::from(pointer.off);
    if off < 0 || (off == 0 && more > 0) {
        return;
    }
    let umax = i64::try_from(pointer.value.umax()).unwrap_or(i64::MAX);
    if umax.saturating_add(off) > PACKET_OFFSET_MAX {
        return;
    }
    let Ok(off) = u16::try_from(off) else {
        return;
    };
    let range = Range::proven(off.saturating_add(more));
    let (kind, id) = (pointer.kind, pointer.id);
    state.update_regs(
        |reg| reg.kind == kind && reg.id == id && reg.range < range,
        |reg| reg.range = range,
    );
}

/// The pointer itself, not its copies, is at the end or beyond.
fn mark_end(state: &mut State, reg: R, range: Range) {
    let mut pointer = *state.reg(reg);
    if pointer.kind == Kind::Packet {
        pointer.range = range;
        state.set(reg, pointer);
    }
}
