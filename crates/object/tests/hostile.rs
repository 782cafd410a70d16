//! Bad input: each kind of broken file has its error, and no mutation of a good one makes the parser panic or run away.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use skep_object::{ObjectError, SectionFlaw, SymbolFlaw, parse};
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest time that one parse of a small file may take, in a debug build on a busy machine.
const PARSE_TIME_MAX: Duration = Duration::from_secs(2);

fn file(name: &str) -> Vec<u8> {
    std::fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data")
            .join(name),
    )
    .unwrap()
}

fn hello() -> Vec<u8> {
    file("hello.bpf.o")
}

fn word(bytes: &[u8], at: usize) -> usize {
    usize::try_from(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())).unwrap()
}

/// Offset of the header of the section called `name`.
fn header_of(bytes: &[u8], name: &str) -> usize {
    let (table, count) = (
        word(bytes, 0x28),
        usize::from(u16::from_le_bytes(bytes[0x3c..0x3e].try_into().unwrap())),
    );
    let names = table + 64 * usize::from(u16::from_le_bytes(bytes[0x3e..0x40].try_into().unwrap()));
    let strings = word(bytes, names + 0x18);
    let name_at = |header: usize| {
        strings
            + usize::try_from(u32::from_le_bytes(
                bytes[header..header + 4].try_into().unwrap(),
            ))
            .unwrap()
    };
    let wanted = [name.as_bytes(), &[0]].concat();
    let mut headers = (0..count).map(|index| table + 64 * index);
    headers
        .find(|&header| bytes[name_at(header)..].starts_with(&wanted))
        .unwrap()
}

fn with(mut bytes: Vec<u8>, at: usize, new: &[u8]) -> Vec<u8> {
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}

/// A change of the file, and how its error begins.
type Case = (&'static str, fn(Vec<u8>) -> Vec<u8>, &'static str);

