//! The tools that know the right answer: bpftool on the running kernel, and clang.
//!
//! A test that calls these names the need first ([`Need::Bpftool`], [`Need::Clang`], [`Need::Oracle`]); without it
//! they panic. Nothing here attaches a program to anything. Pins go to a bpffs of the test's own.
//!
//! [`Need::Bpftool`]: crate::Need::Bpftool
//! [`Need::Clang`]: crate::Need::Clang
//! [`Need::Oracle`]: crate::Need::Oracle

use crate::{TempDir, root};
use std::ffi::OsStr;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The oldest bpftool to compare with, the one of Linux 6.12: earlier ones lack `orphaned` and flags of dumps.
const BPFTOOL_MIN: (u32, u32) = (7, 5);

/// The clang that the expected texts were made with.
pub const CLANG: &str = "clang-19";

/// Looks for a bpftool that fits: `SKEP_BPFTOOL`, the one that `./test` built, then `PATH`.
pub(crate) fn find_bpftool() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("SKEP_BPFTOOL") {
        let path = PathBuf::from(path);
        return bpftool_fits(&path).map(|()| path);
    }
    let built = cache_folder().map(|folder| folder.join("skep/oracle/bpftool"));
    let candidates = built.into_iter().chain([PathBuf::from("bpftool")]);
    let mut why = String::new();
    for path in candidates {
        match bpftool_fits(&path) {
            Ok(()) => return Ok(path),
            Err(error) => why = error,
        }
    }
    Err(format!("{why}; ./test builds one"))
}

fn cache_folder() -> Option<PathBuf> {
    let folder = std::env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty());
    let folder = folder.map(PathBuf::from);
    folder.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))
}

/// Whether the program at `path` is a bpftool recent enough that was built with LLVM's disassembler.
fn bpftool_fits(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let output = Command::new(path).arg("version").output();
    let output = output.map_err(|error| format!("{shown}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = bpftool_version(&text).ok_or_else(|| format!("{shown} tells no version"))?;
    if version < BPFTOOL_MIN {
        let ((major, minor), (least, least_minor)) = (version, BPFTOOL_MIN);
        return Err(format!(
            "{shown} is {major}.{minor}, older than {least}.{least_minor}"
        ));
    }
    let features = text
        .lines()
        .find_map(|line| line.strip_prefix("features: "));
    match features.is_some_and(|features| features.split(", ").any(|one| one == "llvm")) {
        true => Ok(()),
        false => Err(format!("{shown} was built without LLVM")),
    }
}

/// Reads `bpftool v7.5.0`.
fn bpftool_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.lines().next()?.strip_prefix("bpftool v")?.split('.');
    let (major, minor) = (numbers.next()?, numbers.next()?);
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The bpftool to compare with.
///
/// # Panics
/// If there is none: the test must name [`crate::Need::Bpftool`].
#[must_use]
pub fn bpftool_path() -> PathBuf {
    find_bpftool().unwrap_or_else(|why| panic!("the test did not name its need of bpftool: {why}"))
}

/// Runs bpftool on the running kernel.
///
/// # Panics
/// If it cannot be started.
pub fn bpftool<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Output {
    let path = bpftool_path();
    let output = Command::new(&path).args(args).output();
    output.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Compiles C to an object file for BPF, with the rules of `examples/Makefile`.
///
/// # Panics
/// With the compiler's messages if the source does not compile.
#[must_use]
pub fn compile_c(source: &str) -> Vec<u8> {
    let dir = TempDir::new("compile");
    dir.write("program.bpf.c", source);
    make(&dir, "program.bpf.o");
    let object = dir.join("program.bpf.o");
    fs::read(&object).unwrap_or_else(|error| panic!("{}: {error}", object.display()))
}

/// Makes a target in a folder of sources, with the rules of `examples/Makefile` and [`CLANG`].
///
/// # Panics
/// With make's output if it fails.
pub fn make(dir: &Path, target: &str) {
    let mut command = Command::new("make");
    command.arg("--silent").arg("--directory").arg(dir);
    command.arg("--file").arg(root().join("examples/Makefile"));
    // Made by `./test` or by hand, the flags of an outer make are not ours.
    command
        .env_remove("MAKEFLAGS")
        .arg(format!("CLANG={CLANG}"))
        .arg(target);
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("make: {error}"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "make {target}: {}\n{text}",
        output.status
    );
}

/// A bpffs for the pins of one test. Dropping it unmounts it, which unpins everything.
#[derive(Debug)]
pub struct BpfFs {
    dir: TempDir,
}

impl BpfFs {
    /// Mounts a bpffs on a fresh folder.
    ///
    /// # Panics
    /// If this process may not: the test must name [`crate::Need::Oracle`].
    #[must_use]
    pub fn mount() -> Self {
        let dir = TempDir::new("bpffs");
        if let Err(error) = skep_sys::mount_pseudo(skep_sys::BPF_FS, &dir) {
            panic!("the test did not name its need of the oracle: mount of a bpffs: {error}");
        }
        Self { dir }
    }
}

impl Deref for BpfFs {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.dir
    }
}

impl Drop for BpfFs {
    fn drop(&mut self) {
        // The folder below is removed by its own drop, which would otherwise meet a busy mount.
        if let Err(error) = skep_sys::unmount(&self.dir) {
            assert!(
                std::thread::panicking(),
                "{}: {error}",
                self.dir.path().display()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(
            bpftool_version("bpftool v7.5.0\nusing libbpf v1.5\n"),
            Some((7, 5))
        );
        assert_eq!(bpftool_version("bpftool v7.15.0"), Some((7, 15)));
        assert_eq!(bpftool_version("usage: bpftool"), None);
    }
}
