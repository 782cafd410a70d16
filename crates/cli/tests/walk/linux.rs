//! hello loaded, shown, dumped, run and changed: the words of skep beside those of bpftool on Linux.
//!
//! `linux.txt` is a transcript of bpftool 7.5 on Linux 6.18, which `BLESS=1` records where there are both. skep, with a machine
//! of its own, and `skep --kernel`, with Linux itself, must say the same. What may differ is masked and nothing else: ids,
//! numbers of calls, times, who loaded, and the machine code (but not the source lines between it).

use crate::common::{ORDINARY, Program, World, is_root, json_value};
use crate::tool::{By, Kernel, Own, Tool};
use crate::verified::without_address;
use skep_testkit::oracle::{BpfFs, bpftool_path};
use skep_testkit::{blessing, golden, mask};
use std::fmt::Write as _;
use std::path::Path;

const TRANSCRIPT: &str = "tests/walk/linux.txt";

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
