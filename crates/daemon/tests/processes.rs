//! Daemons as processes: started on first use, ended by signals, found dead.
//!
//! The program of these daemons is this test itself: with `SKEP_TEST_DAEMON` set to a folder it serves a fake there.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Fake, create_map, ids, wait_for, works};
use skep_daemon::{
    Launch, Log, Options, RunError, StartError, connect_or_start, run, wait_until_ended,
};
use skep_sys::TerminationSignals;
use skep_testkit::{Harness, Need, TempDir};
use skep_wire::{Client, Endpoint, EndpointError};
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

const FOLDER: &str = "SKEP_TEST_DAEMON";
const FULL: &str = "SKEP_TEST_FULL";
/// Nothing that not every machine has.
const ANYWHERE: &[Need] = &[];

fn main() -> ExitCode {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return daemon(Path::new(&folder));
    }
    if let Some(folder) = std::env::var_os(FULL) {
        return start_on_a_full_disk(Path::new(&folder));
    }
    Harness::from_args()
        .case("started_once_by_many", ANYWHERE, started_once_by_many)
        .case("start_time", ANYWHERE, start_time)
        .case("ended_by_a_signal", ANYWHERE, ended_by_a_signal)
        .case(
            "killed_and_started_again",
            ANYWHERE,
            killed_and_started_again,
        )
        .case(
            "started_while_another_ends",
            ANYWHERE,
            started_while_another_ends,
        )
        .case("ends_when_idle", ANYWHERE, ends_when_idle)
        .case(
            "program_that_is_no_daemon",
            ANYWHERE,
            program_that_is_no_daemon,
        )
        .case(
            "folder_that_is_not_there",
            ANYWHERE,
            folder_that_is_not_there,
        )
        .case("full_disk", &[Need::Netns], full_disk)
        .run()
}

