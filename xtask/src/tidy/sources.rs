//! Rules about the text of files.

use super::{Complaint, FILE_LINES_MAX, FUNCTION_LINES_MAX, UNSAFE};
use crate::files::TextFile;
use crate::rust::{self, RustFile, Word};

/// A file or function beyond its limit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Long {
    pub(super) path: String,
    /// `file`, or `fn` with the function's name.
    pub(super) what: String,
    pub(super) lines: usize,
    /// Where it begins.
    pub(super) line: usize,
}

/// Hosts of package registries and mirrors: a build must not depend on one by name. In halves, so that this file
/// passes.
const HOSTS: [(&str, &str); 7] = [
    ("crates", ".io"),
    ("pypi", ".org"),
    ("npmjs", ".org"),
    ("rubygems", ".org"),
    ("deb.debian", ".org"),
    ("proxy.golang", ".org"),
    ("registry.npmjs", ".com"),
];

/// Notes that something is not done. In halves, so that this file passes.
const NOTES: [(&str, &str); 2] = [("FIX", "ME"), ("XX", "X:")];

/// Checks all files; what is too long is for the ratchet to judge.
pub(super) fn check(files: &[TextFile], complaints: &mut Vec<Complaint>) -> Vec<Long> {
    let mut long = Vec::new();
    for file in files {
        check_text(file, complaints);
        if !file.path.ends_with(".rs") {
            continue;
        }
        match rust::read(file) {
            Ok(facts) => {
                check_rust(file, &facts, complaints);
                long.extend(lengths(file, &facts));
            }
            Err(error) => complaints.push(complaint(file, 0, format!("not Rust: {error}"))),
        }
    }
    long
}

fn complaint(file: &TextFile, line: usize, text: impl Into<String>) -> Complaint {
    Complaint {
        path: file.path.clone(),
        line,
        text: text.into(),
    }
}

fn check_text(file: &TextFile, complaints: &mut Vec<Complaint>) {
    for (line, text) in file.text.lines().enumerate() {
        for (one, other) in HOSTS {
            if text.contains(&format!("{one}{other}")) {
                complaints.push(complaint(
                    file,
                    line + 1,
                    "names the host of a package registry",
                ));
            }
        }
        for (one, other) in NOTES {
            if text.contains(&format!("{one}{other}")) {
                complaints.push(complaint(
                    file,
                    line + 1,
                    "says that something is not done: do it, or an issue",
                ));
            }
        }
        let fence = text
            .trim_start()
            .trim_start_matches(['/', '!', ' '])
            .strip_prefix("```");
        if file.path.ends_with(".rs")
            && fence.is_some_and(|tag| tag.split(',').any(|tag| tag == "ignore"))
        {
            complaints.push(complaint(
                file,
                line + 1,
                "an ignored example: compile it, or mark it as text",
            ));
        }
    }
}

fn check_rust(file: &TextFile, facts: &RustFile, complaints: &mut Vec<Complaint>) {
    let package = file.package();
    let may_be_unsafe = UNSAFE.contains(&package);
    if file.is_crate_root() {
        if !facts.has_doc {
            complaints.push(complaint(
                file,
                1,
                "a crate's root begins with what the crate is for",
            ));
        }
        if !may_be_unsafe && !facts.forbids_unsafe {
            complaints.push(complaint(file, 1, "lacks #![forbid(unsafe_code)]"));
        }
    }
    if !facts.has_doc && file.path.contains("/src/") && !file.is_crate_root() && !file.is_test() {
        complaints.push(complaint(
            file,
            1,
            "begins without a module's documentation",
        ));
    }
    for found in &facts.words {
        let text = match found.word {
            Word::Unsafe if may_be_unsafe => continue,
            Word::Unsafe => "unsafe outside of sys, memory and exec",
            Word::Unwrap => {
                "unwrap outside of tests: handle the error, or say in `expect` why there is none"
            }
            Word::Placeholder => "a macro that stands for missing code",
            Word::Ignore => {
                "an ignored test: name its need in a harness, or assert what is true today"
            }
        };
        complaints.push(complaint(file, found.line, text));
    }
}

fn lengths(file: &TextFile, facts: &RustFile) -> Vec<Long> {
    let path = || file.path.clone();
    let lines = file.text.lines().count();
    let functions = facts.functions.iter();
    let functions = functions.filter(|function| function.line_count > FUNCTION_LINES_MAX);
    let mut long: Vec<Long> = functions
        .map(|function| Long {
            path: path(),
            what: format!("fn {}", function.name),
            lines: function.line_count,
            line: function.line,
        })
        .collect();
    if lines > FILE_LINES_MAX {
        long.push(Long {
            path: path(),
            what: "file".to_owned(),
            lines,
            line: 0,
        });
    }
    long
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> Vec<String> {
        let file = TextFile {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let mut complaints = Vec::new();
        check(&[file], &mut complaints);
        complaints
            .iter()
            .map(|complaint| format!("{}: {}", complaint.line, complaint.text))
            .collect()
    }

    #[test]
    fn unsafe_and_docs() {
        let text = "pub fn f() { unsafe { g() } }\n";
        assert_eq!(complaints("crates/isa/src/lib.rs", text).len(), 3);
        assert_eq!(complaints("crates/isa/src/a.rs", text).len(), 2);
        assert_eq!(
            complaints("crates/sys/src/a.rs", &format!("//! Doc.\n{text}")),
            [""; 0]
        );
    }

    #[test]
    fn words_in_any_file() {
        let (host, note) = (HOSTS[0], NOTES[0]);
        assert_eq!(
            complaints("README.md", &format!("https://{}{}/x\n", host.0, host.1)).len(),
            1
        );
        assert_eq!(
            complaints("test", &format!("# {}{}\n", note.0, note.1)).len(),
            1
        );
        assert_eq!(
            complaints("crates/sys/src/a.rs", "//! ```ignore\n//! x\n//! ```\n").len(),
            1
        );
    }

    #[test]
    fn long_functions_and_files() {
        let body = "    f();\n".repeat(FUNCTION_LINES_MAX);
        let text = format!(
            "//! Doc.\nfn long() {{\n{body}}}\n{}",
            "\n".repeat(FILE_LINES_MAX)
        );
        let file = TextFile {
            path: "crates/isa/src/a.rs".to_owned(),
            text,
        };
        let found = check(&[file], &mut Vec::new());
        let found: Vec<_> = found
            .iter()
            .map(|long| (long.what.as_str(), long.lines))
            .collect();
        assert_eq!(
            found,
            [
                ("fn long", FUNCTION_LINES_MAX + 2),
                ("file", FILE_LINES_MAX + FUNCTION_LINES_MAX + 3)
            ]
        );
    }
}
