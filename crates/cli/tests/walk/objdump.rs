//! `skep objdump`: the lines of `llvm-objdump`.

use crate::common::{Program, World};
use skep_testkit::oracle::CLANG;
use skep_testkit::{golden, oracle::make};
use std::fs;
use std::process::Command;

const EXAMPLES: [&str; 8] = [
    "hello",
    "drop_icmp",
    "swap_tx",
    "counter_maps",
    "redirect",
    "verdicts",
    "no_license",
    "bad_packet_read",
];

/// hello as LLVM 19 shows it, with the source from BTF: neither compiler nor source are needed.
pub(crate) fn recorded(program: &Program) {
    let world = World::new(program);
    fs::copy(
        world.path("examples/hello.bpf.o"),
        world.path("hello.bpf.o"),
    )
    .unwrap();
    let mut text = String::new();
    for options in ["-S", "-S --no-show-raw-insn", "-d"] {
        text += &format!("$ objdump {options} hello.bpf.o\n");
        text += &world.results(&format!("objdump {options} hello.bpf.o"));
    }
    golden("tests/walk/objdump.txt", &text);
}

/// Every example: its BTF beside LLVM on the object without DWARF, and the DWARF beside LLVM with the sources.
pub(crate) fn like_llvm(program: &Program) {
    let world = World::new(program);
    for name in EXAMPLES {
        let source = world.path(&format!("{name}.bpf.c"));
        fs::copy(world.path(&format!("examples/{name}.bpf.c")), &source).unwrap();
    }
    make(world.dir(), "all");
    for name in EXAMPLES {
        let (whole, stripped) = (format!("{name}.bpf.o"), format!("{name}.stripped.o"));
        let mut strip = Command::new("llvm-strip-19");
        strip.args([
            "--strip-debug",
            "--keep-section=.BTF",
            "--keep-section=.BTF.ext",
            "-o",
            &stripped,
            &whole,
        ]);
        assert!(strip.current_dir(world.dir()).status().unwrap().success());
        for options in ["-S", "-S --no-show-raw-insn", "-d"] {
            let theirs = llvm(&world, options, &stripped);
            assert_eq!(
                world.results(&format!("objdump {options} {stripped}")),
                theirs,
                "{options} {stripped}"
            );
            // With DWARF there, the source still comes from BTF if nobody asks otherwise.
            let theirs = theirs.replace(&stripped, &whole);
            assert_eq!(
                world.results(&format!("objdump {options} {whole}")),
                theirs,
                "{options} {whole}"
            );
            if options != "-d" {
                let theirs = llvm(&world, options, &whole);
                assert_eq!(
                    world.results(&format!("objdump --dwarf {options} {whole}")),
                    theirs,
                    "--dwarf {options} {whole}"
                );
            }
        }
    }
    assert_eq!(CLANG, "clang-19", "the tools above are of the same release");
}

fn llvm(world: &World, options: &str, object: &str) -> String {
    let mut command = Command::new("llvm-objdump-19");
    let output = command
        .args(options.split(' '))
        .arg(object)
        .current_dir(world.dir())
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}
