//! Each object of `tests/data` beside the text of what it parses to. `BLESS=1` rewrites the texts.
#![allow(clippy::unwrap_used, reason = "tests")]

use skep_object::{Contents, Map, Object, SlotTarget, Target, parse};
use std::fmt::Write as _;
use std::path::Path;

/// Every object whose text differs is reported, not only the first.
#[test]
fn objects_parse_to_their_texts() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "o") {
            continue;
        }
        count += 1;
        let got = match parse(&std::fs::read(&path).unwrap()) {
            Ok(object) => render(&object),
            Err(error) => format!("error: {error}\n"),
        };
        let text = path.with_extension("txt");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&text, &got).unwrap();
        } else if std::fs::read_to_string(&text).unwrap_or_default() != got {
            wrong.push(format!("{}:\n{got}", path.display()));
        }
    }
    assert!(count > 10, "objects are missing");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn render(object: &Object) -> String {
    let mut out = String::new();
    writeln!(
        out,
        "license {:?} version {:x?}",
        object.license(),
        object.version()
    )
    .unwrap();
    for function in object.functions() {
        let section = object.section_of(function);
        let (name, role) = (function.name(), function.role());
        writeln!(
            out,
            "{role:?} {name} in {} at {}, {} slots",
            section.name(),
            function.start(),
            function.insn_count()
        )
        .unwrap();
        if let Some(def) = object.section_def(function) {
            writeln!(
                out,
                "  {} {} {:?}",
                def.prog_type, def.attach_type, def.needs
            )
            .unwrap();
        }
        for reloc in object.relocs(function) {
            writeln!(out, "  {}: {}", reloc.at, target(object, reloc.target)).unwrap();
        }
    }
    for map in object.maps() {
        render_map(&mut out, object, map);
    }
    for external in object.externs() {
        writeln!(
            out,
            "extern {} {:?} {:?}",
            external.name(),
            external.strength(),
            external.kind()
        )
        .unwrap();
    }
    for note in object.notes() {
        writeln!(out, "note: {note}").unwrap();
    }
    if let Some(btf) = object.btf() {
        writeln!(
            out,
            "BTF {} types, {} bytes",
            btf.types().len(),
            btf.to_bytes().len()
        )
        .unwrap();
        if let Err(error) = btf.check() {
            writeln!(out, "  refused: {error}").unwrap();
        }
    }
    out
}

fn target(object: &Object, target: Target) -> String {
    match target {
        Target::Map(map) => format!("map {}", object.map(map).name()),
        Target::Data { map, offset } => format!("{}+{offset}", object.map(map).name()),
        Target::Call(function) => format!("call {}", object.function(function).name()),
        Target::FunctionAddress(function) => {
            format!("address of {}", object.function(function).name())
        }
        Target::Extern(index) => format!("extern {}", object.external(index).name()),
        Target::ExternCall(index) => format!("call extern {}", object.external(index).name()),
    }
}

fn render_map(out: &mut String, object: &Object, map: &Map) {
    writeln!(out, "map {} {:?}", map.name(), map.origin()).unwrap();
    for def in std::iter::once(map.def()).chain(map.inner()) {
        let types = (def.key_type.0, def.value_type.0);
        writeln!(
            out,
            "  {} key {} value {} entries {} flags 0x{:x} node {} extra {} {:?} types {types:?}",
            def.map_type,
            def.key_size,
            def.value_size,
            def.max_entries,
            def.map_flags,
            def.numa_node,
            def.map_extra,
            def.pinning,
        )
        .unwrap();
    }
    if let Contents::Bytes(bytes) = map.contents() {
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(out, "  {}", hex.join(" ")).unwrap();
    }
    for slot in map.slots() {
        let name = match slot.target {
            SlotTarget::Map(map) => object.map(map).name(),
            SlotTarget::Program(function) => object.function(function).name(),
        };
        writeln!(out, "  [{}] = {name}", slot.index).unwrap();
    }
}
