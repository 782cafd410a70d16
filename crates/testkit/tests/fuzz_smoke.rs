//! A second of each fuzz target.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../../fuzz/src/lib.rs"]
mod targets;

use skep_testkit::{example, fuzz::smoke, root};
use std::fs;
use std::path::PathBuf;

/// The objects of the examples.
fn objects() -> Vec<Vec<u8>> {
    let entries = fs::read_dir(root().join("examples")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "o"));
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// The bytes of a section of an example.
fn section(object: &str, name: &str) -> Vec<u8> {
    use object::{Object, ObjectSection};
    let bytes = fs::read(example(object)).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    file.section_by_name(name).unwrap().data().unwrap().to_vec()
}

#[test]
fn insn() {
    let examples = [
        "hello.bpf.o",
        "swap_tx.bpf.o",
        "counter_maps.bpf.o",
        "verdicts.bpf.o",
    ];
    let mut seeds: Vec<Vec<u8>> = examples.map(|object| section(object, "xdp")).into();
    // One instruction of each opcode, as far as zero fields allow.
    seeds.push(
        (0..=u8::MAX)
            .flat_map(|code| [code, 0x21, 0, 0, 0, 0, 0, 0])
            .collect(),
    );
    assert!(smoke("insn", &seeds, targets::insn) > 1000);
    assert!(!objects().is_empty());
}
