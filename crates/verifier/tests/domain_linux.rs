//! The scalar domain beside Linux 6.18: `domain_linux.txt` holds rows of facts from logs of its verifier (level 2).
//!
//! A row of arithmetic is `op | dst | src | result`, one of a conditional jump `op | dst | src | dst and src where it
//! falls through | dst and src where it is taken`, `none` where Linux found that it cannot go. The scalars are as
//! Linux printed them, less ids; where a path is split, of the first half. Rows whose operation starts with `~` are known deviations: there, our answer stands
//! after `=>` at the end and is checked to lie within Linux's, never beyond it.
#![allow(clippy::unwrap_used, reason = "tests")]

use skep_isa::{AluOp, JmpOp, Size, SwapKind, Width};
use skep_verifier::domain::{Parts, Scalar, Tnum, alu, mov, movsx, neg, refine, split, swap};
use std::fmt::Write;

const TABLE: &str = include_str!("domain_linux.txt");

/// A number as Linux prints it; `bits` is the width of its hexadecimal form.
fn number(text: &str, bits: u32) -> u64 {
    match text.strip_prefix("0x") {
        Some(hex) => {
            let value = u64::from_str_radix(hex, 16).unwrap();
            let shift = 64 - bits;
            ((value << shift).cast_signed() >> shift).cast_unsigned()
        }
        None => text.parse::<i64>().unwrap().cast_unsigned(),
    }
}

/// The end called `name`, set to `value`.
fn set_end(parts: &mut Parts, name: &str, value: u64) {
    let low = u32::try_from(value & 0xffff_ffff).unwrap();
    match name {
        "smin" => parts.s64.min = value.cast_signed(),
        "smax" => parts.s64.max = value.cast_signed(),
        "umin" => parts.u64.min = value,
        "umax" => parts.u64.max = value,
        "smin32" => parts.s32.min = low.cast_signed(),
        "smax32" => parts.s32.max = low.cast_signed(),
        "umin32" => parts.u32.min = low,
        "umax32" => parts.u32.max = low,
        other => panic!("unknown bound {other}"),
    }
}

/// Reads what Linux printed.
fn parse(text: &str) -> Parts {
    let Some(inner) = text
        .strip_prefix("scalar(")
        .and_then(|rest| rest.strip_suffix(')'))
    else {
        return Parts::constant(number(text, 64));
    };
    let mut parts = Parts::UNKNOWN;
    for group in inner.split(',').filter(|group| !group.is_empty()) {
        let names: Vec<&str> = group.split('=').collect();
        let (value, names) = names.split_last().unwrap();
        if *names == ["var_off"] {
            let (bits, mask) = value.trim_matches(['(', ')']).split_once("; ").unwrap();
            parts.bits = Tnum::new(number(bits, 64), number(mask, 64));
            continue;
        }
        let bits = match names[0] {
            "smin32" | "smax32" => 32,
            _ => 64,
        };
        for name in names {
            set_end(&mut parts, name, number(value, bits));
        }
    }
    parts
}

fn scalar(text: &str) -> Scalar {
    Scalar::new(parse(text)).unwrap_or_else(|| panic!("{text} is empty"))
}

fn size(bits: &str) -> Size {
    match bits {
        "8" => Size::B,
        "16" => Size::H,
        "32" => Size::W,
        "64" => Size::Dw,
        other => panic!("no size of {other} bits"),
    }
}

/// Splits `add64` into its name and width.
fn name_and_width(op: &str) -> (&str, Width) {
    match op.strip_suffix("32") {
        Some(name) => (name, Width::W32),
        None => (op.strip_suffix("64").unwrap_or(op), Width::W64),
    }
}

const ALU: [(&str, AluOp); 13] = [
    ("add", AluOp::Add),
    ("sub", AluOp::Sub),
    ("mul", AluOp::Mul),
    ("div", AluOp::Div),
    ("sdiv", AluOp::Sdiv),
    ("mod", AluOp::Mod),
    ("smod", AluOp::Smod),
    ("and", AluOp::And),
    ("or", AluOp::Or),
    ("xor", AluOp::Xor),
    ("lsh", AluOp::Lsh),
    ("rsh", AluOp::Rsh),
    ("arsh", AluOp::Arsh),
];

