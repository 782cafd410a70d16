//! Text cases: one file holds a program and what is expected of it.
//!
//! ```text
//! # Reads below the frame.
//! -- prog --
//! r0 = *(u64 *)(r10 - 520)
//! exit
//!
//! -- type --
//! xdp
//!
//! -- verdict --
//! EACCES
//! ```
//!
//! A file ends in `.case`. Lines that begin with `#` (and empty ones) may stand before the first section; a section
//! goes from its `-- name --` line to the next, without the empty lines at its end. A section is either an input,
//! which the test reads ([`Case::input`]), or an expectation, which the test computes ([`Case::expect`]); which names
//! are which is the test's to say. A section that the test did not touch is an error, so that a misspelt one does not
//! pass for a checked one; those that another crate's test of the same file uses are left by name ([`Case::leave`]).
//!
//! With `BLESS=1`, expectations that differ are rewritten in place (missing ones are added) and all else is kept.

use crate::diff::diff;
use crate::golden::blessing;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// A case file, while its test runs.
#[derive(Debug)]
pub struct Case {
    path: PathBuf,
    header: String,
    sections: Vec<Section>,
    touched: RefCell<Touched>,
}

#[derive(Debug)]
struct Section {
    name: String,
    /// Index in the file of the section's first line after its marker.
    line: usize,
    /// Each line ended, without the empty ones at the end.
    body: String,
    /// Empty lines between the body and the next section.
    gap: usize,
}

/// What a test did with its case.
#[derive(Default, Debug)]
struct Touched {
    used: Vec<String>,
    /// The texts that were computed, by section.
    actual: BTreeMap<String, String>,
}

/// Runs a test on every case of a folder and reports all failures; for a plain `#[test]`. The path is relative to the
/// folder of the crate under test. [`crate::Harness::cases`] makes a test of each case instead.
///
/// # Panics
/// If a case fails, or if the folder has none.
pub fn dir(dir: impl AsRef<Path>, test: impl Fn(&Case)) {
    let files = files(dir.as_ref());
    let failures: Vec<String> = files
        .iter()
        .filter_map(|path| run_file(path, &test).err())
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {} cases failed\n{}",
        failures.len(),
        files.len(),
        failures.join("\n")
    );
}

/// The case files of a folder and of those within it, in the order of their names.
///
/// # Panics
/// If there are none: a misspelt folder must not pass.
#[must_use]
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(dir, &mut found);
    assert!(!found.is_empty(), "{}: no .case files", dir.display());
    found.sort();
    found
}

fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => panic!("{}: {error}", dir.display()),
    };
    for entry in entries {
        let path = entry
            .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
            .path();
        if path.is_dir() {
            collect(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "case")
        {
            found.push(path);
        }
    }
}

/// Runs a test on one case.
///
/// # Errors
/// What differs, or the message that the test panicked with, each with the file and line.
pub fn run_file(path: &Path, test: &impl Fn(&Case)) -> Result<(), String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let case = Case::parse(path, &text)?;
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(&case))) {
        let message = panic.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| panic.downcast_ref::<&str>().copied());
        return Err(format!(
            "{}: {}",
            path.display(),
            message.unwrap_or("panicked")
        ));
    }
    case.finish(&text)
}

/// The name in a section's marker, `-- name --`. Lower case tells it from libbpf's `-- END PROG LOAD LOG --`.
fn marker(line: &str) -> Option<&str> {
    let name = line.strip_prefix("-- ")?.strip_suffix(" --")?;
    let belongs = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || " _-.".contains(c);
    (!name.is_empty() && name == name.trim() && name.chars().all(belongs)).then_some(name)
}

/// A text as sections hold it: every line ended, no empty lines at the end.
fn normal(text: &str) -> String {
    match text.trim_end_matches(['\n', '\r']) {
        "" => String::new(),
        lines => format!("{lines}\n"),
    }
}

