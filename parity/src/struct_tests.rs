//! The kernel's struct-array tests of the verifier, as `../shared/corpus/test_verifier.json.gz` has them.
//!
//! The file holds what Linux said, so these rows need no kernel. `gzip` unpacks it.

use crate::hex_bytes;
use crate::job::{CaseProgram, Job, Run, Side, Subject};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// One test.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StructTest {
    pub(crate) name: String,
    pub(crate) job: Job,
    /// Whether Linux accepted it; `None` if it gave no verdict.
    pub(crate) accepted: Option<bool>,
    pub(crate) errno: i32,
    /// Linux's whole log.
    pub(crate) log: String,
}

/// Reads all tests.
pub(crate) fn read(path: &Path) -> Result<Vec<StructTest>, String> {
    let output = Command::new("gzip").arg("-dc").arg(path).output();
    let output = output.map_err(|error| format!("gzip: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "{}: {}",
            path.display(),
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    let tests: Vec<Value> =
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    tests.iter().map(one).collect()
}

fn one(test: &Value) -> Result<StructTest, String> {
    let number = |name: &str| test[name].as_u64().and_then(|n| u32::try_from(n).ok());
    let text = |name: &str| test[name].as_str().unwrap_or_default();
    let list = |name: &str| test[name].as_array().map_or(&[][..], Vec::as_slice);
    let index = number("idx").ok_or("a test without number")?;
    let fixups = test["fixups"].as_object().into_iter().flatten();
    let places = |value: &Value| -> Vec<usize> {
        let places = value.as_array().into_iter().flatten();
        places
            .filter_map(|place| usize::try_from(place.as_u64()?).ok())
            .collect()
    };
    let needs = if !list("kfuncs").is_empty() {
        Some("kernel functions of the kernel's test module")
    } else if test.get("attach_func").is_some_and(Value::is_string) {
        Some("an attach target in the kernel's BTF")
    } else if !list("func_info").is_empty() {
        Some("BTF of a struct-array test")
    } else {
        None
    };
    let accepted = match text("live") {
        "ACCEPT" => Some(true),
        "REJECT" => Some(false),
        _ => None,
    };
    let job = Job {
        side: Side::Skep,
        subject: Subject::Case(Box::new(CaseProgram {
            prog_type: number("prog_type").unwrap_or(0),
            expected_attach_type: number("expected_attach_type").unwrap_or(0),
            insns: text("insns").to_owned(),
            fixups: fixups
                .map(|(kind, value)| (kind.clone(), places(value)))
                .collect(),
            needs: needs.map(str::to_owned),
        })),
        flags: number("prog_flags").unwrap_or(0),
        log_level: match text("result") {
            "VERBOSE_ACCEPT" => 2,
            _ => 1,
        },
        patterns: match text("errstr") {
            "" => Vec::new(),
            patterns => patterns.split('\t').map(str::to_owned).collect(),
        },
        runs: runs(test),
    };
    Ok(StructTest {
        name: format!("#{index} {}", text("descr")),
        job,
        accepted,
        errno: number("live_errno")
            .and_then(|n| i32::try_from(n).ok())
            .unwrap_or(0),
        log: text("live_log").to_owned(),
    })
}

/// The runs whose value Linux confirmed.
fn runs(test: &Value) -> Vec<Run> {
    let confirmed = test["run_results"].as_array().into_iter().flatten();
    confirmed
        .filter(|run| run["ok"] == Value::Bool(true))
        .filter_map(|run| {
            let at = usize::try_from(run["run"].as_u64()?).ok()?;
            let data = hex_bytes(test["retvals"].get(at)?["data"].as_str()?)?;
            let want = run["want"].as_i64()?;
            let want = u32::try_from(want)
                .or_else(|_| i32::try_from(want).map(i32::cast_unsigned))
                .ok()?;
            Some(Run {
                data,
                want: Some(want),
            })
        })
        .collect()
}
