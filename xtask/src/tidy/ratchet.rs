//! Exceptions from the limits of length, which may shrink and never grow.
//!
//! `xtask/tidy.ratchet` has a line for each: path, `file` or `fn NAME`, lines, apart by tabs. A line is added by
//! hand, with a reason in the commit; it is lowered or removed by `cargo xtask tidy --bless`.

use super::sources::Long;
use super::{Complaint, FILE_LINES_MAX, FUNCTION_LINES_MAX};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

const PATH: &str = "xtask/tidy.ratchet";

/// What to do with exceptions that are wider than they need to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ratchet {
    /// Complain.
    Keep,
    /// Lower them.
    Lower,
}

/// A path and `file` or `fn NAME`, and the lines that it may have.
type Limits = BTreeMap<(String, String), usize>;

pub(super) fn check(root: &Path, long: &[Long], mode: Ratchet) -> io::Result<Vec<Complaint>> {
    let path = root.join(PATH);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        other => other?,
    };
    let (comments, limits) = match parse(&text) {
        Ok(parsed) => parsed,
        Err(complaint) => return Ok(vec![complaint]),
    };
    let (mut complaints, lowered) = compare(&limits, long);
    if lowered != limits {
        match mode {
            Ratchet::Lower => fs::write(&path, comments + &to_text(&lowered))?,
            Ratchet::Keep => complaints.push(Complaint {
                path: PATH.to_owned(),
                line: 0,
                text: "allows more than there is: run `cargo xtask tidy --bless`".to_owned(),
            }),
        }
    }
    Ok(complaints)
}

/// The lines of comment at the top, and the limits.
fn parse(text: &str) -> Result<(String, Limits), Complaint> {
    let mut comments = String::new();
    let mut limits = Limits::new();
    for (line, content) in text.lines().enumerate() {
        if content.starts_with('#') {
            comments.extend([content, "\n"]);
            continue;
        }
        let mut fields = content.split('\t');
        let parsed = (|| {
            let (path, what) = (fields.next()?, fields.next()?);
            Some((
                (path.to_owned(), what.to_owned()),
                fields.next()?.parse().ok()?,
            ))
        })();
        let Some((key, lines)) = parsed else {
            let text = "not a path, `file` or `fn NAME`, and a number, apart by tabs".to_owned();
            return Err(Complaint {
                path: PATH.to_owned(),
                line: line + 1,
                text,
            });
        };
        limits.insert(key, lines);
    }
    Ok((comments, limits))
}

fn to_text(limits: &Limits) -> String {
    let mut text = String::new();
    for ((path, what), lines) in limits {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{path}\t{what}\t{lines}");
    }
    text
}

/// Complaints about what grew, and the limits that would just hold.
fn compare(limits: &Limits, long: &[Long]) -> (Vec<Complaint>, Limits) {
    let mut lowered = Limits::new();
    let mut complaints = Vec::new();
    for Long {
        path,
        what,
        lines,
        line,
    } in long
    {
        let key = (path.clone(), what.clone());
        if let Some(&limit) = limits.get(&key) {
            // Several functions of one name share a line, which the longest holds up.
            let held = lowered.entry(key).or_insert(0);
            *held = limit.min(*lines).max(*held);
            if *lines <= limit {
                continue;
            }
        }
        let normal = if what == "file" {
            FILE_LINES_MAX
        } else {
            FUNCTION_LINES_MAX
        };
        let limit = limits
            .get(&(path.clone(), what.clone()))
            .copied()
            .unwrap_or(normal);
        let text = format!("`{what}` has {lines} lines, more than {limit}: split it");
        complaints.push(Complaint {
            path: path.clone(),
            line: *line,
            text,
        });
    }
    (complaints, lowered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(what: &str, lines: usize) -> Long {
        Long {
            path: "a.rs".to_owned(),
            what: what.to_owned(),
            lines,
            line: 1,
        }
    }

    #[test]
    fn nothing_grows() {
        let text = "# Why.\na.rs\tfile\t900\na.rs\tfn gone\t80\na.rs\tfn new\t90\n";
        let (comments, limits) = parse(text).unwrap_or_else(|complaint| panic!("{complaint}"));
        assert_eq!(comments.clone() + &to_text(&limits), text);
        let (complaints, lowered) = compare(
            &limits,
            &[
                long("file", 850),
                long("fn new", 91),
                long("fn new", 75),
                long("fn x", 71),
            ],
        );
        let texts: Vec<_> = complaints.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "a.rs:1: `fn new` has 91 lines, more than 90: split it",
                "a.rs:1: `fn x` has 71 lines, more than 70: split it"
            ]
        );
        assert_eq!(to_text(&lowered), "a.rs\tfile\t850\na.rs\tfn new\t90\n");
        assert!(parse("a.rs file 900\n").is_err());
    }
}
