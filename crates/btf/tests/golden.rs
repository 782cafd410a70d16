//! Output of bpftool 7.5 on Linux 6.18, recorded; `tests/data/*.c` are the sources (clang 19, `-target bpf -g`).
#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::Value;
use skep_btf::dump::c::{Frame, Options, Order};
use skep_btf::value::{Style, tree};
use skep_btf::{
    Btf, BtfExt, CoreReloKind, Kind, dump, func_info_bytes, json, line_info_bytes, proto,
};
use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

fn btf(name: &str) -> Btf {
    Btf::parse(&bytes(name)).unwrap()
}

fn options(order: Order) -> Options {
    Options {
        roots: Vec::new(),
        order,
        frame: Frame::Header,
    }
}

const OBJECTS: [&str; 6] = ["hello", "hard", "values", "sections", "protos", "pointers"];

#[test]
fn unmodified_objects_are_written_back() {
    for name in OBJECTS
        .iter()
        .map(|name| format!("{name}.btf"))
        .chain(["values.loaded.btf".into(), "core.btf".into()])
    {
        assert_eq!(btf(&name).to_bytes(), bytes(&name), "{name}");
    }
}

#[test]
fn raw_text_and_json_are_bpftools() {
    for name in ["hello", "hard", "values", "protos"] {
        let btf = btf(&format!("{name}.btf"));
        assert_eq!(dump::raw(&btf), text(&format!("{name}.raw")), "{name}");
        let compact = json::to_bpftool_compact(&dump::raw_json(&btf));
        assert_eq!(compact + "\n", text(&format!("{name}.json")), "{name}");
    }
}

#[test]
fn c_text_is_bpftools() {
    for name in OBJECTS {
        let btf = btf(&format!("{name}.btf"));
        assert_eq!(
            dump::c(&btf, &options(Order::Sorted)).unwrap(),
            text(&format!("{name}.h")),
            "{name}"
        );
        assert_eq!(
            dump::c(&btf, &options(Order::ById)).unwrap(),
            text(&format!("{name}.unsorted.h")),
            "{name}"
        );
    }
}

/// The bytes and the rendered value of a recorded `map dump -j`.
fn recorded_map(name: &str) -> (Vec<u8>, Value) {
    let recorded: Value = serde_json::from_str(&text(name)).unwrap();
    let hex = |value: &Value| {
        u8::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    };
    let bytes = recorded[0]["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(hex)
        .collect();
    (bytes, recorded[0]["formatted"]["value"].clone())
}

#[test]
fn map_values_are_bpftools() {
    for name in ["values", "sections"] {
        let btf = btf(&format!("{name}.loaded.btf"));
        btf.check().unwrap();
        let section = btf
            .find(".data", |kind| matches!(kind, Kind::Datasec(_)))
            .unwrap();
        let (bytes, _) = recorded_map(&format!("{name}.data.json"));
        let compact = tree(&btf, section, &bytes, Style::Json).to_compact();
        let recorded = text(&format!("{name}.data.json"));
        assert!(
            recorded.contains(&format!("\"formatted\":{{\"value\":{compact}}}")),
            "{name}: {compact}"
        );
        let node = json::Node::Object(vec![(
            "value".to_owned(),
            tree(&btf, section, &bytes, Style::Text),
        )]);
        let printed = json::Node::Array(vec![node]).to_pretty();
        assert_eq!(printed + "\n", text(&format!("{name}.data.txt")), "{name}");
    }
}

#[test]
fn pretty_json_is_bpftools() {
    for name in [
        "prog_show.pretty",
        "xlated.pretty",
        "values.data.pretty",
        "sections.data.pretty",
    ] {
        let text = text(name);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json::to_bpftool_pretty(&value) + "\n", text, "{name}");
    }
}

