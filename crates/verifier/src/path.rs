//! The walk's current point, and what every rule may ask or change: the state, the program, the log, the collections
//! (precision, stack liveness, facts about instructions).
//!
//! Rules (`mem`, `call`, `step`) see one path at a time. When a path divides, they leave the other branch in
//! [`Path::forks`]; `explore` decides what is walked when.

use crate::domain::Scalar;
use crate::env::{Env, MapDesc};
use crate::log::history::History;
use crate::log::state::Scratched;
use crate::log::{Log, LogLevel};
use crate::program::Checked;
use crate::reject::Reject;
use crate::state::{Added, Id, Kind, LiveStack, MapIdx, Node, Precision, Reg, Slots, State};
use crate::verified::{Access, InsnInfo};
use skep_contracts::ProgTypeRow;
use skep_isa::{InsnIdx, Operand, Reg as R};
use skep_uapi::AttachType;

/// A branch that is to be walked later.
#[derive(Debug)]
pub(crate) struct Fork {
    pub(crate) state: State,
    pub(crate) at: InsnIdx,
    pub(crate) widen: Widen,
}

/// Whether numbers that change from visit to visit are given up, so that a loop ends by meeting a stored state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Widen {
    /// They stay.
    No,
    /// Those that changed since the last visit of the current instruction.
    SinceLastVisit,
}

impl Fork {
    /// A branch as it is.
    pub(crate) fn new(state: State, at: InsnIdx) -> Self {
        Self {
            state,
            at,
            widen: Widen::No,
        }
    }
}

/// Where the walk is.
#[derive(Debug)]
pub(crate) struct Path<'a> {
    pub(crate) env: &'a Env<'a>,
    pub(crate) checked: &'a Checked,
    pub(crate) row: &'static ProgTypeRow,
    /// The attach type whose rules apply.
    pub(crate) attach: AttachType,
    pub(crate) state: State,
    pub(crate) at: InsnIdx,
    pub(crate) log: &'a mut Log,
    pub(crate) trace: crate::log::trace::Trace,
    /// What the log's lines of precision need.
    pub(crate) history: History,
    pub(crate) trail: crate::trail::Trail,
    pub(crate) precision: Precision,
    pub(crate) live: LiveStack,
    pub(crate) infos: Vec<InsnInfo>,
    /// Bytes of stack that each function was seen to use.
    pub(crate) stack_bytes: Vec<u32>,
    pub(crate) forks: Vec<Fork>,
    /// The call to which a called back function just returned: what changed since the last time is given up.
    pub(crate) called_back: Option<InsnIdx>,
    /// Global functions, by index, that a path calls: only those are verified.
    pub(crate) called: Vec<bool>,
    /// Functions, by index, that run later, with nothing around them.
    pub(crate) later: Vec<bool>,
    /// Slots that the current instruction overwrites for certain, by frame.
    pub(crate) overwritten: [Slots; 8],
    /// Whether the current instruction accessed a stack slot at a known place.
    pub(crate) stack_touched: bool,
    /// Whether the function being verified by itself is not the main one.
    pub(crate) global: Option<crate::state::SubprogIdx>,
    ids: u32,
}

impl<'a> Path<'a> {
    pub(crate) fn new(
        env: &'a Env<'a>,
        checked: &'a Checked,
        row: &'static ProgTypeRow,
        log: &'a mut Log,
        state: State,
    ) -> Self {
        let wants_history = log.level().has(LogLevel::FULL);
        Self {
            env,
            checked,
            row,
            attach: row.effective(env.expected_attach_type),
            state,
            at: InsnIdx(0),
            log,
            trace: crate::log::trace::Trace::new(),
            history: History::new(wants_history),
            trail: crate::trail::Trail::default(),
            precision: Precision::new(),
            live: LiveStack::default(),
            infos: vec![InsnInfo::default(); checked.insns.len()],
            stack_bytes: vec![0; checked.subprogs.len()],
            forks: Vec::new(),
            called_back: None,
            called: vec![false; checked.subprogs.len()],
            later: vec![false; checked.subprogs.len()],
            overwritten: [0; 8],
            stack_touched: false,
            global: None,
            ids: 0,
        }
    }

    /// An id that no value has yet.
    pub(crate) fn fresh_id(&mut self) -> Id {
        self.ids += 1;
        Id(self.ids)
    }

