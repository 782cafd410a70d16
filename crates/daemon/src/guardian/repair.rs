//! Undoing what neither an owner nor its guardian lives to undo.
//!
//! Who has died is told by locks: the owner's, and the journal's, which its guardian holds. A journal whose owner lives
//! is its owner's business, one whose guardian is at work is waited for.

use super::journal::{Journal, JournalError, Missing, Scope};
use super::undoing::undo_all;
use crate::Log;
use crate::limits::{CONNECT_PAUSE_FIRST, JOURNAL_WAIT};
use skep_net::live::{Kernel, KernelError, Undo, UndoError, Undone};
use skep_sys::LockFile;
use skep_sys::netlink::Netlink;
use skep_wire::{Client, Endpoint, EndpointError, JournalPlace};
use std::fs::remove_file;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;
use thiserror::Error;

/// What a repair found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RepairReport {
    /// By journal, those of processes that still live left out.
    pub journals: Vec<RepairedJournal>,
}

impl RepairReport {
    /// Whether nothing is left to undo.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let whole =
            |journal: &RepairedJournal| journal.trouble.is_none() && journal.failed.is_empty();
        self.journals.iter().all(whole)
    }
}

/// What was done about one journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RepairedJournal {
    /// The journal; it is gone if nothing is left of it.
    pub path: PathBuf,
    /// Entries that were carried out, in this order.
    pub done: Vec<(Undo, Undone)>,
    /// Entries that could not be carried out. They stay in the journal.
    pub failed: Vec<UndoError>,
    /// Entries of another boot or network namespace, which mean nothing here and are dropped.
    pub foreign: usize,
    /// Why it could not be read or used at all.
    pub trouble: Option<JournalError>,
}

