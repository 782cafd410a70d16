//! Whole files of expected text.

use crate::diff::diff;
use std::fs;
use std::path::Path;

/// Whether the run rewrites expected texts instead of comparing with them: `BLESS=1`.
#[must_use]
pub fn blessing() -> bool {
    std::env::var_os("BLESS").is_some_and(|value| value == "1")
}

/// Compares a text with the one that a file holds, or writes the file where [`blessing`]. The path is relative to the
/// folder of the crate under test, where cargo starts its tests.
///
/// # Panics
/// If the texts differ, with the differing lines; if the file cannot be read or written.
pub fn golden(path: impl AsRef<Path>, actual: &str) {
    let path = path.as_ref();
    let shown = path.display();
    let expected = fs::read_to_string(path);
    if expected.as_deref().is_ok_and(|expected| expected == actual) {
        return;
    }
    if blessing() {
        if let Err(error) = fs::write(path, actual) {
            panic!("{shown}: {error}");
        }
        return;
    }
    match expected {
        Ok(expected) => {
            let found = diff(&expected, actual);
            panic!(
                "{shown}:{}: differs (BLESS=1 takes the `+` lines)\n{}",
                found.line + 1,
                found.text
            );
        }
        Err(error) => panic!("{shown}: {error} (BLESS=1 writes it)"),
    }
}
