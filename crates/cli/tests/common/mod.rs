//! A world for one test of the whole program: an ordinary user with a runtime folder of its own, so with a daemon and a
//! machine of its own.
//!
//! Where the tests run as root, skep runs as [`ORDINARY`] instead, because what the tests show is what an ordinary user may.
//! That user need not be able to read the checkout, so the program and the examples are copied. A world ends its daemon,
//! also when the test fails.

#![allow(dead_code, reason = "two test targets share it, and neither uses all")]

use skep_testkit::{Harness, Need, TempDir, root};
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The user and group `nobody`.
pub(crate) const ORDINARY: u32 = 65534;
/// Longest wait for something that takes a moment.
const PATIENCE: Duration = Duration::from_secs(20);

/// A copy of skep and of the examples that every user can read.
#[derive(Clone)]
pub(crate) struct Program(Arc<TempDir>);

impl Program {
    /// Copies them.
    pub(crate) fn copy() -> Self {
        let dir = TempDir::new("walk-program");
        // A link if it can be: the program of a debug build is large.
        let (built, copied) = (env!("CARGO_BIN_EXE_skep"), dir.join("skep"));
        if fs::hard_link(built, &copied).is_err() {
            fs::copy(built, &copied).unwrap();
        }
        for entry in fs::read_dir(root().join("examples")).unwrap() {
            let path = entry.unwrap().path();
            dir.write(
                path.file_name().unwrap().to_str().unwrap(),
                fs::read(&path).unwrap(),
            );
        }
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self(Arc::new(dir))
    }

    /// The copied program.
    pub(crate) fn skep(&self) -> PathBuf {
        self.0.join("skep")
    }
}

/// A test: its name, what it needs, and what it does.
pub(crate) type Row = (&'static str, &'static [Need], fn(&Program));

/// Runs the tests of a target.
pub(crate) fn run(rows: &[Row]) -> ! {
    // First, because it ends the process where the command line asks for help.
    let mut harness = Harness::from_args();
    let program = Program::copy();
    for &(name, needs, test) in rows {
        let program = program.clone();
        harness = harness.case(name, needs, move || test(&program));
    }
    // The last test that ends removes the copy.
    drop(program);
    harness.run()
}

/// What a command said.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Said {
    /// Its exit code; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Said {
    /// Takes the output of a process.
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

/// A user's world.
pub(crate) struct World {
    program: Program,
    dir: TempDir,
    runtime: PathBuf,
}

impl World {
    /// A world where nothing runs and nothing is loaded.
    pub(crate) fn new(program: &Program) -> Self {
        let dir = TempDir::new("walk");
        let world = Self {
            program: program.clone(),
            runtime: dir.join("runtime"),
            dir,
        };
        fs::create_dir(&world.runtime).unwrap();
        fs::set_permissions(&world.runtime, fs::Permissions::from_mode(0o700)).unwrap();
        world.give(world.dir.path());
        world.give(&world.runtime);
        std::os::unix::fs::symlink(program.0.path(), world.path("examples")).unwrap();
        world
    }

    /// A world where hello is loaded and pinned.
    pub(crate) fn with_hello(program: &Program) -> Self {
        let world = Self::new(program);
        world.silent("prog load examples/hello.bpf.o /sys/fs/bpf/hello");
        world.write("packet", [0; 64]);
        world
    }

    /// Makes `path` the ordinary user's.
    pub(crate) fn give(&self, path: &Path) {
        if is_root() {
            chown(path, Some(ORDINARY), Some(ORDINARY)).unwrap();
        }
    }

    /// The folder that commands run in.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder of the daemon's socket.
    pub(crate) fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes a file of the ordinary user's into the folder.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.write(name, bytes);
        self.give(&path);
        path
    }

    /// Any program as the ordinary user.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.dir())
            .env("XDG_RUNTIME_DIR", &self.runtime)
            .stdin(Stdio::null());
        if is_root() {
            command.uid(ORDINARY).gid(ORDINARY);
        }
        command
    }

    /// skep with `words`.
    pub(crate) fn skep<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.command(self.program.skep());
        command.args(words);
        command
    }

    /// Runs a command line whose words hold no blanks.
    pub(crate) fn run(&self, line: &str) -> Said {
        Said::of(&self.skep(line.split_whitespace()).output().unwrap())
    }

    /// The results of a command that succeeds without a word of warning.
    pub(crate) fn results(&self, line: &str) -> String {
        let said = self.run(line);
        assert_eq!(
            (said.code, said.err.as_str()),
            (Some(0), ""),
            "skep {line}\n{}",
            said.out
        );
        said.out
    }

    /// Runs a command that says nothing.
    pub(crate) fn silent(&self, line: &str) {
        assert_eq!(self.results(line), "", "skep {line}");
    }

    /// The error line of a command that fails with `code` and says one line.
    pub(crate) fn refused(&self, line: &str, code: i32) -> String {
        let said = self.run(line);
        assert_eq!(said.code, Some(code), "skep {line}\n{said:?}");
        one_line(&said.err)
    }

    /// The value behind `"key":` in the JSON that a command prints: digits, or a text without escapes.
    pub(crate) fn json(&self, line: &str, key: &str) -> String {
        let text = self.results(line);
        json_value(&text, key).unwrap_or_else(|| panic!("skep {line}: no {key} in {text}"))
    }

    /// Starts a command whose standard output somebody will read.
    pub(crate) fn start(&self, line: &str) -> Child {
        let mut command = self.skep(line.split_whitespace());
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let pid = Said::of(&self.skep(["daemon", "status", "-j"]).output().unwrap());
        let pid = json_value(&pid.out, "pid");
        let stopped = self.skep(["daemon", "stop"]).output().unwrap();
        if let (Some(pid), false) = (pid, stopped.status.success()) {
            // The daemon of this world alone: its own answer told the number.
            let _ = Command::new("kill").args(["-KILL", &pid]).status();
            assert!(
                std::thread::panicking(),
                "daemon stop: {:?}",
                Said::of(&stopped)
            );
        }
    }
}

/// Whether this process may act as any user.
pub(crate) fn is_root() -> bool {
    skep_sys::effective_uid() == 0
}

/// The value behind the first `"key":`, as far as it has neither quotes nor structure.
pub(crate) fn json_value(text: &str, key: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("\"{key}\":"))?;
    let rest = rest.trim_start();
    let value = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => rest.split([',', '}', ']', '\n']).next()?,
    };
    Some(value.trim().to_owned())
}

/// Checks that `text` is one line that begins as errors do, and gives it.
pub(crate) fn one_line(text: &str) -> String {
    let line = text
        .strip_suffix('\n')
        .unwrap_or_else(|| panic!("not a line: {text:?}"));
    assert!(
        !line.contains('\n') && line.starts_with("Error: "),
        "not one error line: {text}"
    );
    assert!(!line.contains("panicked"), "{text}");
    line.to_owned()
}

/// Waits until `happened`.
pub(crate) fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ends a child of this test with a signal and gives what it printed.
pub(crate) fn interrupt(child: Child, signal: &str) -> Said {
    let status = Command::new("kill")
        .arg(format!("-{signal}"))
        .arg(child.id().to_string())
        .status();
    assert!(status.unwrap().success());
    Said::of(&child.wait_with_output().unwrap())
}

/// Runs a command with bytes on its standard input.
pub(crate) fn feed(mut command: Command, bytes: &[u8]) -> Said {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    Said::of(&child.wait_with_output().unwrap())
}
