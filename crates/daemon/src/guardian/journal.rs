//! What is left to undo, in a file that outlives owner and guardian.
//!
//! One JSON text a line: a head, then promises and forgettings as they come. Only the guardian writes, and only who
//! holds the file's lock touches it. A promise is on the disk before it is acknowledged; a line that was never finished was never
//! acknowledged, and is no line.
//!
//! The head names the boot and the network namespace, by a number that is never given twice: interface numbers mean
//! something else in another one, and what was changed in it went with it. Entries under a foreign head are dropped.
//! The file is believed because nobody else can have written it (owner, mode, no link, in a folder of our own); what
//! it says is still checked, and an error names it.

use super::protocol::Entry;
use crate::limits::{JOURNAL_BYTES_MAX, JOURNAL_COMPACT_BYTES, UNDO_ENTRIES_MAX};
use serde::{Deserialize, Serialize};
use skep_net::live::Undo;
use skep_sys::{LockFile, effective_uid, net_namespace_cookie};
use skep_wire::IoFailure;
use std::collections::BTreeMap;
use std::fs::{self, remove_file, rename, symlink_metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use thiserror::Error;

const FORMAT: u32 = 1;
const RETRY: Duration = Duration::from_millis(5);

/// What is wrong with a journal.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum JournalError {
    /// The system refused.
    #[error("{path}: {error}", path = path.display())]
    Io {
        /// The journal.
        path: PathBuf,
        /// Why.
        error: IoFailure,
    },
    /// Another process is at it for longer than one should be.
    #[error("{path}: another process is undoing what it names, and has not ended yet", path = path.display())]
    InUse {
        /// The journal.
        path: PathBuf,
    },
    /// It is not this user's alone.
    #[error("{path}: {reason}; it is not believed: remove it", path = path.display())]
    Untrusted {
        /// The journal.
        path: PathBuf,
        /// What is wrong with the file.
        reason: &'static str,
    },
    /// It says what skep does not write.
    #[error("{path}: line {line}: {reason}; nothing in it was undone: look at it, undo by hand, remove it", path = path.display())]
    Malformed {
        /// The journal.
        path: PathBuf,
        /// Which line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Where entries mean anything.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Scope {
    /// Number of the boot.
    boot: String,
    /// Number of the network namespace; its inode's where there is no better one.
    namespace: u64,
}

impl Scope {
    /// Here and now.
    pub(crate) fn current() -> io::Result<Self> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        let namespace = match net_namespace_cookie()? {
            Some(cookie) => cookie,
            None => skep_sys::namespace_inode(skep_sys::Namespace::Net)?,
        };
        Ok(Self {
            boot: boot.trim().to_owned(),
            namespace,
        })
    }
}

#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Head {
    skep_journal: u32,
    #[serde(flatten)]
    scope: Scope,
}

#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Record {
    Promise(Entry),
    Forget(u64),
}

/// An open, locked journal.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    scope: Scope,
    lock: LockFile,
    /// Bytes of whole lines; what follows is overwritten.
    bytes: u64,
    entries: BTreeMap<u64, Undo>,
    /// Entries that were dropped because they were made elsewhere.
    foreign: usize,
}

/// Whether a journal that is not there is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Missing {
    Make,
    Leave,
}

impl Journal {
    /// Opens, locks and reads; waits at most `wait` for whoever holds it. `None` if there is none and none is to be made.
    pub(crate) fn open(
        path: &Path,
        missing: Missing,
        scope: Scope,
        wait: Duration,
    ) -> Result<Option<Self>, JournalError> {
        let Some(lock) = acquire(path, missing, wait)? else {
            return Ok(None);
        };
        let mut journal = Self {
            path: path.to_owned(),
            scope,
            lock,
            bytes: 0,
            entries: BTreeMap::new(),
            foreign: 0,
        };
        journal.load()?;
        Ok(Some(journal))
    }

    /// What is left to undo.
    pub(crate) fn entries(&self) -> &BTreeMap<u64, Undo> {
        &self.entries
    }

    /// How many entries of another boot or namespace there were; they are gone.
    pub(crate) fn foreign(&self) -> usize {
        self.foreign
    }

    /// Keeps an entry. It is on the disk when this returns.
    pub(crate) fn promise(&mut self, entry: &Entry) -> Result<(), JournalError> {
        self.append(&Record::Promise(entry.clone()))
            .and_then(|()| self.lock.file().sync_data())
            .map_err(|error| io_error(&self.path, error))?;
        self.entries.insert(entry.id, entry.undo.clone());
        Ok(())
    }

    /// Drops an entry. That one it keeps because the disk is full will be undone twice, which does no harm.
    pub(crate) fn forget(&mut self, id: u64) -> Result<(), JournalError> {
        if self.entries.remove(&id).is_none() {
            return Ok(());
        }
        self.append(&Record::Forget(id))
            .and_then(|()| self.compact())
            .map_err(|error| io_error(&self.path, error))
    }

    /// Removes the file, if nothing is left in it.
    pub(crate) fn close(self) -> Result<(), JournalError> {
        if !self.entries.is_empty() {
            return Ok(());
        }
        // While it is locked: whoever waits for the lock finds out that the name has gone.
        remove_file(&self.path).map_err(|error| io_error(&self.path, error))
    }

