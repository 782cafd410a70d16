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

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

/// The header of a pcap file, with its link type.
fn pcap(link: u32) -> Vec<u8> {
    numbers(&[0xa1b2_c3d4, 4 << 16 | 2, 0, 0, 65_535, link])
}

/// A section of a pcapng file.
fn section() -> Vec<u8> {
    numbers(&[0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28])
}

/// Captures that are truncated, of another link type, or no captures.
fn bad_captures() -> [(&'static str, Vec<u8>); 12] {
    const ETHERNET: u32 = 1;
    const RAW_IP: u32 = 101;
    let text = b"this is no capture at all, but long enough to be one";
    let with = |mut file: Vec<u8>, more: &[u32]| {
        file.extend(numbers(more));
        file
    };
    [
        ("empty", Vec::new()),
        ("three_bytes", pcap(ETHERNET)[..3].to_vec()),
        ("magic_only", pcap(ETHERNET)[..4].to_vec()),
        ("half_header", pcap(ETHERNET)[..12].to_vec()),
        ("text", text.to_vec()),
        ("other_link", pcap(RAW_IP)),
        ("cut_packet", with(pcap(ETHERNET), &[1, 0, 60, 60, 0, 0, 0])),
        (
            "huge_packet",
            with(pcap(ETHERNET), &[1, 0, u32::MAX, u32::MAX]),
        ),
        ("cut_section", section()[..20].to_vec()),
        (
            "no_interface",
            with(section(), &[6, 36, 5, 0, 0, 4, 4, 0, 36]),
        ),
        ("huge_block", with(section(), &[6, 0xffff_fffc])),
        ("tiny_block", with(section(), &[6, 0, 0])),
    ]
}

/// What is said of each.
pub(crate) fn captures(program: &Program) {
    let world = World::new(program);
    let mut text = String::new();
    for (name, bytes) in bad_captures() {
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
    world.write("no_packets", pcap(1));
    let report = world.results("run examples/hello.bpf.o --pcap no_packets");
    assert!(report.ends_with("verdicts: no packets\n"));
    golden("tests/bad_input/captures.txt", &text);
}