impl Case {
    /// Reads a case.
    ///
    /// # Errors
    /// Text outside of sections, or two sections of one name.
    pub fn parse(path: &Path, text: &str) -> Result<Self, String> {
        let mut header = String::new();
        let mut sections: Vec<Section> = Vec::new();
        for (line, content) in text.lines().enumerate() {
            let at = format!("{}:{}", path.display(), line + 1);
            if let Some(name) = marker(content) {
                if sections.iter().any(|section| section.name == name) {
                    return Err(format!("{at}: a second section `{name}`"));
                }
                let (name, body) = (name.to_owned(), String::new());
                sections.push(Section {
                    name,
                    line: line + 1,
                    body,
                    gap: 0,
                });
            } else if let Some(section) = sections.last_mut() {
                section.body.extend([content, "\n"]);
            } else if content.is_empty() || content.starts_with('#') {
                header.extend([content, "\n"]);
            } else {
                return Err(format!("{at}: text before the first section: {content}"));
            }
        }
        for section in &mut sections {
            let body = normal(&section.body);
            section.gap = section.body.lines().count() - body.lines().count();
            section.body = body;
        }
        let touched = RefCell::default();
        Ok(Self {
            path: path.to_owned(),
            header,
            sections,
            touched,
        })
    }

    /// Name of the file, without folder and extension.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path
            .file_stem()
            .and_then(|name| name.to_str())
            .unwrap_or("case")
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn section(&self, name: &str) -> Option<&Section> {
        self.touched.borrow_mut().used.push(name.to_owned());
        self.sections.iter().find(|section| section.name == name)
    }

    /// A section that the test reads.
    ///
    /// # Panics
    /// If the case has no such section.
    #[must_use]
    pub fn input(&self, name: &str) -> &str {
        self.optional(name)
            .unwrap_or_else(|| panic!("no section `{name}`"))
    }

