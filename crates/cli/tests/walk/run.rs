//! `skep run`: the first command of a newcomer. No daemon, no privileges.

use crate::capture::{Captured, pcap, pcapng, read};
use crate::common::{Program, Said, World, one_line};
use skep_testkit::{golden, mask};
use std::collections::BTreeMap;

const VERDICTS: [&str; 5] = [
    "XDP_ABORTED",
    "XDP_DROP",
    "XDP_PASS",
    "XDP_TX",
    "XDP_REDIRECT",
];
const FILES: [&str; 5] = ["aborted", "drop", "pass", "tx", "redirect"];

/// The report without what differs from run to run and from host to host.
fn masked(text: &str) -> String {
    let number = |c: char| c.is_ascii_digit() || c == '.';
    let mut text = text.to_owned();
    for prefix in [
        "loaded in ",
        "parse ",
        "verify ",
        "translate ",
        "JIT ",
        "instructions, ",
        " runs, ",
    ] {
        text = mask::after(&text, prefix, number, "N");
    }
    for key in [
        "bytes_jited",
        "parse_ns",
        "verify_ns",
        "translate_ns",
        "jit_ns",
        "total_ns",
        "duration_ns",
    ] {
        text = mask::after(&text, &format!("\"{key}\":"), number, "N");
    }
    text
}

/// An Ethernet frame whose payload begins with `first`.
fn frame(first: u8, length: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..length)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect();
    frame[12..15].copy_from_slice(&[0x88, 0xb5, first]);
    frame
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The words of the README's first command, and the JSON of the same.
pub(crate) fn hello(program: &Program) {
    let world = World::new(program);
    let text = masked(&world.results("run examples/hello.bpf.o"));
    let json = masked(&world.results("run examples/hello.bpf.o -j"));
    golden(
        "tests/walk/run.txt",
        &format!("$ run examples/hello.bpf.o\n{text}$ run examples/hello.bpf.o -j\n{json}"),
    );
    assert_eq!(
        world
            .results("run examples/hello.bpf.o --pretty")
            .lines()
            .next(),
        Some("{")
    );
    // Nothing was started for it.
    assert_eq!(world.run("daemon status").code, Some(3));
    assert_eq!(std::fs::read_dir(world.runtime()).unwrap().count(), 0);
}

