//! Where a register's value came from: the trail walked backwards, through moves, spills, calls and arithmetic.
//!
//! Values are followed by place (a register, or a slot of the stack that is addressed through r10), frame by frame. What was
//! stored through another pointer is not followed: then the trace ends, which claims nothing.

use super::{Origin, Scene};
use crate::log::trace::helper_name;
use crate::path::Path;
use crate::trail::Step;
use crate::verified::Access;
use skep_isa::{AtomicOp, CallTarget, Imm64, Insn, InsnIdx, Operand, Reg as R};

/// Steps of where a value came from that a report has at most.
const ORIGINS_MAX: usize = 6;

/// Where the value is before the instructions that were looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Reg(R),
    /// Offset from r10.
    Slot(i16),
}

/// What an instruction has to do with the value.
enum Effect {
    /// Nothing.
    None,
    /// It moved it from there.
    Moved(Target),
    /// It made it of what is there.
    Changed(Target, String),
    /// It gave it.
    Gave(String),
}

/// Where the value of a register before the current instruction came from, newest first.
pub(super) fn of(scene: &Scene<'_>, path: &Path<'_>, register: R) -> Vec<Origin> {
    let steps = path.trail.steps();
    let before = match steps.split_last() {
        Some((last, before)) if last.at == path.at => before,
        Some(_) | None => steps,
    };
    let depth = u8::try_from(path.state.depth()).unwrap_or(u8::MAX);
    let mut trace = Trace {
        scene,
        path,
        origins: Vec::new(),
        target: Target::Reg(register),
        depth,
    };
    for step in before.iter().rev() {
        if trace.origins.len() == ORIGINS_MAX || !trace.back(step) {
            return trace.origins;
        }
    }
    trace.start();
    trace.origins
}

struct Trace<'s> {
    scene: &'s Scene<'s>,
    path: &'s Path<'s>,
    origins: Vec<Origin>,
    target: Target,
    depth: u8,
}

impl Trace<'_> {
    /// Goes one step back; `false` if the value was given there.
    fn back(&mut self, step: &Step) -> bool {
        let Some(insn) = self.scene.insns.get(step.at.index()) else {
            return false;
        };
        if step.depth > self.depth {
            // What a callee returned; what else it did is behind its pointers.
            if step.depth == self.depth + 1
                && matches!(insn, Insn::Exit)
                && self.target == Target::Reg(R::R0)
            {
                self.depth = step.depth;
            }
            return true;
        }
        if step.depth < self.depth {
            return self.argument(step);
        }
        match effect(insn, self.target, self.path, step.at) {
            Effect::None => true,
            Effect::Moved(from) => {
                self.target = from;
                true
            }
            Effect::Changed(from, how) => {
                self.note(step.at, how);
                self.target = from;
                true
            }
            Effect::Gave(how) => {
                self.note(step.at, how);
                false
            }
        }
    }

    /// The value was there when the function was called.
    fn argument(&mut self, call: &Step) -> bool {
        match self.target {
            Target::Reg(reg) if R::ALL[1..=5].contains(&reg) => {
                let how = format!("given as argument {} of the call", reg.number());
                self.note(call.at, how);
                self.depth = call.depth;
                true
            }
            Target::Reg(_) | Target::Slot(_) => false,
        }
    }

    /// The value was there from the beginning.
    fn start(&mut self) {
        let Target::Reg(reg) = self.target else {
            return;
        };
        let start = self
            .path
            .checked
            .extent(self.path.global.unwrap_or(crate::state::SubprogIdx(0)));
        let how = match (self.path.global, reg) {
            (None, R::R1) => "given to the program as its context".to_owned(),
            (Some(_), reg) if R::ALL[1..=5].contains(&reg) => format!(
                "argument {} of this global function, which must work with any",
                reg.number()
            ),
            (_, _) => return,
        };
        self.note(start.start, how);
    }

    fn note(&mut self, at: InsnIdx, how: String) {
        let place = self.scene.places.at(at);
        self.origins.push(Origin { place, how });
    }
}

fn effect(insn: &Insn, target: Target, path: &Path<'_>, at: InsnIdx) -> Effect {
    match (target, *insn) {
        (Target::Slot(slot), Insn::Store { base, off, src, .. })
            if base == R::R10 && off == slot =>
        {
            match src {
                Operand::Reg(reg) => Effect::Moved(Target::Reg(reg)),
                Operand::Imm(imm) => Effect::Gave(format!("stored as {imm}")),
            }
        }
        (Target::Slot(_), _) => Effect::None,
        (Target::Reg(reg), insn) => register_effect(&insn, reg, path, at),
    }
}