    /// A section that the test reads where the case has it.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<&str> {
        self.section(name).map(|section| section.body.as_str())
    }

    /// The line in the file, counted from 1, of a line of a section, counted from 0; for messages.
    #[must_use]
    pub fn line_of(&self, name: &str, line: usize) -> usize {
        self.section(name).map_or(0, |section| section.line) + line + 1
    }

    /// Says what a section has to hold. The difference is reported when the test ends, with all others.
    pub fn expect(&self, name: &str, actual: &str) {
        let mut touched = self.touched.borrow_mut();
        touched.used.push(name.to_owned());
        touched.actual.insert(name.to_owned(), normal(actual));
    }

    /// Like [`Self::expect`] where the case has the section; else nothing is computed. An empty section asks for it.
    pub fn expect_if_present(&self, name: &str, actual: impl FnOnce() -> String) {
        if self.section(name).is_some() {
            self.expect(name, &actual());
        }
    }

    /// Leaves sections to the test of another crate.
    pub fn leave(&self, names: &[&str]) {
        let names = names.iter().map(|&name| name.to_owned());
        self.touched.borrow_mut().used.extend(names);
    }

    /// Compares what the test said with what the file holds, or rewrites the file.
    fn finish(mut self, text: &str) -> Result<(), String> {
        let Touched { used, actual } = std::mem::take(self.touched.get_mut());
        let mut wrong = String::new();
        for section in &self.sections {
            if !used.contains(&section.name) {
                let (path, line) = (self.path.display(), section.line);
                let _ = writeln!(
                    wrong,
                    "{path}:{line}: the test does not know section `{}`",
                    section.name
                );
            }
        }
        if blessing() {
            self.bless(&actual, text)?;
        } else {
            for (name, actual) in &actual {
                wrong.extend(self.difference(name, actual));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    fn difference(&self, name: &str, actual: &str) -> Option<String> {
        let path = self.path.display();
        let hint = "BLESS=1 takes the `+` lines";
        match self.sections.iter().find(|section| section.name == name) {
            Some(section) if section.body == actual => None,
            Some(section) => {
                let found = diff(&section.body, actual);
                let line = section.line + found.line + 1;
                Some(format!(
                    "{path}:{line}: `{name}` differs ({hint})\n{}",
                    found.text
                ))
            }
            None => Some(format!(
                "{path}: no section `{name}` ({hint})\n{}",
                diff("", actual).text
            )),
        }
    }

    /// Rewrites the file where an expectation differs.
    fn bless(&mut self, actual: &BTreeMap<String, String>, text: &str) -> Result<(), String> {
        let path = self.path.display();
        for (name, body) in actual {
            if let Some(line) = body.lines().find(|line| marker(line).is_some()) {
                return Err(format!("{path}: `{name}` cannot hold the line {line}"));
            }
            match self
                .sections
                .iter_mut()
                .find(|section| section.name == *name)
            {
                Some(section) => section.body.clone_from(body),
                None => {
                    if let Some(last) = self.sections.last_mut() {
                        last.gap = last.gap.max(1);
                    }
                    let (name, body) = (name.clone(), body.clone());
                    self.sections.push(Section {
                        name,
                        line: 0,
                        body,
                        gap: 0,
                    });
                }
            }
        }
        let blessed = self.to_text();
        if blessed == text {
            return Ok(());
        }
        fs::write(&self.path, blessed).map_err(|error| format!("{path}: {error}"))
    }

    fn to_text(&self) -> String {
        let mut text = self.header.clone();
        for section in &self.sections {
            let _ = writeln!(text, "-- {} --", section.name);
            text.push_str(&section.body);
            text.push_str(&"\n".repeat(section.gap));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Why.\n\n-- prog --\nr0 = 2\n\nexit\n\n-- verdict --\naccept\n";

    fn parse(text: &str) -> Result<Case, String> {
        Case::parse(Path::new("x.case"), text)
    }

    #[test]
    fn round_trip() {
        let case = parse(TEXT).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(case.to_text(), TEXT);
        assert_eq!(case.input("prog"), "r0 = 2\n\nexit\n");
        assert_eq!(case.line_of("prog", 2), 6);
        assert_eq!(case.optional("type"), None);
        assert_eq!(case.name(), "x");
    }

    #[test]
    fn wrong_files() {
        let twice = parse("-- a --\n-- a --\n");
        assert_eq!(
            twice.map(drop),
            Err("x.case:2: a second section `a`".to_owned())
        );
        let outside = parse("exit\n");
        assert_eq!(
            outside.map(drop),
            Err("x.case:1: text before the first section: exit".to_owned())
        );
    }

    fn finish(test: impl Fn(&Case)) -> Result<(), String> {
        let case = parse(TEXT)?;
        test(&case);
        case.finish(TEXT)
    }

    #[test]
    fn same_different_and_unused() {
        let same = finish(|case| {
            case.leave(&["prog"]);
            case.expect("verdict", "accept");
            case.expect_if_present("log", || panic!("not wanted"));
        });
        assert_eq!(same, Ok(()));
        let different = finish(|case| case.expect("verdict", "EACCES"));
        let expected = "x.case:3: the test does not know section `prog`
x.case:9: `verdict` differs (BLESS=1 takes the `+` lines)
-accept
+EACCES
 
";
        assert_eq!(different, Err(expected.to_owned()));
        let missing = finish(|case| {
            case.leave(&["prog", "verdict"]);
            case.expect("log", "");
            case.expect("xlated", "exit");
        });
        assert!(missing.is_err_and(|text| text.contains("no section `xlated`")));
    }

    #[test]
    fn blessing_keeps_the_rest() {
        let dir = crate::TempDir::new("bless");
        let path = dir.write("x.case", TEXT);
        let mut case = Case::parse(&path, TEXT).unwrap_or_else(|error| panic!("{error}"));
        let actual = [("verdict", "EACCES\n"), ("log", "0: exit\n")];
        let actual = actual.map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(case.bless(&actual.into(), TEXT), Ok(()));
        let expected = TEXT.replace("accept\n", "EACCES\n\n-- log --\n0: exit\n");
        assert_eq!(fs::read_to_string(&path).ok(), Some(expected));
    }
}
