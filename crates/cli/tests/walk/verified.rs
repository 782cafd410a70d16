//! What the verifier says of the examples and what they become, beside Linux's verifier: the log and the translated program.
//!
//! Files in `log` and `xlated` hold Linux's texts, recorded through bpftool; `NAME.own.txt` holds ours where it must differ.

use crate::common::{Program, World, json_value};
use crate::tool::{Kernel, Tool as _};
use skep_testkit::oracle::{BpfFs, bpftool_path};
use skep_testkit::{blessing, golden, mask};
use std::path::Path;

const EXAMPLES: [&str; 5] = [
    "drop_icmp",
    "swap_tx",
    "counter_maps",
    "redirect",
    "verdicts",
];

/// How Linux's translation of the examples differs from skep's: its line, ours, and why.
const DIFFERENCES: [(&str, &str, &str); 2] = [
    (
        "call bpf_xdp_redirect#N",
        "call bpf_redirect#N",
        "Linux shows the name of the body that serves XDP programs",
    ),
    (
        "18: (61) r1 = *(u32 *)(r1 +224)",
        "18: (61) r1 = *(u32 *)(r1 +0)",
        "where an interface keeps its index",
    ),
];

/// What skep translates beside what Linux translates, for programs that read packets and use maps. `NAME.txt` is
/// Linux's text. Linux inlines lookups of arrays and calls bodies of hash maps directly, which moves every later instruction:
/// for such a program, ours is in `NAME.own.txt`.
pub(crate) fn translated(program: &Program) {
    if blessing() {
        // Another test may be writing the files.
        return;
    }
    for name in EXAMPLES {
        let world = World::new(program);
        world.silent(&format!("prog load examples/{name}.bpf.o /sys/fs/bpf/it"));
        let own = translation(&world.results("prog dump xlated pinned /sys/fs/bpf/it"));
        let tag = json_value(&world.results("prog show pinned /sys/fs/bpf/it -j"), "tag").unwrap();
        let linux = std::fs::read_to_string(format!("tests/walk/xlated/{name}.txt")).unwrap();
        let (linux, linux_tag) = linux.split_once("\ntag ").unwrap();
        assert_eq!(tag, linux_tag.trim_end(), "{name}");
        let inlined = format!("tests/walk/xlated/{name}.own.txt");
        if Path::new(&inlined).exists() {
            assert!(
                linux.contains("__htab_map_lookup_elem") && !own.contains("__htab_map_lookup_elem"),
                "{name}"
            );
            golden(&inlined, &own);
            continue;
        }
        let expected = DIFFERENCES
            .iter()
            .fold(linux.to_owned(), |text, (theirs, ours, _)| {
                text.replace(theirs, ours)
            });
        assert_eq!(own, expected, "{name}");
    }
}

/// What Linux makes of the same programs.
pub(crate) fn translated_by_linux(program: &Program) {
    for name in EXAMPLES {
        let world = World::new(program);
        let kernel = Kernel {
            world: &world,
            pins: BpfFs::mount(),
            program: &bpftool_path(),
            before: &[],
        };
        let pins = kernel.pins();
        let loaded = kernel.say(&format!("prog load examples/{name}.bpf.o {pins}/it"));
        assert_eq!(loaded.code, Some(0), "{loaded:?}");
        let text = translation(
            &kernel
                .say(&format!("prog dump xlated pinned {pins}/it"))
                .out,
        );
        let shown = kernel.say(&format!("prog show pinned {pins}/it -j")).out;
        let text = format!("{text}\ntag {}\n", json_value(&shown, "tag").unwrap());
        golden(format!("tests/walk/xlated/{name}.txt"), &text);
    }
}

fn translation(dump: &str) -> String {
    mask::ids(&mask::call_numbers(dump))
}

