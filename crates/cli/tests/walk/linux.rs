//! hello loaded, shown, dumped, run and changed: the words of skep beside those of bpftool on Linux.
//!
//! `linux.txt` is a transcript of bpftool 7.5 on Linux 6.18, which `BLESS=1` records where there are both. skep, with a machine
//! of its own, and `skep --kernel`, with Linux itself, must say the same. What may differ is masked and nothing else: ids,
//! numbers of calls, times, who loaded, and the machine code (but not the source lines between it).

use crate::common::{ORDINARY, Program, Said, World, is_root, json_value};
use skep_testkit::oracle::{BpfFs, bpftool_path};
use skep_testkit::{blessing, golden, mask};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

const TRANSCRIPT: &str = "tests/walk/linux.txt";
const EXAMPLES: [&str; 5] = [
    "drop_icmp",
    "swap_tx",
    "counter_maps",
    "redirect",
    "verdicts",
];

/// A tool, what it works on, and how it is told which object is meant.
trait Tool {
    /// Runs a command line in which nothing is left to replace.
    fn say(&self, words: &str) -> Said;
    /// The folder of pins.
    fn pins(&self) -> String;
    /// The words that stand for a placeholder.
    fn selector(&self, placeholder: &str) -> String;
}

/// skep on its own machine; programs and maps by id or by name.
struct Own<'a> {
    world: &'a World,
    by: By,
}

#[derive(Clone, Copy)]
enum By {
    Pin,
    Name,
    Id,
}

impl Tool for Own<'_> {
    fn say(&self, words: &str) -> Said {
        self.world.run(words)
    }

    fn pins(&self) -> String {
        "/sys/fs/bpf".to_owned()
    }

    fn selector(&self, placeholder: &str) -> String {
        match (placeholder, self.by) {
            ("{HELLO}", By::Pin) => "pinned /sys/fs/bpf/hello".to_owned(),
            ("{HELLO}", By::Name) => "name hello".to_owned(),
            ("{BSS}", By::Name) => "name hello.bss".to_owned(),
            ("{RODATA}", By::Name) => "name hello.rodata".to_owned(),
            (other, By::Pin | By::Name | By::Id) => id_of(
                other,
                &self.world.results("prog show pinned /sys/fs/bpf/hello -j"),
            ),
        }
    }
}

/// A tool on Linux, with a bpffs of its own. Linux may hold other programs named hello, so ids name everything.
struct Kernel<'a> {
    world: &'a World,
    pins: BpfFs,
    program: &'a Path,
    before: &'a [&'a str],
}

impl Tool for Kernel<'_> {
    fn say(&self, words: &str) -> Said {
        let mut command = Command::new(self.program);
        command
            .args(self.before)
            .args(words.split_whitespace())
            .current_dir(self.world.dir())
            .stdin(Stdio::null());
        Said::of(&command.output().unwrap())
    }

    fn pins(&self) -> String {
        self.pins.display().to_string()
    }

    fn selector(&self, placeholder: &str) -> String {
        let shown = self.say(&format!("prog show pinned {}/hello -j", self.pins()));
        id_of(placeholder, &shown.out)
    }
}

/// `id N` of what a placeholder stands for, from the JSON of hello.
fn id_of(placeholder: &str, shown: &str) -> String {
    let maps = shown
        .split_once("\"map_ids\":[")
        .and_then(|(_, rest)| rest.split_once(']'))
        .unwrap()
        .0;
    let (bss, rodata) = maps.split_once(',').unwrap();
    let id = match placeholder {
        "{HELLO}" => json_value(shown, "id").unwrap(),
        "{BTF}" => json_value(shown, "btf_id").unwrap(),
        "{BSS}" => bss.to_owned(),
        "{RODATA}" => rodata.to_owned(),
        other => panic!("no placeholder: {other}"),
    };
    format!("id {id}")
}