const CASES: &[Case] = &[
    ("empty", |_| Vec::new(), "not an ELF file"),
    (
        "text",
        |_| b"int main(void) { return 0; }".to_vec(),
        "not an ELF file",
    ),
    ("magic_only", |b| b[..4].to_vec(), "broken ELF header"),
    ("half_a_header", |b| b[..40].to_vec(), "broken ELF header"),
    (
        "no_sections_left",
        |b| b[..600].to_vec(),
        "broken ELF section headers",
    ),
    (
        "last_byte_missing",
        |b| b[..b.len() - 1].to_vec(),
        "broken ELF section headers",
    ),
    ("class_32", |b| with(b, 4, &[1]), "32-bit ELF"),
    ("big_endian", |b| with(b, 5, &[2]), "big-endian ELF"),
    (
        "x86_64",
        |b| with(b, 18, &[62, 0]),
        "ELF file is for machine 62, not for BPF (247)",
    ),
    (
        "executable",
        |b| with(b, 16, &[2, 0]),
        "ELF file has type 2, not relocatable",
    ),
    (
        "header_size",
        |b| with(b, 0x3a, &[63, 0]),
        "broken ELF section headers",
    ),
    (
        "name_table_index",
        |b| with(b, 0x3e, &[0xf0, 0]),
        "broken ELF section headers",
    ),
    (
        "section_name",
        |b| {
            let h = header_of(&b, "xdp");
            with(b, h, &[0xff; 4])
        },
        "section 3 '': name offset 4294967295",
    ),
    (
        "code_outside",
        |b| {
            let h = header_of(&b, "xdp");
            with(b, h + 0x18, &[0xff; 8])
        },
        "section 3 'xdp': 96 bytes at",
    ),
    (
        "code_size_odd",
        |b| {
            let h = header_of(&b, "xdp");
            with(b, h + 0x20, &[95])
        },
        "section 3 'xdp': 95 bytes are not a whole",
    ),
    (
        "code_cut",
        |b| {
            let h = header_of(&b, "xdp");
            with(b, h + 0x20, &[8])
        },
        "symbol",
    ),
    (
        "code_huge",
        |b| {
            let h = header_of(&b, "xdp");
            with(b, h + 0x20, &[0xff; 8])
        },
        "section 3 'xdp': 18446744073709551615 bytes",
    ),
    (
        "bss_huge",
        |b| {
            let h = header_of(&b, ".bss");
            with(b, h + 0x20, &[0xff; 7])
        },
        "section 5 '.bss': 72057594037927935 bytes of data",
    ),
    (
        "reloc_entry_size",
        |b| {
            let h = header_of(&b, ".relxdp");
            with(b, h + 0x38, &[24])
        },
        "section 4 '.relxdp': entries of 24",
    ),
    (
        "reloc_target",
        |b| {
            let h = header_of(&b, ".relxdp");
            with(b, h + 0x2c, &[200])
        },
        "section 4 '.relxdp': relocates section 200",
    ),
    (
        "reloc_symbol",
        |b| {
            let h = header_of(&b, ".relxdp");
            let r = word(&b, h + 0x18);
            with(b, r + 12, &[99])
        },
        "section 'xdp': relocation at byte 0 against '': symbol 99",
    ),
    (
        "reloc_offset",
        |b| {
            let h = header_of(&b, ".relxdp");
            let r = word(&b, h + 0x18);
            with(b, r, &[4])
        },
        "section 'xdp': relocation at byte 4 against 'counter': offset",
    ),
    (
        "reloc_kind",
        |b| {
            let h = header_of(&b, ".relxdp");
            let r = word(&b, h + 0x18);
            with(b, r + 8, &[77])
        },
        "section 'xdp': relocation at byte 0 against 'counter': relocation kind 77",
    ),
    (
        "reloc_insn",
        |b| {
            let h = header_of(&b, ".relxdp");
            let r = word(&b, h + 0x18);
            with(b, r, &[16])
        },
        "section 'xdp': relocation at byte 16 against 'counter': instruction 0x61",
    ),
    (
        "no_symbols",
        |b| {
            let h = header_of(&b, ".symtab");
            with(b, h + 4, &[1])
        },
        "no symbol table",
    ),
    (
        "symbols_size",
        |b| {
            let h = header_of(&b, ".symtab");
            with(b, h + 0x20, &[7])
        },
        "broken ELF symbol table",
    ),
    (
        "overlap",
        |b| {
            let h = header_of(&b, ".BTF");
            let n = b.len();
            with(with(b, h + 0x18, &[0; 8]), h + 0x20, &n.to_le_bytes())
        },
        "section ",
    ),
];

/// The section of definitions without BTF with another size: of no known form, then with half a definition too many.
#[test]
fn broken_legacy_definitions_have_their_errors() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/legacy_maps.bpf.o");
    let bytes = std::fs::read(file).unwrap();
    let header = header_of(&bytes, "maps");
    for (size, want) in [
        (71u64, "legacy map definitions of no known form"),
        (48, "legacy map definitions of no known form"),
        (40, "symbol "),
    ] {
        let broken = with(bytes.clone(), header + 0x20, &size.to_le_bytes());
        let error = parse(&broken).unwrap_err().to_string();
        let named = error.contains(want);
        assert!(named, "{size}: {error}");
    }
}