/// Why nothing was repaired.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum RepairError {
    /// A daemon holds the place, and undoes what it does itself.
    #[error("{}", running(*pid))]
    DaemonRuns {
        /// Its process, if it answers.
        pid: Option<u32>,
    },
    /// The place cannot be looked at.
    #[error(transparent)]
    Place(#[from] EndpointError),
    /// The kernel's interfaces cannot be reached.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

fn running(pid: Option<u32>) -> String {
    let who = pid.map_or(String::new(), |pid| format!(" (pid {pid})"));
    format!(
        "the daemon{who} is running and undoes its changes itself: use `skep net detach` or `skep daemon stop`"
    )
}

/// Undoes what is left of daemons and other owners at `endpoint`, which must be this process's, that have died.
///
/// # Errors
/// While a daemon runs there, or if the place cannot be looked at.
pub fn repair(endpoint: &Endpoint) -> Result<RepairReport, RepairError> {
    // Held to the end: no daemon begins meanwhile.
    let _lock = lock_place(endpoint)?;
    let mut report = RepairReport::default();
    let mut kernel = Netlink::open().map_err(KernelError::from)?;
    if let Some(repaired) = replay(&endpoint.journal(), &mut kernel) {
        report.journals.push(repaired);
    }
    for place in endpoint.process_journals()? {
        let lock = LockFile::try_lock(&place.owner_lock)
            .map_err(|error| place_error(place.owner_lock.clone(), error))?;
        let Some(_lock) = lock else {
            continue;
        };
        let repaired = replay(&place, &mut kernel);
        let complete =
            |journal: &RepairedJournal| journal.trouble.is_none() && journal.failed.is_empty();
        if repaired.as_ref().is_none_or(complete) {
            // If it stays, it harms nobody.
            let _ = remove_file(&place.owner_lock);
        }
        report.journals.extend(repaired);
    }
    Ok(report)
}

/// The daemon's lock. One that is being killed holds it until its last thread has gone, and does not answer any more: it is
/// waited for.
fn lock_place(endpoint: &Endpoint) -> Result<LockFile, RepairError> {
    let begun = Instant::now();
    let path = endpoint.lock_path();
    loop {
        let lock = LockFile::try_lock(&path).map_err(|error| place_error(path.clone(), error))?;
        if let Some(lock) = lock {
            return Ok(lock);
        }
        let client = Client::connect(endpoint).ok();
        if client.is_some() || begun.elapsed() >= JOURNAL_WAIT {
            let pid = client.map(|client| client.daemon().pid);
            return Err(RepairError::DaemonRuns { pid });
        }
        thread::sleep(CONNECT_PAUSE_FIRST);
    }
}

/// What the next daemon does before it serves, holding the place's lock. What cannot be undone it says, and serves.
pub(crate) fn replay_at_start(endpoint: &Endpoint, log: &Log) {
    let place = endpoint.journal();
    if !place.journal.exists() {
        return;
    }
    let mut kernel = match Netlink::open() {
        Ok(kernel) => kernel,
        Err(error) => return log.line(format_args!("cannot undo what is left: {error}")),
    };
    let Some(repaired) = replay(&place, &mut kernel) else {
        return;
    };
    if repaired.foreign > 0 {
        log.line(format_args!(
            "left by a daemon before, and gone with its namespace: {}",
            repaired.foreign
        ));
    }
    for (undo, undone) in &repaired.done {
        log.line(format_args!("left by a daemon before: {undo}: {undone}"));
    }
    for error in &repaired.failed {
        log.line(format_args!("left by a daemon before, NOT undone: {error}"));
    }
    if let Some(trouble) = &repaired.trouble {
        log.line(format_args!(
            "left by a daemon before, NOT undone: {trouble}"
        ));
    }
}

fn place_error(path: PathBuf, error: io::Error) -> EndpointError {
    EndpointError::Io {
        path,
        error: error.into(),
    }
}

/// Carries out what a journal names, if it is there, and removes it if nothing is left.
fn replay(place: &JournalPlace, kernel: &mut impl Kernel) -> Option<RepairedJournal> {
    let mut repaired = RepairedJournal {
        path: place.journal.clone(),
        done: Vec::new(),
        failed: Vec::new(),
        foreign: 0,
        trouble: None,
    };
    match replay_into(&mut repaired, kernel) {
        Ok(true) => Some(repaired),
        Ok(false) => None,
        Err(trouble) => {
            repaired.trouble = Some(trouble);
            Some(repaired)
        }
    }
}

/// False if there is no journal.
fn replay_into(
    repaired: &mut RepairedJournal,
    kernel: &mut impl Kernel,
) -> Result<bool, JournalError> {
    let scope = Scope::current().map_err(|error| JournalError::Io {
        path: repaired.path.clone(),
        error: error.into(),
    })?;
    let journal = Journal::open(&repaired.path, Missing::Leave, scope, JOURNAL_WAIT)?;
    let Some(mut journal) = journal else {
        return Ok(false);
    };
    repaired.foreign = journal.foreign();
    let entries = journal.entries().clone();
    let mut done = Vec::new();
    let failed = undo_all(&entries, kernel, thread::sleep, |id, undo, undone| {
        done.push(id);
        repaired.done.push((undo.clone(), undone));
    });
    repaired.failed.extend(failed.into_values().rev());
    for id in done {
        journal.forget(id)?;
    }
    journal.close()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::guardian::fake::{FakeKernel, link};
    use crate::guardian::protocol::Entry;
    use skep_testkit::TempDir;
    use std::path::Path;

    fn leave(path: &Path, names: &[&str]) {
        let scope = Scope::current().unwrap();
        let journal = Journal::open(path, Missing::Make, scope, JOURNAL_WAIT);
        let mut journal = journal.unwrap().unwrap();
        for (id, name) in (1..).zip(names) {
            let undo = link(name);
            journal.promise(&Entry { id, undo }).unwrap();
        }
    }

    #[test]
    fn what_is_left_is_replayed_once() {
        let folder = TempDir::new("repair");
        let endpoint = Endpoint::in_folder(folder.path().to_owned()).unwrap();
        let place = endpoint.journal();
        let mut kernel = FakeKernel::with(&["a", "b"], false, &[]);
        assert_eq!(replay(&place, &mut kernel), None);
        leave(&place.journal, &["a", "gone", "b"]);
        kernel.busy = vec![("link a".to_owned(), u32::MAX)];
        let report = replay(&place, &mut kernel).unwrap();
        let done = [(link("b"), Undone::Done), (link("gone"), Undone::Absent)];
        assert_eq!(report.done, done);
        assert_eq!(report.failed[0].to_string(), "delete device a: busy");
        kernel.busy.clear();
        let report = replay(&place, &mut kernel).unwrap();
        assert_eq!(report.done, [(link("a"), Undone::Done)]);
        assert_eq!(replay(&place, &mut kernel), None);
    }

    #[test]
    fn whose_owner_lives_is_left_alone() {
        let folder = TempDir::new("repair");
        let endpoint = Endpoint::in_folder(folder.path().to_owned()).unwrap();
        let [alive, dead] = [7, 8].map(|pid| endpoint.process_journal(pid));
        leave(&alive.journal, &["skep-none-1"]);
        leave(&dead.journal, &["skep-none-2"]);
        std::fs::write(&dead.owner_lock, "").unwrap();
        let lock = LockFile::try_lock(&alive.owner_lock).unwrap().unwrap();
        let report = repair(&endpoint).unwrap();
        assert_eq!(report.journals.len(), 1);
        assert_eq!(report.journals[0].path, dead.journal);
        assert!(report.is_complete());
        assert!(!dead.journal.exists() && !dead.owner_lock.exists());
        assert!(alive.journal.exists());
        drop(lock);
        assert_eq!(repair(&endpoint).unwrap().journals.len(), 1);
        assert_eq!(repair(&endpoint).unwrap(), RepairReport::default());

        // A journal that is none is named, and stays.
        leave(&dead.journal, &[]);
        std::fs::write(&dead.journal, "junk\n").unwrap();
        let report = repair(&endpoint).unwrap();
        assert!(!report.is_complete());
        assert!(dead.journal.exists());

        let _claim = endpoint.claim().unwrap().unwrap();
        let error = repair(&endpoint).unwrap_err();
        assert!(matches!(error, RepairError::DaemonRuns { .. }), "{error}");
    }
}
