//! The process itself, and starting one that outlives it.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// Number of the calling process.
#[must_use]
pub fn pid() -> u32 {
    std::process::id()
}

/// Name of the calling thread (at most 15 bytes), as the trace pipe prints it. `?` if it cannot be read.
#[must_use]
pub fn comm() -> String {
    rustix::thread::name().map_or_else(
        |_| "?".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// Names the calling thread as [`comm`] and `ps` show it; bytes beyond 15, and a name with a zero in it, are nothing.
pub fn set_comm(name: &str) {
    let cut = name.get(..name.len().min(15)).unwrap_or_default();
    if let Ok(name) = std::ffi::CString::new(cut) {
        // A name is for the reader alone.
        let _: rustix::io::Result<()> = rustix::thread::set_name(&name);
    }
}

/// Effective user id of the process.
#[must_use]
pub fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Where a detached process writes its output and errors.
#[derive(Debug)]
pub enum LogTarget {
    /// Nowhere (`/dev/null`).
    Null,
    /// To the end of this file.
    File(File),
}

/// A process in a session of its own, which closing the terminal does not end.
#[derive(Debug)]
pub struct Detached {
    child: Child,
}

impl Detached {
    /// Number of the process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has; a parent that waits for a daemon's socket asks this to give up early.
    ///
    /// # Errors
    /// Those of `waitpid(2)`.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Kills it, if it has not ended, and waits until it has: it does nothing any more.
    ///
    /// # Errors
    /// Those of `kill(2)` and `waitpid(2)`.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }
}

/// Starts `program` in a session and working directory (`/`) of its own, standard input from `/dev/null`.
///
/// One fork suffices: the parent is a command that ends soon, after which init adopts the process. Descriptors other
/// than the standard ones do not pass, because Rust opens all with `O_CLOEXEC`.
///
/// # Errors
/// If the log's descriptor cannot be duplicated or the program cannot be started.
pub fn spawn_detached<S: AsRef<OsStr>>(
    program: &Path,
    args: &[S],
    log: LogTarget,
) -> io::Result<Detached> {
    spawn(program, args, Stdio::null(), log)
}

/// Starts `program` as [`spawn_detached`] does, but with one end of a stream socket as its standard input, and gives the
/// other end. That one is in this process alone, and does not pass to programs that it starts: the child reads the
/// end of its input exactly when this process has closed it or died, however it died.
///
/// # Errors
/// As for [`spawn_detached`], or if the sockets cannot be made.
pub fn spawn_detached_with_pipe<S: AsRef<OsStr>>(
    program: &Path,
    args: &[S],
    log: LogTarget,
) -> io::Result<(Detached, OwnedFd)> {
    // Both are closed on exec; standard input is a duplicate that is not.
    let (ours, theirs) = UnixStream::pair()?;
    let child = spawn(program, args, Stdio::from(OwnedFd::from(theirs)), log)?;
    Ok((child, ours.into()))
}

fn spawn<S: AsRef<OsStr>>(
    program: &Path,
    args: &[S],
    stdin: Stdio,
    log: LogTarget,
) -> io::Result<Detached> {
    let (stdout, stderr) = match log {
        LogTarget::Null => (Stdio::null(), Stdio::null()),
        LogTarget::File(file) => (Stdio::from(file.try_clone()?), Stdio::from(file)),
    };
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir("/")
        .stdin(stdin)
        .stdout(stdout)
        .stderr(stderr);
    let new_session = || {
        rustix::process::setsid()?;
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes one system call, which is async-signal-safe, and touches no
    // lock and no heap (an error converts from a number alone).
    unsafe { command.pre_exec(new_session) };
    Ok(Detached {
        child: command.spawn()?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn detached_process_has_its_own_session() {
        let log = std::env::temp_dir().join(format!("skep-spawn-test-{}", pid()));
        let file = File::create(&log).unwrap();
        // Field 6 of stat is the session: for its leader, the pid.
        let script = r#"read -r pid comm state ppid pgrp session rest < /proc/self/stat; echo "$$ $session""#;
        let mut child =
            spawn_detached(Path::new("/bin/sh"), &["-c", script], LogTarget::File(file)).unwrap();
        let begin = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(2));
        }
        let text = std::fs::read_to_string(&log).unwrap();
        let (shell, session) = text.trim().split_once(' ').unwrap();
        assert_eq!(shell, session);
        assert_eq!(shell, child.pid().to_string());
        std::fs::remove_file(&log).unwrap();
    }

    #[test]
    fn detached_process_reads_the_end_when_our_end_closes() {
        let log = std::env::temp_dir().join(format!("skep-pipe-test-{}", pid()));
        let file = LogTarget::File(File::create(&log).unwrap());
        let script = "cat; echo end";
        let (mut child, ours) =
            spawn_detached_with_pipe(Path::new("/bin/sh"), &["-c", script], file).unwrap();
        rustix::io::write(&ours, b"journal\n").unwrap();
        // A program that is started meanwhile does not hold our end.
        let mut bystander = Command::new("sleep").arg("20").spawn().unwrap();
        std::thread::sleep(Duration::from_millis(20));
        assert!(child.try_wait().unwrap().is_none());
        drop(ours);
        let begin = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < Duration::from_secs(10));
            std::thread::sleep(Duration::from_millis(2));
        }
        bystander.kill().unwrap();
        bystander.wait().unwrap();
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "journal\nend\n");
        // It has ended; one that has not ends when it is killed.
        assert!(child.kill().unwrap().success());
        let sleep = LogTarget::Null;
        let mut child = spawn_detached(Path::new("/bin/sleep"), &["20"], sleep).unwrap();
        assert!(!child.kill().unwrap().success());
        std::fs::remove_file(&log).unwrap();
    }

    #[test]
    fn own_identity() {
        assert!(!comm().is_empty());
        assert_ne!(pid(), 0);
        let _: u32 = effective_uid();
    }
}
