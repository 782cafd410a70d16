//! Lines by crate: how large each part of the project is, and how much of it is tests.

use crate::files::text_files;
use crate::rust;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

#[derive(Default)]
struct Count {
    files: usize,
    code: usize,
    tests: usize,
    /// Lines of the longest file, comments and empty lines included.
    longest: usize,
    longest_path: String,
}

/// The table: a line of code is one with a token on it, so comments and empty lines do not count.
///
/// # Errors
/// If a file cannot be read.
pub fn report(root: &Path) -> io::Result<String> {
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    for file in text_files(root)? {
        if !file.path.ends_with(".rs") {
            continue;
        }
        let facts = rust::read(&file);
        let facts = facts.map_err(|error| io::Error::other(format!("{}: {error}", file.path)))?;
        let count = counts.entry(file.package().to_owned()).or_default();
        count.files += 1;
        count.tests += facts.test_lines.len();
        count.code += facts.code_lines.difference(&facts.test_lines).count();
        let lines = file.text.lines().count();
        if lines > count.longest {
            (count.longest, count.longest_path) = (lines, file.path);
        }
    }
    Ok(table(&counts))
}

fn table(counts: &BTreeMap<String, Count>) -> String {
    let mut text = format!(
        "{:<10} {:>5} {:>6} {:>6}  longest file\n",
        "crate", "files", "code", "tests"
    );
    let mut total = Count::default();
    for (name, count) in counts {
        let Count {
            files,
            code,
            tests,
            longest,
            longest_path,
        } = count;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{name:<10} {files:>5} {code:>6} {tests:>6}  {longest} {longest_path}"
        );
        total.files += files;
        total.code += code;
        total.tests += tests;
    }
    let Count {
        files, code, tests, ..
    } = total;
    let _ = writeln!(text, "{:<10} {files:>5} {code:>6} {tests:>6}", "total");
    text
}
