//! Every kind of branch in both forms, at the ends of its reach.

use super::{A64Branch, Bit, Cond, Gpr, Is, OpSize};
use crate::layout::{BranchShape, Form};

const MIB: i64 = 1 << 20;

fn words(branch: A64Branch, form: Form, distance: i64) -> Vec<u32> {
    assert!(branch.reaches(form, distance), "{branch:?} {distance}");
    let mut bytes = Vec::new();
    branch.encode(form, distance, &mut bytes);
    assert_eq!(
        bytes.len(),
        usize::try_from(branch.bytes(form)).expect("small")
    );
    let words = bytes.chunks_exact(4);
    words
        .map(|word| u32::from_le_bytes(word.try_into().expect("four bytes")))
        .collect()
}

/// The words are those that llvm-mc makes of the text.
#[test]
fn short_forms() {
    let tbz = A64Branch::IfBit(Is::Zero, Bit::masked(33, OpSize::X), Gpr::X9);
    let tbnz = A64Branch::IfBit(Is::NotZero, Bit::masked(31, OpSize::W), Gpr::X9);
    let cbz = A64Branch::IfReg(Is::Zero, OpSize::X, Gpr::X19);
    let cbnz = A64Branch::IfReg(Is::NotZero, OpSize::W, Gpr::X19);
    for (branch, distance, word, text) in [
        (A64Branch::Jump, 128 * MIB - 4, 0x15ff_ffff, "b #134217724"),
        (A64Branch::Jump, -128 * MIB, 0x1600_0000, "b #-134217728"),
        (A64Branch::Call, -4, 0x97ff_ffff, "bl #-4"),
        (
            A64Branch::If(Cond::Ne),
            MIB - 4,
            0x547f_ffe1,
            "b.ne #1048572",
        ),
        (A64Branch::If(Cond::Le), -MIB, 0x5480_000d, "b.le #-1048576"),
        (cbz, 8, 0xb400_0053, "cbz x19, #8"),
        (cbnz, -8, 0x35ff_ffd3, "cbnz w19, #-8"),
        (tbz, 32764, 0xb60b_ffe9, "tbz x9, #33, #32764"),
        (tbnz, -32768, 0x37fc_0009, "tbnz w9, #31, #-32768"),
        (
            A64Branch::Address(Gpr::X3),
            MIB - 1,
            0x707f_ffe3,
            "adr x3, #1048575",
        ),
        (
            A64Branch::Address(Gpr::X3),
            -MIB,
            0x1080_0003,
            "adr x3, #-1048576",
        ),
    ] {
        assert_eq!(words(branch, Form::Short, distance), [word], "{text}");
    }
}

#[test]
fn long_forms_jump_around() {
    let cbz = A64Branch::IfReg(Is::Zero, OpSize::X, Gpr::X19);
    // cbnz x19, #8; b #1048576
    let expected = [0xb500_0053, 0x1404_0000];
    assert_eq!(words(cbz, Form::Long, MIB + 4), expected);
    // b.eq #8; b #-1048580
    let expected = [0x5400_0040, 0x17fb_ffff];
    assert_eq!(words(A64Branch::If(Cond::Ne), Form::Long, -MIB), expected);
    // mov w9, #1; movk w9, #16, lsl #16; adr x3, #-8; add x3, x3, w9, sxtw
    let expected = [0x5280_0029, 0x72a0_0209, 0x10ff_ffc3, 0x8b29_c063];
    assert_eq!(
        words(A64Branch::Address(Gpr::X3), Form::Long, MIB + 1),
        expected
    );
}

#[test]
fn reaches_end() {
    for (branch, form, first) in [
        (A64Branch::Jump, Form::Short, 128 * MIB),
        (A64Branch::If(Cond::Eq), Form::Short, MIB),
        (A64Branch::If(Cond::Eq), Form::Long, 128 * MIB + 4),
        (A64Branch::Address(Gpr::X0), Form::Short, MIB),
    ] {
        assert!(branch.reaches(form, first - 4));
        assert!(!branch.reaches(form, first), "{branch:?}");
    }
}
