//! Pins: files of a bpffs. What a file stands for is learnt by opening it.

use crate::fdinfo::Fdinfo;
use crate::handles::{Handles, Object};
use crate::{Outcome, errno};
use skep_sys::{BPF_FS, bpf, mounts};
use skep_uapi::{Errno, Handle, ObjectKind, PinInfo, Value};
use std::ffi::CString;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Most files and folders that a listing looks at.
const ENTRIES_MAX: usize = 1 << 16;

pub(crate) fn pin(handles: &Handles, object: Handle, path: &str) -> Outcome {
    let object = handles.any(object)?;
    bpf::obj_pin(object.as_fd(), &c_path(path.as_bytes())?).map_err(errno)?;
    Ok(Value::Unit)
}

pub(crate) fn open(handles: &Handles, path: &str) -> Outcome {
    let (kind, _, fd) = open_path(path.as_bytes())?;
    let handle = handles.insert(Object::new(kind, fd)?)?;
    Ok(Value::Opened(kind, handle))
}

/// Removes a pin, and nothing else: a file outside every bpffs is `EPERM`, as pinning there is.
pub(crate) fn remove(path: &str) -> Outcome {
    let path = Path::new(path);
    let parent = path.parent().ok_or(Errno::EPERM)?;
    // The folder's own path, so that no link leads the comparison astray.
    let real = fs::canonicalize(parent).map_err(errno)?;
    let mounts = mounts().map_err(errno)?;
    let innermost = mounts
        .iter()
        .filter(|mount| real.starts_with(&mount.target))
        // Of two mounts in one place, the later hides the earlier; `max_by_key` gives the last.
        .max_by_key(|mount| mount.target.as_os_str().len());
    if innermost.is_none_or(|mount| mount.fs_type != BPF_FS) {
        return Err(Errno::EPERM);
    }
    fs::remove_file(path).map_err(errno)?;
    Ok(Value::Unit)
}

/// Pins in every mounted bpffs whose path begins with `prefix`, by path.
pub(crate) fn list(prefix: &str) -> Result<Vec<PinInfo>, Errno> {
    let mut pins = Vec::new();
    let mut folders: Vec<PathBuf> = mounts()
        .map_err(errno)?
        .into_iter()
        .filter(|mount| mount.fs_type == BPF_FS)
        .map(|mount| mount.target)
        .collect();
    folders.sort();
    folders.dedup();
    let mut entries_left = ENTRIES_MAX;
    while let Some(folder) = folders.pop() {
        if !overlaps(&folder, prefix) {
            continue;
        }
        // A folder that went away or may not be read hides its pins from this process only.
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            if entries_left == 0 {
                return Err(Errno::E2BIG);
            }
            entries_left -= 1;
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => pins.extend(pin_info(&entry.path(), prefix)),
                Ok(_) | Err(_) => {}
            }
        }
    }
    pins.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(pins)
}

/// Whether a path below `folder` can begin with `prefix`.
fn overlaps(folder: &Path, prefix: &str) -> bool {
    let folder = folder.as_os_str().as_bytes();
    let prefix = prefix.as_bytes();
    folder.starts_with(prefix) || prefix.starts_with(folder)
}

/// The pin at `path`; `None` if its name does not match, is no text, or it cannot be opened.
fn pin_info(path: &Path, prefix: &str) -> Option<PinInfo> {
    let text = path.to_str().filter(|text| text.starts_with(prefix))?;
    let (kind, id, _) = open_path(text.as_bytes()).ok()?;
    Some(PinInfo {
        path: text.to_owned(),
        kind,
        id,
    })
}

fn open_path(path: &[u8]) -> Result<(ObjectKind, u32, OwnedFd), Errno> {
    let fd = bpf::obj_get(&c_path(path)?).map_err(errno)?;
    let (kind, id) = Fdinfo::read(fd.as_fd())?
        .object()
        .ok_or(Errno::EOPNOTSUPP)?;
    Ok((kind, id, fd))
}

fn c_path(path: &[u8]) -> Result<CString, Errno> {
    CString::new(path).map_err(|_| Errno::EINVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_a_prefix_needs() {
        for (folder, prefix, wanted) in [
            ("/sys/fs/bpf", "", true),
            ("/sys/fs/bpf", "/sys/fs/bpf/hello", true),
            ("/sys/fs/bpf/a", "/sys/fs/bpf", true),
            ("/sys/fs/bpf/a", "/sys/fs/bpf/b", false),
            ("/tmp/bpf", "/sys/fs/bpf", false),
        ] {
            assert_eq!(
                overlaps(Path::new(folder), prefix),
                wanted,
                "{folder} {prefix}"
            );
        }
    }
}
