//! Where a daemon and its clients meet: one socket per owner, user namespace and network namespace.
//!
//! The folder is the user's own: `$XDG_RUNTIME_DIR`, or one in `/tmp`. Neither is trusted by name: it must be a real
//! folder (no link), of this user, that nobody else may enter. The file's name carries the namespaces, so that a
//! client in another network finds its own daemon or none.

use crate::error::IoFailure;
use skep_sys::{LockFile, Namespace, bind_private, effective_uid, namespace_inode, uid_outside};
use std::fs::{DirBuilder, Metadata, read_dir, remove_file, symlink_metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Most bytes of a socket's path: `sun_path` without its terminating zero (unix(7)).
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Inode number of the first user namespace (`PROC_USER_INIT_INO`).
const FIRST_USER_NAMESPACE: u64 = 0xefff_fffd;

const PREFIX: &str = "skep-";
const SOCKET_SUFFIX: &str = ".sock";
const LOCK_SUFFIX: &str = ".lock";
const JOURNAL_SUFFIX: &str = ".journal";
/// Before the number of a process that has no daemon.
const PROCESS_INFIX: &str = "-run-";

/// Why there is no place to meet.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum EndpointError {
    /// The system refused.
    #[error("{path}: {error}", path = path.display())]
    Io {
        /// What was to be made or looked at.
        path: PathBuf,
        /// Why not.
        error: IoFailure,
    },
    /// The folder is not this user's alone.
    #[error("{path}: {reason}; remove it or set XDG_RUNTIME_DIR", path = path.display())]
    UnsafeFolder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The socket's path does not fit the system's limit.
    #[error("{path}: a socket's path has at most {SOCKET_PATH_BYTES_MAX} bytes; set XDG_RUNTIME_DIR to a shorter one", path = path.display())]
    PathTooLong {
        /// The path.
        path: PathBuf,
    },
}

fn io_error(path: &Path, error: io::Error) -> EndpointError {
    EndpointError::Io {
        path: path.to_owned(),
        error: error.into(),
    }
}

/// A journal of changes that are to be undone, and how to know whether whoever made them still lives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JournalPlace {
    /// The journal.
    pub journal: PathBuf,
    /// Locked by the owner as long as it lives.
    pub owner_lock: PathBuf,
}

/// A daemon's place, whether or not one is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    folder: PathBuf,
    user_namespace: u64,
    net_namespace: u64,
}

impl Endpoint {
    /// The place for this process's user and namespaces. Makes the folder in `/tmp` if it is needed.
    ///
    /// # Errors
    /// If no safe folder can be had, or its path is too long.
    pub fn for_current() -> Result<Self, EndpointError> {
        Self::in_folder(private_folder(runtime_folder(), tmp_folder()?)?)
    }

    /// The place for this process's namespaces in a folder that the caller answers for.
    ///
    /// # Errors
    /// If the namespaces cannot be told or the path is too long.
    pub fn in_folder(folder: PathBuf) -> Result<Self, EndpointError> {
        let inode = |namespace| {
            namespace_inode(namespace).map_err(|error| io_error(Path::new("/proc/self/ns"), error))
        };
        let endpoint = Self {
            folder,
            user_namespace: inode(Namespace::User)?,
            net_namespace: inode(Namespace::Net)?,
        };
        let path = endpoint.socket_path();
        if path.as_os_str().as_bytes().len() > SOCKET_PATH_BYTES_MAX {
            return Err(EndpointError::PathTooLong { path });
        }
        Ok(endpoint)
    }

    /// Inode number of the network namespace.
    #[must_use]
    pub fn net_namespace(&self) -> u64 {
        self.net_namespace
    }

    /// Inode number of the user namespace.
    #[must_use]
    pub fn user_namespace(&self) -> u64 {
        self.user_namespace
    }

    /// The socket.
    #[must_use]
    pub fn socket_path(&self) -> PathBuf {
        self.file(SOCKET_SUFFIX)
    }

    /// The lock that a running daemon holds.
    #[must_use]
    pub fn lock_path(&self) -> PathBuf {
        self.file(LOCK_SUFFIX)
    }

