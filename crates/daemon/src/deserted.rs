//! When everybody has left the network namespace.
//!
//! `ip netns del`, or the end of the last process of an ordinary user's namespace, would free a namespace and all that
//! is in it. A daemon that is attached there keeps it alive by its own sockets, for ever and for nobody. So while
//! something is attached, it looks round a few times a second: is another process than the daemon and its guardian in
//! the namespace, or a mount that names it? If not, twice in a row (who enters by name opens it first and is in it a
//! moment later), it detaches all and ends.
//!
//! Which namespace a process is in, `/proc/PID/ns/net` tells only those who could trace it, which neither an ordinary
//! user nor a daemon that has dropped its capabilities can. The numbers of the files in `/proc/PID/net` tell everybody: each
//! namespace has its own `dev`, and its number is no other's. A process whose number cannot be had is one that is
//! ending. Where processes are hidden (`hidepid`), which is seen by the absence of process 1, nothing can be told, and the
//! namespace is taken for inhabited.
//!
//! Not seen are: threads that are elsewhere than their process, processes in outer pid namespaces, mounts that are not
//! in this process's mount namespace, and descriptors. Who keeps a namespace by one of these alone is taken for gone.
//! Two daemons of different users in one namespace take each other for inhabitants.

use crate::Backend;
use crate::limits::{DESERTED_LOOKS, DESERTED_PAUSE};
use crate::log::Log;
use skep_sys::{Namespace, namespace_inode};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// What one look round saw.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Look {
    /// A process is here.
    Process(u32),
    /// A mount names the namespace.
    Mount,
    /// Nobody.
    Nobody,
    /// Not enough can be seen to tell.
    Unknown,
}

/// How to know the namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Here {
    /// Number of its file `dev`.
    dev: u64,
    /// Number of the namespace itself.
    namespace: u64,
}

impl Here {
    fn current() -> io::Result<Self> {
        Ok(Self {
            dev: fs::metadata("/proc/self/net/dev")?.ino(),
            namespace: namespace_inode(Namespace::Net)?,
        })
    }

    /// What processes (with the number of their file `dev`, if it can be had) and mounts tell; the mounts are asked for
    /// only if no process is here.
    fn judge(
        self,
        processes: impl Iterator<Item = (u32, Option<u64>)>,
        mountinfo: impl FnOnce() -> io::Result<Vec<u8>>,
        ours: &[u32],
    ) -> Look {
        let mut all_visible = false;
        for (pid, dev) in processes {
            all_visible |= pid == 1;
            if dev == Some(self.dev) && !ours.contains(&pid) {
                return Look::Process(pid);
            }
        }
        match mountinfo() {
            Ok(text) if self.is_mounted(&text) => Look::Mount,
            Ok(_) if all_visible => Look::Nobody,
            Ok(_) | Err(_) => Look::Unknown,
        }
    }

    /// Whether a line of mountinfo (proc(5)) has the namespace as its fourth field, the root within the file system.
    fn is_mounted(self, mountinfo: &[u8]) -> bool {
        let root = format!("net:[{}]", self.namespace);
        mountinfo
            .split(|&byte| byte == b'\n')
            .any(|line| line.split(|&byte| byte == b' ').nth(3) == Some(root.as_bytes()))
    }
}

/// Looks round; `last` is asked first, because who was here is likely to be here still.
fn look(here: Here, last: Look, ours: &[u32]) -> Look {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Look::Unknown;
    };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let first = match last {
        Look::Process(pid) => Some(pid),
        Look::Mount | Look::Nobody | Look::Unknown => None,
    };
    let processes = first.into_iter().chain(pids).map(|pid: u32| {
        let dev = fs::metadata(format!("/proc/{pid}/net/dev"));
        (pid, dev.ok().map(|metadata| metadata.ino()))
    });
    here.judge(processes, || fs::read("/proc/self/mountinfo"), ours)
}

/// Looks after what is attached: that somebody is there to be served, and that the guardian lives.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Something may have been attached.
    poked: bool,
    ended: bool,
    deserted: bool,
}

impl Watch {
    /// Something may have been attached.
    pub(crate) fn poke(&self) {
        self.state().poked = true;
        self.changed.notify_all();
    }

    /// Ends [`Watch::run`].
    pub(crate) fn end(&self) {
        self.state().ended = true;
        self.changed.notify_all();
    }