    fn load(&mut self) -> Result<(), JournalError> {
        let text = self.read().map_err(|error| io_error(&self.path, error))?;
        let whole = text
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        if u64::try_from(whole).is_ok_and(|bytes| bytes > JOURNAL_BYTES_MAX) {
            return Err(self.malformed(1, "the file is too long"));
        }
        let mut lines = (1..).zip(text[..whole].split_inclusive(|&byte| byte == b'\n'));
        let Some((_, head)) = lines.next() else {
            return self.rewrite().map_err(|error| io_error(&self.path, error));
        };
        let head: Head = self.parse(1, head)?;
        if head.skep_journal != FORMAT {
            return Err(self.malformed(1, "another version of skep made it"));
        }
        for (line, record) in lines {
            match self.parse(line, record)? {
                Record::Promise(Entry { id, undo }) => {
                    if self.entries.insert(id, undo).is_some() {
                        return Err(self.malformed(line, "the number was given twice"));
                    }
                    if self.entries.len() > UNDO_ENTRIES_MAX {
                        return Err(self.malformed(line, "too many entries"));
                    }
                }
                Record::Forget(id) => {
                    self.entries.remove(&id);
                }
            }
        }
        self.bytes = u64::try_from(whole).unwrap_or(u64::MAX);
        if head.scope == self.scope {
            return Ok(());
        }
        self.foreign = self.entries.len();
        self.entries.clear();
        self.rewrite().map_err(|error| io_error(&self.path, error))
    }

    /// All of it, or a little more than it may be.
    fn read(&self) -> io::Result<Vec<u8>> {
        let mut file = self.lock.file();
        file.seek(SeekFrom::Start(0))?;
        let mut text = Vec::new();
        file.take(JOURNAL_BYTES_MAX + 2).read_to_end(&mut text)?;
        Ok(text)
    }

    fn parse<'a, T: Deserialize<'a>>(
        &self,
        line: usize,
        text: &'a [u8],
    ) -> Result<T, JournalError> {
        serde_json::from_slice(text).map_err(|error| self.malformed(line, &error.to_string()))
    }

    fn malformed(&self, line: usize, reason: &str) -> JournalError {
        JournalError::Malformed {
            path: self.path.clone(),
            line,
            reason: reason.to_owned(),
        }
    }

    fn append(&mut self, record: &Record) -> io::Result<()> {
        let line = line(record)?;
        // What half a write left is behind the last whole line, where the next one overwrites it.
        self.lock.file().set_len(self.bytes)?;
        self.lock.file().write_all_at(&line, self.bytes)?;
        self.bytes += u64::try_from(line.len()).unwrap_or(0);
        Ok(())
    }

    /// Writes the file anew if that makes it much shorter.
    fn compact(&mut self) -> io::Result<()> {
        if self.bytes < JOURNAL_COMPACT_BYTES {
            return Ok(());
        }
        let text = self.text()?;
        if u64::try_from(text.len()).is_ok_and(|bytes| bytes > self.bytes / 2) {
            return Ok(());
        }
        self.rewrite()
    }

    /// Replaces the file by one with what is left. At no time is there none, or one that nobody has locked.
    fn rewrite(&mut self) -> io::Result<()> {
        let text = self.text()?;
        let mut new_path = self.path.clone().into_os_string();
        new_path.push(".new");
        let new = LockFile::try_lock(Path::new(&new_path))?.ok_or(io::ErrorKind::WouldBlock)?;
        new.file().set_len(0)?;
        new.file().write_all_at(&text, 0)?;
        new.file().sync_data()?;
        rename(&new_path, &self.path)?;
        self.lock = new;
        self.bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    fn text(&self) -> io::Result<Vec<u8>> {
        let mut text = line(&Head {
            skep_journal: FORMAT,
            scope: self.scope.clone(),
        })?;
        for (&id, undo) in &self.entries {
            let undo = undo.clone();
            text.extend(line(&Record::Promise(Entry { id, undo }))?);
        }
        Ok(text)
    }
}

fn line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

/// Locks the file that has the name, which may become another one while its lock is waited for.
fn acquire(
    path: &Path,
    missing: Missing,
    wait: Duration,
) -> Result<Option<LockFile>, JournalError> {
    let begin = Instant::now();
    loop {
        match (missing, symlink_metadata(path)) {
            (Missing::Leave, Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            // Before it is opened: the lock's file must not be made or opened through a link.
            (_, Ok(metadata)) => check(path, &metadata)?,
            (_, Err(_)) => {}
        }
        let lock = LockFile::try_lock(path).map_err(|error| io_error(path, error))?;
        if let Some(lock) = lock {
            let held = lock
                .file()
                .metadata()
                .map_err(|error| io_error(path, error))?;
            match symlink_metadata(path) {
                Ok(named) if named.ino() == held.ino() && named.dev() == held.dev() => {
                    check(path, &held)?;
                    return Ok(Some(lock));
                }
                // Its last holder has removed or replaced it.
                Ok(_) | Err(_) => {}
            }
        }
        if begin.elapsed() >= wait {
            let path = path.to_owned();
            return Err(JournalError::InUse { path });
        }
        thread::sleep(RETRY);
    }
}

fn check(path: &Path, metadata: &fs::Metadata) -> Result<(), JournalError> {
    match fault(metadata, effective_uid()) {
        None => Ok(()),
        Some(reason) => Err(JournalError::Untrusted {
            path: path.to_owned(),
            reason,
        }),
    }
}

/// Why a file is not to be believed.
fn fault(metadata: &fs::Metadata, uid: u32) -> Option<&'static str> {
    if !metadata.is_file() {
        Some("is not a plain file")
    } else if metadata.uid() != uid {
        Some("belongs to another user")
    } else if metadata.mode() & 0o777 != 0o600 {
        Some("must have mode 0600")
    } else {
        None
    }
}

fn io_error(path: &Path, error: io::Error) -> JournalError {
    JournalError::Io {
        path: path.to_owned(),
        error: error.into(),
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
