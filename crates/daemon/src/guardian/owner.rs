//! The near end: the ledger that changes to interfaces are promised to.
//!
//! A guardian lives while there is something to undo. The first promise starts it, the last entry forgotten ends it, so
//! that who attaches nothing has no second process, and nothing stays when all is detached. If it dies, the
//! next promise or [`Guardian::revive`] starts another, which is given all entries; until then the journal holds them.
//! A guardian that is silent is killed, never let go: the end of its input would make it undo what still works.

use super::protocol::{Answer, Ask, Begin, Entry, Reader, send};
use crate::Launch;
use crate::limits::GUARDIAN_ANSWER_TIME;
use crate::log::open_append;
use skep_net::live::{Ledger, LedgerError, Promise, Undo};
use skep_sys::clock::{Clock, now_ns};
use skep_sys::{Detached, LockFile, LogTarget, is_hung_up, spawn_detached_with_pipe};
use skep_wire::{Endpoint, EndpointError, GuardianStatus, JournalPlace};
use std::collections::BTreeMap;
use std::fs::remove_file;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use thiserror::Error;

/// Remembers what to undo in another process, and in a file beyond that.
#[derive(Debug)]
pub struct Guardian {
    launch: Launch,
    place: Option<JournalPlace>,
    log: Option<PathBuf>,
    /// The lock by which others know that this process lives, if it has no other one.
    own_lock: Option<LockFile>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Lowest number of this owner.
    first: u64,
    next: u64,
    open: BTreeMap<u64, Undo>,
    process: Option<Process>,
}

/// A guardian's process.
#[derive(Debug)]
struct Process {
    child: Detached,
    answers: Reader<UnixStream>,
}

/// Why nobody can remember.
#[derive(Debug, Error)]
enum Trouble {
    /// It has died, or does not answer.
    #[error("the guardian of changes to interfaces does not answer: {0}")]
    Lost(io::Error),
    /// It says no.
    #[error("the guardian of changes to interfaces cannot keep this one: {0}")]
    Refused(String),
    /// There is none.
    #[error("cannot start the guardian of changes to interfaces: {program}: {error}", program = program.display())]
    Spawn { program: PathBuf, error: io::Error },
}

impl From<Trouble> for LedgerError {
    fn from(trouble: Trouble) -> Self {
        Self(trouble.to_string())
    }
}

impl Guardian {
    /// For the daemon at `endpoint`, which holds the place's lock. `launch` is a program that calls [`guard`].
    ///
    /// [`guard`]: crate::guard
    #[must_use]
    pub fn of_daemon(launch: Launch, endpoint: &Endpoint) -> Self {
        let log = Some(endpoint.log_path());
        Self::new(launch, Some(endpoint.journal()), log, None)
    }

    /// For this process, which changes interfaces without a daemon; its journal has a name of its own.
    ///
    /// # Errors
    /// If its lock cannot be made beside where the journal would be.
    pub fn of_process(launch: Launch, endpoint: &Endpoint) -> Result<Self, EndpointError> {
        let place = endpoint.process_journal(skep_sys::pid());
        let place_error = |error: io::Error| EndpointError::Io {
            path: place.owner_lock.clone(),
            error: error.into(),
        };
        let lock = LockFile::try_lock(&place.owner_lock).map_err(place_error)?;
        let lock = lock.ok_or_else(|| place_error(io::ErrorKind::WouldBlock.into()))?;
        let log = Some(endpoint.log_path());
        Ok(Self::new(launch, Some(place), log, Some(lock)))
    }

    /// With no memory but the other process's, and no log.
    #[must_use]
    pub fn without_journal(launch: Launch) -> Self {
        Self::new(launch, None, None, None)
    }

    fn new(
        launch: Launch,
        place: Option<JournalPlace>,
        log: Option<PathBuf>,
        own_lock: Option<LockFile>,
    ) -> Self {
        // Never the same within a boot, not even for the next owner.
        let first = now_ns(Clock::Boottime);
        Self {
            launch,
            place,
            log,
            own_lock,
            state: Mutex::new(State {
                first,
                next: first,
                open: BTreeMap::new(),
                process: None,
            }),
        }
    }

    /// Who guards and how much; `None` if there is nothing to undo.
    #[must_use]
    pub fn status(&self) -> Option<GuardianStatus> {
        let state = self.state();
        let pid = state.process.as_ref().map(|process| process.child.pid());
        (!state.open.is_empty()).then(|| GuardianStatus {
            pid: pid.unwrap_or(0),
            entries: u32::try_from(state.open.len()).unwrap_or(u32::MAX),
        })
    }

    /// Starts another guardian if there is something to undo and the one that there was has died. Whoever waits for other
    /// things calls it now and then.
    ///
    /// # Errors
    /// If none can be started; calling it again tries again.
    pub fn revive(&self) -> Result<(), LedgerError> {
        let mut state = self.state();
        match state.open.is_empty() {
            true => Ok(()),
            false => Ok(self.ensure(&mut state).map(drop)?),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each step leaves the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The guardian, started if there is none, with all entries known to it.
    fn ensure<'s>(&self, state: &'s mut State) -> Result<&'s mut Process, Trouble> {
        let lives = |process: &Process| !process.is_gone();
        if !state.process.as_ref().is_some_and(lives) {
            state.lose();
            let mut process = self.start(state.first)?;
            match process.hand_over(&state.open) {
                Ok(()) => state.process = Some(process),
                Err(trouble) => {
                    process.kill();
                    return Err(trouble);
                }
            }
        }
        Ok(state
            .process
            .as_mut()
            .expect("it was there, or was started just now"))
    }

