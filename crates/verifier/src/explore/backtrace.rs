//! The lines of log level 2 that say where a number that decided something came from: backwards over the steps of the
//! path, through the stored states that it passed, until every place that the number was computed from is found.
//!
//! Only text: the graph of `state::precision` decides what is respected.

use super::Explorer;
use super::visited::StoredIdx;
use crate::log::history::{AllPlaces, FRAMES, Places, Step};
use crate::program::cfg::called;
use crate::state::State;
use skep_isa::{AtomicOp, CallTarget, Insn, InsnIdx, Operand, Reg as R};
use std::fmt::Write;

/// Registers that carry arguments.
const ARGS: u16 = 0b11_1110;

/// What is looked for, and in which frame the walk backwards is.
struct Search {
    places: AllPlaces,
    frame: usize,
}

impl Search {
    fn is_empty(&self) -> bool {
        self.places.iter().all(|places| places.is_empty())
    }

    fn here(&mut self) -> &mut Places {
        &mut self.places[self.frame]
    }

    fn wants(&mut self, reg: R) -> bool {
        self.here().regs & (1 << reg.number()) != 0
    }

    fn add(&mut self, reg: R) {
        // The frame pointer is no number.
        if reg != R::R10 {
            self.here().regs |= 1 << reg.number();
        }
    }

    /// Whether a register was looked for, which it then is no more.
    fn found(&mut self, reg: R) -> bool {
        let wanted = self.wants(reg);
        self.here().regs &= !(1 << reg.number());
        wanted
    }

    fn add_operand(&mut self, operand: Operand) {
        if let Operand::Reg(reg) = operand {
            self.add(reg);
        }
    }

    /// If one of several that were refined together is looked for, all are.
    fn add_linked(&mut self, step: &Step) {
        let Some(linked) = &step.linked else {
            return;
        };
        let pairs = || self.places.iter().zip(linked.iter());
        let any = pairs().any(|(a, b)| a.regs & b.regs != 0 || a.slots & b.slots != 0);
        if any {
            for (places, linked) in self.places.iter_mut().zip(linked.iter()) {
                places.regs |= linked.regs;
                places.slots |= linked.slots;
            }
        }
    }

    /// A load into a register.
    fn load(&mut self, reg: R, step: &Step) {
        if !self.found(reg) {
            return;
        }
        if let Some((frame, slot)) = step.slot {
            self.places[usize::from(frame)].slots |= 1 << slot;
        }
    }

    /// A store of an operand.
    fn store(&mut self, src: Operand, step: &Step) {
        let Some((frame, slot)) = step.slot else {
            return;
        };
        let slots = &mut self.places[usize::from(frame)].slots;
        if *slots & (1 << slot) != 0 {
            *slots &= !(1 << slot);
            self.add_operand(src);
        }
    }

    /// Undoes a step.
    fn undo(&mut self, insn: &Insn, is_global_call: bool, step: &Step) {
        self.add_linked(step);
        match *insn {
            Insn::Alu { dst, src, .. } => {
                if self.wants(dst) {
                    self.add_operand(src);
                }
            }
            Insn::Mov { dst, src, .. } => {
                if self.found(dst) {
                    self.add_operand(src);
                }
            }
            Insn::MovSx { dst, src, .. } | Insn::AddrSpaceCast { dst, src, .. } => {
                if self.found(dst) {
                    self.add(src);
                }
            }
            Insn::LoadImm64 { dst, .. } => {
                self.found(dst);
            }
            Insn::Load { dst, .. } => self.load(dst, step),
            Insn::Store { src, .. } => self.store(src, step),
            Insn::Atomic { op, dst, src, .. } => self.undo_atomic(op, dst, src, step),
            Insn::LoadAbs { .. } | Insn::LoadInd { .. } => {
                self.found(R::R0);
            }
            Insn::JumpIf { dst, src, .. } => {
                if let Operand::Reg(src) = src
                    && (self.wants(dst) || self.wants(src))
                {
                    self.here().regs |= 1 << dst.number() | 1 << src.number();
                    self.here().regs &= !step.stack_regs;
                }
            }
            Insn::Call(CallTarget::Local(_)) if !is_global_call => self.leave_at_call(),
            Insn::Call(_) | Insn::CallReg { .. } => self.here().regs &= !(ARGS | 1),
            Insn::Exit => self.enter_at_exit(),
            Insn::Neg { .. }
            | Insn::Swap { .. }
            | Insn::Imm64High
            | Insn::Jump { .. }
            | Insn::MayGoto { .. } => {}
        }
        self.add_linked(step);
    }

