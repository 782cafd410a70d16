//! What the compiler does not check: which crate uses which, where `unsafe` may stand, how long files and functions
//! may be, and words that must not stand anywhere. A test runs it too, so that it never falls behind.

mod levels;
mod ratchet;
mod sources;

pub use ratchet::Ratchet;

use crate::files::text_files;
use std::fmt;
use std::io;
use std::path::Path;

/// Crates and their levels, as ARCHITECTURE.md has them (which is checked): a crate may use those of lower levels.
pub(crate) const LEVELS: [(&str, u8); 22] = [
    ("uapi", 0),
    ("isa", 0),
    ("abi", 0),
    ("sys", 0),
    ("btf", 1),
    ("memory", 1),
    ("linux", 1),
    ("wire", 1),
    ("contracts", 2),
    ("object", 2),
    ("maps", 2),
    ("verifier", 3),
    ("helpers", 3),
    ("loader", 3),
    ("xlate", 4),
    ("jit", 5),
    ("interp", 5),
    ("exec", 6),
    ("machine", 7),
    ("net", 8),
    ("skep", 9),
    ("daemon", 10),
];

/// Nothing uses the top crate.
pub(crate) const TOP: (&str, u8) = ("cli", 11);

/// Crates that no product code may use.
pub(crate) const DEV: [&str; 2] = ["testkit", "xtask"];

/// Arrows that the levels would allow, and why they must not be.
pub(crate) const FORBIDDEN: [(&str, &str, &str); 6] = [
    (
        "verifier",
        "maps",
        "the verifier knows maps by their rules in contracts",
    ),
    ("verifier", "sys", "the verifier is pure"),
    (
        "verifier",
        "memory",
        "the verifier never touches what programs touch",
    ),
    (
        "jit",
        "memory",
        "the JIT emits code for the layouts of abi and runs nothing",
    ),
    ("jit", "sys", "the JIT is pure"),
    (
        "cli",
        "machine",
        "commands reach a machine only through Bpf",
    ),
];

/// Crates that may hold `unsafe`.
pub(crate) const UNSAFE: [&str; 3] = ["sys", "memory", "exec"];

/// Most lines of a file.
pub(crate) const FILE_LINES_MAX: usize = 800;
/// Most lines of a function, from its keyword to its closing brace.
pub(crate) const FUNCTION_LINES_MAX: usize = 70;

/// Something that a rule forbids.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Complaint {
    /// File, relative to the checkout.
    pub path: String,
    /// Line, counted from 1; 0 for the whole file.
    pub line: usize,
    /// What is wrong, and what to do where that is not plain.
    pub text: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.text),
            line => write!(f, "{}:{line}: {}", self.path, self.text),
        }
    }
}

/// Checks the checkout.
///
/// # Errors
/// If a file cannot be read, or the ratchet cannot be written.
pub fn check(root: &Path, ratchet: Ratchet) -> io::Result<Vec<Complaint>> {
    let files = text_files(root)?;
    let mut complaints = levels::check(&files);
    let long = sources::check(&files, &mut complaints);
    complaints.extend(ratchet::check(root, &long, ratchet)?);
    Ok(complaints)
}
