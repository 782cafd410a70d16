//! `skep verify`: verdicts, reports and figures, without a daemon.

use crate::common::{Program, World, json_value};
use skep_testkit::{golden, mask, root};
use std::fmt::Write as _;

/// The source of the refused programs, from where the tests run.
const REFUSED: &str = "crates/cli/tests/walk/verify/refused.bpf.o";
/// Programs of that file.
const PROGRAMS: usize = 39;

fn world(program: &Program) -> World {
    let world = World::new(program);
    world.write(
        "refused.bpf.o",
        std::fs::read(root().join(REFUSED)).unwrap(),
    );
    world
}

/// Figures that differ from run to run.
fn masked(text: &str) -> String {
    let number = |c: char| c.is_ascii_digit();
    let text = mask::after(text, " processed in ", number, "N");
    let text = mask::after(&text, "\"duration_us\":", number, "N");
    mask::after(&text, "verification time ", number, "N")
}

/// The report of each of the commonest refusals.
pub(crate) fn refused(program: &Program) {
    let world = world(program);
    let said = world.run("verify refused.bpf.o");
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""));
    assert!(
        said.out
            .ends_with(&format!("{PROGRAMS} programs: {PROGRAMS} rejected\n"))
    );
    assert!(!said.out.contains('\x1b'), "colours are for terminals");
    // Without words of its own a report would only say again what the log says.
    for report in said.out.split("\n\n") {
        assert!(report.contains("= help: "), "{report}");
    }
    golden("tests/walk/verify/refused.txt", &said.out);
    // Nothing was started for it.
    assert_eq!(std::fs::read_dir(world.runtime()).unwrap().count(), 0);
}

/// Exit codes, the log on request, one program of several, another type.
pub(crate) fn verdicts(program: &Program) {
    let world = world(program);
    world.write("text.o", "no object");
    let mut text = String::new();
    for (line, code) in [
        ("verify examples/hello.bpf.o", 0),
        ("verify examples/no_license.bpf.o", 1),
        ("verify examples/bad_packet_read.bpf.o --log 1", 1),
        ("verify examples/hello.bpf.o --log 4", 0),
        ("verify refused.bpf.o prog null_unchecked", 1),
        (
            "verify refused.bpf.o prog helper_of_others type classifier",
            0,
        ),
        ("verify refused.bpf.o prog nosuch", 2),
        ("verify nosuch.o", 2),
        ("verify text.o", 2),
        ("verify examples/hello.bpf.o text.o", 2),
        ("verify examples/hello.bpf.o --btf nosuch", 2),
        ("verify examples/hello.bpf.o --btf text.o", 2),
        ("verify examples/hello.bpf.o --compare nosuch.json", 2),
        ("verify examples/hello.bpf.o --compare text.o", 2),
        ("verify text.o -j", 2),
        ("verify", 255),
        ("verify examples/hello.bpf.o type nonsense", 255),
        ("verify examples/hello.bpf.o --log 9", 255),
    ] {
        let said = world.run(line);
        assert_eq!(said.code, Some(code), "{line}\n{said:?}");
        write!(text, "$ {line}\n{}{}", masked(&said.out), said.err).unwrap();
    }
    golden("tests/walk/verify/verdicts.txt", &text);
}

/// The JSON of an accepted and of a rejected program.
pub(crate) fn json(program: &Program) {
    let world = world(program);
    let said = world.run("verify examples/hello.bpf.o examples/no_license.bpf.o -p");
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""));
    golden(
        "tests/walk/verify/json.txt",
        &mask::after(&said.out, "\"duration_us\": ", |c| c.is_ascii_digit(), "N"),
    );
    let all = world.run("verify refused.bpf.o -j").out;
    assert_eq!(json_value(&all, "rejected"), Some(PROGRAMS.to_string()));
    // Every report says where and why, by a name that does not change with its wording.
    assert_eq!(all.matches("\"reason\":\"").count(), PROGRAMS);
    assert_eq!(all.matches("\"what\":\"").count(), PROGRAMS);
}

/// The table of figures, and what differs between two runs.
pub(crate) fn comparison(program: &Program) {
    let world = world(program);
    let files = "examples/hello.bpf.o examples/counter_maps.bpf.o examples/no_license.bpf.o";
    let table = world.run(&format!("verify {files} --stats"));
    let head = table
        .out
        .lines()
        .find(|line| line.starts_with("File "))
        .unwrap();
    let heads: Vec<&str> = head
        .split("  ")
        .map(str::trim)
        .filter(|head| !head.is_empty())
        .collect();
    assert_eq!(
        heads,
        [
            "File",
            "Program",
            "Verdict",
            "Duration (us)",
            "Insns",
            "States",
            "Peak states",
            "Mark read",
            "Program size"
        ]
    );
    assert!(
        table.out.contains("counter_maps.bpf.o  count"),
        "{}",
        table.out
    );

    let old = world.run(&format!("verify {files} -j"));
    assert_eq!(old.code, Some(1));
    world.write("same.json", &old.out);
    let same = world.run(&format!("verify {files} --compare same.json"));
    // The one that was rejected before is no regression.
    assert_eq!(same.code, Some(0));
    assert!(
        same.out
            .ends_with("compared: 3 the same, 0 different, 0 regressions\n"),
        "{}",
        same.out
    );

    let insns = json_value(&old.out, "insns").unwrap();
    let changed = old
        .out
        .replacen(&format!("\"insns\":{insns}"), "\"insns\":8", 1)
        .replacen("\"verdict\":\"rejected\"", "\"verdict\":\"accepted\"", 1)
        .replacen("\"program\":\"count\"", "\"program\":\"gone\"", 1);
    world.write("old.json", changed);
    let said = world.run(&format!("verify {files} --compare old.json"));
    assert_eq!(said.code, Some(1));
    let from = said.out.rfind("File ").unwrap();
    golden("tests/walk/verify/compared.txt", &said.out[from..]);
    let json = world.run(&format!("verify {files} --compare old.json -j"));
    assert_eq!(
        (json.code, json.out.matches("\"regression\":true").count()),
        (Some(1), 1)
    );
}

/// Without line records in BTF, lines come from DWARF, and their text from the source, if it is there.
pub(crate) fn lines_by_dwarf(program: &Program) {
    let world = world(program);
    let folder = root().join("examples");
    let object = std::fs::read(folder.join("bad_packet_read.bpf.o")).unwrap();
    // Another name, and the section is none that means anything.
    let at = object
        .windows(8)
        .position(|name| name == b".BTF.ext")
        .unwrap();
    let mut changed = object;
    changed[at + 1] = b'X';
    world.write("dwarf.o", changed);
    let without_source = world.run("verify dwarf.o");
    let source = std::fs::read(folder.join("bad_packet_read.bpf.c")).unwrap();
    world.write("bad_packet_read.bpf.c", source);
    let with_source = world.run("verify dwarf.o");
    assert_eq!((without_source.code, with_source.code), (Some(1), Some(1)));
    golden(
        "tests/walk/verify/dwarf.txt",
        &format!("{}\n{}", without_source.out, with_source.out),
    );
}
