//! The daemon as the command's user meets it: started by what needs it, shown, stopped, explained when it cannot be had.

#![allow(clippy::unwrap_used, reason = "tests")]

use skep_testkit::{TempDir, example};
use std::fs::{Permissions, create_dir, read_dir, set_permissions};
use std::io::BufRead;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

const PIN: &str = "/sys/fs/bpf/hello";

/// A user of their own: one runtime folder. The daemon that may be in it is stopped at the end.
struct User {
    folder: TempDir,
}

impl User {
    fn new() -> Self {
        let folder = TempDir::new("user");
        set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        Self { folder }
    }

    fn skep(&self, words: &str) -> Output {
        self.command(words).output().unwrap()
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skep"));
        command
            .args(words.split_whitespace())
            .env("XDG_RUNTIME_DIR", self.folder.path());
        command
    }

    /// The output of a command that succeeds.
    fn text(&self, words: &str) -> String {
        let output = self.skep(words);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words}: {errors}");
        assert_eq!(errors, "", "{words}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, words: &str) -> serde_json::Value {
        serde_json::from_str(&self.text(words)).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let names = read_dir(self.folder.path()).unwrap();
        names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    /// The path of the daemon's file with this ending.
    fn path(&self, ending: &str) -> String {
        let text = String::from_utf8(self.skep("daemon status").stdout).unwrap();
        let socket = text.split("socket ").nth(1).unwrap();
        let socket = socket.split([')', '\n']).next().unwrap();
        socket.replace(".sock", ending)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        self.skep("daemon stop");
    }
}

fn load() -> String {
    format!("prog load {} {PIN}", example("hello.bpf.o").display())
}

#[test]
fn looking_starts_no_daemon() {
    let user = User::new();
    for words in [
        "prog list",
        "map list",
        "btf list",
        "link list",
        "pin list",
        "daemon list",
    ] {
        assert_eq!(user.text(words), "", "{words}");
        assert_eq!(user.text(&format!("-j {words}")), "[]\n", "{words}");
    }
    let refused = user.skep("prog show id 1");
    assert_eq!(refused.status.code(), Some(255));
    assert_eq!(
        String::from_utf8_lossy(&refused.stderr),
        "Error: get by id (1): No such file or directory\n"
    );
    let status = user.skep("daemon status");
    assert_eq!(status.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&status.stdout).starts_with("no daemon is running (socket "));
    let status = user.skep("daemon status -j");
    assert_eq!(
        (status.status.code(), &*status.stdout),
        (Some(3), &b"null\n"[..])
    );
    assert_eq!(user.text("daemon stop"), "");
    assert!(user.files().is_empty(), "{:?}", user.files());
}

#[test]
fn loading_starts_it_and_stopping_ends_it() {
    let user = User::new();
    assert_eq!(user.text(&load()), "");
    let status = user.json("daemon status -j");
    for (count, expected) in [
        ("progs", 1),
        ("maps", 2),
        ("pins", 1),
        ("other_connections", 0),
    ] {
        assert_eq!(status[count], expected, "{count}");
    }
    assert_eq!(status["socket"], user.path(".sock"));
    let listed = user.json("daemon list -j");
    assert_eq!(listed[0]["pid"], status["pid"]);
    assert_eq!(
        (&listed[0]["state"], &listed[0]["here"]),
        (&"running".into(), &true.into())
    );
    assert_eq!(user.text("pin list"), format!("{PIN}  prog 1\n"));

    let again = user.skep("daemon run");
    assert_eq!(again.status.code(), Some(255));
    let socket = user.path(".sock");
    assert_eq!(
        String::from_utf8_lossy(&again.stderr),
        format!("Error: a daemon is already running at {socket}\n")
    );
    assert_eq!(user.text("daemon run detached"), "");

    assert_eq!(user.text(&format!("pin rm {PIN}")), "");
    assert_eq!(
        user.text("prog list") + &user.text("map list"),
        "",
        "nothing held them"
    );
    assert_eq!(user.text("daemon stop"), "");
    assert_eq!(user.skep("daemon status").status.code(), Some(3));
    assert!(!Path::new(&socket).exists());
}

#[test]
fn two_loads_at_once_start_one_daemon() {
    let user = User::new();
    let hello = example("hello.bpf.o");
    thread::scope(|scope| {
        for number in 0..4 {
            let words = format!("prog load {} /sys/fs/bpf/hello{number}", hello.display());
            let user = &user;
            scope.spawn(move || user.text(&words));
        }
    });
    assert_eq!(user.json("daemon status -j")["progs"], 4);
    assert_eq!(user.json("daemon list -j").as_array().unwrap().len(), 1);
}

#[test]
fn daemon_in_the_foreground_ends_by_signal_and_by_idleness() {
    let user = User::new();
    let mut child = user.command("daemon run idle 0").spawn().unwrap();
    wait_for(|| user.skep("daemon status").status.success());
    assert_eq!(user.json("daemon status -j")["pid"], child.id());
    let kill = Command::new("/bin/sh")
        .args(["-c", &format!("kill {}", child.id())])
        .status();
    assert!(kill.unwrap().success());
    assert!(child.wait().unwrap().success());
    let output = user.skep("daemon run idle 1");
    assert!(output.status.success());
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(log.contains("ends: nobody needs it"), "{log}");
    assert_eq!(user.skep("daemon run idle x").status.code(), Some(255));
}

fn wait_for(mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn place_that_cannot_be_had_is_named() {
    let user = User::new();
    let lock = user.path(".lock");
    create_dir(&lock).unwrap();
    let refused = user.skep(&load());
    assert_eq!(refused.status.code(), Some(255));
    let text = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.contains(&lock) && text.contains("Is a directory"),
        "{text}"
    );
    assert!(text.contains("set XDG_RUNTIME_DIR"), "{text}");
}

#[test]
fn connection_that_breaks_is_explained() {
    let user = User::new();
    let mut daemon = user
        .command("daemon run")
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_for(|| user.skep("daemon status").status.success());
    let mut tracelog = user
        .command("prog tracelog")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // A line that it printed shows that it has its connection; without one it would start a daemon of its own.
    user.text(&load());
    let object = example("hello.bpf.o");
    user.text(&format!(
        "prog run pinned {PIN} data_in {}",
        object.display()
    ));
    let mut printed = std::io::BufReader::new(tracelog.stdout.take().unwrap());
    printed.read_line(&mut String::new()).unwrap();
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let output = tracelog.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(255));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.starts_with("Error: daemon at ") && text.lines().count() == 1,
        "{text}"
    );
    // The socket that it left behind is shown for what it is, and in nobody's way.
    assert_eq!(user.json("daemon list -j")[0]["state"], "dead");
    assert_eq!(user.text(&load()), "");
}