/// Repeats the transcript's commands.
fn transcribe(tool: &impl Tool) -> String {
    let recorded = std::fs::read_to_string(TRANSCRIPT).unwrap();
    let mut text = String::new();
    for command in recorded.lines().filter_map(|line| line.strip_prefix("$ ")) {
        let pins = tool.pins();
        let mut words = command.replace("{P}", &pins);
        for placeholder in ["{HELLO}", "{BSS}", "{RODATA}", "{BTF}"] {
            if words.contains(placeholder) {
                words = words.replace(placeholder, &tool.selector(placeholder));
            }
        }
        let said = tool.say(&words);
        writeln!(text, "$ {command}").unwrap();
        text += &masked(command, &said.out).replace(&pins, "{P}");
        for line in said.err.lines() {
            // A usage text tells what a tool can do, which is not the same.
            if line.starts_with("Usage: ") {
                text += "! Usage: ...\n";
                break;
            }
            if let Some(line) = comparable(line) {
                writeln!(text, "! {}", line.replace(&pins, "{P}")).unwrap();
            }
        }
        if said.code != Some(0) {
            writeln!(text, "=> {}", said.code.unwrap()).unwrap();
        }
    }
    text
}

/// Masks what may differ in the results of `command`.
fn masked(command: &str, results: &str) -> String {
    let digit = |c: char| c.is_ascii_digit();
    let mut text = if command.contains("dump jited") {
        without_code(results)
    } else {
        results.to_owned()
    };
    if let Some(at) = text.find(",\"duration_ps\"") {
        // skep's addition, for runs that take less than a nanosecond.
        let end = text[at..].find('}').unwrap() + at;
        text.replace_range(at..end, "");
    }
    if let Some(at) = text.find(",\n    \"duration_ps\"") {
        let end = text[at..].find("\n}").unwrap() + at;
        text.replace_range(at..end, "");
    }
    for prefix in [
        "duration: ",
        "duration (average): ",
        "\"duration\":",
        "\"duration\": ",
    ] {
        text = mask::after(&text, prefix, digit, "N");
    }
    for prefix in [
        "uid ",
        "\"uid\":",
        "\"uid\": ",
        "jited ",
        "\"bytes_jited\":",
        "\"bytes_jited\": ",
    ] {
        text = mask::after(&text, prefix, digit, "N");
    }
    for prefix in ["\"prog_ids\":[", "\"prog_ids\": ["] {
        text = mask::after(&text, prefix, digit, "N");
    }
    text = mask::call_numbers(&mask::load_times(&text));
    if !command.starts_with("btf dump") {
        // Numbers of types are the same everywhere.
        text = mask::ids(&text);
    }
    without_immediates(&text)
}

/// A line of standard error as it is compared. libbpf's own lines around the verifier's log, and the reason that skep adds to
/// the last line instead, are not.
fn comparable(line: &str) -> Option<String> {
    for plain in [
        "Error: failed to load object file",
        "Error: failed to open object file",
    ] {
        if line.starts_with(plain) {
            return Some(plain.to_owned());
        }
    }
    let theirs = line.starts_with("libbpf: ") || line == "-- END PROG LOAD LOG --";
    (!theirs).then(|| without_address(line))
}

/// A line of the log without the address that Linux shows to root: `0: (18) r1 = 0xffff88833d384d38       ; R1=map_value(...`.
fn without_address(line: &str) -> String {
    match line
        .split_once("= 0x")
        .and_then(|(before, rest)| Some((before, rest.split_once("; R")?.1)))
    {
        Some((before, state)) if before.contains("(18) r") => format!("{before}= 0xN ; R{state}"),
        Some(_) | None => line.to_owned(),
    }
}

/// The immediates of map loads and calls, which are ids and distances, in the bytes of instructions.
fn without_immediates(text: &str) -> String {
    let mut text = text.to_owned();
    for opcode in ["18 26 00 00 ", "18 21 00 00 ", "85 00 00 00 "] {
        text = mask_exactly(&text, opcode, "NN NN NN NN".len());
    }
    for code in ["0x18", "0x85"] {
        for separator in [":", ": "] {
            let mut from = 0;
            let code = format!("\"code\"{separator}\"{code}\"");
            while let Some(at) = text[from..].find(&code) {
                let start =
                    from + at + text[from + at..].find("\"imm\"").unwrap() + "\"imm\"".len();
                let end = start + text[start..].find('}').unwrap();
                text.replace_range(start..end, ":N");
                from = start;
            }
        }
    }
    text
}

fn mask_exactly(text: &str, prefix: &str, length: usize) -> String {
    let mut parts = text.split(prefix);
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        masked += prefix;
        masked += &"N".repeat(length.min(part.len()));
        masked += part.get(length..).unwrap_or_default();
    }
    masked
}