/// The verifier's log of a load with `-d`, which Linux's must equal but for what it costs: the time, and how much was looked at.
pub(crate) fn log(program: &Program) {
    if blessing() {
        return;
    }
    for name in LOGGED {
        let world = World::new(program);
        let said = world.run(&format!(
            "-d prog load examples/{name}.bpf.o /sys/fs/bpf/it"
        ));
        let lines = said.err.lines().filter(|line| !line.starts_with("Error: "));
        let own = masked_log(lines);
        let linux = std::fs::read_to_string(format!("tests/walk/log/{name}.txt")).unwrap();
        // How deep the stack was where a program was refused is not told by skep.
        let refused = !own.contains("stack depth ");
        assert_eq!(refused, REFUSED.contains(&name), "{name}");
        let expected = if refused {
            linux.replace("stack depth 0\n", "")
        } else {
            linux
        };
        assert_eq!(own, expected, "{name}");
    }
}

/// Linux's log of the same loads.
pub(crate) fn log_of_linux(program: &Program) {
    for name in LOGGED {
        let world = World::new(program);
        let kernel = Kernel {
            world: &world,
            pins: BpfFs::mount(),
            program: &bpftool_path(),
            before: &[],
        };
        let said = kernel.say(&format!(
            "-d prog load examples/{name}.bpf.o {}/it",
            kernel.pins()
        ));
        let lines = said
            .err
            .lines()
            .skip_while(|line| !line.ends_with("-- BEGIN PROG LOAD LOG --"));
        let lines = lines
            .skip(1)
            .take_while(|line| !line.ends_with("-- END PROG LOAD LOG --"));
        golden(format!("tests/walk/log/{name}.txt"), &masked_log(lines));
    }
}

const REFUSED: [&str; 2] = ["no_license", "bad_packet_read"];
const LOGGED: [&str; 8] = [
    "hello",
    "drop_icmp",
    "swap_tx",
    "counter_maps",
    "redirect",
    "verdicts",
    "no_license",
    "bad_packet_read",
];

/// Column of the state behind an instruction.
const STATE_COLUMN: usize = 38;

/// The log without addresses and costs, and without what Linux alone tells at this level: which registers live before the
/// first instruction, which stack slots live, and how precision spreads. Such a report tears an instruction from its state; here they are joined.
fn masked_log<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let digit = |c: char| c.is_ascii_digit();
    let mut masked: Vec<String> = Vec::new();
    let mut torn = false;
    for line in lines {
        let live = line.starts_with("Live regs before insn:")
            || line.split_whitespace().nth(1).is_some_and(is_registers);
        let slots = line.starts_with("(");
        let precision = line.starts_with("mark_precise: ");
        torn |= precision;
        if live || slots || precision {
            continue;
        }
        let mut line = mask::after(&without_address(line), "verification time ", digit, "N");
        for count in [
            "max_states_per_insn ",
            "total_states ",
            "peak_states ",
            "mark_read ",
        ] {
            line = mask::after(&line, count, digit, "N");
        }
        let state = line
            .split_once(": R")
            .filter(|(number, _)| torn && number.chars().all(digit));
        match (state, masked.last_mut()) {
            (Some((_, state)), Some(insn)) => *insn = format!("{insn:<STATE_COLUMN$}; R{state}"),
            (Some(_) | None, _) => masked.push(line),
        }
        torn = false;
    }
    masked.join("\n") + "\n"
}

/// Whether a word is a row of registers, a dot for each that does not live: `.12...6...`.
fn is_registers(word: &str) -> bool {
    word.len() == 10
        && word
            .chars()
            .zip("0123456789".chars())
            .all(|(shown, number)| shown == '.' || shown == number)
}

/// A line of the log without the address that Linux shows to root: `0: (18) r1 = 0xffff88833d384d38       ; R1=map_value(...`.
pub(crate) fn without_address(line: &str) -> String {
    match line
        .split_once("= 0x")
        .and_then(|(before, rest)| Some((before, rest.split_once("; R")?.1)))
    {
        Some((before, state)) if before.contains("(18) r") => format!("{before}= 0xN ; R{state}"),
        Some(_) | None => line.to_owned(),
    }
}
