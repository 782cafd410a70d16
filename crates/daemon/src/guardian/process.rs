//! The guardian's process: keeps the entries that its owner promises, and carries out what is left when the owner has
//! gone.
//!
//! It learns of the owner's end from the end of its standard input, which the kernel brings about however the owner
//! dies. Until then it does nothing but wait, so that there is little that could go wrong with it. Its netlink socket is
//! opened at the start: whatever becomes of the namespace's name, files or processes, this socket reaches the
//! interfaces.

use super::journal::{Journal, JournalError, Missing, Scope};
use super::protocol::{Answer, Ask, Begin, Entry, Reader, send};
use super::undoing::undo_all;
use crate::Log;
use crate::limits::{JOURNAL_WAIT, UNDO_ENTRIES_MAX};
use skep_net::live::{Kernel, Undo, UndoError};
use skep_sys::netlink::Netlink;
use skep_sys::{Capability, TerminationSignals, drop_capabilities_except, no_new_privileges};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::remove_file;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread;
use thiserror::Error;

/// Why a process cannot be a guardian, or has not done all of its work.
#[derive(Debug, Error)]
pub enum GuardError {
    /// Nobody speaks to it as an owner does.
    #[error("the guardian is started by skep itself: {0}")]
    NoOwner(io::Error),
    /// The system refuses what it needs.
    #[error("cannot guard: {0}")]
    Host(String),
    /// Something could not be undone.
    #[error("{left} changes could not be undone; `skep net repair` tries again")]
    Left {
        /// How many.
        left: usize,
    },
}

/// Guards the owner at the other end of standard input, until it has ended. The process must have one thread and no other
/// work; it keeps no capability but `CAP_NET_ADMIN`.
///
/// # Errors
/// If there is no owner, the system refuses what is needed, or something is left that could not be undone.
pub fn guard() -> Result<(), GuardError> {
    // Started by a name that says nothing.
    skep_sys::set_comm("skep-guardian");
    // Closing the terminal or ending the owner's whole group is not what ends the owner's guardian.
    let _signals = TerminationSignals::block().map_err(host)?;
    let stdin = io::stdin();
    let stream = stdin.as_fd().try_clone_to_owned().map_err(host)?;
    let stream = UnixStream::from(stream);
    // Of something else than a socket, this fails.
    stream.local_addr().map_err(GuardError::NoOwner)?;
    let answers = stream.try_clone().map_err(host)?;
    let kernel = Netlink::open();
    drop_capabilities_except(&[Capability::NET_ADMIN]).map_err(host)?;
    no_new_privileges().map_err(host)?;
    let mut kernel = match kernel {
        Ok(kernel) => kernel,
        Err(error) => {
            let why = error.to_string();
            refuse(answers, &why);
            return Err(GuardError::Host(why));
        }
    };
    let left = Session {
        asks: Reader::new(stream),
        answers,
        kernel: &mut kernel,
    }
    .serve()?;
    match left {
        0 => Ok(()),
        left => Err(GuardError::Left { left }),
    }
}

fn host(error: io::Error) -> GuardError {
    GuardError::Host(error.to_string())
}

/// An owner that does not hear it has gone.
fn refuse(mut answers: impl Write, why: &str) {
    let _ = send(
        &mut answers,
        &Answer::Refused {
            why: why.to_owned(),
        },
    );
}

struct Session<'a, R, W, K> {
    asks: Reader<R>,
    answers: W,
    kernel: &'a mut K,
}

/// What is kept, and where.
struct Kept {
    begin: Begin,
    journal: Option<Journal>,
    /// The same as in the journal, if there is one.
    entries: BTreeMap<u64, Undo>,
    /// Entries of a guardian before this one that the owner has not named yet.
    unconfirmed: BTreeSet<u64>,
    log: Option<Log>,
}

/// How the owner ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// It said so.
    Finished,
    /// It died.
    Gone,
}

