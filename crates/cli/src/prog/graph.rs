//! `dump xlated … visual`: the control flow graph in Graphviz' language, one cluster per function.
//!
//! Blocks end at jumps and before jump targets; calls do not end one. Instructions are numbered within their function.
//! Source lines and prototypes are those of the instruction; bpftool 7.5 shows the first function's in all of them.

use crate::prog::code::{Code, Details};
use crate::prog::xlated::{XlatedInsn, insns, line_text, slot_text};
use skep_isa::RawInsn;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;

const CLASS_JMP: u8 = 0x05;
const CLASS_JMP32: u8 = 0x06;
const OP_JA: u8 = 0x00;
const OP_CALL: u8 = 0x80;
const OP_EXIT: u8 = 0x90;

/// Where control goes after a block.
enum Flow {
    /// To the next instruction.
    Next,
    /// To the caller.
    Exit,
    /// To the slot.
    Jump(usize),
    /// To the next instruction or the slot.
    Branch(usize),
}

/// The graph of a program.
pub(crate) fn graph(code: &Code, details: Details) -> String {
    let insns = insns(code);
    let mut out = "digraph \"DOT graph for eBPF program\" {\n".to_owned();
    for (number, function) in functions(&insns).into_iter().enumerate() {
        cluster(
            &mut out,
            code,
            number,
            insns.get(function).unwrap_or_default(),
            details,
        );
    }
    out.push_str("}\n");
    out
}

/// Ranges of instructions of each function: they begin at call targets.
fn functions(insns: &[XlatedInsn]) -> Vec<Range<usize>> {
    let mut starts: BTreeSet<usize> = BTreeSet::from([0]);
    for insn in insns {
        let Some(first) = insn.slots.first() else {
            continue;
        };
        let distance = match (first.code, first.src) {
            (0x85, 1) => i64::from(first.off),
            (0x18, 4) => i64::from(first.imm),
            _ => continue,
        };
        let target = insn
            .at
            .checked_add_signed(isize::try_from(distance + 1).unwrap_or_default());
        starts.extend(target.and_then(|slot| insns.iter().position(|insn| insn.at == slot)));
    }
    let ends = starts.iter().skip(1).copied().chain([insns.len()]);
    starts
        .iter()
        .copied()
        .zip(ends)
        .map(|(start, end)| start..end)
        .collect()
}

fn flow(insn: &XlatedInsn) -> Flow {
    let Some(first) = insn.slots.first() else {
        return Flow::Next;
    };
    let class = first.code & 0x07;
    if class != CLASS_JMP && class != CLASS_JMP32 {
        return Flow::Next;
    }
    match first.code & 0xf0 {
        OP_CALL => Flow::Next,
        OP_EXIT => Flow::Exit,
        OP_JA if first.src == 0 => Flow::Jump(target(insn.at, first, class)),
        _ => Flow::Branch(target(insn.at, first, CLASS_JMP)),
    }
}

fn target(at: usize, raw: &RawInsn, class: u8) -> usize {
    let distance = if class == CLASS_JMP32 {
        raw.imm
    } else {
        raw.off.into()
    };
    let distance = isize::try_from(distance).unwrap_or_default();
    at.checked_add_signed(distance)
        .map_or(0, |slot| slot.saturating_add(1))
}

/// Ranges of instructions of each block of a function.
fn blocks(function: &[XlatedInsn]) -> Vec<Range<usize>> {
    let mut starts: BTreeSet<usize> = BTreeSet::from([0]);
    for (index, insn) in function.iter().enumerate() {
        let to = match flow(insn) {
            Flow::Next => continue,
            Flow::Exit => None,
            Flow::Jump(slot) | Flow::Branch(slot) => {
                function.iter().position(|insn| insn.at == slot)
            }
        };
        starts.extend(to);
        starts.insert(index + 1);
    }
    starts.remove(&function.len());
    let ends = starts.iter().skip(1).copied().chain([function.len()]);
    starts
        .iter()
        .copied()
        .zip(ends)
        .map(|(start, end)| start..end)
        .collect()
}

