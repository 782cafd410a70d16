//! The tools do not rot: a table over the examples and over a source of this file, with and without the running kernel.
//!
//! The figures over the kernel's selftests are `cargo xtask parity`'s; no test makes that corpus.
#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::Value;
use skep_testkit::oracle::compile_c;
use skep_testkit::{Harness, Need, TempDir, root};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Annotations in the manner of the selftests: each program's is true.
const ANNOTATED: &str = r#"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define TAG(text) __attribute__((btf_decl_tag("comment:" text)))

SEC("xdp")
TAG("test_expect_success") TAG("test_retval=-7") TAG("test_prog_flags=BPF_F_TEST_STATE_FREQ")
int accepted(struct xdp_md *ctx)
{
	return -7;
}

SEC("xdp")
TAG("test_expect_failure") TAG("test_expect_msg=7=off={{-?[0-9]+}} size=4")
TAG("test_expect_msg=5=invalid access to packet")
int rejected(struct xdp_md *ctx)
{
	return *(int *)(long)ctx->data;
}

char _license[] SEC("license") = "GPL";
"#;

/// The columns that are read.
const SHEET: &str = "object\tprogram\tprog_type\texpect\tverdict\terrno\tretval_expect\ttier\tfeatures\tfirst_error\n";

/// Runs the comparison; its output and its rows.
fn parity(corpus: &TempDir, objects: &Path, words: &[&str]) -> (String, Vec<Value>) {
    let json = corpus.join("rows.json");
    let output = Command::new(env!("CARGO_BIN_EXE_skep-parity"))
        .args(["parity", "--list", "--reasons", "--corpus"])
        .arg(corpus.path())
        .arg("--objects")
        .arg(objects)
        .arg("--sheet")
        .arg(corpus.join("sheet.tsv"))
        .arg("--json")
        .arg(&json)
        .args(words)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    let rows = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    (text, rows)
}

fn statuses(rows: &[Value]) -> Vec<(&str, &str)> {
    rows.iter()
        .map(|row| {
            (
                row["name"].as_str().unwrap(),
                row["status"].as_str().unwrap(),
            )
        })
        .collect()
}

/// The sheet alone decides: one row is true, one claims that Linux accepts what skep rejects, one is undecided.
fn the_sheet_is_followed() {
    let corpus = TempDir::new("parity");
    let rows = "hello.bpf.o\thello\txdp\tnone\tACCEPT\t\t\tcore\tmap,loop\t\n\
                bad_packet_read.bpf.o\tbad_packet_read\txdp\tsuccess\tACCEPT\t\t\tcore\t\t\n\
                verdicts.bpf.o\tverdicts\txdp\tfailure\tREJECT\tEACCES\t\tcore\t\twhy\n\
                swap_tx.bpf.o\tswap_tx\txdp\tnone\tPRELOAD_FAIL\t\t\tcore\t\t\n";
    corpus.write("sheet.tsv", format!("{SHEET}{rows}"));
    let (text, rows) = parity(&corpus, &root().join("examples"), &["--no-linux"]);
    let mut statuses = statuses(&rows);
    statuses.sort_unstable();
    assert_eq!(
        statuses,
        [
            ("bad_packet_read.bpf.o/bad_packet_read", "wrongly rejected"),
            ("hello.bpf.o/hello", "same"),
            ("verdicts.bpf.o/verdicts", "wrongly accepted"),
        ]
    );
    assert!(text.contains("core, un-annotated"), "{text}");
    assert!(text.contains("skep accepts what Linux rejects"), "{text}");
    assert!(text.contains("    Linux: 13: why\n"), "{text}");
}

/// Without sheet and kernel the author's annotations decide.
fn annotations_are_compared() {
    let corpus = TempDir::new("parity");
    let objects = TempDir::new("objects");
    fs::write(objects.join("annotated.bpf.o"), compile_c(ANNOTATED)).unwrap();
    let (text, rows) = parity(&corpus, objects.path(), &["--no-linux"]);
    assert_eq!(
        statuses(&rows),
        [
            ("annotated.bpf.o/accepted", "same"),
            ("annotated.bpf.o/rejected", "same")
        ]
    );
    assert_eq!(rows[0]["same_runs"], true, "{text}");
    assert_eq!(rows[1]["same_message"], true, "{text}");
}

/// The running kernel decides; the second time its answers come from the file.
fn the_kernel_is_followed() {
    let corpus = TempDir::new("parity");
    let objects = root().join("examples");
    let (text, first) = parity(&corpus, &objects, &[]);
    assert!(first.len() >= 8, "{text}");
    for row in &first {
        let same = row["status"] == "same" && row["same_errno"] == true;
        assert!(same && row["same_message"] != false, "{row}");
    }
    let (_, second) = parity(&corpus, &objects, &[]);
    assert_eq!(first.len(), second.len());
    for (first, second) in first.iter().zip(&second) {
        assert_eq!(first["linux"], second["linux"]);
    }
}

fn main() {
    Harness::from_args()
        .case("the_sheet_is_followed", &[], the_sheet_is_followed)
        .case(
            "annotations_are_compared",
            &[Need::Clang],
            annotations_are_compared,
        )
        .case(
            "the_kernel_is_followed",
            &[Need::Oracle],
            the_kernel_is_followed,
        )
        .run();
}
