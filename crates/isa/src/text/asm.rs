//! The assembler: text in the kernel disassembler's syntax to a [`Program`].
//!
//! One instruction per line, as [`super::kernel::body`] prints it with [`super::AsmNames`]. What the disassemblers put
//! in front (`12: `, `(b7) `) is taken off. `;` begins a comment, and so does `#` at the start of a line.
//!
//! | Form | Meaning |
//! |---|---|
//! | `loop:` | label, alone or before an instruction |
//! | `goto pc+3`, `goto +3`, `goto loop` | jump targets, likewise for `gotol`, `may_goto`, `if … goto` |
//! | `call 6`, `call name#6` | helper by number; the name counts for nothing |
//! | `call name` | what the hook of [`assemble_with`] says, else the local function at that label |
//! | `call pc+3`, `call label` | local function |
//! | `call kfunc[ID]`, `call kfunc[ID]+OFF` | kernel function by BTF id, with the offset field |
//! | `r1 = 5` | move; wide if the number does not fit 32 bits with sign, or the line began with `(18)` |
//! | `r1 = 5 ll` | wide immediate |
//! | `r1 = map_fd[N]`, `r1 = map_value_fd[N]+OFF` | map, or its value, by descriptor |
//! | `r1 = map_idx[N]`, `r1 = map_value_idx[N]+OFF` | the same by index into the fd array |
//! | `r1 = btf_id[ID]`, `r1 = btf_id[ID]+FD` | kernel variable by BTF id, with the module's BTF |
//! | `r1 = func pc+3`, `r1 = func label` | address of a local function |

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::asm_lex::{Token, lex};
use super::asm_parse::{Statement, parse, with_offset};
use crate::decode::DecodeErrorKind;
use crate::insn::{CallTarget, Insn};
use crate::program::Program;

/// Why a line is no instruction.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AsmErrorKind {
    /// Something else was expected at this point.
    Expected {
        /// What would have fitted.
        what: &'static str,
        /// What is there; empty at the end of the line.
        found: String,
    },
    /// A number does not fit its field.
    OutOfRange {
        /// The field.
        what: &'static str,
        /// The number.
        value: i128,
    },
    /// A jump to a label that is nowhere.
    UnknownLabel(String),
    /// A label that was there before.
    DuplicateLabel(String),
    /// The instruction parses but is none.
    Illegal(DecodeErrorKind),
    /// No instruction at all.
    Empty,
}

/// A line that does not assemble.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AsmError {
    /// Number of the line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub kind: AsmErrorKind,
}

impl fmt::Display for AsmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.kind {
            AsmErrorKind::Expected { what, found } if found.is_empty() => {
                write!(f, "expected {what}, found the end of the line")
            }
            AsmErrorKind::Expected { what, found } => write!(f, "expected {what}, found `{found}`"),
            AsmErrorKind::OutOfRange { what, value } => write!(f, "{what} {value} does not fit"),
            AsmErrorKind::UnknownLabel(label) => write!(f, "no label `{label}`"),
            AsmErrorKind::DuplicateLabel(label) => write!(f, "second label `{label}`"),
            AsmErrorKind::Illegal(kind) => kind.fmt(f),
            AsmErrorKind::Empty => f.write_str("no instructions"),
        }
    }
}

impl core::error::Error for AsmError {}

/// Assembles a program; names in calls are labels.
///
/// # Errors
/// The first line that does not assemble.
pub fn assemble(text: &str) -> Result<Program, AsmError> {
    assemble_with(text, &|_| None)
}

/// Assembles a program; `callee` says what a name after `call` means, before labels are looked at.
///
/// # Errors
/// The first line that does not assemble.
pub fn assemble_with(
    text: &str,
    callee: &dyn Fn(&str) -> Option<CallTarget>,
) -> Result<Program, AsmError> {
    let mut labels: BTreeMap<&str, usize> = BTreeMap::new();
    let mut insns: Vec<Insn> = Vec::new();
    let mut lines: Vec<usize> = Vec::new();
    let mut open: Vec<(usize, &str)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let fail = |kind| AsmError { line: number, kind };
        let parsed = lex(line).map_err(|found| {
            fail(AsmErrorKind::Expected {
                what: "a word, a number or an operator",
                found,
            })
        })?;
        let mut tokens = parsed.tokens.as_slice();
        if let [Token::Word(label), Token::Symbol(":"), rest @ ..] = tokens {
            if labels.insert(label, insns.len()).is_some() {
                return Err(fail(AsmErrorKind::DuplicateLabel(label.to_string())));
            }
            tokens = rest;
        }
        if tokens.is_empty() {
            continue;
        }
        let Statement { insn, label } = parse(tokens, parsed.opcode, callee).map_err(fail)?;
        open.extend(label.map(|label| (insns.len(), label)));
        insns.push(insn);
        lines.push(number);
        if matches!(insn, Insn::LoadImm64 { .. }) {
            insns.push(Insn::Imm64High);
            lines.push(number);
        }
    }
    link(&mut insns, &lines, &labels, &open)?;
    if insns.is_empty() {
        return Err(AsmError {
            line: 1,
            kind: AsmErrorKind::Empty,
        });
    }
    Program::new(insns).map_err(|error| AsmError {
        line: lines.get(error.at.index()).copied().unwrap_or(1),
        kind: AsmErrorKind::Illegal(error.kind),
    })
}

/// Gives the jumps in `open` the distance to their labels.
fn link(
    insns: &mut [Insn],
    lines: &[usize],
    labels: &BTreeMap<&str, usize>,
    open: &[(usize, &str)],
) -> Result<(), AsmError> {
    for &(at, label) in open {
        let fail = |kind| AsmError {
            line: lines[at],
            kind,
        };
        let target = labels
            .get(label)
            .ok_or_else(|| fail(AsmErrorKind::UnknownLabel(label.to_string())))?;
        let position = |slot: usize| i128::try_from(slot).unwrap_or(i128::MAX);
        let distance = position(*target)
            .saturating_sub(position(at))
            .saturating_sub(1);
        insns[at] = with_offset(insns[at], distance).map_err(fail)?;
    }
    Ok(())
}