#[test]
fn prototypes_are_those_of_dump_xlated() {
    let protos = btf("protos.btf");
    let pointers = btf("pointers.btf");
    let cases = [
        (&protos, "vals", "int vals(struct xdp_md * ctx)"),
        (
            &protos,
            "a1",
            "int a1(enum e1 e, struct in * p, const char * s, const volatile int * v)",
        ),
        (
            &protos,
            "a2",
            "void a2(const const int * * x, unsigned long long y, unsigned char * arr, int [3]* am)",
        ),
        (
            &protos,
            "a3",
            "const char * a3(in_t t, union bpf_attr * u, int (int, char *)* fp, fn_t f)",
        ),
        (&protos, "a4", "int a4(int a, enum e1 z)"),
        (&protos, "a5", "int a5()"),
        (
            &protos,
            "a6",
            "struct in * a6(void * * pp, restrict void * r, char * * argv, _Bool b)",
        ),
        (&pointers, "c1", ""),
        (
            &pointers,
            "c2",
            "int c2(const char * * * x, volatile char vc, const const const int * * y, struct nm v)",
        ),
        (
            &pointers,
            "c3",
            "int c3(void (struct nm, int)* f, const const struct nm * p, int (const char *)* * pp, \
             struct nm (int)* * arr)",
        ),
        (
            &pointers,
            "c4",
            "int c4(const volatile int * a, unsigned long [3][2]* m, long e, struct nm * * z)",
        ),
    ];
    for (btf, name, expected) in cases {
        let func = btf
            .find(name, |kind| matches!(kind, Kind::Func(_)))
            .unwrap();
        assert_eq!(proto(btf, func), expected);
    }
}

#[test]
fn ext_records_are_read_and_written() {
    let btf = btf("hello.btf");
    let ext = BtfExt::parse(&bytes("hello.btfext"), &btf).unwrap();
    let lines = ext.lines(&btf, "xdp");
    let shown: Vec<_> = lines
        .iter()
        .map(|l| {
            (
                l.insn_off,
                l.line,
                l.col,
                btf.text(l.line_off).unwrap().into_owned(),
            )
        })
        .collect();
    let expected = [
        (0, 6, 5, "    bpf_printk(\"Hello World %d\", counter);"),
        (56, 7, 12, "    counter++;"),
        (80, 8, 5, "    return XDP_PASS;"),
    ];
    assert_eq!(
        shown,
        expected.map(|(off, line, col, text)| (off, line, col, text.to_owned()))
    );
    let funcs = ext.funcs(&btf, "xdp");
    assert_eq!(btf.name(funcs[0].type_id), "hello");
    assert_eq!(func_info_bytes(funcs).len(), 8);
    let wire = line_info_bytes(lines);
    assert_eq!(wire.len(), 48);
    assert_eq!(wire[16..20], 7u32.to_le_bytes(), "byte 56 is slot 7");
    assert!(ext.lines(&btf, "nosuch").is_empty());
}

#[test]
fn core_relocations_are_read() {
    let btf = btf("core.btf");
    let ext = BtfExt::parse(&bytes("core.btfext"), &btf).unwrap();
    let relos = ext.relos(&btf, ".text");
    let field = relos
        .iter()
        .find(|relo| relo.kind == CoreReloKind::FIELD_BYTE_OFFSET)
        .unwrap();
    assert_eq!(
        (btf.name(field.type_id), btf.str(field.access)),
        ("s", Some("0:1:0:2"))
    );
    assert!(
        relos
            .iter()
            .any(|relo| relo.kind == CoreReloKind::FIELD_EXISTS)
    );
}

#[test]
fn placed_sections_are_what_libbpf_loads() {
    for name in ["values", "sections"] {
        let mut placed = btf(&format!("{name}.btf"));
        let loaded = btf(&format!("{name}.loaded.btf"));
        for (id, ty) in loaded.iter() {
            let Kind::Datasec(section) = &ty.kind else {
                continue;
            };
            let offset_of = |name: &str| {
                section
                    .vars
                    .iter()
                    .find(|var| loaded.name(var.ty) == name)
                    .map(|v| v.offset)
            };
            placed.place_section(id, section.size, offset_of);
        }
        assert_eq!(placed.types(), loaded.types(), "{name}");
    }
}
