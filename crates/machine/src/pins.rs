//! The machine's own bpffs: absolute paths that hold objects. Directories exist as far as paths go through them.

use crate::Object;
use skep_uapi::{Errno, PinInfo};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Longest path (kernel `PATH_MAX`, terminating zero included).
const PATH_BYTES_MAX: usize = 4096;
/// Longest name within a path (kernel `NAME_MAX`).
const NAME_BYTES_MAX: usize = 255;

/// Pins by path.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    pins: Mutex<BTreeMap<String, Object>>,
}

impl Pins {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Object>> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pins an object. BTF objects cannot be pinned (EINVAL), as in Linux.
    pub(crate) fn add(&self, path: &str, object: Object) -> Result<(), Errno> {
        let path = checked(path)?;
        if matches!(object, Object::Btf(_)) {
            return Err(Errno::EINVAL);
        }
        if path
            .rsplit('/')
            .next()
            .is_some_and(|name| name.contains('.'))
        {
            return Err(Errno::EPERM);
        }
        let mut pins = self.lock();
        let below = format!("{path}/");
        let is_directory = pins
            .range(below.clone()..)
            .next()
            .is_some_and(|(pin, _)| pin.starts_with(&below));
        if is_directory || pins.contains_key(&path) {
            return Err(Errno::EEXIST);
        }
        let mut parents = path.match_indices('/').skip(1).map(|(at, _)| &path[..at]);
        if parents.any(|parent| pins.contains_key(parent)) {
            return Err(Errno::ENOTDIR);
        }
        pins.insert(path, object);
        Ok(())
    }

    /// The object at a path.
    pub(crate) fn get(&self, path: &str) -> Result<Object, Errno> {
        self.lock()
            .get(&checked(path)?)
            .cloned()
            .ok_or(Errno::ENOENT)
    }

    /// Removes a pin. What it held is dropped after the lock is.
    pub(crate) fn remove(&self, path: &str) -> Result<(), Errno> {
        let removed = self.lock().remove(&checked(path)?);
        removed.map(drop).ok_or(Errno::ENOENT)
    }

    /// Pins whose path begins with `prefix`.
    pub(crate) fn list(&self, prefix: &str) -> Vec<PinInfo> {
        let pins = self.lock();
        let below = pins.iter().filter(|(path, _)| path.starts_with(prefix));
        below
            .map(|(path, object)| PinInfo {
                path: path.clone(),
                kind: object.kind(),
                id: object.id(),
            })
            .collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A path in its one form: absolute, without empty, `.` or `..` parts.
fn checked(path: &str) -> Result<String, Errno> {
    if path.len() >= PATH_BYTES_MAX || path.split('/').any(|part| part.len() > NAME_BYTES_MAX) {
        return Err(Errno::ENAMETOOLONG);
    }
    let mut parts = Vec::new();
    for part in path.strip_prefix('/').ok_or(Errno::EINVAL)?.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ if part.contains('\0') => return Err(Errno::EINVAL),
            _ => parts.push(part),
        }
    }
    if parts.is_empty() {
        Err(Errno::EEXIST)
    } else {
        Ok(format!("/{}", parts.join("/")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_form() {
        assert_eq!(
            checked("//sys/./fs/x/../bpf//a"),
            Ok("/sys/fs/bpf/a".to_owned())
        );
        assert_eq!(checked("relative"), Err(Errno::EINVAL));
        assert_eq!(checked("/"), Err(Errno::EEXIST));
        assert_eq!(
            checked(&format!("/{}", "n".repeat(256))),
            Err(Errno::ENAMETOOLONG)
        );
        assert_eq!(checked(&"/n".repeat(3000)), Err(Errno::ENAMETOOLONG));
    }
}
