//! Scalar meaning: vectors worked out by hand from RFC 9669, and results of programs that Linux 6.18 ran
//! (`golden/eval.txt`).
#![allow(
    clippy::cast_sign_loss,
    clippy::unwrap_used,
    missing_docs,
    reason = "tests"
)]

use skep_isa::{
    AluOp, AtomicOp, Insn, JmpOp, Operand, Reg, Size, SwapKind, Width, decode_bytes, eval_mov,
    eval_movsx, eval_neg,
};

const MIN32: u64 = 0x8000_0000;
const MIN64: u64 = 1 << 63;
const ONES: u64 = u64::MAX;

#[test]
fn alu() {
    use Width::{W32, W64};
    let minus = |n: i64| n.wrapping_neg() as u64;
    let cases = [
        (AluOp::Add, W64, ONES, 1, 0),
        (AluOp::Add, W32, 0xffff_ffff, 1, 0),
        (AluOp::Add, W32, 0x1_0000_0005, 0xff_0000_0002, 7),
        (AluOp::Sub, W64, 0, 1, ONES),
        (AluOp::Sub, W32, 0, 1, 0xffff_ffff),
        (AluOp::Mul, W64, MIN64, 3, MIN64),
        (AluOp::Mul, W64, minus(3), minus(4), 12),
        (AluOp::Mul, W32, 0x1_0001, 0x1_0001, 0x2_0001),
        (AluOp::Div, W64, ONES, 10, 1_844_674_407_370_955_161),
        (AluOp::Div, W64, 7, 0, 0),
        (AluOp::Div, W32, 0x5_0000_0007, 0x1_0000_0000, 0),
        (AluOp::Div, W32, 0xffff_fff9, 7, 0x2492_4923),
        (AluOp::Sdiv, W64, minus(7), 2, minus(3)),
        (AluOp::Sdiv, W64, 7, minus(2), minus(3)),
        (AluOp::Sdiv, W64, MIN64, ONES, MIN64),
        (AluOp::Sdiv, W64, minus(7), 0, 0),
        (AluOp::Sdiv, W32, MIN32, ONES, MIN32),
        (AluOp::Sdiv, W32, minus(7), 2, 0xffff_fffd),
        (AluOp::Mod, W64, ONES, 10, 5),
        (AluOp::Mod, W64, ONES, 0, ONES),
        (AluOp::Mod, W32, 0xaa_0000_0009, 0, 9),
        (AluOp::Mod, W32, 0xaa_0000_0009, 4, 1),
        (AluOp::Smod, W64, minus(7), 3, minus(1)),
        (AluOp::Smod, W64, 7, minus(3), 1),
        (AluOp::Smod, W64, MIN64, ONES, 0),
        (AluOp::Smod, W32, MIN32, ONES, 0),
        (AluOp::Smod, W32, ONES, 0, 0xffff_ffff),
        (AluOp::Smod, W32, minus(7), 3, 0xffff_ffff),
        (AluOp::Or, W64, MIN64, 1, MIN64 | 1),
        (AluOp::Or, W32, ONES, 0, 0xffff_ffff),
        (AluOp::And, W64, ONES, MIN64, MIN64),
        (AluOp::And, W32, ONES, MIN64 | 6, 6),
        (AluOp::Xor, W64, ONES, 1, ONES - 1),
        (AluOp::Xor, W32, ONES, 1, 0xffff_fffe),
        (AluOp::Lsh, W64, 1, 63, MIN64),
        (AluOp::Lsh, W64, 1, 64, 1),
        (AluOp::Lsh, W64, 1, ONES, MIN64),
        (AluOp::Lsh, W32, 1, 31, MIN32),
        (AluOp::Lsh, W32, 3, 33, 6),
        (AluOp::Rsh, W64, MIN64, 63, 1),
        (AluOp::Rsh, W64, MIN64, 0x1_0000_003f, 1),
        (AluOp::Rsh, W32, ONES, 4, 0x0fff_ffff),
        (AluOp::Rsh, W32, MIN32, 32, MIN32),
        (AluOp::Arsh, W64, MIN64, 63, ONES),
        (AluOp::Arsh, W64, MIN64, 64, MIN64),
        (AluOp::Arsh, W32, MIN32, 31, 0xffff_ffff),
        (AluOp::Arsh, W32, 0xff_7fff_ffff, 30, 1),
    ];
    for (op, width, dst, src, expected) in cases {
        let got = op.eval(width, dst, src);
        assert_eq!(
            got, expected,
            "{op:?} {width:?} {dst:#x} {src:#x}: {got:#x}"
        );
    }
}

