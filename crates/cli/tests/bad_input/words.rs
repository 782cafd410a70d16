//! Words that skep does not know, or that make no sense, and captures that are none.
//!
//! What bpftool's own commands say is compared with bpftool elsewhere; `words.txt` records the rest, for its reader to judge.

use crate::common::{Program, World};
use skep_testkit::golden;
use std::fmt::Write as _;

/// Every command fails; usage texts are left out behind their first line.
pub(crate) fn recorded(program: &Program) {
    let path = "tests/bad_input/words.txt";
    let world = World::with_hello(program);
    let recorded = std::fs::read_to_string(path).unwrap();
    let mut text = String::new();
    for line in recorded.lines().filter_map(|line| line.strip_prefix("$ ")) {
        let said = world.run(line);
        assert!(
            !said.err.contains("panicked") && said.code.is_some(),
            "{line}: {said:?}"
        );
        writeln!(text, "$ {line}\n=> {}", said.code.unwrap()).unwrap();
        for line in said.out.lines().chain(said.err.lines()) {
            if line.starts_with("Usage: ") {
                text += "Usage: ...\n";
                break;
            }
            // What `skep run` loads before it meets the bad file took its time.
            if !line.contains("; loaded in ") {
                let line = line.replace(world.dir().to_str().unwrap(), "{W}");
                writeln!(text, "{line}").unwrap();
            }
        }
    }
    golden(path, &text);
    assert_eq!(world.results("pin list"), "/sys/fs/bpf/hello  prog 1\n");
}

/// Captures that are truncated, of another link type, or no captures.
pub(crate) fn captures(program: &Program) {
    let world = World::new(program);
    let header: Vec<u8> = [0xa1b2_c3d4_u32, 4 << 16 | 2, 0, 0, 65_535, 1]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let mut other_link = header.clone();
    other_link[20] = 101;
    let mut cut_packet = header.clone();
    cut_packet.extend(
        [1_u32, 0, 60, 60]
            .iter()
            .flat_map(|word| word.to_le_bytes()),
    );
    cut_packet.extend([0; 30]);
    let mut huge_packet = header.clone();
    huge_packet.extend(
        [1_u32, 0, u32::MAX, u32::MAX]
            .iter()
            .flat_map(|word| word.to_le_bytes()),
    );
    let section: Vec<u8> = [0x0a0d_0d0a_u32, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let mut no_interface = section.clone();
    no_interface.extend(
        [6_u32, 36, 5, 0, 0, 4, 4, 0, 36]
            .iter()
            .flat_map(|word| word.to_le_bytes()),
    );
    let mut huge_block = section.clone();
    huge_block.extend(
        [6_u32, 0xffff_fffc]
            .iter()
            .flat_map(|word| word.to_le_bytes()),
    );
    let mut tiny_block = section.clone();
    tiny_block.extend([6_u32, 0, 0].iter().flat_map(|word| word.to_le_bytes()));
    let files: [(&str, &[u8]); 12] = [
        ("empty", &[]),
        ("three_bytes", &header[..3]),
        ("magic_only", &header[..4]),
        ("half_header", &header[..12]),
        (
            "text",
            b"this is no capture at all, but long enough to be one",
        ),
        ("other_link", &other_link),
        ("cut_packet", &cut_packet),
        ("huge_packet", &huge_packet),
        ("cut_section", &section[..20]),
        ("no_interface", &no_interface),
        ("huge_block", &huge_block),
        ("tiny_block", &tiny_block),
    ];
    let mut text = String::new();
    for (name, bytes) in files {
        world.write(name, bytes);
        let said = world.run(&format!("run examples/hello.bpf.o --pcap {name}"));
        let last = said.err.lines().last().unwrap_or("accepted");
        assert!(
            said.err.lines().count() <= 1 && !said.err.contains("panicked"),
            "{name}: {said:?}"
        );
        writeln!(text, "{name}: {} {last}", said.code.unwrap()).unwrap();
    }
    // An empty capture is one, too.
    world.write("no_packets", &header);
    assert!(
        world
            .results("run examples/hello.bpf.o --pcap no_packets")
            .ends_with("verdicts: no packets\n")
    );
    golden("tests/bad_input/captures.txt", &text);
}