impl<R: Read, W: Write, K: Kernel> Session<'_, R, W, K> {
    /// Keeps entries to the owner's end, then carries out what is left. Gives how many entries could not be.
    fn serve(mut self) -> Result<usize, GuardError> {
        let begin = match self.asks.next() {
            Ok(Some(Ask::Begin(begin))) => begin,
            // The owner died at once, or is none.
            Ok(None) => return Ok(0),
            Ok(Some(Ask::Promise(_) | Ask::Forget { .. } | Ask::NoMore | Ask::Finished)) => {
                let error = io::Error::from(io::ErrorKind::InvalidData);
                return Err(GuardError::NoOwner(error));
            }
            Err(error) => return Err(GuardError::NoOwner(error)),
        };
        let mut kept = match Kept::new(begin) {
            Ok(kept) => kept,
            Err(why) => {
                refuse(&mut self.answers, &why);
                return Err(GuardError::Host(why));
            }
        };
        // An owner that does not hear it has gone; the next question tells.
        let _ = send(&mut self.answers, &Answer::Ready);
        let end = self.listen(&mut kept)?;
        Ok(kept.end(end, self.kernel))
    }

    fn listen(&mut self, kept: &mut Kept) -> Result<End, GuardError> {
        loop {
            match self.asks.next() {
                Ok(Some(Ask::Promise(entry))) => {
                    let id = entry.id;
                    let answer = match kept.promise(entry) {
                        Ok(()) => Answer::Kept { id },
                        Err(why) => Answer::Refused { why },
                    };
                    let _ = send(&mut self.answers, &answer);
                }
                Ok(Some(Ask::Forget { id })) => kept.forget(id),
                Ok(Some(Ask::NoMore)) => kept.confirm(),
                Ok(Some(Ask::Finished)) => return Ok(End::Finished),
                // Its owner lives, and only it knows what is to be undone: it will find the guardian gone.
                Ok(Some(Ask::Begin(_))) => {
                    return Err(GuardError::NoOwner(io::ErrorKind::InvalidData.into()));
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    kept.say(format_args!(
                        "guardian ends: its owner speaks nonsense: {error}"
                    ));
                    return Err(GuardError::NoOwner(error));
                }
                // A connection that is reset is one whose other end has gone with our answers unread.
                Ok(None) | Err(_) => return Ok(End::Gone),
            }
        }
    }
}

impl Kept {
    fn new(begin: Begin) -> Result<Self, String> {
        let log = begin.log.as_deref().and_then(|path| Log::file(path).ok());
        let mut kept = Self {
            begin,
            journal: None,
            entries: BTreeMap::new(),
            unconfirmed: BTreeSet::new(),
            log,
        };
        kept.open_journal().map_err(|error| error.to_string())?;
        Ok(kept)
    }

    /// What an owner before this one left stays to be undone; what this one promised to another guardian it will promise
    /// again.
    fn open_journal(&mut self) -> Result<(), JournalError> {
        let Some(path) = &self.begin.journal else {
            return Ok(());
        };
        let scope = Scope::current().map_err(|error| JournalError::Io {
            path: path.clone(),
            error: error.into(),
        })?;
        let journal = Journal::open(path, Missing::Make, scope, JOURNAL_WAIT)?;
        let Some(journal) = journal else {
            return Ok(());
        };
        let known = journal.entries().range(self.begin.first..);
        self.unconfirmed = known.map(|(id, _)| *id).collect();
        self.entries.clone_from(journal.entries());
        self.journal = Some(journal);
        Ok(())
    }

    fn promise(&mut self, entry: Entry) -> Result<(), String> {
        if self.unconfirmed.remove(&entry.id) && self.entries.get(&entry.id) == Some(&entry.undo) {
            return Ok(());
        }
        if self.entries.len() >= UNDO_ENTRIES_MAX {
            return Err(format!("there are {UNDO_ENTRIES_MAX} changes already"));
        }
        if let Some(journal) = &mut self.journal {
            journal.promise(&entry).map_err(|error| error.to_string())?;
        }
        self.entries.insert(entry.id, entry.undo);
        Ok(())
    }