fn cluster(
    out: &mut String,
    code: &Code,
    number: usize,
    function: &[XlatedInsn],
    details: Details,
) {
    let blocks = blocks(function);
    // Writing to a string does not fail.
    let _ = write!(
        out,
        "subgraph \"cluster_{number}\" {{\n\tstyle=\"dashed\";\n\tcolor=\"black\";\n\tlabel=\"func_{number} ()\";\n\
         \tfn_{number}_bb_0 [shape=Mdiamond,style=filled,label=\"ENTRY\"];\n\n"
    );
    let base = function.first().map_or(0, |insn| insn.at);
    for (index, block) in blocks.iter().enumerate() {
        let _ = writeln!(
            out,
            "\tfn_{number}_bb_{} [shape=record,style=filled,label=\"{{\\",
            index + 2
        );
        let mut covering = function.get(block.start).and_then(|insn| {
            code.lines
                .iter()
                .rfind(|line| usize::try_from(line.insn).is_ok_and(|at| at <= insn.at))
        });
        for (position, insn) in function
            .get(block.clone())
            .unwrap_or_default()
            .iter()
            .enumerate()
        {
            if position > 0 {
                out.push_str("| ");
            }
            let line = covering.take().or(insn.line.as_ref());
            insn_text(out, insn, line, insn.at - base, details);
        }
        out.push_str("}\"];\n\n");
    }
    let _ = write!(
        out,
        "\tfn_{number}_bb_1 [shape=Mdiamond,style=filled,label=\"EXIT\"];\n\n"
    );
    edges(out, number, function, &blocks);
    out.push_str("}\n");
}

fn insn_text(
    out: &mut String,
    insn: &XlatedInsn,
    line: Option<&crate::types::SourceLine>,
    number: usize,
    details: Details,
) {
    if !insn.proto.is_empty() {
        let _ = writeln!(out, "; {}:\\l\\", insn.proto);
    }
    if let Some(line) = line.filter(|line| !line.text.is_empty()) {
        if details.linum {
            let _ = writeln!(
                out,
                "; [{} line:{} col:{}]\\l\\",
                line.file, line.line, line.column
            );
        }
        let text = line_text(
            line,
            Details {
                linum: false,
                ..details
            },
        );
        let text = text.trim_start_matches("; ");
        let _ = writeln!(out, "; {}\\l\\", escape(text, "\\\"<>{}| "));
    }
    let _ = writeln!(out, "{number}: {}\\l\\", escape(&insn.text, "<>|&{}\""));
    if details.opcodes {
        let _ = writeln!(out, "\\ \\ \\ \\ {}\\l\\", slot_text(&insn.slots));
    }
}

/// `text` with a backslash before each of `special`.
fn escape(text: &str, special: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if special.contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn edges(out: &mut String, number: usize, function: &[XlatedInsn], blocks: &[Range<usize>]) {
    let mut edge = |from: usize, to: usize| {
        let _ = writeln!(
            out,
            "\tfn_{number}_bb_{from}:s -> fn_{number}_bb_{to}:n \
             [style=\"solid,bold\", color=black, weight=10, constraint=true];"
        );
    };
    let block_of = |slot: usize| {
        let index = function.iter().position(|insn| insn.at == slot)?;
        blocks
            .iter()
            .position(|block| block.start == index)
            .map(|block| block + 2)
    };
    edge(0, 2);
    for (index, block) in blocks.iter().enumerate() {
        let Some(last) = function.get(block.clone()).and_then(<[_]>::last) else {
            continue;
        };
        let (next, jump) = match flow(last) {
            Flow::Next => (true, None),
            Flow::Exit => (false, Some(1)),
            Flow::Jump(slot) => (false, block_of(slot)),
            Flow::Branch(slot) => (true, block_of(slot)),
        };
        if next && index + 1 < blocks.len() {
            edge(index + 2, index + 3);
        }
        if let Some(to) = jump {
            edge(index + 2, to);
        }
    }
    let _ = writeln!(
        out,
        "\tfn_{number}_bb_0:s -> fn_{number}_bb_1:n [style=\"invis\", constraint=true];"
    );
}
