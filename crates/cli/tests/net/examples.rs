//! The script that a newcomer tries first, as who has it: an ordinary user, and root.

use crate::attach::Kit;
use crate::common::{ORDINARY, Said, is_root};
use crate::world::User;
use skep_testkit::{Need, TempDir};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// Name, who runs it, what that needs.
pub(crate) const ROWS: &[(&str, User, &[Need])] = &[
    ("examples::attach_script", User::Ordinary, &[Need::Netns]),
    (
        "examples::attach_script_as_root",
        User::Root,
        &[Need::Netns, Need::Oracle],
    ),
];

/// All pings are answered; the program counted and printed them and nothing but the question for the neighbour; nothing stays.
pub(crate) fn attach_script(kit: &Kit, user: User) {
    let home = TempDir::new("net-example");
    let skep = kit.skep();
    let mut command = Command::new("sh");
    command.arg(skep.with_file_name("attach.sh"));
    if is_root() && user == User::Ordinary {
        chown(home.path(), Some(ORDINARY), Some(ORDINARY)).unwrap();
        command.uid(ORDINARY).gid(ORDINARY);
    }
    command
        .current_dir(home.path())
        .env("HOME", home.path())
        .env("TMPDIR", home.path())
        .env_remove("XDG_RUNTIME_DIR")
        .env("SKEP", &skep)
        .stdin(Stdio::null());
    let said = Said::of(&command.output().unwrap());
    assert_eq!(
        (said.code, said.err.as_str()),
        (Some(0), ""),
        "{}",
        said.out
    );
    assert!(
        said.out.contains("\n3 packets transmitted, 3 received, "),
        "{}",
        said.out
    );
    let shown = said
        .out
        .matches("\tpackets 4  drop 0  pass 4  tx 0  redirect 0  missed 0")
        .count();
    assert_eq!(shown, 1, "{}", said.out);
    let printed: Vec<_> = said
        .out
        .lines()
        .filter_map(|line| line.split_once("bpf_trace_printk: Hello World "))
        .map(|(_, number)| number)
        .collect();
    assert_eq!(printed, ["0", "1", "2", "3"], "{}", said.out);
    assert!(!home.join("skep-trace").exists());
    let lives = running(&home);
    assert!(lives.is_empty(), "{lives:?}\n{}", said.out);
}

/// Processes that this run of the script started, known by their home.
fn running(home: &TempDir) -> Vec<String> {
    let mark = format!("HOME={}\0", home.display());
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let is_its = |entry: &std::fs::DirEntry| {
        std::fs::read(entry.path().join("environ"))
            .is_ok_and(|environ| String::from_utf8_lossy(&environ).contains(&mark))
    };
    let of_name = |entry: std::fs::DirEntry| {
        std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default()
    };
    entries.filter(is_its).map(of_name).collect()
}