/// A dump of machine code without the code: the names, prototypes and source lines that stand between it.
fn without_code(dump: &str) -> String {
    if let Ok(serde_json::Value::Array(functions)) = serde_json::from_str(dump) {
        return functions.iter().map(function_without_code).collect();
    }
    let is_code = |line: &&str| {
        let (offset, rest) = line.split_once(":\t").unwrap_or(("", ""));
        let instruction =
            !rest.is_empty() && offset.trim_start().chars().all(|c| c.is_ascii_hexdigit());
        let bytes = line.starts_with('\t') && line.split_whitespace().all(|byte| byte.len() == 2);
        instruction || bytes
    };
    dump.split('\n')
        .filter(|line| !is_code(line))
        .collect::<Vec<_>>()
        .join("\n")
}

/// One function of a dump as JSON: everything but the instructions, and of those the first and the ones with source.
fn function_without_code(function: &serde_json::Value) -> String {
    let mut function = function.clone();
    let insns = function["insns"].as_array_mut().unwrap();
    for insn in insns.iter_mut() {
        for (key, value) in insn.as_object_mut().unwrap() {
            if ["pc", "operation", "operands", "opcodes"].contains(&key.as_str()) {
                assert!(value.is_string() || value.is_array(), "{key}");
                *value = "X".into();
            }
        }
    }
    insns.dedup();
    function.to_string() + "\n"
}

/// skep's machine says what bpftool says, programs named by their pins.
pub(crate) fn own_by_pin(program: &Program) {
    own(program, By::Pin);
}

/// The same, programs and maps named by their names.
pub(crate) fn own_by_name(program: &Program) {
    own(program, By::Name);
}

/// The same, programs and maps named by their ids.
pub(crate) fn own_by_id(program: &Program) {
    own(program, By::Id);
}

fn own(program: &Program, by: By) {
    if blessing() {
        // Only Linux may write the transcript.
        return;
    }
    let world = World::new(program);
    world.write("packet", [0; 64]);
    golden(TRANSCRIPT, &transcribe(&Own { world: &world, by }));
}

/// bpftool says on this Linux what was recorded.
pub(crate) fn bpftool(program: &Program) {
    on_linux(program, &bpftool_path(), &[]);
}

/// So does `skep --kernel`.
pub(crate) fn skep_on_linux(program: &Program) {
    if blessing() {
        return;
    }
    on_linux(program, &program.skep(), &["--kernel"]);
}

fn on_linux(program: &Program, tool: &Path, before: &[&str]) {
    let world = World::new(program);
    world.write("packet", [0; 64]);
    let kernel = Kernel {
        world: &world,
        pins: BpfFs::mount(),
        program: tool,
        before,
    };
    golden(TRANSCRIPT, &transcribe(&kernel));
}

/// The whole listings hold what was loaded and nothing else, in text and JSON.
pub(crate) fn listings(program: &Program) {
    let world = World::with_hello(program);
    let one = world.results("prog show name hello");
    assert_eq!(world.results("prog list"), one);
    assert_eq!(world.results("prog"), one);
    assert_eq!(world.results("p s"), one);
    let json = world.results("prog show name hello -j");
    assert_eq!(
        world.results("prog list -j"),
        format!("[{}]\n", json.trim_end())
    );
    let uid = if is_root() {
        ORDINARY
    } else {
        skep_sys::effective_uid()
    };
    assert!(one.contains(&format!("  uid {uid}\n")), "{one}");
    // The tag that Linux 6.18 computes, as the transcript of bpftool holds it.
    let tag = json_value(&json, "tag").unwrap();
    assert!(
        std::fs::read_to_string(TRANSCRIPT)
            .unwrap()
            .contains(&format!("  tag {tag}  ")),
        "{tag}"
    );
    let by_tag = world.results(&format!("prog show tag {tag}"));
    assert_eq!(by_tag, one);

    let maps = world.results("map list");
    assert_eq!(
        maps,
        world.results("map show name hello.bss") + &world.results("map show name hello.rodata")
    );
    let ids = maps
        .lines()
        .filter_map(|line| line.split_once(": array").map(|(id, _)| id))
        .collect::<Vec<_>>();
    assert!(
        one.contains(&format!("map_ids {}\n", ids.join(","))),
        "{one}{maps}"
    );
    assert_eq!(world.results("btf list").lines().count(), 1);
}

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