    fn start(&self, first: u64) -> Result<Process, Trouble> {
        let log = self.log.as_deref().and_then(|path| open_append(path).ok());
        let log = log.map_or(LogTarget::Null, LogTarget::File);
        let Launch { program, args } = &self.launch;
        let (child, stream) =
            spawn_detached_with_pipe(program, args, log).map_err(|error| Trouble::Spawn {
                program: program.clone(),
                error,
            })?;
        let mut process = Process {
            child,
            answers: Reader::new(UnixStream::from(stream)),
        };
        let place = self.place.as_ref();
        let begin = Begin {
            owner: skep_sys::pid(),
            journal: place.map(|place| place.journal.clone()),
            owner_lock: place
                .filter(|_| self.own_lock.is_some())
                .map(|place| place.owner_lock.clone()),
            log: self.log.clone(),
            first,
        };
        match process.begin(begin) {
            Ok(()) => Ok(process),
            Err(trouble) => {
                process.kill();
                Err(trouble)
            }
        }
    }

    fn promise_to(&self, state: &mut State, entry: &Entry) -> Result<(), Trouble> {
        let asked = self.ensure(state)?.promise(entry);
        match asked {
            Err(Trouble::Lost(_)) => {
                // It died since it was asked last; the next one learns of this entry, too.
                state.lose();
                self.ensure(state)?.promise(entry)
            }
            other => other,
        }
    }
}

impl Ledger for Guardian {
    fn promise(&self, undo: &Undo) -> Result<Promise, LedgerError> {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        let entry = Entry {
            id,
            undo: undo.clone(),
        };
        let outcome = self.promise_to(&mut state, &entry);
        match outcome {
            Ok(()) => {
                state.open.insert(id, entry.undo);
                Ok(Promise(id))
            }
            Err(trouble) => {
                // It may remember all the same, which would be too much.
                if let Some(process) = &mut state.process
                    && matches!(trouble, Trouble::Lost(_))
                {
                    process.kill();
                    state.process = None;
                }
                state.finish_if_done();
                Err(trouble.into())
            }
        }
    }

    fn forget(&self, promise: Promise) {
        let mut state = self.state();
        if state.open.remove(&promise.0).is_none() {
            return;
        }
        if let Some(process) = &mut state.process {
            // One that has died knows nothing any more; its successor will be told what is left.
            let _ = process.send(&Ask::Forget { id: promise.0 });
        }
        state.finish_if_done();
    }
}

impl Drop for Guardian {
    /// What is still to be undone the guardian undoes after this; it has to outlive that.
    fn drop(&mut self) {
        if self.own_lock.is_some()
            && self.state().open.is_empty()
            && let Some(place) = &self.place
        {
            // If it stays, `repair` removes it.
            let _ = remove_file(&place.owner_lock);
        }
    }
}

impl State {
    /// Ends the guardian if nothing is left to undo, and waits until it has removed the journal: the next one
    /// makes a new one under the same name.
    fn finish_if_done(&mut self) {
        if self.open.is_empty()
            && let Some(mut process) = self.process.take()
        {
            // One that has died has left its journal to the next.
            let _ = process.send(&Ask::Finished);
            while let Ok(Some(_)) = process.answers.next::<Answer>() {}
            process.kill();
        }
    }

    /// Makes sure that the guardian has ended, if there is one.
    fn lose(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }
}

impl Process {
    fn send(&self, ask: &Ask) -> Result<(), Trouble> {
        let mut stream = self.answers.stream();
        send(&mut stream, ask).map_err(Trouble::Lost)
    }

    fn answer(&mut self) -> Result<Answer, Trouble> {
        match self.answers.next().map_err(Trouble::Lost)? {
            Some(answer) => Ok(answer),
            None => Err(Trouble::Lost(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    fn begin(&mut self, begin: Begin) -> Result<(), Trouble> {
        let stream = self.answers.stream();
        let time = Some(GUARDIAN_ANSWER_TIME);
        stream.set_read_timeout(time).map_err(Trouble::Lost)?;
        stream.set_write_timeout(time).map_err(Trouble::Lost)?;
        self.send(&Ask::Begin(begin))?;
        match self.answer()? {
            Answer::Ready => Ok(()),
            Answer::Refused { why } => Err(Trouble::Refused(why)),
            Answer::Kept { .. } => Err(out_of_place()),
        }
    }

    fn hand_over(&mut self, open: &BTreeMap<u64, Undo>) -> Result<(), Trouble> {
        for (&id, undo) in open {
            let undo = undo.clone();
            self.promise(&Entry { id, undo })?;
        }
        self.send(&Ask::NoMore)
    }

    fn promise(&mut self, entry: &Entry) -> Result<(), Trouble> {
        self.send(&Ask::Promise(entry.clone()))?;
        match self.answer()? {
            Answer::Kept { id } if id == entry.id => Ok(()),
            Answer::Refused { why } => Err(Trouble::Refused(why)),
            Answer::Kept { .. } | Answer::Ready => Err(out_of_place()),
        }
    }

    fn is_gone(&self) -> bool {
        is_hung_up(self.answers.stream().as_fd()).unwrap_or(true)
    }

    /// Ends it, whatever it does.
    fn kill(&mut self) {
        // One that cannot be killed has been waited for.
        let _ = self.child.kill();
    }
}

fn out_of_place() -> Trouble {
    Trouble::Lost(io::ErrorKind::InvalidData.into())
}
