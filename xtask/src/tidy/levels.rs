//! The arrows between crates, from the manifests. Dev-dependencies are free: tests may look down from anywhere.

use super::{Complaint, DEV, FORBIDDEN, LEVELS, TOP};
use crate::files::TextFile;

/// A use of one of the project's crates by another.
#[derive(PartialEq, Eq, Debug)]
struct Arrow {
    /// Folder name of the used crate.
    to: String,
    line: usize,
}

pub(super) fn check(files: &[TextFile]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in files {
        if file.path == "ARCHITECTURE.md" {
            complaints.extend(check_page(file));
        }
        if !file.path.starts_with("crates/") || !file.path.ends_with("/Cargo.toml") {
            continue;
        }
        let from = file.package();
        if level(from).is_none() && !DEV.contains(&from) {
            complaints.push(complaint(
                file,
                0,
                format!("crate `{from}` has no level in xtask/src/tidy.rs"),
            ));
        }
        let arrows = arrows(&file.text).into_iter();
        complaints.extend(arrows.filter_map(|arrow| {
            let text = refuse(from, &arrow.to)?;
            Some(complaint(file, arrow.line, text))
        }));
    }
    complaints
}

fn complaint(file: &TextFile, line: usize, text: String) -> Complaint {
    Complaint {
        path: file.path.clone(),
        line,
        text,
    }
}

fn level(name: &str) -> Option<u8> {
    let mut rows = LEVELS.iter().chain([&TOP]);
    rows.find(|(row, _)| *row == name).map(|&(_, level)| level)
}

/// Why `from` may not use `to`, if so.
fn refuse(from: &str, to: &str) -> Option<String> {
    if DEV.contains(&from) {
        return None;
    }
    if DEV.contains(&to) {
        return Some(format!(
            "`{from}` uses `{to}`, which is for tests: make it a dev-dependency"
        ));
    }
    let forbidden = FORBIDDEN.iter().find(|&&(a, b, _)| (a, b) == (from, to));
    if let Some((_, _, why)) = forbidden {
        return Some(format!("`{from}` must not use `{to}`: {why}"));
    }
    match (level(from), level(to)) {
        (Some(high), Some(low)) if low < high => None,
        (Some(high), Some(low)) => Some(format!(
            "`{from}` (level {high}) must not use `{to}` (level {low})"
        )),
        (None, _) | (_, None) => Some(format!("no level for the arrow from `{from}` to `{to}`")),
    }
}

/// The project's crates among a manifest's dependencies, those for tests left out. Reads the few forms of TOML that
/// manifests use: `name = …`, `name.workspace = true`, `[dependencies.name]`, each also for a target.
fn arrows(manifest: &str) -> Vec<Arrow> {
    let mut arrows = Vec::new();
    let mut in_dependencies = false;
    for (line, text) in manifest.lines().enumerate() {
        let text = text.split('#').next().unwrap_or(text).trim();
        let mut add = |name: &str| {
            let to = match name.trim().trim_matches('"') {
                "skep" => "skep",
                name => match name.strip_prefix("skep-") {
                    Some(name) => name,
                    None => return,
                },
            };
            arrows.push(Arrow {
                to: to.to_owned(),
                line: line + 1,
            });
        };
        if let Some(header) = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
        {
            let product = |table: &str| matches!(table, "dependencies" | "build-dependencies");
            in_dependencies = header.rsplit('.').next().is_some_and(product);
            if let Some((table, name)) = header.rsplit_once('.')
                && table.rsplit('.').next().is_some_and(product)
            {
                add(name);
            }
        } else if in_dependencies && let Some((key, _)) = text.split_once('=') {
            add(key.split('.').next().unwrap_or(key));
        }
    }
    arrows
}

/// Whether the page has the same table: rows `| 0 | `name` | …`.
fn check_page(page: &TextFile) -> Vec<Complaint> {
    let mut rows = Vec::new();
    for (line, text) in page.text.lines().enumerate() {
        let cells: Vec<&str> = text.split('|').map(str::trim).collect();
        let [_, number, names, ..] = cells[..] else {
            continue;
        };
        if let (Ok(number), Some(name)) = (number.parse::<u8>(), names.split('`').nth(1)) {
            rows.push((name, number, line + 1));
        }
    }
    let wrong = rows
        .iter()
        .filter(|&&(name, number, _)| level(name) != Some(number));
    let mut complaints: Vec<Complaint> = wrong
        .map(|&(name, number, line)| {
            complaint(
                page,
                line,
                format!("level {number} of `{name}` is not that of xtask/src/tidy.rs"),
            )
        })
        .collect();
    for (name, _) in LEVELS.iter().chain([&TOP]) {
        if !rows.iter().any(|(row, _, _)| row == name) {
            complaints.push(complaint(
                page,
                0,
                format!("the table of levels lacks `{name}`"),
            ));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_dependencies() {
        let manifest = "[package]
name = \"skep-jit\"
[dependencies]
skep-isa.workspace = true # comment
skep = { workspace = true }
libc = \"1\"
[dev-dependencies]
skep-machine.workspace = true
[target.'cfg(unix)'.dependencies]
skep-abi.workspace = true
[dependencies.skep-uapi]
path = \"x\"
";
        let found: Vec<(String, usize)> = arrows(manifest)
            .into_iter()
            .map(|a| (a.to, a.line))
            .collect();
        let expected = [("isa", 4), ("skep", 5), ("abi", 10), ("uapi", 11)];
        assert_eq!(found, expected.map(|(to, line)| (to.to_owned(), line)));
    }

    #[test]
    fn arrows_that_are_refused() {
        assert_eq!(refuse("jit", "xlate"), None);
        assert_eq!(refuse("testkit", "machine"), None);
        let refused = [
            ("isa", "uapi"),
            ("isa", "verifier"),
            ("verifier", "maps"),
            ("jit", "testkit"),
            ("cli", "machine"),
            ("jit", "nobody"),
        ];
        for (from, to) in refused {
            assert!(refuse(from, to).is_some(), "{from} {to}");
        }
    }
}
