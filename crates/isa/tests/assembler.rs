//! The assembler's own forms, and what it says about text that is no program.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use skep_isa::text::{AsmNames, assemble, assemble_with, kernel};
use skep_isa::{CallTarget, Imm64, Insn, Reg};

/// What the program looks like when printed.
fn printed(text: &str) -> String {
    let program = assemble(text).unwrap_or_else(|error| panic!("{error}"));
    kernel::program(&program, &AsmNames).to_string()
}

#[test]
fn labels_and_comments() {
    let text = "
        # sum of 1 to 10
        r0 = 0          ; the sum
        r1 = 10
        loop: r0 += r1
        r1 -= 1
        if r1 != 0 goto loop
        if r0 s> -1 goto done
        r2 = func helper
        call helper
    done:
        exit
    helper:
        r0 = 0x1122334455667788 ll
        exit
    ";
    let expected = "   0: (b7) r0 = 0
   1: (b7) r1 = 10
   2: (0f) r0 += r1
   3: (17) r1 -= 1
   4: (55) if r1 != 0x0 goto pc-3
   5: (65) if r0 s> 0xffffffff goto pc+3
   6: (18) r2 = func pc+3
   8: (85) call pc+1
   9: (95) exit
  10: (18) r0 = 0x1122334455667788 ll
  12: (95) exit
";
    assert_eq!(printed(text), expected);
    assert_eq!(printed(expected), expected);
}

#[test]
fn verifier_log_lines_assemble() {
    let log = "0: (b7) r1 = 5                        ; R1=5
1: (18) r2 = 0x5                      ; R2=5
3: (85) call bpf_trace_printk#6       ; R0=scalar()
4: (e5) may_goto pc+1
5: (06) gotol pc-2
6: (95) exit";
    let expected = "   0: (b7) r1 = 5
   1: (18) r2 = 0x5 ll
   3: (85) call 6
   4: (e5) may_goto pc+1
   5: (06) gotol pc-2
   6: (95) exit
";
    assert_eq!(printed(log), expected);
}

#[test]
fn pseudo_forms() {
    let cases = [
        ("r1 = map_fd[3]", Imm64::MapFd(3)),
        ("r1 = map_fd[-1]", Imm64::MapFd(-1)),
        (
            "r1 = map_value_fd[3]+16",
            Imm64::MapValue { fd: 3, off: 16 },
        ),
        ("r1 = map_value_fd[3]", Imm64::MapValue { fd: 3, off: 0 }),
        ("r1 = map_idx[2]", Imm64::MapIdx(2)),
        (
            "r1 = map_value_idx[2]+4",
            Imm64::MapIdxValue { idx: 2, off: 4 },
        ),
        ("r1 = btf_id[70]", Imm64::BtfId { id: 70, btf_fd: 0 }),
        ("r1 = btf_id[70]+9", Imm64::BtfId { id: 70, btf_fd: 9 }),
        ("r1 = func pc-2", Imm64::Func(-2)),
        ("r1 = 5 ll", Imm64::Value(5)),
        ("r1 = -1 ll", Imm64::Value(u64::MAX)),
        ("r1 = 0xffffffff", Imm64::Value(0xffff_ffff)),
    ];
    for (text, imm) in cases {
        let dst = Reg::R1;
        let expected = [Insn::LoadImm64 { dst, imm }, Insn::Imm64High];
        assert_eq!(assemble(text).unwrap().insns(), expected, "{text}");
    }
}

#[test]
fn calls_by_name() {
    let callee = |name: &str| (name == "bpf_ktime_get_ns").then_some(CallTarget::Helper(5));
    let text = "call bpf_ktime_get_ns\ncall f\nexit\nf: exit";
    let program = assemble_with(text, &callee).unwrap();
    assert_eq!(program.insns()[0], Insn::Call(CallTarget::Helper(5)));
    assert_eq!(program.insns()[1], Insn::Call(CallTarget::Local(1)));
    let kfunc = assemble("call kfunc[12]+3").unwrap();
    let target = CallTarget::Kfunc { id: 12, off: 3 };
    assert_eq!(kfunc.insns(), [Insn::Call(target)]);
}

#[test]
fn refusals() {
    let cases = [
        ("", "line 1: no instructions"),
        (
            "exit\nr11 = 1",
            "line 2: expected an instruction, found `r11`",
        ),
        (
            "r1 = w2",
            "line 1: expected a register r0 to r10, found `w2`",
        ),
        ("r1 = r2 r3", "line 1: expected a byte swap, found `r2`"),
        ("r1 = -r2", "line 1: expected the same register, found `r2`"),
        (
            "r1 = be16 r2",
            "line 1: expected the same register, found `r2`",
        ),
        (
            "w1 = be16 w1",
            "line 1: expected an operation that w registers have, found `be16`",
        ),
        (
            "r1",
            "line 1: expected an assignment, found the end of the line",
        ),
        ("goto nowhere", "line 1: no label `nowhere`"),
        ("a: exit\na: exit", "line 2: second label `a`"),
        ("goto pc+40000", "line 1: jump offset 40000 does not fit"),
        (
            "r1 += 0xffffffff",
            "line 1: immediate 4294967295 does not fit",
        ),
        (
            "r1 = 0x10000000000000000",
            "line 1: expected a word, a number or an operator, found `0x10000000000000000`",
        ),
        (
            "r1 = *(u32 *)(r2 +40000)",
            "line 1: offset 40000 does not fit",
        ),
        ("r1 = *(s64 *)(r2 +0)", "line 1: unknown opcode 99"),
        (
            "*(s32 *)(r2 +0) = 1",
            "line 1: expected an unsigned type, found `(`",
        ),
        (
            "exit\nlock *(u8 *)(r2 +0) += r1",
            "line 2: invalid atomic operand size",
        ),
        (
            "r2 = atomic_fetch_add((u64 *)(r1 +0), r2)",
            "line 1: expected atomic64_ with u64, atomic_ with other types, found `atomic_fetch_add`",
        ),
        (
            "r1 = atomic_xchg((u32 *)(r1 +0), r2)",
            "line 1: expected the register that gets the old value before =, found `atomic_xchg`",
        ),
        (
            "r1 = addr_space_cast(r2, 1, 1)",
            "line 1: addr_space_cast insn can only convert between address space 1 and 0",
        ),
        (
            "r1 = map_fds[3]",
            "line 1: expected map_fd, map_value_fd, map_idx, map_value_idx or btf_id, found `map_fds`",
        ),
        (
            "call 1 2",
            "line 1: expected the end of the line, found `2`",
        ),
        ("callx r1", "line 1: unknown opcode 8d"),
        ("w1 = (s32)w2", "line 1: BPF_MOV uses reserved fields"),
        (
            "r1 = 1 ? 2",
            "line 1: expected a word, a number or an operator, found `? 2`",
        ),
        (
            "if r1 ~ 2 goto pc+1",
            "line 1: expected a word, a number or an operator, found `~ 2 goto pc+1`",
        ),
        (
            "if r1 += 2 goto pc+1",
            "line 1: expected a comparison, found `+=`",
        ),
        (
            "r1 = *(u32 *)skb[4]",
            "line 1: expected r0 = *(u8 to u32 *) before skb, found `[`",
        ),
    ];
    for (text, expected) in cases {
        let error = assemble(text).map(|_| String::new()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text}");
    }
}
