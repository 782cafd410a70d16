//! Compiling C source with the host's clang.

use crate::batch::system_text;
use crate::failure::{Failure, Outcome};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names under which clang may be installed, newest first behind the plain one.
const NAMES: [&str; 10] = [
    "clang", "clang-22", "clang-21", "clang-20", "clang-19", "clang-18", "clang-17", "clang-16",
    "clang-15", "clang-14",
];
const REMEDY: &str =
    "install it (Debian: apt install clang-19 libbpf-dev) or set CLANG to its path";

/// A compiled object in a folder of its own, removed when dropped.
pub(crate) struct Temporary {
    folder: PathBuf,
    object: PathBuf,
}

impl Temporary {
    /// The object file.
    pub(crate) fn path(&self) -> &Path {
        &self.object
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Nothing is lost if it stays: it lies in the system's folder for temporary files.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Compiles `file` if it is C source; `None` if it is not.
pub(crate) fn object_of(file: &Path) -> Outcome<Option<Temporary>> {
    if file.extension() != Some(OsStr::new("c")) {
        return Ok(None);
    }
    // Said here, because every clang would say it in its own words.
    fs::File::open(file).map_err(|error| {
        Failure::message(format!(
            "{}: cannot be read: {}",
            file.display(),
            system_text(&error)
        ))
    })?;
    let stem = file.file_stem().unwrap_or(OsStr::new("program"));
    let folder = private_folder()?;
    let mut name = stem.to_owned();
    name.push(".o");
    let made = Temporary {
        object: folder.join(name),
        folder,
    };
    compile(file, &made.object)?;
    Ok(Some(made))
}

fn private_folder() -> Outcome<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let base = env::temp_dir();
    for number in 0..1000 {
        let folder = base.join(format!("skep-run-{}-{number}", std::process::id()));
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(Failure::message(format!(
                    "{}: cannot be made: {error}",
                    folder.display()
                )));
            }
        }
    }
    Err(Failure::message(format!(
        "{}: no free name for a temporary folder",
        base.display()
    )))
}

/// Runs the first clang that there is; what it prints goes to the terminal as it is.
fn compile(source: &Path, object: &Path) -> Outcome {
    let chosen = env::var_os("CLANG").filter(|clang| !clang.is_empty());
    let candidates = chosen.map_or_else(
        || NAMES.iter().map(OsString::from).collect(),
        |clang| vec![clang],
    );
    for clang in &candidates {
        match Command::new(clang)
            .args(flags(source))
            .arg("-c")
            .arg(source)
            .arg("-o")
            .arg(object)
            .status()
        {
            Ok(status) if status.success() => return Ok(()),
            Ok(_) => {
                return Err(Failure::message(format!(
                    "{}: {} could not compile it",
                    source.display(),
                    clang.display()
                )));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // Also said if there is none, but a folder of PATH may not be searched.
            Err(error) if error.kind() == ErrorKind::PermissionDenied && is_name(clang) => {}
            Err(error) => {
                return Err(Failure::message(format!(
                    "{}: cannot be run: {error}",
                    clang.display()
                )));
            }
        }
    }
    let tried = candidates
        .first()
        .map(|clang| clang.display().to_string())
        .unwrap_or_default();
    Err(Failure::message(format!(
        "{}: C source needs clang, and there is no {tried}: {REMEDY}",
        source.display()
    )))
}

/// Whether a command is looked up in `PATH`.
fn is_name(command: &OsStr) -> bool {
    Path::new(command).components().count() == 1
}

/// The flags of `examples/Makefile`.
fn flags(source: &Path) -> Vec<OsString> {
    let mut flags: Vec<OsString> = ["-O2", "-g", "-target", "bpf", "-mcpu=v3"]
        .map(OsString::from)
        .into();
    // Debian keeps the architecture's own headers (asm/types.h) in a folder that clang does not look into for this target.
    for arch in ["x86_64-linux-gnu", "aarch64-linux-gnu"] {
        let folder = Path::new("/usr/include").join(arch);
        if folder.is_dir() {
            flags.push("-I".into());
            flags.push(folder.into());
            break;
        }
    }
    if let Some(folder) = source
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        flags.push("-I".into());
        flags.push(folder.into());
    }
    flags
}