/// What `skep daemon run` does, with a fake.
fn daemon(folder: &Path) -> ExitCode {
    let signals = TerminationSignals::block().unwrap();
    let endpoint = Endpoint::in_folder(folder.to_owned()).unwrap();
    let log = Log::file(&endpoint.log_path()).unwrap();
    let mut options = Options::new(log, Some(signals));
    // Longer than any test, so that none of these daemons is left over.
    options.idle = Some(Duration::from_millis(700));
    match run(&endpoint, Arc::new(Fake::default()), options) {
        Ok(_) | Err(RunError::AlreadyRunning { .. }) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// A program run by `env`, which hands it the folder and keeps the process's number.
fn launch(variable: &str, folder: &Path) -> Launch {
    let mut assignment = OsString::from(format!("{variable}="));
    assignment.push(folder);
    let program = std::env::current_exe().unwrap();
    Launch {
        program: "/usr/bin/env".into(),
        args: vec![assignment, program.into()],
    }
}

struct Site {
    folder: TempDir,
    endpoint: Endpoint,
}

impl Site {
    fn new() -> Self {
        let folder = TempDir::new("start");
        let endpoint = Endpoint::in_folder(folder.path().to_owned()).unwrap();
        Self { folder, endpoint }
    }

    fn connect(&self) -> Client {
        let launch = launch(FOLDER, self.folder.path());
        connect_or_start(&launch, &self.endpoint).unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.endpoint.log_path()).unwrap()
    }

    fn wait_ended(&self) {
        assert!(wait_until_ended(&self.endpoint, common::PATIENCE).unwrap());
        assert!(!self.endpoint.socket_path().exists());
    }
}

/// Sends a signal to a daemon of ours.
fn signal(name: &str, pid: u32) {
    let status = Command::new("/bin/sh")
        .args(["-c", &format!("kill -{name} {pid}")])
        .status();
    assert!(status.unwrap().success());
}

fn started_once_by_many() {
    let site = Site::new();
    let count = 6;
    let barrier = Barrier::new(count);
    let clients: Vec<Client> = thread::scope(|scope| {
        let start = || {
            barrier.wait();
            site.connect()
        };
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(start)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let pid = clients[0].daemon().pid;
    assert!(
        clients
            .iter()
            .all(|client| client.daemon().pid == pid && works(client))
    );
    assert_ne!(pid, skep_sys::pid());
    assert_eq!(
        site.log().matches("listens at").count(),
        1,
        "{}",
        site.log()
    );
    clients[0].shutdown().unwrap();
    site.wait_ended();
}

fn start_time() {
    let site = Site::new();
    let mut times = Vec::new();
    for _ in 0..10 {
        let begin = Instant::now();
        let client = site.connect();
        times.push(begin.elapsed());
        client.shutdown().unwrap();
        site.wait_ended();
    }
    times.sort();
    // The best of ten, because the machine may be busy with other tests.
    assert!(times[0] < Duration::from_millis(50), "{times:?}");
}

fn ended_by_a_signal() {
    for name in ["TERM", "INT"] {
        let site = Site::new();
        let client = site.connect();
        create_map(&client, 4);
        signal(name, client.daemon().pid);
        site.wait_ended();
        assert!(!works(&client));
        assert!(
            site.log().contains("ends: signal; sessions cut short: 0"),
            "{}",
            site.log()
        );
    }
}

fn killed_and_started_again() {
    let site = Site::new();
    let client = site.connect();
    let first = client.daemon().pid;
    create_map(&client, 4);
    signal("KILL", first);
    wait_for("its death", || !works(&client));
    assert!(site.endpoint.socket_path().exists(), "nobody tidied up");
    let client = site.connect();
    assert_ne!(client.daemon().pid, first);
    assert!(ids(&client).is_empty(), "a new machine");
    client.shutdown().unwrap();
    site.wait_ended();
}

fn started_while_another_ends() {
    let site = Site::new();
    let client = site.connect();
    let first = client.daemon().pid;
    thread::scope(|scope| {
        // Keeps the first one ending for a while.
        let long = scope.spawn(|| {
            let client = site.connect();
            skep_uapi::Bpf::call(&client, common::long_command(Duration::from_millis(400)))
        });
        thread::sleep(Duration::from_millis(100));
        client.shutdown().unwrap();
        let next = site.connect();
        assert_ne!(next.daemon().pid, first);
        assert!(long.join().unwrap().result.is_ok());
        next.shutdown().unwrap();
    });
    site.wait_ended();
}

fn ends_when_idle() {
    let site = Site::new();
    drop(site.connect());
    site.wait_ended();
    assert!(
        site.log().contains("ends: nobody needs it"),
        "{}",
        site.log()
    );
}

fn program_that_is_no_daemon() {
    let site = Site::new();
    let start = |program: &str, args: &[&str]| {
        let args = args.iter().map(OsString::from).collect();
        let launch = Launch {
            program: program.into(),
            args,
        };
        connect_or_start(&launch, &site.endpoint).unwrap_err()
    };
    let error = start("/nonexistent/skep", &[]);
    assert!(matches!(error, StartError::Spawn { .. }));
    assert!(
        error
            .to_string()
            .contains("/nonexistent/skep: No such file"),
        "{error}"
    );
    let error = start("/bin/sh", &["-c", "echo; echo broken >&2; exit 3"]);
    let log = site.endpoint.log_path();
    let expected = format!(
        "the daemon did not start (exit status: 3): broken (log: {})",
        log.display()
    );
    assert_eq!(error.to_string(), expected);
}

fn folder_that_is_not_there() {
    let site = Site::new();
    let folder = site.folder.path().join("gone");
    let endpoint = Endpoint::in_folder(folder.clone()).unwrap();
    let error = connect_or_start(&launch(FOLDER, &folder), &endpoint).unwrap_err();
    assert!(
        matches!(error, StartError::Place(EndpointError::Io { .. })),
        "{error}"
    );
    check_place_error(&error.to_string(), &folder);
}

fn check_place_error(text: &str, folder: &Path) {
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains(&folder.display().to_string()), "{text}");
    assert!(
        text.contains("free space there, or set XDG_RUNTIME_DIR"),
        "{text}"
    );
}

/// File systems with room for the folder and so many files, for a log, a lock and a socket.
fn full_disk() {
    let folder = TempDir::new("full");
    let program = std::env::current_exe().unwrap();
    for (inodes, fits) in [(1, false), (2, false), (3, false), (4, true)] {
        let script =
            format!("mount -t tmpfs -o size=4k,nr_inodes={inodes} none \"${FULL}\" && exec \"$0\"");
        let output = Command::new("unshare")
            .args(["-rm", "/bin/sh", "-c", &script])
            .arg(&program)
            .env(FULL, folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.success(), fits, "{inodes}: {text}");
        if !fits {
            check_place_error(text.trim_end(), folder.path());
            assert!(text.contains("No space left on device"), "{text}");
        }
    }
}

/// The near end within the namespace of [`full_disk`]; says why there is no daemon.
fn start_on_a_full_disk(folder: &Path) -> ExitCode {
    let endpoint = Endpoint::in_folder(folder.to_owned()).unwrap();
    match connect_or_start(&launch(FOLDER, folder), &endpoint) {
        Ok(client) => {
            client.shutdown().unwrap();
            ExitCode::SUCCESS
        }
        Err(error) => {
            std::io::Write::write_all(&mut std::io::stderr(), format!("{error}\n").as_bytes())
                .unwrap();
            ExitCode::FAILURE
        }
    }
}
