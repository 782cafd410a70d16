//! A second of each fuzz target.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "a library there, a module here")]
mod targets;

use object::{Object, ObjectSection};
use skep_testkit::{fuzz::smoke, root};
use skep_uapi::{Command, Engine, Handle, MapCreate, ProgLoad, TestRun};
use skep_wire::{Ask, ClientHello, Request, RequestId, encode_request};
use std::fs;
use std::path::PathBuf;

/// Fewest inputs that a second must be enough for; a debug build does thousands.
const INPUTS_MIN: u64 = 100;

/// The objects of the examples.
fn objects() -> Vec<Vec<u8>> {
    let entries = fs::read_dir(root().join("examples")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "o"));
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// The bytes of a section of each example.
fn sections(name: &str) -> Vec<Vec<u8>> {
    let bytes = |object: &Vec<u8>| {
        let file = object::File::parse(object.as_slice()).unwrap();
        file.section_by_name(name).unwrap().data().unwrap().to_vec()
    };
    objects().iter().map(bytes).collect()
}

#[test]
fn elf() {
    assert!(smoke("elf", &objects(), targets::elf) > INPUTS_MIN);
}

#[test]
fn btf() {
    assert!(smoke("btf", &sections(".BTF"), targets::btf) > INPUTS_MIN);
}

#[test]
fn insn() {
    let mut seeds = sections("xdp");
    // One instruction of each opcode, as far as zero fields allow.
    let each = |code| [code, 0x21, 0, 0, 0, 0, 0, 0];
    seeds.push((0..=u8::MAX).flat_map(each).collect());
    assert!(smoke("insn", &seeds, targets::insn) > INPUTS_MIN);
}

/// Requests of each weight: nothing inside, numbers, text, long bytes.
fn requests() -> Vec<Vec<u8>> {
    let map_create = MapCreate {
        key_size: 4,
        value_size: 8,
        max_entries: 16,
        name: "counts".to_owned(),
        ..MapCreate::default()
    };
    let prog_load = ProgLoad {
        insns: sections("xdp").swap_remove(0),
        license: "GPL".to_owned(),
        name: "hello".to_owned(),
        ..ProgLoad::default()
    };
    let test_run = TestRun {
        prog: Handle(1),
        data_in: vec![0; 64],
        data_size_out: 64,
        ctx_in: vec![0; 24],
        ctx_size_out: 24,
        repeat: 1,
        flags: 0,
        cpu: 0,
        engine: Engine::Auto,
    };
    let commands = [
        Command::MapCreate(map_create),
        Command::MapUpdate {
            map: Handle(2),
            key: vec![0; 4],
            value: vec![0xff; 8],
            flags: 0,
        },
        Command::ProgLoad(Box::new(prog_load)),
        Command::TestRun(Box::new(test_run)),
        Command::Pin {
            object: Handle(1),
            path: "/sys/fs/bpf/hello".to_owned(),
        },
    ];
    let hello = ClientHello {
        comm: "skep".to_owned(),
    };
    let asks = [Ask::Hello(hello), Ask::DaemonStatus, Ask::Shutdown];
    let asks = asks.into_iter().chain(commands.map(Ask::Call));
    let requests = asks.zip(1..).map(|(ask, id)| Request {
        id: RequestId(id),
        ask,
    });
    requests.map(|request| encode_request(&request)).collect()
}

#[test]
fn wire() {
    assert!(smoke("wire", &requests(), targets::wire) > INPUTS_MIN);
}