const JMP: [(&str, JmpOp); 11] = [
    ("jeq", JmpOp::Jeq),
    ("jne", JmpOp::Jne),
    ("jset", JmpOp::Jset),
    ("jgt", JmpOp::Jgt),
    ("jge", JmpOp::Jge),
    ("jlt", JmpOp::Jlt),
    ("jle", JmpOp::Jle),
    ("jsgt", JmpOp::Jsgt),
    ("jsge", JmpOp::Jsge),
    ("jslt", JmpOp::Jslt),
    ("jsle", JmpOp::Jsle),
];

fn find<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table.iter().find(|row| row.0 == name).map(|row| row.1)
}

/// What the domain says, in the table's form.
fn answer(op: &str, dst: &str, src: &str) -> String {
    let (name, width) = name_and_width(op);
    if let Some(jump) = find(&JMP, name) {
        let branches = refine(jump, width, &scalar(dst), &scalar(src));
        let mut text = String::new();
        for (separator, branch) in [("", branches.fallthrough), (" | ", branches.taken)] {
            match branch {
                Some((dst, src)) => write!(text, "{separator}{dst} | {src}").unwrap(),
                None => write!(text, "{separator}none").unwrap(),
            }
        }
        return text;
    }
    if let Some(alu_op) = find(&ALU, name) {
        let (dst, src) = (scalar(dst), scalar(src));
        let dst = split(alu_op, &dst, &src).map_or(dst, |(first, _)| first);
        return alu(alu_op, width, &dst, &src).to_string();
    }
    let dst = scalar(dst);
    match name {
        "neg" => neg(width, &dst),
        "mov" => mov(width, &dst),
        _ => match op.split_once('_') {
            Some(("movsx64", from)) => movsx(Width::W64, size(from), &dst),
            Some(("movsx32", from)) => movsx(Width::W32, size(from), &dst),
            _ => {
                let digits = op.find(|c: char| c.is_ascii_digit()).unwrap();
                let kind = match &op[..digits] {
                    "le" => SwapKind::ToLe,
                    "be" => SwapKind::ToBe,
                    "bswap" => SwapKind::Swap,
                    other => panic!("unknown operation {other}"),
                };
                swap(kind, size(&op[digits..]), &dst)
            }
        },
    }
    .to_string()
}

/// Whether each scalar of `ours` lies within that of `theirs`; nothing lies within everything.
fn is_within(ours: &str, theirs: &str) -> bool {
    let (ours, theirs) = (branches(ours), branches(theirs));
    ours.len() == theirs.len()
        && ours.iter().zip(&theirs).all(|pair| match pair {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(ours), Some(theirs)) => ours.iter().zip(theirs).all(|(a, b)| a.is_within(b)),
        })
}

/// The scalars of an answer: one, or a pair or `none` for each branch.
fn branches(text: &str) -> Vec<Option<Vec<Scalar>>> {
    let mut words: Vec<&str> = text.split(" | ").collect();
    words.reverse();
    let single = words.len() == 1;
    let mut branches = Vec::new();
    while let Some(word) = words.pop() {
        branches.push(match word {
            "none" => None,
            _ if single => Some(vec![scalar(word)]),
            _ => Some(vec![scalar(word), scalar(words.pop().unwrap())]),
        });
    }
    branches
}

#[test]
fn linux_prints_the_same() {
    let mut wrong = String::new();
    let rows = TABLE
        .lines()
        .filter(|row| !row.is_empty() && !row.starts_with('#'));
    for row in rows {
        let mut words = row.splitn(4, " | ");
        let mut word = || words.next().unwrap();
        let (op, dst, src, theirs) = (word(), word(), word(), word());
        for operand in [dst, src] {
            if operand != "-" && scalar(operand).to_string() != operand {
                writeln!(wrong, "INPUT {operand}: {}", scalar(operand)).unwrap();
            }
        }
        let (op, theirs, expected) = match (op.strip_prefix('~'), theirs.split_once(" => ")) {
            (Some(op), Some((theirs, ours))) => (op, theirs, ours),
            _ => (op, theirs, theirs),
        };
        let ours = answer(op, dst, src);
        if ours != expected {
            let how = if is_within(&ours, theirs) {
                "within"
            } else {
                "BEYOND"
            };
            writeln!(wrong, "{how} {op} | {dst} | {src}\n  {expected}\n  {ours}").unwrap();
        } else if !is_within(&ours, theirs) {
            writeln!(wrong, "BEYOND {op} | {dst} | {src}: {ours}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "expected, then ours:\n{wrong}");
}
