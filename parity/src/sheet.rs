//! What Linux said of each program of the selftests, from a table that was measured once.
//!
//! The table is no part of the project (`../shared/corpus/selftests.tsv`, or `--sheet`); without it the running kernel is
//! the only reference.

use std::path::Path;

/// A row of the table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct SheetRow {
    pub(crate) object: String,
    pub(crate) program: String,
    pub(crate) prog_type: String,
    /// `success`, `failure`, `none` …
    pub(crate) expect: String,
    /// `ACCEPT`, `REJECT`, or why there is none.
    pub(crate) verdict: String,
    pub(crate) errno: i32,
    pub(crate) retval: String,
    pub(crate) tier: String,
    pub(crate) features: Vec<String>,
    pub(crate) first_error: String,
}

impl SheetRow {
    /// Whether Linux accepted it; `None` if it gave no verdict.
    pub(crate) fn accepted(&self) -> Option<bool> {
        match self.verdict.as_str() {
            "ACCEPT" => Some(true),
            "REJECT" => Some(false),
            _ => None,
        }
    }

    /// Whether its author says what is expected of it.
    pub(crate) fn annotated(&self) -> bool {
        self.expect.starts_with("success") || self.expect.starts_with("failure")
    }
}

/// Reads a table with a line of column names.
pub(crate) fn read(path: &Path) -> Result<Vec<SheetRow>, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    let column = |name: &str| {
        let at = names.iter().position(|&one| one == name);
        at.ok_or_else(|| format!("{}: no column {name}", path.display()))
    };
    let columns = [
        column("object")?,
        column("program")?,
        column("prog_type")?,
        column("expect")?,
        column("verdict")?,
        column("errno")?,
        column("retval_expect")?,
        column("tier")?,
        column("features")?,
        column("first_error")?,
    ];
    Ok(lines.map(|line| row(line, columns)).collect())
}

fn row(line: &str, columns: [usize; 10]) -> SheetRow {
    let cells: Vec<&str> = line.split('\t').collect();
    let [
        object,
        program,
        prog_type,
        expect,
        verdict,
        errno,
        retval,
        tier,
        features,
        first_error,
    ] = columns.map(|at| cells.get(at).copied().unwrap_or_default().to_owned());
    SheetRow {
        object,
        program,
        prog_type,
        expect,
        verdict,
        errno: errno_number(&errno),
        retval,
        tier,
        features: features
            .split(',')
            .filter(|one| !one.is_empty())
            .map(str::to_owned)
            .collect(),
        first_error,
    }
}

/// The number of an error's name; 0 for none.
fn errno_number(name: &str) -> i32 {
    match name {
        "EPERM" => 1,
        "ENOENT" => 2,
        "ESRCH" => 3,
        "E2BIG" => 7,
        "EBADF" => 9,
        "ENOMEM" => 12,
        "EACCES" => 13,
        "EFAULT" => 14,
        "EBUSY" => 16,
        "EINVAL" => 22,
        "ENOSPC" => 28,
        "ERANGE" => 34,
        "EPROTO" => 71,
        "EOPNOTSUPP" => 95,
        "ENOTSUPP" => 524,
        other => other.parse().unwrap_or(0),
    }
}