    fn undo_atomic(&mut self, op: AtomicOp, dst: R, src: R, step: &Step) {
        match op {
            AtomicOp::LoadAcquire => self.load(dst, step),
            // Linux takes the others for stores, too, whatever they load.
            AtomicOp::StoreRelease
            | AtomicOp::Cmpxchg
            | AtomicOp::Xchg
            | AtomicOp::Add { .. }
            | AtomicOp::Or { .. }
            | AtomicOp::And { .. }
            | AtomicOp::Xor { .. } => self.store(Operand::Reg(src), step),
        }
    }

    /// From the start of a called function to its caller: arguments come from there.
    fn leave_at_call(&mut self) {
        let Some(caller) = self.frame.checked_sub(1) else {
            self.here().regs &= !(ARGS | 1);
            return;
        };
        let args = self.here().regs & ARGS;
        *self.here() = Places::default();
        self.frame = caller;
        self.here().regs |= args;
    }

    /// From behind a call to the end of the called function: r0 comes from there.
    fn enter_at_exit(&mut self) {
        let result = self.found(R::R0);
        self.frame = (self.frame + 1).min(FRAMES - 1);
        if result {
            self.add(R::R0);
        }
    }
}

/// `r0,r6`
fn regs_text(regs: u16) -> String {
    listed(
        (0..16)
            .filter(|n| regs & (1 << n) != 0)
            .map(|n| format!("r{n}")),
    )
}

/// `-8,-16`
fn slots_text(slots: u64) -> String {
    let set = (0..64).filter(|n| slots & (1 << n) != 0);
    listed(set.map(|n| format!("-{}", (n + 1) * 8)))
}

fn listed(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(",")
}

impl Explorer<'_, '_> {
    /// Prints where the numbers came from that the instruction just carried out needs.
    pub(super) fn print_marks(&mut self) {
        if self.path.history.marks.is_empty() {
            return;
        }
        for (frame, reg) in std::mem::take(&mut self.path.history.marks) {
            let mut search = Search {
                places: AllPlaces::default(),
                frame: frame.into(),
            };
            search.add(reg);
            let steps = &self.path.history.steps;
            let count = steps.len().saturating_sub(1);
            self.print_search(search, count);
        }
    }

    /// Prints what of a stored state that covers the current one was traced, and where it came from on this path.
    pub(super) fn print_propagated(&mut self, index: StoredIdx) {
        let Some((state, route)) = self.visited.route(index) else {
            return;
        };
        let mut search = Search {
            places: route.precise,
            frame: state.depth() - 1,
        };
        let current = &self.path.state;
        let mut text = String::new();
        for (number, places) in search.places.iter_mut().enumerate().take(current.depth()) {
            *places = scalars(current, number, *places);
            if places.is_empty() {
                continue;
            }
            let regs = (0..16).filter(|n| places.regs & (1 << n) != 0);
            let slots = (0..64).filter(|n| places.slots & (1 << n) != 0);
            let names = regs.map(|n| format!("r{n}"));
            let names = names.chain(slots.map(|n| format!("fp-{}", (n + 1) * 8)));
            let _ = writeln!(text, "frame {number}: propagating {}", listed(names));
        }
        self.path.log.write(format_args!("{text}"));
        let count = self.path.history.steps.len();
        self.print_search(search, count);
    }

