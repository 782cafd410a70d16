//! The text files of the checkout.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A text file of the project.
#[derive(Debug)]
pub(crate) struct TextFile {
    /// Path relative to the checkout, with `/` between folders.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl TextFile {
    /// The package that the file belongs to: a crate's folder name, or the top folder's.
    pub(crate) fn package(&self) -> &str {
        let below = self.path.strip_prefix("crates/").unwrap_or(&self.path);
        below.split('/').next().unwrap_or(below)
    }

    /// Whether all of the file is compiled for tests or benchmarks only. Goes by the name, as the compiler's view
    /// would need the whole tree of modules.
    pub(crate) fn is_test(&self) -> bool {
        let (folders, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let folder = |folder| matches!(folder, "tests" | "benches" | "fuzz" | "testkit");
        folders.split('/').any(folder) || name == "tests.rs" || name.ends_with("_tests.rs")
    }

    /// Whether the file is the root of a crate.
    pub(crate) fn is_crate_root(&self) -> bool {
        let inside = match self.path.strip_prefix("crates/") {
            Some(inside) => inside,
            None => self.path.as_str(),
        };
        inside
            .split_once('/')
            .is_some_and(|(_, rest)| rest == "src/lib.rs" || rest == "src/main.rs")
    }
}

/// All files of the checkout that are UTF-8, in the order of their paths, without build folders and hidden folders of
/// tools.
pub(crate) fn text_files(root: &Path) -> io::Result<Vec<TextFile>> {
    let mut paths = Vec::new();
    collect(root, &mut paths)?;
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        // What is not text, such as object files, has no rules.
        if let Ok(text) = String::from_utf8(fs::read(&path)?) {
            let relative = path.strip_prefix(root).expect("the walk began at the root");
            let path = relative.to_string_lossy().into_owned();
            files.push(TextFile { path, text });
        }
    }
    Ok(files)
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let hidden = name.starts_with('.') && name != ".ci" && name != ".cargo";
            if !hidden && !name.starts_with("target") {
                collect(&entry.path(), paths)?;
            }
        } else if kind.is_file() && name != "Cargo.lock" && name != ".git" {
            paths.push(entry.path());
        }
    }
    Ok(())
}