#[test]
fn unary() {
    assert_eq!(eval_neg(Width::W64, 1), ONES);
    assert_eq!(eval_neg(Width::W64, MIN64), MIN64);
    assert_eq!(eval_neg(Width::W32, 1), 0xffff_ffff);
    assert_eq!(eval_neg(Width::W32, 0xff_0000_0000), 0);
    assert_eq!(eval_mov(Width::W32, ONES), 0xffff_ffff);
    assert_eq!(eval_mov(Width::W64, ONES), ONES);
    assert_eq!(
        eval_movsx(Width::W64, Size::B, 0x1180),
        0xffff_ffff_ffff_ff80
    );
    assert_eq!(eval_movsx(Width::W64, Size::B, 0x117f), 0x7f);
    assert_eq!(
        eval_movsx(Width::W64, Size::H, 0x1_8000),
        0xffff_ffff_ffff_8000
    );
    assert_eq!(
        eval_movsx(Width::W64, Size::W, MIN32),
        0xffff_ffff_8000_0000
    );
    assert_eq!(eval_movsx(Width::W32, Size::B, 0x80), 0xffff_ff80);
    assert_eq!(eval_movsx(Width::W32, Size::H, 0x8001), 0xffff_8001);
}

#[test]
fn swaps() {
    let value = 0x0102_0304_0506_0708;
    let cases = [
        (SwapKind::ToLe, Size::H, 0x0708),
        (SwapKind::ToLe, Size::W, 0x0506_0708),
        (SwapKind::ToLe, Size::Dw, value),
        (SwapKind::ToBe, Size::H, 0x0807),
        (SwapKind::ToBe, Size::W, 0x0807_0605),
        (SwapKind::ToBe, Size::Dw, 0x0807_0605_0403_0201),
        (SwapKind::Swap, Size::H, 0x0807),
        (SwapKind::Swap, Size::W, 0x0807_0605),
        (SwapKind::Swap, Size::Dw, 0x0807_0605_0403_0201),
    ];
    for (kind, size, expected) in cases {
        assert_eq!(kind.eval(size, value), expected, "{kind:?} {size:?}");
    }
}

#[test]
fn conditions() {
    use Width::{W32, W64};
    // Left, right, width; then which of the conditions hold.
    let cases = [
        (5, 5, W64, "== >= & s>= <= s<="),
        (ONES, 1, W64, "> >= & != s< s<="),
        (1, ONES, W64, "& != s> s>= < <="),
        (MIN32, 1, W64, "> >= != s> s>="),
        (MIN32, 1, W32, "> >= != s< s<="),
        (0x1_0000_0002, 2, W32, "== >= & s>= <= s<="),
        (0x1_0000_0002, 2, W64, "> >= & != s> s>="),
        (0xff_0000_0000, ONES << 32, W32, "== >= s>= <= s<="),
        (MIN64, MIN64 - 1, W64, "> >= != s< s<="),
        (0, 0, W64, "== >= s>= <= s<="),
    ];
    for (left, right, width, expected) in cases {
        let holding = JmpOp::ALL.iter().filter(|op| op.eval(width, left, right));
        let texts: Vec<&str> = holding.map(|op| op.text()).collect();
        assert_eq!(texts.join(" "), expected, "{left:#x} {right:#x} {width:?}");
    }
}

#[test]
fn atomics() {
    let cases = [
        (AtomicOp::Add { fetch: false }, 0x0103),
        (AtomicOp::Add { fetch: true }, 0x0103),
        (AtomicOp::Or { fetch: true }, 0x00ff),
        (AtomicOp::And { fetch: false }, 0x0004),
        (AtomicOp::Xor { fetch: true }, 0x00fb),
        (AtomicOp::Xchg, 0x0004),
        (AtomicOp::Cmpxchg, 0x0004),
        (AtomicOp::LoadAcquire, 0x00ff),
        (AtomicOp::StoreRelease, 0x0004),
    ];
    for (op, expected) in cases {
        assert_eq!(op.eval(0xff, 0x04), expected, "{op:?}");
    }
}

/// The value of r1 after an instruction, or whether it jumps.
fn step(insn: Insn, r1: u64, r2: u64) -> u64 {
    let register = |reg| if reg == Reg::R1 { r1 } else { r2 };
    let operand = |src| match src {
        Operand::Reg(reg) => register(reg),
        Operand::Imm(imm) => i64::from(imm) as u64,
    };
    match insn {
        Insn::Alu { op, width, src, .. } => op.eval(width, r1, operand(src)),
        Insn::Neg { width, .. } => eval_neg(width, r1),
        Insn::Mov { width, src, .. } => eval_mov(width, operand(src)),
        Insn::MovSx {
            width, src, from, ..
        } => eval_movsx(width, from, register(src)),
        Insn::Swap { kind, size, .. } => kind.eval(size, r1),
        Insn::JumpIf { op, width, src, .. } => u64::from(op.eval(width, r1, operand(src))),
        other => panic!("{other:?} is not arithmetic"),
    }
}

#[test]
fn linux_results() {
    let table = include_str!("golden/eval.txt").lines();
    let mut count = 0;
    for line in table.filter(|line| !line.starts_with('#')) {
        let [slot, r1, r2, expected] = line.split(" | ").collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let hex = |text| u64::from_str_radix(text, 16).unwrap();
        let insn = decode_bytes(&hex(slot).to_be_bytes()).unwrap().insns()[0];
        assert_eq!(step(insn, hex(r1), hex(r2)), hex(expected), "{line}");
        count += 1;
    }
    assert!(count > 1800);
}
