//! `skep --kernel` beside bpftool on the same objects, and `skep objdump` beside `llvm-objdump`, byte for byte.
//!
//! `tests/oracle/*.txt` hold one command a line; `{P}` and `{M}` stand for the folders of pinned programs and maps, `{D}` for
//! one of files, `{N}` for a program's name that nothing else has. Every command is run by both tools, so commands that change something must bear repetition.
//! Usage texts, which name other commands, and durations are not compared.

#![allow(clippy::unwrap_used, reason = "tests")]

use skep_testkit::oracle::{BpfFs, CLANG, bpftool_path, compile_c};
use skep_testkit::{Harness, Need, TempDir, mask};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// How often a command is asked of both tools until they agree.
const ATTEMPTS: usize = 3;

const SKEP: &str = env!("CARGO_BIN_EXE_skep");
const MANY: &str = include_str!("oracle/many.bpf.c");
const BRANCHES: &str = include_str!("oracle/branches.bpf.c");

fn main() {
    let needs = [Need::Oracle, Need::Bpftool, Need::Clang];
    let mut harness = Harness::from_args();
    for name in ["prog", "map", "btf", "tool"] {
        harness = harness.case(format!("like_bpftool::{name}"), &needs, move || {
            like_bpftool(name)
        });
    }
    let in_namespaces = [Need::Oracle, Need::Netns, Need::Bpftool, Need::Clang];
    harness
        .case("like_bpftool::net", &in_namespaces, net_like_bpftool)
        .case("loads_like_bpftool", &needs, loads_like_bpftool)
        .case("objdump::btf", &[Need::Clang], || like_llvm(Debug::Btf))
        .case("objdump::dwarf", &[Need::Clang], || like_llvm(Debug::Dwarf))
        .run();
}

/// What a tool said, with what may differ taken out.
#[derive(PartialEq, Eq, Debug)]
struct Said {
    code: Option<i32>,
    results: String,
    errors: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let digit = |c: char| c.is_ascii_digit();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut results = text(&output.stdout);
        for prefix in ["duration: ", "duration (average): ", "\"duration\":"] {
            results = mask::after(&results, prefix, digit, "N");
        }
        let errors = text(&output.stderr);
        let errors = if errors.contains("Usage:") {
            "usage".to_owned()
        } else {
            errors
        };
        Self {
            code: output.status.code(),
            results,
            errors,
        }
    }
}

fn run(program: &Path, before: &[&str], words: &[String]) -> Output {
    let mut command = Command::new(program);
    command
        .args(before)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

struct World {
    pins: BpfFs,
    dir: TempDir,
    /// Name of a program that no other test loads.
    name: String,
}

impl World {
    /// Objects loaded by bpftool.
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("only{}_{number}", std::process::id());
        let world = Self {
            pins: BpfFs::mount(),
            dir: TempDir::new("cli-oracle"),
            name,
        };
        let source = MANY.replace(" second(", &format!(" {}(", world.name));
        world.dir.write("many.bpf.o", compile_c(&source));
        world.dir.write("pkt", [0; 70]);
        let load = world.words("prog loadall {D}/many.bpf.o {P} pinmaps {M}");
        let loaded = run(&bpftool_path(), &[], &load);
        let errors = String::from_utf8_lossy(&loaded.stderr);
        assert!(loaded.status.success(), "{errors}");
        world
    }

    fn words(&self, line: &str) -> Vec<String> {
        let pins = self.pins.display().to_string();
        let places = [
            ("{P}", format!("{pins}/progs")),
            ("{M}", format!("{pins}/maps")),
            ("{D}", self.dir.display().to_string()),
            ("{N}", self.name.clone()),
        ];
        let place = |word: &str| {
            let word = word.to_owned();
            places
                .iter()
                .fold(word, |word, (name, path)| word.replace(name, path))
        };
        line.split_whitespace().map(place).collect()
    }

    /// Both tools' answers to one command line.
    fn both(&self, line: &str) -> (Said, Said) {
        let words = self.words(line);
        let theirs = Said::of(&run(&bpftool_path(), &[], &words));
        let ours = Said::of(&run(Path::new(SKEP), &["--kernel"], &words));
        (theirs, ours)
    }
}

fn like_bpftool(name: &str) {
    let world = World::new();
    let commands = std::fs::read_to_string(format!("tests/oracle/{name}.txt")).unwrap();
    let mut different = String::new();
    for line in commands.lines().filter(|line| !line.is_empty()) {
        // Listings differ while another process loads or unloads something: ask again.
        let mut answers = (0..ATTEMPTS).map(|_| world.both(line));
        let mut last = answers.next();
        while last.as_ref().is_some_and(|(theirs, ours)| theirs != ours) {
            match answers.next() {
                Some(answer) => last = Some(answer),
                None => break,
            }
        }
        let (theirs, ours) = last.unwrap();
        if theirs != ours {
            different.push_str(&format!(
                "$ {line}\nbpftool: {theirs:#?}\nskep: {ours:#?}\n"
            ));
        }
    }
    assert!(different.is_empty(), "{different}");
}