#[test]
fn broken_files_have_their_errors() {
    let mut wrong = Vec::new();
    for (name, change, want) in CASES {
        match parse(&change(hello())) {
            Err(error) if error.to_string().starts_with(want) => {}
            Err(error) => wrong.push(format!("{name}: {error}")),
            Ok(_) => wrong.push(format!("{name}: accepted")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn broken_btf_is_passed_over_unless_maps_need_it() {
    let break_btf = |bytes: Vec<u8>| {
        let header = header_of(&bytes, ".BTF");
        let at = word(&bytes, header + 0x18);
        with(bytes, at, &[0, 0])
    };
    let object = parse(&break_btf(hello())).unwrap();
    assert!(object.btf().is_none());
    assert!(
        object
            .notes()
            .iter()
            .any(|note| note.to_string().starts_with("BTF is ignored"))
    );
    let error = parse(&break_btf(file("maps.bpf.o"))).unwrap_err();
    assert!(
        matches!(
            error,
            ObjectError::Btf {
                what: "map definitions",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn function_symbols_must_lie_in_their_section() {
    let bytes = hello();
    let header = header_of(&bytes, ".symtab");
    let (at, size) = (word(&bytes, header + 0x18), word(&bytes, header + 0x20));
    let symbol = (0..size / 24)
        .map(|index| at + 24 * index)
        .find(|&symbol| bytes[symbol + 4] & 0xf == 2)
        .unwrap();
    let flaw = |bytes: Vec<u8>| match parse(&bytes).unwrap_err() {
        ObjectError::Symbol { name, what, .. } if name == "hello" => what,
        other => panic!("{other}"),
    };
    let empty = flaw(with(bytes.clone(), symbol + 16, &[0; 8]));
    assert_eq!(empty, SymbolFlaw::PartialInstruction { offset: 0, size: 0 });
    let outside = flaw(with(bytes.clone(), symbol + 8, &[0xff; 8]));
    assert_eq!(
        outside,
        SymbolFlaw::OutsideSection {
            offset: u64::MAX,
            size: 96
        }
    );
    let local = flaw(with(bytes, symbol + 4, &[2]));
    assert_eq!(local, SymbolFlaw::StaticProgram);
}

#[test]
fn version_section_has_four_bytes() {
    let bytes = file("globals.bpf.o");
    let header = header_of(&bytes, "version");
    let error = parse(&with(bytes, header + 0x20, &[3])).unwrap_err();
    assert!(
        matches!(
            error,
            ObjectError::Section {
                what: SectionFlaw::Version,
                ..
            }
        ),
        "{error}"
    );
}

fn parse_in_time(bytes: &[u8]) {
    let start = Instant::now();
    let _ = parse(bytes);
    assert!(
        start.elapsed() < PARSE_TIME_MAX,
        "took {:?}",
        start.elapsed()
    );
}

/// One change of a file: a byte, or a 4- or 8-byte word of a kind that hides in size fields.
#[derive(Clone, Debug)]
enum Change {
    Byte(usize, u8),
    Word(usize, u64, usize),
    Cut(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let special = prop_oneof![
        Just(0u64),
        Just(1),
        Just(u64::MAX),
        Just(u64::from(u32::MAX)),
        Just(1 << 31),
        Just(1 << 63),
        any::<u64>(),
        0..4096u64
    ];
    prop_oneof![
        4 => (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        4 => (any::<usize>(), special, prop_oneof![Just(2), Just(4), Just(8)])
            .prop_map(|(at, word, size)| Change::Word(at, word, size)),
        1 => any::<usize>().prop_map(Change::Cut),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    match *change {
        Change::Byte(at, byte) => {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        Change::Word(at, word, size) => {
            // Fields are aligned, so aligned words hit them.
            let at = (at % bytes.len()) & !(size - 1);
            let end = (at + size).min(bytes.len());
            let new = word.to_le_bytes();
            bytes[at..end].copy_from_slice(&new[..end - at]);
        }
        Change::Cut(len) => {
            let len = len % (bytes.len() + 1);
            bytes.truncate(len);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutations_neither_panic_nor_run_away(
        which in 0usize..4,
        changes in proptest::collection::vec(change(), 1..12),
    ) {
        let mut bytes = file(["maps.bpf.o", "subprogs.bpf.o", "externs.bpf.o", "globals.bpf.o"][which]);
        for change in &changes {
            apply(&mut bytes, change);
        }
        parse_in_time(&bytes);
    }

    #[test]
    fn any_alignment_parses(shift in 0usize..16) {
        let padded = [vec![0; shift], hello()].concat();
        prop_assert!(parse(&padded[shift..]).is_ok());
    }
}

#[test]
fn functions_must_not_overlap() {
    let bytes = file("sections.bpf.o");
    let header = header_of(&bytes, ".symtab");
    let (at, size) = (word(&bytes, header + 0x18), word(&bytes, header + 0x20));
    let is_second = |symbol: &usize| bytes[symbol + 4] & 0xf == 2 && word(&bytes, symbol + 8) == 16;
    let second = (0..size / 24)
        .map(|index| at + 24 * index)
        .find(is_second)
        .unwrap();
    let error = parse(&with(bytes, second + 8, &8u64.to_le_bytes())).unwrap_err();
    assert!(
        matches!(
            error,
            ObjectError::Symbol {
                what: SymbolFlaw::Overlap,
                ..
            }
        ),
        "{error}"
    );
}

/// Every header and symbol field, one at a time, with values that break sums and indices.
#[test]
fn every_field_survives_extremes() {
    for name in ["hello.bpf.o", "maps.bpf.o"] {
        let bytes = file(name);
        for at in (0..bytes.len() - 8).step_by(4) {
            for new in [&[0xff; 4][..], &[0; 4], &[0xff; 8], &[0, 0, 0, 0x80]] {
                parse_in_time(&with(bytes.clone(), at, new));
            }
        }
    }
}

/// An object with one function of one instruction that `symbols` symbols name, each by the same string of `name` bytes.
fn many_names(symbols: usize, name: usize) -> Vec<u8> {
    let strings = [vec![0], vec![b'a'; name], b"\0.strtab\0xdp\0".to_vec()].concat();
    let [strtab_name, xdp_name] = [name + 2, name + 10];
    let mut symbol = vec![1, 0, 0, 0, 0x12, 0, 2, 0];
    symbol.extend([0; 8]);
    symbol.extend(8u64.to_le_bytes());
    let symbols = symbol.repeat(symbols);
    let exit = [0x95, 0, 0, 0, 0, 0, 0, 0];
    let contents = [
        (strtab_name, 3, 0, strings),
        (xdp_name, 1, 6, exit.to_vec()),
        (0, 2, 0, symbols),
    ];
    let mut bytes = vec![0; 64];
    let mut headers = vec![0; 64];
    for (name, kind, flags, content) in contents {
        let (kind, entry): (u32, u64) = (kind, if kind == 2 { 24 } else { 0 });
        headers.extend(u32::try_from(name).unwrap().to_le_bytes());
        headers.extend(kind.to_le_bytes());
        for word in [flags, 0, bytes.len(), content.len()] {
            headers.extend(u64::try_from(word).unwrap().to_le_bytes());
        }
        headers.extend(1u32.to_le_bytes());
        headers.extend(0u32.to_le_bytes());
        headers.extend(1u64.to_le_bytes());
        headers.extend(entry.to_le_bytes());
        bytes.extend(content);
    }
    let start = u64::try_from(bytes.len()).unwrap();
    bytes.extend(headers);
    let bytes = with(bytes, 0, &[0x7f, b'E', b'L', b'F', 2, 1, 1]);
    let bytes = with(bytes, 16, &[1, 0, 247, 0, 1]);
    let bytes = with(bytes, 0x28, &start.to_le_bytes());
    with(bytes, 0x34, &[64, 0, 0, 0, 0, 0, 64, 0, 4, 0, 1, 0])
}

#[test]
fn shared_names_cost_no_more_than_the_file() {
    let object = parse(&many_names(3, 20)).unwrap();
    assert_eq!(object.programs().count(), 3);
    let error = parse(&many_names(2000, 4000)).unwrap_err();
    assert!(
        matches!(
            error,
            ObjectError::Symbol {
                what: SymbolFlaw::TooManyNames,
                ..
            }
        ),
        "{error}"
    );
    let error = parse(&many_names(1, 5000)).unwrap_err();
    assert!(
        matches!(
            error,
            ObjectError::Symbol {
                what: SymbolFlaw::Name { .. },
                ..
            }
        ),
        "{error}"
    );
}
