//! `skep prog dump jited`: machine code for this host or another, with the source between it.

use crate::common::{Program, World};
use skep_testkit::{golden, mask};
use std::process::Command;

const ARCHES: [&str; 2] = ["x86_64", "aarch64"];

/// A dump without addresses of maps and helpers, which differ from run to run.
fn masked(dump: &str) -> String {
    let digit = |c: char| c.is_ascii_digit();
    let line = |line: &str| {
        // `<symbol>` tells what the address is of.
        if !line.contains('<') && !line.contains("mov") {
            return line.to_owned();
        }
        let line = mask::after(line, "movabsq\t$", digit, "N");
        let line = mask::after(&line, "callq\t0x", |c| c.is_ascii_hexdigit(), "N");
        let address = line.contains("movk\t")
            || line.contains("mov\tx19, #")
            || line.contains("mov\tx0, #")
            || line.contains("mov\tx9, #");
        if address {
            mask::after(&line, ", #", digit, "N")
        } else {
            line
        }
    };
    dump.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// The code of both architectures, whatever the host is.
pub(crate) fn recorded(program: &Program) {
    let world = World::with_hello(program);
    let mut text = String::new();
    for arch in ARCHES {
        for options in ["", " linum"] {
            let line = format!("prog dump jited name hello arch {arch}{options}");
            text += &format!("$ {line}\n{}", masked(&world.results(&line)));
        }
    }
    golden("tests/walk/jited.txt", &text);
}

/// Without `arch` it is the host's; text and JSON hold the same instructions, and `opcodes` their bytes.
pub(crate) fn forms_agree(program: &Program) {
    let world = World::with_hello(program);
    let host = std::env::consts::ARCH;
    if ARCHES.contains(&host) {
        let plain = world.results("prog dump jited name hello");
        assert_eq!(
            plain,
            world.results(&format!("prog dump jited name hello arch {host}"))
        );
        let size: usize = world
            .json("prog show name hello -j", "bytes_jited")
            .parse()
            .unwrap();
        assert_eq!(code(&world, "").len(), size);
    }
    for arch in ARCHES {
        let text = world.results(&format!("prog dump jited name hello arch {arch}"));
        let insns: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_once(":\t").map(|(_, insn)| insn))
            .collect();
        let json = world.results(&format!(
            "prog dump jited name hello arch {arch} opcodes -j"
        ));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json.as_array().unwrap().len(), 1);
        assert_eq!(json[0]["proto"], "int hello(struct xdp_md * ctx)");
        let entries = json[0]["insns"].as_array().unwrap();
        assert_eq!(entries.len(), insns.len());
        let mut pc = 0;
        for (entry, insn) in entries.iter().zip(&insns) {
            assert_eq!(entry["pc"], format!("{pc:#x}"));
            let operation = entry["operation"].as_str().unwrap();
            assert!(insn.starts_with(operation), "{insn}: {entry}");
            for operand in entry["operands"].as_array().unwrap() {
                // As bpftool, `[null]` is no operand.
                let operand = operand.as_str().unwrap_or_default();
                assert!(insn.contains(operand), "{insn}: {operand}");
            }
            pc += entry["opcodes"].as_array().unwrap().len();
        }
        assert_eq!(code(&world, &format!("arch {arch}")).len(), pc);
        let sources: Vec<&str> = entries
            .iter()
            .filter_map(|entry| entry["src"].as_str())
            .collect();
        let lines: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("; "))
            .collect();
        assert_eq!(sources, lines);
    }
    let unknown = world.run("prog dump jited name hello arch riscv64");
    assert_eq!(unknown.code, Some(255));
    assert!(
        unknown.err.starts_with("Error: ") && unknown.err.contains("riscv64"),
        "{}",
        unknown.err
    );
}

/// The bytes of all opcodes of a dump.
fn code(world: &World, options: &str) -> Vec<u8> {
    let json = world.results(&format!("prog dump jited name hello opcodes -j {options}"));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let entries = json[0]["insns"].as_array().unwrap();
    let bytes = entries
        .iter()
        .flat_map(|entry| entry["opcodes"].as_array().unwrap());
    bytes
        .map(|byte| {
            u8::from_str_radix(byte.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
        })
        .collect()
}

/// `file F` writes the bytes of the code, and of the translated instructions.
pub(crate) fn to_files(program: &Program) {
    let world = World::with_hello(program);
    world.silent("prog dump jited name hello file code");
    assert_eq!(std::fs::read(world.path("code")).unwrap(), code(&world, ""));
    world.silent("prog dump xlated name hello file insns");
    let insns = std::fs::read(world.path("insns")).unwrap();
    assert_eq!(insns.len(), 96);
    assert_eq!(insns[88..], [0x95, 0, 0, 0, 0, 0, 0, 0]);
}

/// LLVM reads from the bytes what the dump says, for both architectures.
pub(crate) fn like_llvm(program: &Program) {
    let world = World::with_hello(program);
    for (arch, triple) in [("x86_64", "x86_64"), ("aarch64", "aarch64")] {
        let bytes: String = code(&world, &format!("arch {arch}"))
            .iter()
            .map(|byte| format!("{byte:#04x} "))
            .collect();
        let mut command = Command::new("llvm-mc-19");
        // bpftool's dump is in AT&T's syntax, which is LLVM's default.
        command.args(["--disassemble", &format!("--triple={triple}")]);
        let said = crate::common::feed(command, bytes.as_bytes());
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{arch}");
        let theirs: Vec<String> = said
            .out
            .lines()
            .filter(|line| line.starts_with('\t') && !line.contains(".text"))
            .map(words)
            .collect();
        let text = world.results(&format!("prog dump jited name hello arch {arch}"));
        let ours: Vec<String> = text
            .lines()
            .filter_map(|line| line.split_once(":\t"))
            .map(|(_, insn)| words(insn))
            .collect();
        assert_eq!(ours.len(), theirs.len(), "{arch}\n{text}\n{}", said.out);
        for (ours, theirs) in ours.iter().zip(&theirs) {
            // Targets of calls are addresses here and distances there.
            assert!(
                ours == theirs || (ours.starts_with("callq") && theirs.starts_with("callq")),
                "{arch}: {ours} | {theirs}"
            );
        }
    }
}

/// An instruction without comments, symbols and alignment.
fn words(line: &str) -> String {
    let line = line
        .split(" # ")
        .next()
        .unwrap_or_default()
        .split(" // ")
        .next()
        .unwrap_or_default();
    let line = line.split(" <").next().unwrap_or_default();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
