//! Interfaces, filters and XDP in a network namespace of the test's own, each operation checked against what iproute2
//! says.
//!
//! Each case is this test again, started in a fresh namespace with `SKEP_TEST_NETNS` set to the case's name: as an
//! ordinary user who is root only there, but for the one that loads a program.

#![allow(clippy::unwrap_used, reason = "tests")]

mod links;
mod monitor;
mod tc;
mod xdp;

use serde_json::Value;
use skep_sys::netlink::{IfName, LinkInfo, Netlink, NetlinkError, NewLink};
use skep_testkit::{Harness, Need, TempDir};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const CASE: &str = "SKEP_TEST_NETNS";

/// Whose rights a case runs with.
#[derive(Clone, Copy)]
enum User {
    /// Nobody's, who is root in a user namespace.
    Ordinary,
    /// Root's, who may load programs into Linux.
    Root,
}

struct Case {
    name: &'static str,
    user: User,
    test: fn(),
}

const fn case(name: &'static str, user: User, test: fn()) -> Case {
    Case { name, user, test }
}

const CASES: [Case; 11] = [
    case("links", User::Ordinary, links::links),
    case("changes", User::Ordinary, links::changes),
    case("refused_links", User::Ordinary, links::refused_links),
    case("filters", User::Ordinary, tc::filters),
    case("drop_ingress", User::Ordinary, tc::drop_ingress),
    case("refused_filters", User::Ordinary, tc::refused_filters),
    case("foreign", User::Ordinary, tc::foreign),
    case("recipe", User::Ordinary, tc::recipe),
    case("monitor", User::Ordinary, monitor::monitor),
    case("xdp", User::Root, xdp::xdp),
    case("metadata", User::Root, xdp::metadata),
];

fn main() {
    if let Some(name) = std::env::var_os(CASE) {
        let case = CASES.iter().find(|case| name == case.name).unwrap();
        return (case.test)();
    }
    let add = |harness: Harness, case: Case| {
        let needs: &[Need] = match case.user {
            User::Ordinary => &[Need::Netns],
            User::Root => &[Need::Netns, Need::Oracle],
        };
        harness.case(case.name, needs, move || in_namespace(case.name, case.user))
    };
    CASES.into_iter().fold(Harness::from_args(), add).run();
}

/// Runs a case of this test in a new network namespace.
fn in_namespace(name: &str, user: User) {
    // The checkout may lie where only its owner may look.
    let folder = TempDir::new("netlink");
    let program = folder.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for path in [folder.path(), &program] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = match user {
        User::Ordinary if skep_sys::effective_uid() == 0 => {
            let mut command = Command::new("setpriv");
            command.args([
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "unshare",
            ]);
            command.args(["--user", "--map-root-user"]);
            command
        }
        User::Ordinary => {
            let mut command = Command::new("unshare");
            command.args(["--user", "--map-root-user"]);
            command
        }
        User::Root => Command::new("unshare"),
    };
    let command = command.arg("--net").arg(&program);
    let output = command.env(CASE, name).current_dir("/").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

/// What a command of words without blanks prints.
pub(crate) fn output(command: &str) -> String {
    run(&command.split(' ').collect::<Vec<_>>())
}

/// What a command prints.
pub(crate) fn run(command: &[&str]) -> String {
    let output = Command::new(command[0]).args(&command[1..]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The first object that `ip` or `tc` prints as JSON.
pub(crate) fn json(command: &str) -> Value {
    let list: Value = serde_json::from_str(&output(command)).unwrap();
    list.get(0).cloned().unwrap_or(Value::Null)
}

pub(crate) fn ip(name: &str) -> Value {
    json(&format!("ip -d -j link show dev {name}"))
}

pub(crate) fn has_flag(link: &Value, flag: &str) -> bool {
    link["flags"]
        .as_array()
        .unwrap()
        .iter()
        .any(|one| one == flag)
}

pub(crate) fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

pub(crate) fn end(text: &str) -> NewLink {
    NewLink {
        name: name(text),
        mac: None,
        mtu: None,
        alias: None,
    }
}

/// A veth pair, down; the interface of the first name.
pub(crate) fn pair(netlink: &mut Netlink, a: &str, b: &str) -> LinkInfo {
    netlink.create_veth(&end(a), &end(b)).unwrap();
    netlink.link_by_name(&name(a)).unwrap().unwrap()
}

pub(crate) fn errno<T>(result: Result<T, NetlinkError>) -> Option<i32> {
    result.err().and_then(|error| error.errno())
}

/// The kernel notices a carrier a while after it came.
pub(crate) fn wait_until_up(link: &str) {
    let begin = Instant::now();
    while ip(link)["operstate"] != "UP" {
        assert!(begin.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(5));
    }
}
