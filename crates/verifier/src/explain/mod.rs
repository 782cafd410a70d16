//! The readable report of a refusal: what is wrong in the program's own terms, what the registers held and where that came
//! from, the way that led there, and what would put it right.
//!
//! It is made of a finished walk: its last state, its trail of instructions, and the program's line records. The report is
//! data; how it looks is for whoever shows it. [`crate::Reject`] stays the verdict: nothing here decides anything, and a
//! refusal that has no words of its own here is told in Linux's.
//!
//! Does not know source files: the text of a line is the one that the compiler left in the BTF.

mod held;
mod origin;
mod place;
mod turns;
mod words;

use crate::env::Env;
use crate::path::Path;
use crate::reject::Reject;
use place::Places;
use skep_isa::{Insn, InsnIdx, Operand, Reg as R};

/// Why a program is refused, for its author.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// The refusal.
    pub reject: Reject,
    /// What is wrong, as a sentence without its full stop.
    pub what: String,
    /// The instruction that is refused, if it is one and not the whole program.
    pub place: Option<Place>,
    /// What the registers held that decided.
    pub held: Vec<Held>,
    /// The way that led there, oldest first.
    pub turns: Vec<Turn>,
    /// What would put it right, each a sentence without its full stop.
    pub advice: Vec<String>,
}

/// A place in the program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Instruction slot.
    pub at: InsnIdx,
    /// The instruction as text.
    pub insn: String,
    /// Function, empty if its name is not known.
    pub function: String,
    /// Source line, if the program has line records.
    pub source: Option<SourceLine>,
}

/// A source line, as the compiler recorded it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceLine {
    /// Path of the file.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1; 0 is unknown.
    pub column: u32,
    /// The line's text.
    pub text: String,
}

/// What a register held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// Its name, such as `r1`.
    pub register: String,
    /// In the words of the log, such as `pkt(off=14,r=14)`; empty if it held nothing.
    pub state: String,
    /// In plain words.
    pub meaning: String,
    /// Where that came from, newest first.
    pub origins: Vec<Origin>,
}

/// One step of where a value came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The instruction that gave it.
    pub place: Place,
    /// How.
    pub how: String,
}

/// A turn of the way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Turn {
    /// Which kind.
    pub kind: TurnKind,
    /// Where it was made.
    pub from: Place,
    /// Where it led.
    pub to: Place,
    /// How often, the last time here.
    pub times: usize,
}

/// Kinds of turns.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TurnKind {
    /// A condition that could go either way, or a loop's.
    Branch,
    /// A call of a function of the program.
    Call,
    /// A return from one.
    Return,
}

/// The report of a walk that ended with a refusal.
pub(crate) fn of_path(path: &Path<'_>, reject: &Reject) -> Explanation {
    let scene = Scene {
        places: Places::new(path.env, &path.checked.insns),
        insns: &path.checked.insns,
        env: path.env,
        path: Some(path),
    };
    scene.explain(reject, Some(path.at))
}

/// The report of a refusal before any walk.
pub(crate) fn without_path(insns: &[Insn], env: &Env<'_>, reject: &Reject) -> Explanation {
    let scene = Scene {
        places: Places::new(env, insns),
        insns,
        env,
        path: None,
    };
    scene.explain(reject, words::structure_place(reject))
}

/// What a report is made of.
pub(crate) struct Scene<'a> {
    places: Places<'a>,
    insns: &'a [Insn],
    env: &'a Env<'a>,
    /// The walk, if it came to that.
    path: Option<&'a Path<'a>>,
}

impl Scene<'_> {
    fn explain(&self, reject: &Reject, at: Option<InsnIdx>) -> Explanation {
        let words = words::of(self, reject);
        let held = self.path.map_or_else(Vec::new, |path| {
            let regs = self.subjects(reject, at);
            let regs = regs.into_iter().map(|reg| held::of(self, path, reg));
            regs.chain(words::resources::held(self, reject)).collect()
        });
        Explanation {
            reject: reject.clone(),
            what: words.what,
            place: at.map(|at| self.places.at(at)),
            held,
            turns: self
                .path
                .map_or_else(Vec::new, |path| turns::of(self, path)),
            advice: words.advice,
        }
    }

    /// The registers that decided: the one that the refusal names, else those that address memory.
    fn subjects(&self, reject: &Reject, at: Option<InsnIdx>) -> Vec<R> {
        if let Some(reg) = words::subject(reject) {
            return vec![reg];
        }
        let insn = at.and_then(|at| self.insns.get(at.index()));
        if let (true, Some(Insn::Alu { dst, src, .. })) = (words::is_of_sum(reject), insn) {
            let index = match src {
                Operand::Reg(src) => Some(*src),
                Operand::Imm(_) => None,
            };
            return [*dst].into_iter().chain(index).collect();
        }
        if !words::is_of_access(reject) {
            return Vec::new();
        }
        match insn {
            Some(Insn::Load { base, .. } | Insn::Store { base, .. }) => vec![*base],
            Some(Insn::Atomic { dst, .. }) => vec![*dst],
            _ => Vec::new(),
        }
    }

    /// The instruction that is refused.
    fn insn(&self) -> Option<&Insn> {
        self.insns.get(self.path?.at.index())
    }
}