fn register_effect(insn: &Insn, reg: R, path: &Path<'_>, at: InsnIdx) -> Effect {
    let same = Target::Reg(reg);
    match *insn {
        Insn::Alu { op, dst, src, .. } if dst == reg => {
            let src = match src {
                Operand::Reg(src) => src.to_string(),
                Operand::Imm(imm) => imm.to_string(),
            };
            Effect::Changed(same, format!("{reg} {} {src}", op.text()))
        }
        Insn::Neg { dst, .. } if dst == reg => Effect::Changed(same, "negated".to_owned()),
        Insn::Swap { dst, .. } if dst == reg => Effect::Changed(same, "bytes swapped".to_owned()),
        Insn::Mov { dst, src, .. } if dst == reg => match src {
            Operand::Reg(src) => Effect::Moved(Target::Reg(src)),
            Operand::Imm(imm) => Effect::Gave(format!("set to {imm}")),
        },
        Insn::MovSx { dst, src, .. } if dst == reg => {
            Effect::Changed(Target::Reg(src), "sign-extended".to_owned())
        }
        Insn::AddrSpaceCast { dst, src, .. } if dst == reg => Effect::Moved(Target::Reg(src)),
        Insn::LoadImm64 { dst, imm } if dst == reg => Effect::Gave(constant(imm)),
        Insn::Load { dst, base, off, .. } if dst == reg => {
            if base == R::R10 {
                return Effect::Moved(Target::Slot(off));
            }
            Effect::Gave(load(path, at))
        }
        Insn::Atomic { op, dst, src, .. } => {
            let written = match op {
                AtomicOp::LoadAcquire => Some(dst),
                AtomicOp::Cmpxchg => Some(R::R0),
                AtomicOp::Xchg
                | AtomicOp::Add { fetch: true }
                | AtomicOp::Or { fetch: true }
                | AtomicOp::And { fetch: true }
                | AtomicOp::Xor { fetch: true } => Some(src),
                AtomicOp::Add { fetch: false }
                | AtomicOp::Or { fetch: false }
                | AtomicOp::And { fetch: false }
                | AtomicOp::Xor { fetch: false }
                | AtomicOp::StoreRelease => None,
            };
            match written == Some(reg) {
                true => Effect::Gave("read by an atomic operation".to_owned()),
                false => Effect::None,
            }
        }
        Insn::LoadAbs { .. } | Insn::LoadInd { .. } if reg == R::R0 => {
            Effect::Gave("read from the packet".to_owned())
        }
        Insn::Call(target) => call(target, reg),
        Insn::LoadAbs { .. } | Insn::LoadInd { .. } if is_lost(reg) => {
            Effect::Gave("lost in a legacy packet load, which keeps only r6 to r10".to_owned())
        }
        _ => Effect::None,
    }
}

fn is_lost(reg: R) -> bool {
    reg.number() <= 5
}

fn call(target: CallTarget, reg: R) -> Effect {
    let name = match target {
        CallTarget::Helper(id) => {
            let name = helper_name(id).unwrap_or_else(|| format!("helper {id}"));
            name.split('#').next().unwrap_or_default().to_owned()
        }
        CallTarget::Local(_) => "a function".to_owned(),
        CallTarget::Kfunc { .. } => "a kernel function".to_owned(),
    };
    match (target, reg) {
        (CallTarget::Local(_), R::R0) => Effect::Gave(format!("returned by {name}")),
        (_, R::R0) => Effect::Gave(format!("returned by {name}")),
        (_, reg) if is_lost(reg) => Effect::Gave(format!(
            "lost in the call of {name}: a call keeps only r6 to r10"
        )),
        (_, _) => Effect::None,
    }
}

fn constant(imm: Imm64) -> String {
    match imm {
        Imm64::Value(value) => format!("set to {:#x}", value),
        Imm64::MapFd(_) | Imm64::MapIdx(_) => "the address of a map".to_owned(),
        Imm64::MapValue { off, .. } | Imm64::MapIdxValue { off, .. } => {
            format!("the address of a global variable, at offset {off} of its section")
        }
        Imm64::BtfId { .. } => "the address of a kernel variable".to_owned(),
        Imm64::Func(_) => "the address of a function".to_owned(),
    }
}

fn load(path: &Path<'_>, at: InsnIdx) -> String {
    let info = path.infos.get(at.index()).map(|info| info.access);
    match info {
        Some(Access::Ctx { offset, .. }) => {
            let field = path.row.ctx.and_then(|ctx| ctx.field_at(offset));
            match field {
                Some(field) => format!("read from the context's field '{}'", field.name),
                None => format!("read from the context at offset {offset}"),
            }
        }
        Some(Access::Object { structure, .. }) => format!("read from a {structure}"),
        Some(Access::None | Access::Direct) | None => "read from memory".to_owned(),
        #[allow(
            unreachable_patterns,
            reason = "accesses that have no words of their own"
        )]
        Some(_) => "read from memory".to_owned(),
    }
}