    /// The owner has named all of its entries: what it has not, it has forgotten, or was never told that it is kept.
    fn confirm(&mut self) {
        for id in std::mem::take(&mut self.unconfirmed) {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: u64) {
        self.entries.remove(&id);
        if let Some(Err(error)) = self.journal.as_mut().map(|journal| journal.forget(id)) {
            self.say(error);
        }
    }

    /// Carries out what is left, removes the files if nothing is then.
    fn end(mut self, end: End, kernel: &mut impl Kernel) -> usize {
        let left = std::mem::take(&mut self.entries);
        if end == End::Gone || !left.is_empty() {
            self.say(format_args!(
                "guardian: process {} has ended; to undo: {}",
                self.begin.owner,
                left.len()
            ));
        }
        let failed = self.undo(&left, kernel);
        for error in failed.values() {
            self.say(format_args!("guardian: NOT undone: {error}"));
        }
        if let Some(Err(error)) = self.journal.take().map(Journal::close) {
            self.say(format_args!("guardian: {error}"));
        }
        // One that lives still holds it.
        if failed.is_empty()
            && end == End::Gone
            && let Some(lock) = &self.begin.owner_lock
        {
            // If it stays, `repair` removes it.
            let _ = remove_file(lock);
        }
        failed.len()
    }

    fn undo(
        &mut self,
        left: &BTreeMap<u64, Undo>,
        kernel: &mut impl Kernel,
    ) -> BTreeMap<u64, UndoError> {
        let mut done = Vec::new();
        let failed = undo_all(left, kernel, thread::sleep, |id, undo, undone| {
            done.push((id, format!("guardian: {undo}: {undone}")));
        });
        for (id, text) in done {
            self.say(text);
            self.forget(id);
        }
        failed
    }

    fn say(&self, text: impl std::fmt::Display) {
        if let Some(log) = &self.log {
            log.line(text);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::guardian::fake::{FakeKernel, link};
    use skep_testkit::TempDir;

    /// What a guardian does with these messages: its answers, what is left, and what the kernel was made to delete.
    fn guarded(asks: &[Ask], kernel: &mut FakeKernel) -> (Vec<Answer>, Result<usize, GuardError>) {
        let mut input = Vec::new();
        for ask in asks {
            send(&mut input, ask).unwrap();
        }
        let mut output = Vec::new();
        let left = Session {
            asks: Reader::new(&input[..]),
            answers: &mut output,
            kernel,
        }
        .serve();
        let mut answers = Vec::new();
        let mut reader = Reader::new(&output[..]);
        while let Some(answer) = reader.next().unwrap() {
            answers.push(answer);
        }
        (answers, left)
    }

    fn begin(folder: &TempDir, first: u64) -> Ask {
        Ask::Begin(Begin {
            owner: 1,
            journal: Some(folder.path().join("j")),
            owner_lock: Some(folder.path().join("l")),
            log: Some(folder.path().join("log")),
            first,
        })
    }

    fn promise(id: u64, name: &str) -> Ask {
        let undo = link(name);
        Ask::Promise(Entry { id, undo })
    }

    fn kernel() -> FakeKernel {
        FakeKernel::with(&["a", "b", "c"], false, &[])
    }

    #[test]
    fn what_is_left_is_undone_and_nothing_else() {
        let folder = TempDir::new("guard");
        std::fs::write(folder.path().join("l"), "").unwrap();
        let mut fake = kernel();
        let asks = [
            begin(&folder, 1),
            promise(1, "a"),
            promise(2, "b"),
            promise(3, "c"),
            Ask::Forget { id: 2 },
        ];
        let (answers, left) = guarded(&asks, &mut fake);
        let kept = |id| Answer::Kept { id };
        assert_eq!(answers, [Answer::Ready, kept(1), kept(2), kept(3)]);
        assert_eq!(left.unwrap(), 0);
        assert_eq!(fake.deleted, ["link c", "link a"]);
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(log.contains("process 1 has ended; to undo: 2\n"), "{log}");
        assert!(log.contains("guardian: delete device c: done\n"), "{log}");
        for file in ["j", "l"] {
            assert!(!folder.path().join(file).exists(), "{file}");
        }
        // An owner that has nothing left leaves no line and no file.
        let asks = [
            begin(&folder, 4),
            promise(4, "b"),
            Ask::Forget { id: 4 },
            Ask::Finished,
        ];
        assert_eq!(guarded(&asks, &mut fake).1.unwrap(), 0);
        assert_eq!(
            std::fs::read_to_string(folder.path().join("log")).unwrap(),
            log
        );
        assert!(!folder.path().join("j").exists());
    }

    #[test]
    fn what_fails_stays_for_the_next() {
        let folder = TempDir::new("guard");
        let mut fake = kernel();
        fake.busy = vec![("link a".to_owned(), u32::MAX)];
        let asks = [begin(&folder, 1), promise(1, "a"), promise(2, "b")];
        assert_eq!(guarded(&asks, &mut fake).1.unwrap(), 1);
        assert!(folder.path().join("j").exists());
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(log.contains("NOT undone: delete device a: busy\n"), "{log}");
        // The next owner's guardian has it, too, and knows that a number of its own owner is not to be believed.
        fake.busy.clear();
        let asks = [begin(&folder, 5), Ask::Finished];
        assert_eq!(guarded(&asks, &mut fake).1.unwrap(), 0);
        assert_eq!(fake.deleted, ["link b", "link a"]);
        assert!(!folder.path().join("j").exists());
    }

    #[test]
    fn a_successor_believes_the_owner_and_not_the_journal() {
        let folder = TempDir::new("guard");
        let path = folder.path().join("j");
        let scope = Scope::current().unwrap();
        let journal = Journal::open(&path, Missing::Make, scope, JOURNAL_WAIT);
        let mut journal = journal.unwrap().unwrap();
        for (id, name) in [(6, "a"), (7, "b")] {
            let undo = link(name);
            journal.promise(&Entry { id, undo }).unwrap();
        }
        drop(journal);
        let mut fake = kernel();
        // The owner forgot 6 while it had no guardian.
        let asks = [begin(&folder, 6), promise(7, "b"), Ask::NoMore];
        assert_eq!(guarded(&asks, &mut fake).1.unwrap(), 0);
        assert_eq!(fake.deleted, ["link b"]);
    }

    #[test]
    fn nonsense_undoes_nothing() {
        let folder = TempDir::new("guard");
        let mut fake = kernel();
        for asks in [
            vec![],
            vec![Ask::Finished],
            vec![promise(1, "a")],
            vec![begin(&folder, 1), promise(1, "a"), begin(&folder, 1)],
        ] {
            let (_, left) = guarded(&asks, &mut fake);
            assert!(asks.is_empty() || left.is_err(), "{asks:?}");
        }
        assert!(fake.deleted.is_empty());
        // What was acknowledged is still in the journal.
        assert!(folder.path().join("j").exists());
    }

    #[test]
    fn no_more_than_can_be_kept() {
        let folder = TempDir::new("guard");
        let Ask::Begin(mut begin) = begin(&folder, 0) else {
            unreachable!()
        };
        begin.journal = None;
        let mut asks = vec![Ask::Begin(begin)];
        let max = u64::try_from(UNDO_ENTRIES_MAX).unwrap();
        asks.extend((0..=max).map(|id| promise(id, "none")));
        let (answers, left) = guarded(&asks, &mut kernel());
        assert!(matches!(answers.last(), Some(Answer::Refused { .. })));
        assert_eq!(left.unwrap(), 0);
    }
}