/// A network namespace with two ends of a veth pair, for as long as this lives.
struct Namespace {
    holder: Child,
}

impl Namespace {
    fn new() -> Self {
        const SETUP: &str = "ip link add v0 type veth peer name v1 && echo ready && exec cat";
        let mut holder = Command::new("unshare")
            .args(["--net", "sh", "-c", SETUP])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 6];
        let outcome = holder.stdout.as_mut().unwrap().read_exact(&mut ready);
        let namespace = Self { holder };
        outcome.unwrap();
        namespace
    }

    /// What a tool says in it.
    fn said(&self, program: &Path, before: &[&str], words: &[String]) -> Said {
        let holder = self.holder.id().to_string();
        let enter = ["--target", &holder, "--net", &program.display().to_string()];
        let before: Vec<&str> = enter.into_iter().chain(before.iter().copied()).collect();
        Said::of(&run(Path::new("nsenter"), &before, words))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The namespace goes with its last process.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// The same commands in two like namespaces, one for each tool.
fn net_like_bpftool() {
    let world = World::new();
    let (theirs, ours) = (Namespace::new(), Namespace::new());
    let mut different = String::new();
    for line in include_str!("oracle/net.txt").lines() {
        let words = world.words(line);
        let theirs = theirs.said(&bpftool_path(), &[], &words);
        let ours = ours.said(Path::new(SKEP), &["--kernel"], &words);
        if theirs != ours {
            different.push_str(&format!(
                "$ {line}\nbpftool: {theirs:#?}\nskep: {ours:#?}\n"
            ));
        }
    }
    assert!(different.is_empty(), "{different}");
}

/// What skep loads looks as what bpftool loads, but for ids and times.
fn loads_like_bpftool() {
    let world = World::new();
    let load = "prog loadall {D}/many.bpf.o {P}2 pinmaps {M}2";
    let loaded = run(Path::new(SKEP), &["--kernel"], &world.words(load));
    assert_eq!(String::from_utf8_lossy(&loaded.stderr), "");
    assert!(loaded.status.success());
    let shown = |line: &str| {
        let output = run(&bpftool_path(), &[], &world.words(line));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        mask::addresses(&mask::ids(&mask::load_times(&text)))
    };
    for program in ["first", "{N}"] {
        for command in ["prog show pinned", "prog dump xlated pinned"] {
            let (theirs, ours) = (
                format!("{command} {{P}}/{program}"),
                format!("{command} {{P}}2/{program}"),
            );
            assert_eq!(shown(&theirs), shown(&ours), "{command} {program}");
        }
    }
    for entry in std::fs::read_dir(&world.words("{M}")[0]).unwrap() {
        let map = entry.unwrap().file_name().into_string().unwrap();
        let (theirs, ours) = (
            format!("map show pinned {{M}}/{map}"),
            format!("map show pinned {{M}}2/{map}"),
        );
        assert_eq!(shown(&theirs), shown(&ours), "{map}");
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Debug {
    Btf,
    Dwarf,
}

/// Every processor version and two levels of optimisation, with and without source and bytes.
fn like_llvm(debug: Debug) {
    let dir = TempDir::new("objdump");
    let mut different = String::new();
    for (name, source) in [("many", MANY), ("branches", BRANCHES)] {
        let path = dir.write(&format!("{name}.bpf.c"), source);
        for cpu in ["v1", "v2", "v3", "v4"] {
            for level in ["-O1", "-O2"] {
                let object = dir.join(format!("{name}{cpu}{level}.o"));
                let mut clang = Command::new(CLANG);
                clang.args(["-g", level, "--target=bpf", "-w", &format!("-mcpu={cpu}")]);
                clang
                    .arg("-I/usr/include/x86_64-linux-gnu")
                    .arg("-c")
                    .arg(&path)
                    .arg("-o")
                    .arg(&object);
                assert!(clang.status().unwrap().success());
                if debug == Debug::Btf {
                    let mut strip = Command::new("llvm-objcopy-19");
                    strip
                        .args(["--remove-section=.debug*", "--remove-section=.rel.debug*"])
                        .arg(&object);
                    assert!(strip.status().unwrap().success());
                }
                different.push_str(&differences(&object, debug));
            }
        }
    }
    assert!(different.is_empty(), "{different}");
}

fn differences(object: &Path, debug: Debug) -> String {
    let mut different = String::new();
    for options in [&["-S"][..], &["-d"], &["-S", "--no-show-raw-insn"]] {
        let mut words: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        words.push(object.display().to_string());
        let theirs = run(Path::new("llvm-objdump-19"), &[], &words);
        let with_dwarf = debug == Debug::Dwarf && options.contains(&"-S");
        let before: &[&str] = if with_dwarf {
            &["objdump", "--dwarf"]
        } else {
            &["objdump"]
        };
        let ours = run(Path::new(SKEP), before, &words);
        if (&theirs.stdout, &theirs.stderr) != (&ours.stdout, &ours.stderr) {
            different.push_str(&format!("{} {options:?} differs\n", object.display()));
        }
    }
    different
}
