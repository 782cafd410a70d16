//! What a walk prints: instructions, what they changed, source lines, branches.
//!
//! At level 1 only the path in progress is kept: when a path ends well, its text is dropped, so that a rejection shows
//! just the failing one. At level 2 everything stays.

use super::history::Places;
use super::state::{MapName, Names, Scratched, frame};
use super::{LogLevel, Shown};
use crate::path::Path;
use crate::program::btf_info::{is_same_line, source_line};
use crate::program::cfg::called;
use crate::state::{Frame, MapIdx, Precision, State};
use skep_isa::text::kernel;
use skep_isa::{CallTarget, Imm64, Insn, InsnIdx, Reg as R};
use skep_uapi::HelperId;
use std::borrow::Cow;
use std::fmt;

/// Column at which what an instruction changed starts, and the unit by which it moves when the text is longer.
const COLUMN: usize = 40;
const COLUMN_STEP: usize = 8;
/// Room that the text leaves before that column at least.
const COLUMN_GAP: usize = 5;

/// What the log of the walk has to remember.
#[derive(Debug)]
pub(crate) struct Trace {
    /// What changed since the last printed state.
    pub(crate) scratched: Scratched,
    /// Whether the state is to be printed as a whole with where control came from.
    pub(crate) arrived: bool,
    /// The instruction before.
    pub(crate) previous: InsnIdx,
    /// Length of the log after the last instruction, and of that instruction's text.
    line_end: usize,
    line_len: usize,
    /// Length of the log to which a path that ends well is cut at level 1.
    keep: usize,
    /// The last printed line record.
    line: Option<usize>,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self {
            scratched: Scratched::ALL,
            arrived: true,
            previous: InsnIdx(0),
            line_end: 0,
            line_len: 0,
            keep: 0,
            line: None,
        }
    }

    /// The current instruction reads or writes a register.
    pub(crate) fn touch(&mut self, reg: R) {
        self.scratched.regs |= 1 << reg.number();
    }

    /// The current instruction reads or writes a stack slot.
    pub(crate) fn touch_slot(&mut self, slot: usize) {
        self.scratched.slots |= 1 << slot;
    }
}

/// Names for the instructions' text.
struct InsnNames<'a> {
    path: &'a Path<'a>,
}

impl kernel::Names for InsnNames<'_> {
    fn call(&self, _at: InsnIdx, target: CallTarget) -> Option<Cow<'_, str>> {
        match target {
            CallTarget::Helper(id) => helper_name(id).map(Cow::Owned),
            CallTarget::Kfunc { id, .. } => {
                let name = self.path.kfunc_name(id)?;
                Some(format!("{name}#{id}").into())
            }
            CallTarget::Local(_) => None,
        }
    }

    fn imm64(&self, at: InsnIdx, imm: Imm64) -> Option<Cow<'_, str>> {
        match imm {
            // The kernel prints an address here, which means nothing to anybody.
            Imm64::MapIdx(_) | Imm64::MapFd(_) => Some("0x0".into()),
            Imm64::MapIdxValue { off, .. } | Imm64::MapValue { off, .. } => {
                Some(format!("{off:#x}").into())
            }
            Imm64::Func(_) => {
                let func = called(&self.path.checked.insns[at.index()], at)?;
                Some(format!("func#{}", self.path.checked.subprog_at(func)?.0).into())
            }
            Imm64::Value(_) | Imm64::BtfId { .. } => None,
        }
    }
}

/// `bpf_map_lookup_elem#1`; `None` for numbers that are no helper.
pub(crate) fn helper_name(id: i32) -> Option<String> {
    let number = id.cast_unsigned();
    if number == 0 {
        return Some("bpf_unspec#0".to_owned());
    }
    let name = HelperId(number).name()?;
    Some(format!("bpf_{name}#{number}"))
}