    /// Prints the walk backwards from the current instruction over the last `count` steps, and what was before.
    fn print_search(&mut self, mut search: Search, count: usize) {
        if search.is_empty() {
            return;
        }
        let (mut last, mut subsequent) = (Some(self.path.at), -1_i64);
        let mut parent = self.parent;
        let mut text = String::new();
        let mut steps: &[Step] = &self.path.history.steps[..count];
        loop {
            let first = self.first_insn(parent);
            let from = last.map_or(-1, |at| i64::from(at.0));
            let _ = writeln!(
                text,
                "mark_precise: frame{}: last_idx {from} first_idx {first} subseq_idx {subsequent} ",
                search.frame
            );
            for step in steps.iter().rev() {
                self.undo(&mut search, step, &mut text);
                if search.is_empty() {
                    self.path.log.write(format_args!("{text}"));
                    return;
                }
            }
            let Some(index) = parent else {
                break;
            };
            self.path.log.write(format_args!("{text}"));
            text.clear();
            self.pass_parent(index, &mut search);
            parent = self.visited.get(index).parent();
            let Some((_, route)) = self.visited.route(index) else {
                break;
            };
            if search.is_empty() || route.steps.is_empty() {
                break;
            }
            steps = &route.steps;
            last = steps.last().map(|step| step.at);
            subsequent = first.0.into();
        }
        self.path.log.write(format_args!("{text}"));
    }

    /// The first instruction behind a stored state, or of the function.
    fn first_insn(&self, parent: Option<StoredIdx>) -> InsnIdx {
        match parent {
            Some(index) => self.visited.get(index).at,
            None => {
                let subprog = self.path.global.unwrap_or(crate::state::SubprogIdx(0));
                self.path.checked.extent(subprog).start
            }
        }
    }

    fn undo(&self, search: &mut Search, step: &Step, text: &mut String) {
        let insn = &self.path.checked.insns[step.at.index()];
        let here = *search.here();
        let _ = writeln!(
            text,
            "mark_precise: frame{}: regs={} stack={} before {}",
            search.frame,
            regs_text(here.regs),
            slots_text(here.slots),
            self.path.insn_text(step.at)
        );
        let callee = called(insn, step.at).and_then(|start| self.path.checked.subprog_at(start));
        let is_global = callee.is_some_and(|subprog| self.path.checked.decl(subprog).is_global());
        search.undo(insn, is_global, step);
    }

    /// Marks what is looked for in a stored state; what was marked before is looked for no more.
    fn pass_parent(&mut self, index: StoredIdx, search: &mut Search) {
        let Some((state, traced)) = self.visited.route_mut(index) else {
            return;
        };
        for (number, places) in search.places.iter_mut().enumerate() {
            let precise = &mut traced[number];
            *places = scalars(state, number, *places);
            places.regs &= !precise.regs;
            places.slots &= !precise.slots;
            precise.regs |= places.regs;
            precise.slots |= places.slots;
        }
        let precise = *traced;
        let Some((state, _)) = self.visited.route(index) else {
            return;
        };
        let mut text = String::new();
        for number in (0..=search.frame.min(state.depth() - 1)).rev() {
            let places = search.places[number];
            let _ = writeln!(
                text,
                "mark_precise: frame{number}: parent state regs={} stack={}: {}",
                regs_text(places.regs),
                slots_text(places.slots),
                self.path.render_traced(state, number, precise[number])
            );
        }
        self.path.log.write(format_args!("{text}"));
    }
}

/// Those of the places that hold numbers.
fn scalars(state: &State, frame: usize, places: Places) -> Places {
    let Some(frame) = state.frames().get(frame) else {
        return Places::default();
    };
    let mut numbers = Places::default();
    for (number, reg) in frame.regs.iter().enumerate() {
        numbers.regs |= u16::from(reg.is_scalar()) << number;
    }
    for (number, slot) in frame.stack.iter().enumerate() {
        let number_there = slot.spilled().is_some_and(crate::state::Reg::is_scalar);
        numbers.slots |= u64::from(number_there) << number;
    }
    Places {
        regs: places.regs & numbers.regs,
        slots: places.slots & numbers.slots,
    }
}
