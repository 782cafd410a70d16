//! Decode, encode, print and assemble undo each other, on all opcodes and on random input.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use proptest::prelude::*;
use skep_isa::text::llvm::{self, Cpu, NoSymbols};
use skep_isa::text::{AsmErrorKind, AsmNames, assemble, kernel};
use skep_isa::{
    AluOp, AtomicOp, DecodeErrorKind, Imm64, Insn, InsnIdx, Program, RawInsn, Reg, Size, Width,
    decode, decode_bytes, decode_one,
};

/// Fields that Linux ignores and decoding drops: the offset of `exit`, the second immediate of a function's address.
fn without_ignored_fields(raw: RawInsn, next: RawInsn) -> (RawInsn, RawInsn) {
    match (raw.code, raw.src) {
        (0x95, _) => (RawInsn { off: 0, ..raw }, next),
        (0x18, 4) => (raw, RawInsn { imm: 0, ..next }),
        _ => (raw, next),
    }
}

/// What must hold for any two slots; whether the first is an instruction.
fn check(raw: RawInsn, next: RawInsn) -> bool {
    let Ok(insn) = decode_one(raw, Some(next)) else {
        return false;
    };
    let (kept, kept_next) = without_ignored_fields(raw, next);
    let (first, second) = insn.encode_wide();
    assert_eq!(first, kept, "{insn:?}");
    assert_eq!(insn.encode(), kept);
    let wide = matches!(insn, Insn::LoadImm64 { .. });
    assert_eq!(second, wide.then_some(kept_next), "{insn:?}");

    let at = InsnIdx(0);
    let text = kernel::body(at, &insn, &AsmNames).to_string();
    let program = assemble(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(program.insns()[0], insn, "{text}");
    for cpu in [Cpu::Generic, Cpu::V4] {
        assert!(
            !llvm::insn(at, &insn, cpu, &NoSymbols)
                .to_string()
                .is_empty()
        );
    }
    true
}

#[test]
fn every_opcode_and_field_pattern() {
    let offsets = [0, 1, 8, 16, 32, -1, i16::MIN, i16::MAX];
    let mut immediates = vec![0, 1, 16, 32, 64, -1, i32::MIN, i32::MAX, 0x1_0000];
    immediates.extend(AtomicOp::ALL.map(AtomicOp::code));
    let mut accepted = [0u32; 256];
    for code in 0..=u8::MAX {
        for (dst, src) in (0..16).flat_map(|dst| (0..16).map(move |src| (dst, src))) {
            // All registers with a few fields, all fields with a few registers.
            let few = ![0, 1, 4, 11].contains(&dst) || ![0, 1, 2, 4, 11].contains(&src);
            for &off in &offsets[..if few { 2 } else { offsets.len() }] {
                for &imm in &immediates[..if few { 3 } else { immediates.len() }] {
                    let raw = RawInsn {
                        code,
                        dst,
                        src,
                        off,
                        imm,
                    };
                    let ok = check(raw, RawInsn::default());
                    accepted[usize::from(code)] += u32::from(ok);
                }
            }
        }
    }
    // 12 binary operations without the signed ones' codes twice (11), moves: each at two widths with two operands;
    // two negations; three swaps; 11 conditions likewise; two jumps, may_goto, call, exit; four loads, three
    // sign-extending ones, four stores of each kind, four atomic sizes; three packet loads of each kind; wide.
    let opcodes = accepted.iter().filter(|&&count| count > 0).count();
    assert_eq!(
        opcodes,
        (11 + 1) * 4 + 2 + 3 + 11 * 4 + 5 + 4 + 3 + 4 + 4 + 4 + 6 + 1
    );
}

#[test]
fn every_operation_code() {
    for op in AluOp::ALL {
        assert_eq!(AluOp::from_code(op.code(), op.off()), Some(op));
    }
    for op in AtomicOp::ALL {
        assert_eq!(AtomicOp::from_code(op.code()), Some(op));
    }
    for size in Size::ALL {
        assert_eq!(Size::from_code(size.code()), size);
    }
}

fn raw_insn() -> impl Strategy<Value = RawInsn> {
    let off = prop_oneof![3 => Just(0i16), 1 => Just(1), 1 => Just(8), 2 => any::<i16>()];
    let atomic = proptest::sample::select(AtomicOp::ALL.map(AtomicOp::code).to_vec());
    let imm = prop_oneof![3 => Just(0i32), 1 => Just(16), 1 => atomic, 3 => any::<i32>()];
    (
        any::<u8>(),
        0..12u8,
        prop_oneof![Just(0u8), 0..12u8],
        off,
        imm,
    )
        .prop_map(|(code, dst, src, off, imm)| RawInsn {
            code,
            dst,
            src,
            off,
            imm,
        })
}

/// Slots that decode, wide instructions whole.
fn instruction() -> impl Strategy<Value = Vec<RawInsn>> {
    let high = any::<i32>().prop_map(|imm| RawInsn {
        imm,
        ..RawInsn::default()
    });
    let wide = prop::bool::weighted(0.1);
    let slots = (raw_insn(), high, wide).prop_map(|(raw, high, wide)| {
        let code = if wide { 0x18 } else { raw.code };
        (RawInsn { code, ..raw }, high)
    });
    slots.prop_filter_map("legal", |(raw, high)| {
        let insn = decode_one(raw, Some(high)).ok()?;
        let (first, second) = insn.encode_wide();
        Some([first].into_iter().chain(second).collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_slots(raw in raw_insn(), next in raw_insn()) {
        check(raw, next);
        check(raw, RawInsn { imm: next.imm, ..RawInsn::default() });
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(program) = decode_bytes(&bytes) {
            prop_assert_eq!(program.insns().len() * RawInsn::SIZE, bytes.len());
        }
    }

    #[test]
    fn random_programs(insns in prop::collection::vec(instruction(), 1..40)) {
        let slots = insns.concat();
        let program = decode(&slots).unwrap();
        prop_assert_eq!(&program.to_raw(), &slots);
        prop_assert_eq!(&decode_bytes(&program.to_bytes()).unwrap(), &program);
        prop_assert_eq!(&Program::new(program.insns().to_vec()).unwrap(), &program);
        let text = kernel::program(&program, &AsmNames).to_string();
        prop_assert_eq!(&assemble(&text).unwrap(), &program);
        let bodies: String = program
            .iter()
            .map(|(at, insn)| format!("{}\n", kernel::body(at, insn, &AsmNames)))
            .collect();
        prop_assert_eq!(&assemble(&bodies).unwrap(), &program);
    }

    #[test]
    fn random_text_never_panics(text in r"([a-z0-9_ +*()=\[\],;:#-]|pc|r[0-9]|goto |call |lock |\(u32 \*\)|\n|0x|é){0,40}") {
        if let Err(error) = assemble(&text) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn cut_text_never_panics(insn in instruction(), cut in 0..60usize) {
        let program = decode(&insn).unwrap();
        let text = kernel::body(InsnIdx(0), &program.insns()[0], &AsmNames).to_string();
        if let Some(text) = text.get(..cut)
            && let Err(error) = assemble(text)
        {
            prop_assert_eq!(error.line, 1);
        }
    }
}

#[test]
fn shapes_without_encoding() {
    let dst = Reg::R1;
    let width = Width::W32;
    let wide = Insn::LoadImm64 {
        dst,
        imm: Imm64::MapFd(3),
    };
    let cases: [(&[Insn], u32); 8] = [
        (&[Insn::Exit, Insn::Imm64High], 1),
        (&[Insn::Exit, wide], 1),
        (&[wide, Insn::Exit], 1),
        (&[wide, Insn::Imm64High, Insn::Imm64High], 2),
        (
            &[Insn::Jump {
                off: 40_000,
                long: false,
            }],
            0,
        ),
        (
            &[Insn::MovSx {
                width,
                dst,
                src: dst,
                from: Size::W,
            }],
            0,
        ),
        (
            &[Insn::Swap {
                kind: skep_isa::SwapKind::ToBe,
                dst,
                size: Size::B,
            }],
            0,
        ),
        (&[Insn::CallReg { reg: dst }], 0),
    ];
    for (insns, at) in cases {
        let error = Program::new(insns.to_vec()).unwrap_err();
        assert_eq!(error.at, InsnIdx(at), "{insns:?}: {error}");
    }
    let empty = Program::new(Vec::new()).unwrap_err();
    assert_eq!(empty.kind, DecodeErrorKind::InvalidLength(0));
    assert_eq!(
        assemble("; nothing\n").unwrap_err().kind,
        AsmErrorKind::Empty
    );
}