impl Path<'_> {
    /// A function is about to be verified by itself.
    pub(crate) fn print_validating(&mut self) {
        if let (Some(subprog), true) = (self.global, self.log.prints_insns()) {
            let name = &self.checked.decl(subprog).name;
            let text = format!("Validating {name}() func#{}...\n", subprog.0);
            self.log.write(format_args!("{text}"));
        }
        let keep = self.log.len();
        self.trace = Trace::new();
        self.trace.keep = keep;
    }

    /// It was.
    pub(crate) fn print_validated(&mut self) {
        if let (Some(subprog), true) = (self.global, self.log.prints_insns()) {
            let name = &self.checked.decl(subprog).name;
            let text = format!(
                "Func#{} ('{name}') is safe for any args that match its prototype\n",
                subprog.0
            );
            self.log.write(format_args!("{text}"));
        }
    }

    /// Lines before an instruction is carried out: state if it is due, source, the instruction.
    pub(crate) fn print_insn(&mut self) {
        if !self.log.prints_insns() {
            return;
        }
        if self.log.level().has(LogLevel::FULL) || self.trace.arrived {
            if self.trace.arrived && self.trace.line_end != 0 {
                self.print_arrival();
            }
            self.trace.arrived = false;
        }
        if !self.trace.scratched.is_empty() {
            self.print_changes();
        }
        self.print_source();
        let before = self.log.len();
        let text = self.insn_text(self.at);
        self.log.write(format_args!("{text}\n"));
        self.trace.line_end = self.log.len();
        self.trace.line_len = self.log.len() - before - 1;
    }

    /// `4: (b7) r0 = 1`
    pub(crate) fn insn_text(&self, at: InsnIdx) -> String {
        let names = InsnNames { path: self };
        let insn: &Insn = &self.checked.insns[at.index()];
        format!("{at}: {}", kernel::insn(at, insn, &names))
    }

    /// `from 4 to 11: …`, with the whole state.
    fn print_arrival(&mut self) {
        let text = format!(
            "\nfrom {} to {}:{}\n",
            self.trace.previous,
            self.at,
            self.render_top(Scratched::ALL)
        );
        self.log.write(format_args!("{text}"));
    }

    /// What a conditional jump changed is told at once; of other instructions, when the next one is carried out.
    pub(crate) fn print_jump_changes(&mut self) {
        if self.log.prints_insns() && !self.trace.scratched.is_empty() {
            self.print_changes();
        }
    }

    /// What changed: behind the last instruction if nothing was printed since, else on a line of its own.
    fn print_changes(&mut self) {
        let changes = self.render_top(self.trace.scratched);
        self.trace.scratched = Scratched::default();
        if self.trace.line_end != 0 && self.trace.line_end == self.log.len() {
            let len = self.trace.line_len;
            let column = COLUMN.max((len + COLUMN_GAP).next_multiple_of(COLUMN_STEP));
            self.log.truncate(self.trace.line_end - 1);
            let pad = column - len - 2;
            self.log
                .write(format_args!("{:pad$};{changes}\n", "", pad = pad));
        } else {
            let at = self.at;
            self.log.write(format_args!("{at}:{changes}\n"));
        }
    }

    /// The source line, where a new one begins.
    fn print_source(&mut self) {
        let records = self.env.line_info;
        let after = records.partition_point(|record| record.at <= self.at);
        let Some(index) = after.checked_sub(1) else {
            return;
        };
        let record = &records[index];
        // Records of one line that differ in their columns show the same text: the kernel shows it once.
        let shown = self.trace.line.replace(index);
        if shown.is_some_and(|shown| is_same_line(&records[shown], record)) {
            return;
        }
        if let Some(line) = source_line(self.env, record) {
            self.log.write(format_args!("; {line}\n"));
        }
    }

    /// A path met a stored state that covers it.
    pub(crate) fn print_safe(&mut self) {
        if !self.log.prints_insns() {
            return;
        }
        let at = self.at;
        if self.trace.arrived {
            let previous = self.trace.previous;
            self.log
                .write(format_args!("\nfrom {previous} to {at}: safe\n"));
        } else {
            self.log.write(format_args!("{at}: safe\n"));
        }
    }

    /// A call enters a function.
    pub(crate) fn print_call(&mut self, caller: &Frame, depth: usize) {
        if !self.log.prints_insns() {
            return;
        }
        let text = format!(
            "caller:\n{}\ncallee:\n{}\n",
            self.render(caller, depth - 1, Scratched::ALL),
            self.render_top(Scratched::ALL)
        );
        self.log.write(format_args!("{text}"));
        self.trace.scratched = Scratched::ALL;
    }

    /// A function returns. `callee` is its frame, `depth` the number of frames with it.
    pub(crate) fn print_return(&mut self, callee: &Frame, depth: usize, to: InsnIdx) {
        if !self.log.prints_insns() {
            return;
        }
        let text = format!(
            "returning from callee:\n{}\nto caller at {to}:\n{}\n",
            self.render(callee, depth - 1, Scratched::ALL),
            self.render_top(Scratched::ALL)
        );
        self.log.write(format_args!("{text}"));
        self.trace.scratched = Scratched::default();
        self.trace.arrived = true;
    }

    /// Both states of a loop that cannot end.
    pub(crate) fn print_loop(&mut self, old: &State) {
        if !self.log.prints_insns() {
            return;
        }
        let depth = old.depth();
        let text = format!(
            "cur state:{}\nold state:{}",
            self.render_top(Scratched::ALL),
            self.render_with(
                old.frame(),
                depth - 1,
                Scratched::ALL,
                Some(&self.precision),
                Places::default(),
            ),
        );
        self.log.write(format_args!("{text}\n"));
    }

    /// A path ended well: at level 1 its text goes.
    pub(crate) fn drop_path_text(&mut self) {
        if !self.log.level().has(LogLevel::FULL) {
            self.log.truncate(self.trace.keep);
            self.trace.line_end = self.trace.keep;
            self.trace.line = None;
        }
    }

    fn render_top(&self, only: Scratched) -> String {
        self.render(self.state.frame(), self.state.depth() - 1, only)
    }

    fn render(&self, of: &Frame, index: usize, only: Scratched) -> String {
        self.render_with(of, index, only, None, Places::default())
    }

    /// A frame of a stored state, with what of it was traced.
    pub(crate) fn render_traced(&self, state: &State, index: usize, traced: Places) -> String {
        let Some(of) = state.frames().get(index) else {
            return String::new();
        };
        self.render_with(of, index, Scratched::ALL, None, traced)
    }

    /// A map as the log prints it.
    pub(crate) fn map_name(&self, map: MapIdx) -> MapName<'_> {
        let desc = self.map(map);
        MapName {
            name: &desc.name,
            key_bytes: desc.key_size,
            value_bytes: desc.value_size,
        }
    }

    fn render_with(
        &self,
        of: &Frame,
        index: usize,
        only: Scratched,
        precision: Option<&Precision>,
        traced: Places,
    ) -> String {
        let map = |map: MapIdx| self.map_name(map);
        let names = Names {
            map: &map,
            frame: index,
            precision,
            traced,
            is_traced: false,
        };
        let mut text = frame(of, index, only, names).to_string();
        for (number, held) in self.state.held.refs.iter().enumerate() {
            let start = if number == 0 { " refs=" } else { "," };
            text.push_str(&format!("{start}{}", held.id.0));
        }
        text
    }
}

/// `processed 4 insns (limit 1000000) …`, the last line of every log.
pub(crate) fn figures(stats: &crate::verified::Stats) -> impl fmt::Display + '_ {
    Shown(move |f: &mut fmt::Formatter<'_>| {
        write!(
            f,
            "processed {} insns (limit {}) max_states_per_insn {} total_states {} peak_states {} mark_read 0",
            stats.processed_insns,
            crate::limits::PROCESSED_INSNS_MAX,
            stats.max_states_per_insn,
            stats.total_states,
            stats.peak_states
        )
    })
}