    /// Whether everybody had left.
    pub(crate) fn is_deserted(&self) -> bool {
        self.state().deserted
    }

    /// Watches until [`Watch::end`], or until everybody has left: then calls `deserted`. Sleeps while nothing is attached.
    pub(crate) fn run(&self, backend: &dyn Backend, log: &Log, deserted: impl FnOnce()) {
        let here = Here::current().ok();
        let mut last = Look::Unknown;
        let mut empty_looks = 0;
        let mut guardian_failed = false;
        while self.wait(backend.uses_network()) {
            if !backend.uses_network() {
                empty_looks = 0;
                continue;
            }
            let revived = backend
                .guardian()
                .map_or(Ok(()), |guardian| guardian.revive());
            if let (Err(error), false) = (&revived, guardian_failed) {
                log.line(error);
            }
            guardian_failed = revived.is_err();
            let guardian = backend.guardian().and_then(|guardian| guardian.status());
            let ours = [skep_sys::pid(), guardian.map_or(0, |status| status.pid)];
            last = here.map_or(Look::Unknown, |here| look(here, last, &ours));
            empty_looks = match last {
                Look::Nobody => empty_looks + 1,
                Look::Process(_) | Look::Mount | Look::Unknown => 0,
            };
            if empty_looks == DESERTED_LOOKS {
                log.line("nobody else is in this network namespace any more, and nothing names it");
                self.state().deserted = true;
                return deserted();
            }
        }
    }

    /// Waits for the next look, or while nothing is attached until something may be; false at the end.
    fn wait(&self, in_use: bool) -> bool {
        let state = self.state();
        let mut state = if in_use {
            let pending = |state: &mut State| !state.ended;
            let waited = self
                .changed
                .wait_timeout_while(state, DESERTED_PAUSE, pending);
            waited.unwrap_or_else(PoisonError::into_inner).0
        } else {
            let pending = |state: &mut State| !state.ended && !state.poked;
            let waited = self.changed.wait_while(state, pending);
            waited.unwrap_or_else(PoisonError::into_inner)
        };
        state.poked = false;
        !state.ended
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Flags are always whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::time::Instant;

    const HERE: Here = Here {
        dev: 5,
        namespace: 4_026_532_187,
    };
    const OURS: [u32; 2] = [20, 21];
    const MOUNTS: &str = "\
22 1 0:20 / / rw - ext4 /dev/vda rw
30 22 0:4 net:[4026532187] /run/netns/x rw shared:9 - nsfs nsfs rw
";

    fn judge(processes: &[(u32, Option<u64>)], mounts: &str) -> Look {
        HERE.judge(
            processes.iter().copied(),
            || Ok(mounts.as_bytes().to_vec()),
            &OURS,
        )
    }

    #[test]
    fn who_is_here() {
        let elsewhere = MOUNTS.replace("187]", "1870]");
        let alone = [(1, Some(4)), (9, None), (20, Some(5)), (21, Some(5))];
        assert_eq!(judge(&alone, &elsewhere), Look::Nobody);
        assert_eq!(judge(&alone, MOUNTS), Look::Mount);
        // The number elsewhere in the line is a path, and says nothing.
        let path = "30 22 0:4 / /net:[4026532187] rw - ext4 net:[4026532187] rw\n";
        assert_eq!(judge(&alone, path), Look::Nobody);
        let other = [&alone[..], &[(22, Some(5))]].concat();
        assert_eq!(judge(&other, &elsewhere), Look::Process(22));
        assert_eq!(judge(&[(1, Some(5))], ""), Look::Process(1));
        // Processes of others are hidden.
        assert_eq!(judge(&alone[1..], ""), Look::Unknown);
        let failing = || Err(io::ErrorKind::NotFound.into());
        assert_eq!(HERE.judge(alone.into_iter(), failing, &OURS), Look::Unknown);
    }

    #[test]
    fn here_are_others() {
        let here = Here::current().unwrap();
        let found = look(here, Look::Unknown, &[skep_sys::pid()]);
        assert_ne!(found, Look::Nobody);
        // What one look costs at worst: none of the processes is here.
        let nowhere = Here { dev: 1, ..here };
        let begin = Instant::now();
        look(nowhere, Look::Unknown, &[]);
        let time = begin.elapsed();
        let count = fs::read_dir("/proc").unwrap().flatten().count();
        assert!(time.as_millis() < 200, "{time:?} for {count} entries");
    }
}