/// Every engine gives the same verdicts, traces and packets.
pub(crate) fn engines(program: &Program) {
    let world = World::new(program);
    for example in [
        "hello",
        "drop_icmp",
        "swap_tx",
        "counter_maps",
        "redirect",
        "verdicts",
    ] {
        let run = |engine: &str| {
            let report = world.results(&format!(
                "run examples/{example}.bpf.o --engine {engine} --repeat 3"
            ));
            masked(&report)
                .lines()
                .skip(1)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let (jit, interp, checked) = (run("jit"), run("interp"), run("checked"));
        assert_eq!(jit, interp, "{example}");
        assert_eq!(interp, checked, "{example}");
        assert_eq!(checked, run("auto"), "{example}");
    }
}

/// Packets in hexadecimal, each verdict by its name, and repetition.
pub(crate) fn packets(program: &Program) {
    let world = World::new(program);
    let mut line = "run examples/verdicts.bpf.o".to_owned();
    for verdict in 0..5 {
        line += &format!(" --packet {}", hex(&frame(verdict, 60)));
    }
    let report = world.results(&line);
    for (number, verdict) in (1..).zip(VERDICTS) {
        assert!(
            report.contains(&format!("packet {number}: 60 bytes, {verdict}")),
            "{report}"
        );
    }
    let counts = VERDICTS.map(|verdict| format!("{verdict} 1")).join(", ");
    assert!(
        report.ends_with(&format!("verdicts: {counts}\n")),
        "{report}"
    );

    let report = world.results("run examples/hello.bpf.o --packet 00:11:22 --repeat 3");
    let lines: Vec<&str> = report.lines().skip(1).collect();
    assert_eq!(
        lines[..3],
        ["Hello World 0", "Hello World 1", "Hello World 2"]
    );
    assert!(
        lines[3].starts_with("packet 1: 3 bytes, XDP_PASS, 3 runs, ")
            && lines[3].ends_with(" ns each"),
        "{report}"
    );
    assert_eq!(lines[4..], ["verdicts: XDP_PASS 1"]);
}

/// Packets of a capture go to the file of their verdict, whole and with their times.
pub(crate) fn captures(program: &Program) {
    let world = World::new(program);
    // Odd lengths, so that padding of blocks matters.
    let packets: Vec<Captured> = (0..25_u8)
        .map(|number| Captured {
            seconds: 1_700_000_000 + u32::from(number),
            nanos: u32::from(number) * 1000,
            bytes: frame(number % 5, 60 + usize::from(number)),
        })
        .collect();
    let mut expected = BTreeMap::new();
    for packet in &packets {
        let file = FILES[usize::from(packet.bytes[14])];
        expected
            .entry(file.to_owned())
            .or_insert_with(Vec::new)
            .push(packet.clone());
    }
    for (name, file) in [
        ("old.pcap", pcap(&packets)),
        ("new.pcapng", pcapng(&packets)),
    ] {
        let out = world.path(&format!("{name}.out"));
        std::fs::create_dir(&out).unwrap();
        world.give(&out);
        world.write(name, file);
        let report = world.results(&format!(
            "run examples/verdicts.bpf.o --pcap {name} --pcap-out {name}.out"
        ));
        let counts = VERDICTS.map(|verdict| format!("{verdict} 5")).join(", ");
        assert!(
            report.ends_with(&format!("verdicts: {counts}\n")),
            "{report}"
        );
        assert_eq!(report.lines().count(), 27, "{report}");
        let mut written = BTreeMap::new();
        for entry in std::fs::read_dir(&out).unwrap() {
            let path = entry.unwrap().path();
            let stem = name.split('.').next().unwrap();
            let file = path.file_name().unwrap().to_str().unwrap().to_owned();
            let verdict = file
                .strip_prefix(&format!("{stem}."))
                .unwrap()
                .strip_suffix(".pcap")
                .unwrap();
            written.insert(verdict.to_owned(), read(&std::fs::read(&path).unwrap()));
        }
        assert!(
            written.keys().eq(expected.keys()),
            "{name}: {:?}",
            written.keys()
        );
        assert_eq!(written.values().flatten().count(), packets.len(), "{name}");
        for (written, expected) in written.values().flatten().zip(expected.values().flatten()) {
            assert_eq!(written, expected, "{name}");
        }
        // What was written can be read again.
        let report = world.results(&format!(
            "run examples/verdicts.bpf.o --pcap {}",
            out.join(format!("{}.tx.pcap", name.split('.').next().unwrap()))
                .display()
        ));
        assert!(report.ends_with("verdicts: XDP_TX 5\n"), "{report}");
    }
}

/// What a program writes into the packet is in the file.
pub(crate) fn changed_packets(program: &Program) {
    let world = World::new(program);
    let sent = frame(0, 64);
    world.write(
        "in.pcap",
        pcap(&[Captured {
            seconds: 1,
            nanos: 0,
            bytes: sent.clone(),
        }]),
    );
    world.results("run examples/swap_tx.bpf.o --pcap in.pcap --pcap-out .");
    let received = read(&std::fs::read(world.path("in.tx.pcap")).unwrap());
    let mut swapped = sent;
    swapped[..12].rotate_left(6);
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].bytes, swapped);
}

/// C source is compiled first, and runs as its committed object does.
pub(crate) fn c_source(program: &Program) {
    let world = World::new(program);
    let said = world.run("run examples/hello.bpf.c");
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert_eq!(
        masked(&said.out),
        masked(&world.results("run examples/hello.bpf.o"))
    );
    let chosen = Said::of(
        &world
            .skep(["run", "examples/hello.bpf.c"])
            .env("CLANG", "clang-19")
            .output()
            .unwrap(),
    );
    assert_eq!(masked(&chosen.out), masked(&said.out));
}

/// The compiler's messages are shown as they are.
pub(crate) fn c_error(program: &Program) {
    let world = World::new(program);
    world.write("broken.bpf.c", "int f(void) {\n    return nothing;\n}\n");
    let said = world.run("run broken.bpf.c");
    assert_eq!((said.code, said.out.as_str()), (Some(255), ""));
    let place = "broken.bpf.c:2:12: error: use of undeclared identifier 'nothing'\n    2 |     return nothing;\n";
    assert!(said.err.starts_with(place), "{}", said.err);
    assert!(said.err.contains("\nError: broken.bpf.c: "), "{}", said.err);
}

/// Without a compiler the error says how to get one.
pub(crate) fn without_clang(program: &Program) {
    let world = World::new(program);
    let mut command = world.skep(["run", "examples/hello.bpf.c"]);
    let said = Said::of(
        &command
            .env("PATH", "")
            .env_remove("CLANG")
            .output()
            .unwrap(),
    );
    assert_eq!((said.code, said.out.as_str()), (Some(255), ""));
    let line = one_line(&said.err);
    for part in [
        "examples/hello.bpf.c",
        "clang",
        "apt install clang-19 libbpf-dev",
        "CLANG",
    ] {
        assert!(line.contains(part), "{line}");
    }
    let mut command = world.skep(["run", "examples/hello.bpf.c"]);
    let said = Said::of(&command.env("CLANG", "/nowhere/clang").output().unwrap());
    assert_eq!(said.code, Some(255));
    assert!(
        one_line(&said.err).contains("/nowhere/clang"),
        "{}",
        said.err
    );
}