    /// The daemon's log.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.file(".log")
    }

    /// The journal of what a daemon here has to undo; its owner's lock is the daemon's.
    #[must_use]
    pub fn journal(&self) -> JournalPlace {
        JournalPlace {
            journal: self.file(JOURNAL_SUFFIX),
            owner_lock: self.lock_path(),
        }
    }

    /// The journal of a process that changes interfaces without a daemon.
    #[must_use]
    pub fn process_journal(&self, pid: u32) -> JournalPlace {
        JournalPlace {
            journal: self.file(&format!("{PROCESS_INFIX}{pid}{JOURNAL_SUFFIX}")),
            owner_lock: self.file(&format!("{PROCESS_INFIX}{pid}{LOCK_SUFFIX}")),
        }
    }

    /// The journals here of processes without a daemon, whether or not these still live.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn process_journals(&self) -> Result<Vec<JournalPlace>, EndpointError> {
        let entries = read_dir(&self.folder).map_err(|error| io_error(&self.folder, error))?;
        let prefix = format!(
            "{PREFIX}{}-{}{PROCESS_INFIX}",
            self.user_namespace, self.net_namespace
        );
        let mut pids: Vec<u32> = entries
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name();
                let pid = name.to_str()?.strip_prefix(&prefix)?;
                pid.strip_suffix(JOURNAL_SUFFIX)?.parse().ok()
            })
            .collect();
        pids.sort_unstable();
        Ok(pids
            .into_iter()
            .map(|pid| self.process_journal(pid))
            .collect())
    }

    fn file(&self, suffix: &str) -> PathBuf {
        let (user, net) = (self.user_namespace, self.net_namespace);
        self.folder.join(format!("{PREFIX}{user}-{net}{suffix}"))
    }

    /// The endpoint whose socket has this file name in `folder`.
    fn from_socket_name(folder: &Path, name: &str) -> Option<Self> {
        let inodes = name.strip_prefix(PREFIX)?.strip_suffix(SOCKET_SUFFIX)?;
        let (user, net) = inodes.split_once('-')?;
        let endpoint = Self {
            folder: folder.to_owned(),
            user_namespace: user.parse().ok()?,
            net_namespace: net.parse().ok()?,
        };
        // Numbers can be written in more than one way; skep writes one.
        (endpoint.socket_path().file_name()? == name).then_some(endpoint)
    }

    /// Takes the place: lock, then listen. `None` if a daemon holds it, which makes two that start at once one.
    ///
    /// # Errors
    /// If the lock or the socket cannot be made: no space, no right.
    pub fn claim(&self) -> Result<Option<Claim>, EndpointError> {
        let lock_path = self.lock_path();
        let Some(lock) =
            LockFile::try_lock(&lock_path).map_err(|error| io_error(&lock_path, error))?
        else {
            return Ok(None);
        };
        let socket = self.socket_path();
        // Whoever bound it is dead, since the lock was free.
        match remove_file(&socket) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error(&socket, error)),
        }
        let listener = bind_private(&socket).map_err(|error| io_error(&socket, error))?;
        Ok(Some(Claim {
            listener,
            socket,
            _lock: lock,
        }))
    }
}

/// A held place: the listening socket. Dropping it removes the socket, then frees the lock.
#[derive(Debug)]
pub struct Claim {
    listener: UnixListener,
    socket: PathBuf,
    /// Dropped after `drop` has run, so that nobody binds between removal and release.
    _lock: LockFile,
}

impl Claim {
    /// Where clients arrive.
    #[must_use]
    pub fn listener(&self) -> &UnixListener {
        &self.listener
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // If it cannot be removed, the next daemon does it.
        let _ = remove_file(&self.socket);
    }
}

/// Endpoints of this user, in all namespaces, whose socket exists; whether a daemon answers there, connecting tells.
///
/// # Errors
/// If a folder exists and cannot be read.
pub fn list_endpoints() -> Result<Vec<Endpoint>, EndpointError> {
    let mut endpoints = Vec::new();
    for folder in runtime_folder().into_iter().chain([tmp_folder()?]) {
        if check_folder(&folder).is_err() {
            continue;
        }
        let entries = read_dir(&folder).map_err(|error| io_error(&folder, error))?;
        let names = entries.flatten().map(|entry| entry.file_name());
        endpoints
            .extend(names.filter_map(|name| Endpoint::from_socket_name(&folder, name.to_str()?)));
    }
    endpoints.sort_by_key(Endpoint::socket_path);
    endpoints.dedup();
    Ok(endpoints)
}

/// `runtime` if it is safe, else `tmp`, made if need be.
fn private_folder(runtime: Option<PathBuf>, tmp: PathBuf) -> Result<PathBuf, EndpointError> {
    if let Some(folder) = runtime
        && check_folder(&folder).is_ok()
    {
        return Ok(folder);
    }
    match DirBuilder::new().mode(0o700).create(&tmp) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io_error(&tmp, error)),
    }
    check_folder(&tmp)?;
    Ok(tmp)
}

/// `$XDG_RUNTIME_DIR`.
fn runtime_folder() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?);
    folder.is_absolute().then_some(folder)
}

/// Within a user namespace of one's own, user numbers mean somebody else's: the name then carries the namespace, and the number
/// that the user has outside, because the namespace's may be another user's next.
fn tmp_folder() -> Result<PathBuf, EndpointError> {
    let uid = effective_uid();
    let user = namespace_inode(Namespace::User)
        .map_err(|error| io_error(Path::new("/proc/self/ns"), error))?;
    Ok(if user == FIRST_USER_NAMESPACE {
        PathBuf::from(format!("/tmp/skep-{uid}"))
    } else {
        let uid = uid_outside().unwrap_or(uid);
        PathBuf::from(format!("/tmp/skep-{uid}-{user}"))
    })
}

fn check_folder(folder: &Path) -> Result<(), EndpointError> {
    let metadata = symlink_metadata(folder).map_err(|error| io_error(folder, error))?;
    match folder_fault(&metadata, effective_uid()) {
        None => Ok(()),
        Some(reason) => Err(EndpointError::UnsafeFolder {
            path: folder.to_owned(),
            reason,
        }),
    }
}

