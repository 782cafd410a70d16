//! Where the daemon lives, and what happens when that place is of no use or the daemon dies.

use crate::common::{Program, Said, World, is_root, one_line, wait_until};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};

const LOAD: &str = "prog load examples/hello.bpf.o /sys/fs/bpf/hello";

/// Runs a command with another runtime folder.
fn elsewhere(world: &World, folder: &str, line: &str) -> Said {
    let mut command = world.skep(line.split_whitespace());
    Said::of(&command.env("XDG_RUNTIME_DIR", folder).output().unwrap())
}

/// Folders that are not the user's own are not used: the one in `/tmp` is, as where there is no runtime folder.
pub(crate) fn unusable_folders(program: &Program) {
    let world = World::new(program);
    let folder = |name: &str, mode: u32| {
        let path = world.path(name);
        fs::create_dir(&path).unwrap();
        world.give(&path);
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    let mut places = vec![
        folder("readonly", 0o500),
        folder("shared", 0o777),
        world.write("file", "").display().to_string(),
        world.path("missing").display().to_string(),
        "relative".to_owned(),
    ];
    if is_root() {
        let foreign = world.path("foreign");
        fs::create_dir(&foreign).unwrap();
        fs::set_permissions(&foreign, Permissions::from_mode(0o755)).unwrap();
        places.push(foreign.display().to_string());
    }
    for place in &places {
        // Looking starts nothing.
        let said = elsewhere(&world, place, "daemon status");
        let text = said.out + &said.err;
        assert!(
            text.contains(" /tmp/skep-") || text.contains("\tsocket /tmp/skep-"),
            "{place}: {text}"
        );
        assert!(!text.contains(place.as_str()), "{place}: {text}");
    }
    // A name that no socket can have.
    let long = folder(&"long".repeat(30), 0o700);
    for line in [LOAD, "prog list", "daemon status", "daemon stop"] {
        let said = elsewhere(&world, &long, line);
        assert_eq!(said.code, Some(255), "{line}: {said:?}");
        let error = one_line(&said.err);
        assert!(
            error.contains(&long) && error.contains("XDG_RUNTIME_DIR"),
            "{error}"
        );
    }
}

/// A disk without room for the lock, for the socket, or for the log.
pub(crate) fn full_disk(program: &Program) {
    let world = World::new(program);
    for inodes in 1..4 {
        let script = format!(
            "mount -t tmpfs -o size=4k,nr_inodes={inodes},mode=700 none {} && exec {} {LOAD}",
            world.runtime().display(),
            program.skep().display()
        );
        let mut command = world.command("unshare");
        let said = Said::of(
            &command
                .args([
                    "--user",
                    "--map-root-user",
                    "--mount",
                    "/bin/sh",
                    "-c",
                    &script,
                ])
                .output()
                .unwrap(),
        );
        assert_eq!(said.code, Some(255), "{inodes}: {said:?}");
        let line = one_line(&said.err);
        assert!(
            line.contains("No space left on device")
                && line.contains(world.runtime().to_str().unwrap()),
            "{line}"
        );
    }
}

/// Twenty commands that all find no daemon start one.
pub(crate) fn started_by_many_at_once(program: &Program) {
    let world = World::new(program);
    let start = |number| {
        world.start(&format!(
            "prog load examples/hello.bpf.o /sys/fs/bpf/hello{number}"
        ))
    };
    let children: Vec<_> = (0..20).map(start).collect();
    for child in children {
        let said = Said::of(&child.wait_with_output().unwrap());
        assert_eq!(
            said,
            Said {
                code: Some(0),
                out: String::new(),
                err: String::new()
            }
        );
    }
    assert_eq!(world.results("pin list").lines().count(), 20);
    let daemons = world.results("daemon list");
    let here = |line: &&str| line.starts_with(world.runtime().to_str().unwrap());
    assert_eq!(daemons.lines().filter(here).count(), 1, "{daemons}");
    let ids: std::collections::BTreeSet<String> = world
        .results("prog list")
        .lines()
        .filter_map(|line| line.split_once(": xdp").map(|(id, _)| id.to_owned()))
        .collect();
    assert_eq!(ids.len(), 20);
}

/// A daemon that is started by hand where one runs says so.
pub(crate) fn second_daemon(program: &Program) {
    let world = World::with_hello(program);
    let pid = world.json("daemon status -j", "pid");
    let line = world.refused("daemon run", 255);
    assert!(
        line.contains("already") && line.contains(world.runtime().to_str().unwrap()),
        "{line}"
    );
    assert_eq!(world.json("daemon status -j", "pid"), pid);
    assert_eq!(world.results("prog list").lines().count(), 4);
}

fn kill_daemon(world: &World) {
    let pid = world.json("daemon status -j", "pid");
    assert!(
        Command::new("kill")
            .args(["-KILL", &pid])
            .status()
            .unwrap()
            .success()
    );
    wait_until("it is dead", || world.run("daemon status").code == Some(3));
}

/// After SIGKILL the next command finds an empty world, and the one after it a new daemon.
pub(crate) fn killed_daemon(program: &Program) {
    let world = World::with_hello(program);
    for _ in 0..3 {
        kill_daemon(&world);
        let list = world.results("daemon list");
        assert!(list.contains(": dead  network namespace"), "{list}");
        assert_eq!(world.results("prog list"), "");
        assert_eq!(
            world.refused("pin rm /sys/fs/bpf/hello", 254),
            "Error: can't remove pin /sys/fs/bpf/hello: No such file or directory"
        );
        world.silent(LOAD);
        assert_eq!(world.results("pin list"), "/sys/fs/bpf/hello  prog 1\n");
    }
}

/// Has the reader print a line: it is connected then, and will not start a daemon of its own when this one goes.
fn wait_for_a_line(world: &World, reader: &mut Child) {
    world.results("prog run pinned /sys/fs/bpf/hello data_in packet");
    let mut printed = BufReader::new(reader.stdout.take().unwrap());
    printed.read_line(&mut String::new()).unwrap();
}

/// A command that waits is told.
pub(crate) fn killed_while_a_command_waits(program: &Program) {
    let world = World::with_hello(program);
    let mut reader = world.start("prog tracelog");
    wait_for_a_line(&world, &mut reader);
    let pid = world.json("daemon status -j", "pid");
    assert!(
        Command::new("kill")
            .args(["-KILL", &pid])
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    wait_until("the reader has ended", || {
        reader.try_wait().unwrap().is_some()
    });
    let said = Said::of(&reader.wait_with_output().unwrap());
    assert_ne!(said.code, Some(0), "{said:?}");
    one_line(&said.err);

    // `daemon stop` beside a waiting reader ends both.
    world.silent(LOAD);
    let mut reader = world.start("prog tracelog");
    wait_for_a_line(&world, &mut reader);
    world.silent("daemon stop");
    wait_until("the reader has ended", || {
        reader.try_wait().unwrap().is_some()
    });
    let said = Said::of(&reader.wait_with_output().unwrap());
    assert!(!said.err.contains("panicked"), "{said:?}");
}