    /// A pointer at offset 0; if it may be null, it is a new unknown.
    pub(crate) fn pointer_with_id(&mut self, kind: Kind) -> Reg {
        let mut pointer = Reg::pointer(kind);
        if kind.when_not_null().is_some() {
            pointer.id = self.fresh_id();
        }
        pointer
    }

    /// A register that is read.
    pub(crate) fn read(&mut self, reg: R) -> Result<Reg, Reject> {
        self.trace.touch(reg);
        let value = self.state.reg(reg);
        if !value.is_init() {
            return Err(Reject::UninitRegister { at: self.at, reg });
        }
        Ok(*value)
    }

    /// An operand's value; an immediate is a constant.
    pub(crate) fn operand(&mut self, operand: Operand) -> Result<Reg, Reject> {
        match operand {
            Operand::Reg(reg) => self.read(reg),
            Operand::Imm(imm) => Ok(Reg::scalar(Scalar::immediate(imm))),
        }
    }

    /// Whether a register may be written.
    pub(crate) fn writable(&self, reg: R) -> Result<(), Reject> {
        if reg == R::R10 {
            return Err(Reject::FramePointerWrite { at: self.at });
        }
        Ok(())
    }

    /// Overwrites a register.
    pub(crate) fn write(&mut self, reg: R, value: Reg) -> Result<(), Reject> {
        self.writable(reg)?;
        self.trace.touch(reg);
        self.state.set(reg, value);
        Ok(())
    }

    /// The value decided something: states that it came from must be compared with respect to it.
    pub(crate) fn must_keep(&mut self, value: &Reg) {
        if value.is_scalar() {
            self.precision.mark(value.node);
        }
    }

    /// As [`Self::must_keep`], of a register's value.
    pub(crate) fn must_keep_reg(&mut self, reg: R, value: &Reg) {
        self.must_keep(value);
        if value.is_scalar() && reg != R::R10 {
            self.history.mark(self.state.top(), reg);
        }
    }

    /// As [`Self::must_keep`], of an operand's value.
    pub(crate) fn must_keep_operand(&mut self, operand: Operand, value: &Reg) {
        match operand {
            Operand::Reg(reg) => self.must_keep_reg(reg, value),
            Operand::Imm(_) => self.must_keep(value),
        }
    }

    /// The node of what two values give.
    pub(crate) fn joined(&mut self, a: &Reg, b: &Reg) -> Node {
        match (a.is_scalar(), b.is_scalar()) {
            (true, true) => self.precision.join(a.node, b.node),
            (true, false) => a.node,
            (false, true) => b.node,
            (false, false) => Node::NONE,
        }
    }

    /// Links the copies of an unknown number that a move or spill makes.
    pub(crate) fn with_id(&mut self, mut value: Reg) -> Reg {
        if !value.is_scalar() {
            return value;
        }
        if value.added != Added::Nothing {
            value.unlink();
        }
        if !value.id.is_some() && !value.value.is_const() {
            value.id = self.fresh_id();
        }
        value
    }

    /// A map of the program.
    pub(crate) fn map(&self, map: MapIdx) -> &'a MapDesc {
        let used = &self.env.maps[self.checked.used_maps[map.index()]];
        match &used.inner {
            Some(inner) if map.is_inner() => inner,
            Some(_) | None => used,
        }
    }

    /// Remembers what an instruction accesses; every path must agree where the code would differ.
    pub(crate) fn access(&mut self, access: Access) -> Result<(), Reject> {
        let info = &mut self.infos[self.at.index()];
        match (info.access, access) {
            (Access::None, _) => info.access = access,
            (before, now) if before == now => {}
            (_, _) => return Err(Reject::DifferentPointers { at: self.at }),
        }
        Ok(())
    }

    /// The current frame may read slots of a frame.
    pub(crate) fn note_read(&mut self, frame: u8, slots: Slots) {
        let instance = self.state.frame().instance;
        self.live.read(instance, self.at, frame, slots);
    }

    /// All packet pointers become plain numbers.
    pub(crate) fn forget_packet(&mut self) {
        self.state.update_regs(
            |reg| reg.kind.is_packet() || reg.kind == Kind::PacketEnd || reg.kind.is_packet_slice(),
            |reg| *reg = Reg::unknown(),
        );
    }

    /// Marks what a fresh line of the log must show.
    pub(crate) fn touch_all(&mut self) {
        self.trace.scratched = Scratched::ALL;
    }
}