/// What makes a folder unfit.
fn folder_fault(metadata: &Metadata, uid: u32) -> Option<&'static str> {
    if !metadata.is_dir() {
        Some("is not a folder")
    } else if metadata.uid() != uid {
        Some("belongs to another user")
    } else if metadata.mode() & 0o777 != 0o700 {
        Some("must have mode 0700")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::fs::{Permissions, create_dir, remove_dir_all, set_permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn folder(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("skep-endpoint-{name}-{}", std::process::id()));
        create_dir(&folder).unwrap();
        set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
        folder
    }

    #[test]
    fn unsafe_folders() {
        let folder = folder("unsafe");
        assert_eq!(check_folder(&folder), Ok(()));
        let reason = |path: &Path| match check_folder(path) {
            Err(EndpointError::UnsafeFolder { reason, .. }) => reason,
            other => panic!("{other:?}"),
        };
        let link = folder.join("link");
        symlink(&folder, &link).unwrap();
        assert_eq!(reason(&link), "is not a folder");
        set_permissions(&folder, Permissions::from_mode(0o750)).unwrap();
        assert_eq!(reason(&folder), "must have mode 0700");
        let metadata = symlink_metadata(&folder).unwrap();
        assert_eq!(
            folder_fault(&metadata, effective_uid() + 1),
            Some("belongs to another user")
        );
        assert!(matches!(
            check_folder(&folder.join("missing")),
            Err(EndpointError::Io { .. })
        ));
        remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn choice_of_folder() {
        let home = folder("choice");
        let (runtime, tmp) = (home.join("runtime"), home.join("tmp"));
        DirBuilder::new().mode(0o700).create(&runtime).unwrap();
        let choose =
            |runtime: &Path, tmp: &Path| private_folder(Some(runtime.to_owned()), tmp.to_owned());
        assert_eq!(choose(&runtime, &tmp), Ok(runtime.clone()));
        assert!(!tmp.exists());
        // Open to others, missing, not set: the other folder, made once and private.
        set_permissions(&runtime, Permissions::from_mode(0o755)).unwrap();
        assert_eq!(choose(&runtime, &tmp), Ok(tmp.clone()));
        assert_eq!(choose(&home.join("missing"), &tmp), Ok(tmp.clone()));
        assert_eq!(private_folder(None, tmp.clone()), Ok(tmp));
        // Somebody was there first.
        let link = home.join("link");
        symlink(&runtime, &link).unwrap();
        assert!(matches!(
            choose(&runtime, &link),
            Err(EndpointError::UnsafeFolder { .. })
        ));
        remove_dir_all(&home).unwrap();
    }

    #[test]
    fn names_round_trip() {
        let endpoint = Endpoint::in_folder(PathBuf::from("/run/x")).unwrap();
        let path = endpoint.socket_path();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(
            Endpoint::from_socket_name(Path::new("/run/x"), name),
            Some(endpoint)
        );
        for name in [
            "skep-1-2.lock",
            "skep-1.sock",
            "skep-1-02.sock",
            "skep-a-2.sock",
            "skep-1-2-3.sock",
            "x-1-2.sock",
        ] {
            assert_eq!(
                Endpoint::from_socket_name(Path::new("/"), name),
                None,
                "{name}"
            );
        }
        let long = Endpoint::in_folder(PathBuf::from(format!("/{}", "x".repeat(100))));
        assert!(matches!(long, Err(EndpointError::PathTooLong { .. })));
    }

    #[test]
    fn journals_by_process() {
        let folder = folder("journals");
        let endpoint = Endpoint::in_folder(folder.clone()).unwrap();
        assert_eq!(endpoint.process_journals(), Ok(vec![]));
        let stem = endpoint.socket_path();
        let stem = stem.to_str().unwrap().strip_suffix(".sock").unwrap();
        for name in ["-run-12.journal", "-run-7.journal", "-run-7.lock"] {
            std::fs::write(format!("{stem}{name}"), "").unwrap();
        }
        for name in [
            ".journal",
            "-run-x.journal",
            "-run-7.journal.new",
            "0-run-7.journal",
        ] {
            std::fs::write(format!("{stem}{name}"), "").unwrap();
        }
        let expected = vec![endpoint.process_journal(7), endpoint.process_journal(12)];
        assert_eq!(endpoint.process_journals(), Ok(expected));
        assert_eq!(endpoint.journal().owner_lock, endpoint.lock_path());
        remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn one_claim_at_a_time() {
        let folder = folder("claim");
        let endpoint = Endpoint::in_folder(folder.clone()).unwrap();
        // A dead daemon's socket is in the way and is replaced.
        std::fs::write(endpoint.socket_path(), "").unwrap();
        let claim = endpoint.claim().unwrap().unwrap();
        assert!(endpoint.claim().unwrap().is_none());
        assert!(endpoint.socket_path().exists());
        drop(claim);
        assert!(!endpoint.socket_path().exists());
        assert!(endpoint.claim().unwrap().is_some());
        remove_dir_all(&folder).unwrap();
        assert!(matches!(endpoint.claim(), Err(EndpointError::Io { .. })));
    }
}
