//! Object files that are broken, hostile, or of no use.
//!
//! `objects.txt` records what is said of each mutation of hello, for its reader to judge. An object that still loads is fine
//! where libbpf takes it too: the verifier and not the file's form is what protects the machine.

use crate::common::{Program, Said, World, one_line};
use crate::elf::{Elf, Field};
use skep_testkit::oracle::{CLANG, compile_c};
use skep_testkit::{example, golden, mask};
use std::fmt::Write as _;
use std::process::Command;

type Mutation = (&'static str, fn(&mut Elf));

/// Each breaks one thing.
const MUTATIONS: &[Mutation] = &[
    ("class_32", |elf| elf.poke_header(4, &[1])),
    ("big_endian", |elf| elf.poke_header(5, &[2])),
    ("machine_x86_64", |elf| elf.poke_header(18, &[62, 0])),
    ("section_headers_beyond", |elf| {
        elf.poke_header(0x28, &u64::MAX.to_le_bytes())
    }),
    ("section_header_size", |elf| elf.poke_header(0x3a, &[1, 0])),
    ("section_count", |elf| elf.poke_header(0x3c, &[0xff, 0xfe])),
    ("section_names_index", |elf| {
        elf.poke_header(0x3e, &[0xf0, 0xff])
    }),
    ("section_names_empty", |elf| {
        elf.set(".strtab", Field::Size, 0)
    }),
    ("program_misaligned", |elf| shift(elf, "xdp", 1)),
    ("program_half_instruction", |elf| {
        elf.set("xdp", Field::Size, 92)
    }),
    ("program_empty", |elf| elf.set("xdp", Field::Size, 0)),
    ("program_beyond", |elf| {
        elf.set("xdp", Field::Offset, 1 << 40)
    }),
    ("program_size_huge", |elf| {
        elf.set("xdp", Field::Size, u64::MAX)
    }),
    ("program_overlaps_types", |elf| overlap(elf, "xdp", ".BTF")),
    ("program_overlaps_header", |elf| {
        elf.set("xdp", Field::Offset, 0)
    }),
    ("symbols_overlap_program", |elf| {
        overlap(elf, ".symtab", "xdp")
    }),
    ("symbols_entry_size", |elf| {
        elf.set(".symtab", Field::EntrySize, 1)
    }),
    ("symbols_size", |elf| elf.set(".symtab", Field::Size, 25)),
    ("symbols_of_themselves", |elf| {
        link_to_itself(elf, ".symtab")
    }),
    ("symbols_link_beyond", |elf| {
        elf.set(".symtab", Field::Link, 9999)
    }),
    ("symbols_all_ones", |elf| {
        elf.poke(".symtab", 24, &[0xff; 96])
    }),
    ("relocation_beyond", |elf| {
        elf.poke(".relxdp", 0, &4096_u64.to_le_bytes())
    }),
    ("relocation_misaligned", |elf| elf.poke(".relxdp", 0, &[3])),
    ("relocation_of_no_load", |elf| elf.poke(".relxdp", 0, &[16])),
    ("relocation_symbol_beyond", |elf| {
        elf.poke(".relxdp", 12, &[0xff, 0xff, 0xff, 0x0f])
    }),
    ("relocation_type_unknown", |elf| {
        elf.poke(".relxdp", 8, &[200])
    }),
    ("relocations_of_no_section", |elf| {
        elf.set(".relxdp", Field::Info, 9999)
    }),
    ("relocations_entry_size", |elf| {
        elf.set(".relxdp", Field::EntrySize, 3)
    }),
    ("bss_huge", |elf| elf.set(".bss", Field::Size, u64::MAX)),
    ("bss_large", |elf| elf.set(".bss", Field::Size, 1 << 33)),
    ("rodata_beyond", |elf| {
        elf.set(".rodata", Field::Size, 1 << 32)
    }),
    ("licence_without_end", |elf| {
        elf.poke("license", 0, &[b'G'; 13])
    }),
    ("licence_beyond", |elf| {
        elf.set("license", Field::Size, u64::MAX)
    }),
    ("types_magic", |elf| elf.poke(".BTF", 0, &[0])),
    ("types_version", |elf| elf.poke(".BTF", 2, &[9])),
    ("types_header_length", |elf| {
        elf.poke(".BTF", 4, &u32::MAX.to_le_bytes())
    }),
    ("types_beyond", |elf| {
        elf.poke(".BTF", 8, &u32::MAX.to_le_bytes())
    }),
    ("types_length", |elf| {
        elf.poke(".BTF", 12, &u32::MAX.to_le_bytes())
    }),
    ("types_strings_beyond", |elf| {
        elf.poke(".BTF", 16, &u32::MAX.to_le_bytes())
    }),
    ("types_strings_length", |elf| elf.poke(".BTF", 20, &[0; 4])),
    ("type_of_itself", |elf| elf.poke(".BTF", 24 + 8, &[1])),
    ("type_name_beyond", |elf| {
        elf.poke(".BTF", 24 + 12, &u32::MAX.to_le_bytes())
    }),
    ("type_kind_unknown", |elf| elf.poke(".BTF", 24 + 7, &[0x1f])),
    ("type_members_many", |elf| {
        elf.poke(".BTF", 24 + 12 + 4, &[0xff, 0xff])
    }),
    ("type_reference_beyond", |elf| {
        elf.poke(".BTF", 24 + 8, &[0xff, 0xff])
    }),
    ("types_truncated", |elf| elf.set(".BTF", Field::Size, 100)),
    ("types_empty", |elf| elf.set(".BTF", Field::Size, 0)),
    ("lines_magic", |elf| elf.poke(".BTF.ext", 0, &[0])),
    ("lines_header_length", |elf| {
        elf.poke(".BTF.ext", 4, &u32::MAX.to_le_bytes())
    }),
    ("lines_functions_beyond", |elf| {
        elf.poke(".BTF.ext", 8, &0x00ff_fff0_u32.to_le_bytes())
    }),
    ("lines_functions_length", |elf| {
        elf.poke(".BTF.ext", 12, &u32::MAX.to_le_bytes())
    }),
    ("lines_record_size_zero", |elf| {
        elf.poke(".BTF.ext", 32, &[0; 4])
    }),
    ("lines_record_size_huge", |elf| {
        elf.poke(".BTF.ext", 32, &u32::MAX.to_le_bytes())
    }),
    ("lines_record_count", |elf| {
        elf.poke(".BTF.ext", 32 + 8, &u32::MAX.to_le_bytes())
    }),
    ("lines_section_name", |elf| {
        elf.poke(".BTF.ext", 32 + 4, &u32::MAX.to_le_bytes())
    }),
    ("lines_overlap_types", |elf| {
        overlap(elf, ".BTF.ext", ".BTF")
    }),
    ("dwarf_beyond", |elf| {
        elf.set(".debug_line", Field::Offset, 1 << 40)
    }),
    ("dwarf_all_ones", |elf| {
        elf.poke(".debug_line", 0, &[0xff; 64])
    }),
    ("dwarf_abbreviations_gone", |elf| {
        elf.set(".debug_abbrev", Field::Size, 0)
    }),
    ("program_is_no_program", |elf| {
        elf.set("xdp", Field::Type, 8)
    }),
];

fn shift(elf: &mut Elf, name: &str, by: usize) {
    let offset = elf.bytes_of(name) + by;
    elf.set(name, Field::Offset, u64::try_from(offset).unwrap());
}

fn overlap(elf: &mut Elf, name: &str, other: &str) {
    let offset = elf.bytes_of(other);
    elf.set(name, Field::Offset, u64::try_from(offset).unwrap());
}

fn link_to_itself(elf: &mut Elf, name: &str) {
    let index = elf.index(name);
    elf.set(name, Field::Link, u64::try_from(index).unwrap());
}

fn hello() -> Elf {
    Elf(std::fs::read(example("hello.bpf.o")).unwrap())
}

/// Commands that read an object file. Bytes of a hostile file may be in what is shown, never control characters.
const READERS: [&str; 5] = [
    "run {}",
    "prog load {} /sys/fs/bpf/it",
    "btf dump file {}",
    "objdump -S {}",
    "objdump -S --dwarf {}",
];

/// Checks that a reader either did its work or said one line with the file's name, and gives what it said of it.
fn judged(said: &Said, file: &str) -> String {
    let shown = format!("{said:?}");
    assert!(!said.err.contains("panicked"), "{file}: {shown}");
    let hostile = |c: char| c.is_control() && c != '\n' && c != '\t';
    assert!(
        !said.err.contains(hostile) && !said.out.contains(hostile),
        "{file}: {shown}"
    );
    match said.code {
        // libbpf goes on without types that it cannot read, and says so.
        Some(0) => ["accepted"]
            .into_iter()
            .chain(said.err.lines())
            .collect::<Vec<_>>()
            .join(" | "),
        Some(_) => {
            // A rejection comes with the verifier's log; its last line is the error, or its first for `run`.
            let line = said.err.lines().find(|line| line.starts_with("Error: "));
            let line = line.unwrap_or_else(|| panic!("{file}: {shown}"));
            let refused = said.err.contains("processed ");
            assert!(refused || said.err.lines().count() == 1, "{file}: {shown}");
            // bpftool's own words for this one do not name the file.
            let known = line == "Error: object file doesn't contain any bpf program";
            let named = line.contains(file) || line.contains("program '");
            assert!(named || refused || known, "{file}: {line}");
            format!("{} {line}", said.code.unwrap())
        }
        None => panic!("{file}: ended by a signal: {shown}"),
    }
}

/// All lengths are too short: the section headers stand at the end.
pub(crate) fn truncated(program: &Program) {
    let world = World::new(program);
    let whole = hello().0;
    let steps = (0..whole.len()).step_by(whole.len() / 24);
    for length in [1, 4, 15, 16, 63, 64, whole.len() - 1]
        .into_iter()
        .chain(steps)
    {
        world.write("cut.o", &whole[..length]);
        for reader in READERS {
            let said = world.run(&reader.replace("{}", "cut.o"));
            assert_ne!(judged(&said, "cut.o"), "accepted", "{reader} {length}");
        }
    }
}

/// What every reader says of every mutation.
pub(crate) fn mutated(program: &Program) {
    let world = World::new(program);
    let mut text = String::new();
    for (name, mutate) in MUTATIONS {
        let mut elf = hello();
        mutate(&mut elf);
        world.write("bad.o", &elf.0);
        writeln!(text, "{name}").unwrap();
        for reader in READERS {
            let said = world.run(&reader.replace("{}", "bad.o"));
            writeln!(
                text,
                "\t{}: {}",
                reader.split(" {}").next().unwrap(),
                judged(&said, "bad.o")
            )
            .unwrap();
        }
        world.run("pin rm /sys/fs/bpf/it");
    }
    golden("tests/bad_input/objects.txt", &text);
}

/// Files that are no objects at all.
pub(crate) fn no_objects(program: &Program) {
    let world = World::new(program);
    world.write("empty", []);
    world.write("text", "#include <linux/bpf.h>\n");
    let unreadable = world.write("unreadable", hello().0);
    std::fs::set_permissions(
        &unreadable,
        std::os::unix::fs::PermissionsExt::from_mode(0o000),
    )
    .unwrap();
    let mut text = String::new();
    for file in [
        "nosuch.o",
        "nosuch.bpf.c",
        "examples",
        "empty",
        "text",
        "unreadable",
        "/dev/null",
    ] {
        for reader in READERS {
            let line = reader.replace("{}", file);
            let said = world.run(&line);
            writeln!(text, "{line}: {}", judged(&said, file)).unwrap();
            if !reader.starts_with("objdump") {
                // The same as JSON, on standard output.
                let json = world.run(&format!("-j {line}"));
                assert_eq!(json.code, said.code, "{line}");
                let object: serde_json::Value = serde_json::from_str(&json.out)
                    .unwrap_or_else(|error| panic!("{line}: {error}: {json:?}"));
                assert_eq!(
                    Some(object["error"].as_str().unwrap()),
                    said.err.trim_end().strip_prefix("Error: "),
                    "{line}"
                );
            }
        }
    }
    golden("tests/bad_input/no_objects.txt", &text);
}

/// An object for this host's processor.
pub(crate) fn another_machine(program: &Program) {
    let world = World::new(program);
    let source = world.write("host.c", "int main(void) { return 0; }\n");
    let object = world.path("host.o");
    assert!(
        Command::new(CLANG)
            .arg("-c")
            .arg(source)
            .arg("-o")
            .arg(&object)
            .status()
            .unwrap()
            .success()
    );
    for reader in ["run host.o", "prog load host.o /sys/fs/bpf/it"] {
        let line = world.refused(reader, 255);
        assert!(
            line.contains("host.o") && line.contains("not for BPF"),
            "{line}"
        );
    }
}

/// Sections that nobody knows are ignored, as by libbpf; a program in one has no type.
pub(crate) fn unknown_sections(program: &Program) {
    let world = World::new(program);
    world.write("note", "hello");
    let mut objcopy = Command::new("llvm-objcopy-19");
    objcopy.current_dir(world.dir()).args([
        "--add-section=.mystery=note",
        "--add-section=mystery/one=note",
        "examples/hello.bpf.o",
        "more.o",
    ]);
    assert!(objcopy.status().unwrap().success());
    let more = world.results("run more.o");
    assert_eq!(
        more.lines().skip(1).collect::<Vec<_>>(),
        world
            .results("run examples/hello.bpf.o")
            .lines()
            .skip(1)
            .collect::<Vec<_>>()
    );
    world.silent("prog load more.o /sys/fs/bpf/it");

    let source = "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\nSEC(\"mystery\") int odd(void *ctx) { return 0; }\n";
    world.write("odd.o", compile_c(source));
    for reader in ["run odd.o", "prog load odd.o /sys/fs/bpf/odd"] {
        let line = world.refused(reader, 255);
        assert!(line.contains("odd") && line.contains("mystery"), "{line}");
    }
}

/// Programs that the verifier refuses: the log, and one line that names the program; nothing stays loaded.
pub(crate) fn refused_programs(program: &Program) {
    let world = World::new(program);
    let mut text = String::new();
    for name in ["no_license", "bad_packet_read"] {
        for line in [
            "run {}",
            "prog load {} /sys/fs/bpf/it",
            "-d prog load {} /sys/fs/bpf/it",
            "-j prog load {} /sys/fs/bpf/it",
        ] {
            let line = line.replace("{}", &format!("examples/{name}.bpf.o"));
            let said = world.run(&line);
            assert_eq!(said.code, Some(255), "{line}");
            let said = mask::after(
                &format!("{}{}", said.out, said.err),
                "verification time ",
                |c| c.is_ascii_digit(),
                "N",
            );
            write!(text, "$ {line}\n{said}").unwrap();
        }
        let said = world.run(&format!("prog load examples/{name}.bpf.o /sys/fs/bpf/it"));
        one_line(
            said.err
                .lines()
                .last()
                .map(|line| format!("{line}\n"))
                .unwrap()
                .as_str(),
        );
    }
    golden("tests/bad_input/refused.txt", &text);
    assert_eq!(
        world.results("prog list") + &world.results("map list") + &world.results("btf list"),
        ""
    );
}
