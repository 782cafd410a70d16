//! Network namespaces for one test, joined by veth pairs, and commands inside them.
//!
//! ```text
//!   far             near              other
//!   f0 ---------- x0   y0 ---------- o0
//!   10.1.0.2  10.1.0.1   10.2.0.1  10.2.0.2
//!   fd00:1::2 fd00:1::1  fd00:2::1 fd00:2::2
//! ```
//!
//! `x0` is the interface that programs are attached to. The namespaces are anonymous: each lives as long as its holder, a
//! `cat` that ends when this process does, also by SIGKILL. They belong to an ordinary user's namespace, in which that user
//! is root, or, with [`User::Root`], to the machine's first one. Nothing is made outside of them, and dropping a world
//! kills what still runs inside.
//!
//! So that every frame is one that a test sent, IPv6 is off until [`World::with_ipv6`], and neighbours are known. What a
//! namespace does by itself afterwards (multicast reports) is counted by its interface like everything else.

use crate::common::{ORDINARY, Said, is_root, wait_until};
use skep_testkit::TempDir;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Who makes the namespaces and runs the commands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum User {
    /// An ordinary user with a user namespace of its own: [`ORDINARY`] where the tests run as root.
    Ordinary,
    /// Root, in the user namespace of the tests.
    Root,
}

/// How many namespaces a test needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Size {
    /// `far` and `near`.
    Two,
    /// `other`, too.
    Three,
}

/// One network namespace.
pub(crate) struct Space {
    holder: Child,
    /// `net:[4026532001]`
    netns: String,
    user: User,
    /// Folders that commands are told as theirs.
    home: TempDir,
}

/// The namespaces of one test.
pub(crate) struct World {
    /// Where programs are attached: `x0`, `y0`.
    pub(crate) near: Space,
    /// The other end of `x0`: `f0`.
    pub(crate) far: Space,
    /// The other end of `y0`: `o0`.
    pub(crate) other: Option<Space>,
}

impl World {
    /// Makes the namespaces and the interfaces between them, all up.
    pub(crate) fn new(user: User, size: Size) -> Self {
        Self::with_first_pair(user, size, |near, far| veth_pair(near, "x0", far, "f0"))
    }

    /// The same, where `make` makes `x0` and `f0` with the wire between them.
    pub(crate) fn with_first_pair(
        user: User,
        size: Size,
        make: impl FnOnce(&Space, &Space),
    ) -> Self {
        let near = Space::first(user);
        let far = Space::beside(&near);
        let other = (size == Size::Three).then(|| Space::beside(&near));
        for space in [&near, &far].into_iter().chain(&other) {
            space.sh(
                "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 \
                 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0 \
                 net.ipv6.conf.default.addr_gen_mode=1 \
                 net.ipv4.igmp_link_local_mcast_reports=0; ip link set lo up",
            );
        }
        make(&near, &far);
        join(&near, "x0", &far, "f0", 1);
        if let Some(other) = &other {
            veth_pair(&near, "y0", other, "o0");
            join(&near, "y0", other, "o0", 2);
        }
        Self { near, far, other }
    }

    /// Turns IPv6 on at `x0` and `f0`, with addresses `fd00:1::1` and so on.
    pub(crate) fn turn_ipv6_on(&self) {
        for (space, dev, host) in [(&self.near, "x0", 1), (&self.far, "f0", 2)] {
            space.sh(&format!(
                "sysctl -qw net.ipv6.conf.{dev}.disable_ipv6=0; ip addr add fd00:1::{host}/64 dev {dev} nodad"
            ));
        }
    }

    /// The namespace behind `y0`.
    pub(crate) fn other(&self) -> &Space {
        self.other.as_ref().expect("the test asked for three")
    }

    /// Every namespace.
    pub(crate) fn spaces(&self) -> impl Iterator<Item = &Space> {
        [&self.near, &self.far].into_iter().chain(&self.other)
    }
}

/// A veth pair between two namespaces.
fn veth_pair(near: &Space, near_dev: &str, far: &Space, far_dev: &str) {
    near.sh(&format!(
        "ip link add {near_dev} type veth peer name {far_dev} netns {}",
        far.pid()
    ));
}

/// Names the ends of a wire, as network number `net`, and turns them on.
fn join(near: &Space, near_dev: &str, far: &Space, far_dev: &str, net: u32) {
    let mac = |host: u32| format!("02:00:00:00:0{net}:0{host}");
    for (space, dev, host, peer) in [(near, near_dev, 1, 2), (far, far_dev, 2, 1)] {
        space.sh(&format!(
            "ip link set {dev} address {}; ip addr add 10.{net}.0.{host}/24 dev {dev}; ip link set {dev} up; \
             ip neigh replace 10.{net}.0.{peer} lladdr {} nud permanent dev {dev}",
            mac(host),
            mac(peer)
        ));
    }
    near.wait_carrier(near_dev);
    far.wait_carrier(far_dev);
}

impl Space {
    fn first(user: User) -> Self {
        let mut command = as_user(user, "unshare");
        if user == User::Ordinary {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--net", "cat"]);
        Self::held_by(command, user)
    }

    /// A namespace that belongs to the same user namespace as `first`.
    fn beside(first: &Self) -> Self {
        let mut command = first.command("unshare");
        command.args(["--net", "cat"]);
        Self::held_by(command, first.user)
    }

    fn held_by(mut command: Command, user: User) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = command.spawn().unwrap();
        // An answer shows that the namespaces are made and `cat` runs in them.
        holder.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        let mut answer = [0];
        holder
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut answer)
            .expect("unshare works");
        let netns = netns_of(&holder.id().to_string()).expect("the holder runs");
        assert_ne!(Some(&netns), netns_of("self").as_ref());
        let home = TempDir::new("net");
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let runtime = home.join("runtime");
        fs::create_dir(&runtime).unwrap();
        fs::set_permissions(&runtime, fs::Permissions::from_mode(0o700)).unwrap();
        if is_root() && user == User::Ordinary {
            for path in [home.path(), &runtime] {
                chown(path, Some(ORDINARY), Some(ORDINARY)).unwrap();
            }
        }
        Self {
            holder,
            netns,
            user,
            home,
        }
    }

    /// Waits until an interface that was turned on works: the carrier is noticed with a delay. A TAP device never says that it is
    /// up.
    pub(crate) fn wait_carrier(&self, dev: &str) {
        wait_until("the interface works", || {
            let shown = self.sh(&format!("ip -d link show dev {dev}"));
            shown.contains("state UP") || shown.contains("type tap") && shown.contains("LOWER_UP")
        });
    }

    /// The process that keeps the namespace.
    pub(crate) fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// A folder of its user's.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// A program inside, as its user.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = as_user(self.user, "nsenter");
        command.args(["-t", &self.pid().to_string(), "--net"]);
        if self.user == User::Ordinary {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg("--").arg(program);
        command
            .current_dir(self.home())
            .env("HOME", self.home())
            .env("XDG_RUNTIME_DIR", self.home.join("runtime"))
            .stdin(Stdio::null());
        command
    }

    /// A program inside, with the rights of the tests themselves: what speaks to the kernel's BPF.
    pub(crate) fn privileged(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["-t", &self.pid().to_string(), "--net", "--"])
            .arg(program);
        command.current_dir(self.home()).stdin(Stdio::null());
        command
    }

    /// Runs a script and gives what it printed.
    pub(crate) fn sh(&self, script: &str) -> String {
        let output = self.command("sh").args(["-ec", script]).output().unwrap();
        let said = Said::of(&output);
        assert_eq!(
            (said.code, said.err.as_str()),
            (Some(0), ""),
            "{script}\n{}",
            said.out
        );
        said.out
    }

    /// Runs a command that may fail.
    pub(crate) fn said(&self, script: &str) -> Said {
        Said::of(&self.command("sh").args(["-c", script]).output().unwrap())
    }

    /// One of an interface's counters, as `ip -s` shows them: `counter("f0", "tx", "packets")`.
    pub(crate) fn counter(&self, dev: &str, way: &str, what: &str) -> u64 {
        let text = self.sh(&format!("ip -j -s link show dev {dev}"));
        let links: serde_json::Value = serde_json::from_str(&text).unwrap();
        links[0]["stats64"][way][what]
            .as_u64()
            .unwrap_or_else(|| panic!("no {way} {what}: {text}"))
    }

    /// Datagrams that this host dropped because nobody fetched them in time.
    pub(crate) fn overflown(&self) -> u64 {
        // The numbers are below their names.
        let text = self.sh("grep ^Udp: /proc/net/snmp");
        let mut lines = text.lines().map(str::split_whitespace);
        let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
        let mut pairs = names.zip(values);
        pairs
            .find(|&(name, _)| name == "RcvbufErrors")
            .unwrap()
            .1
            .parse()
            .unwrap()
    }

    /// The number of an interface.
    pub(crate) fn ifindex(&self, dev: &str) -> u32 {
        let text = self.sh(&format!("ip -j link show dev {dev}"));
        let links: serde_json::Value = serde_json::from_str(&text).unwrap();
        u32::try_from(links[0]["ifindex"].as_u64().unwrap()).unwrap()
    }

    /// What configures the namespace, for comparison, one value of JSON a line. Without what counts or ages.
    pub(crate) fn state(&self) -> String {
        // A device that is going may go between being listed and being asked for.
        for _ in 0..20 {
            if let Some(state) = self.try_state() {
                return state;
            }
        }
        panic!("interfaces come and go all the time")
    }

    fn try_state(&self) -> Option<String> {
        let mut script = String::from(
            "set -ex; ip -j -d addr; ip -j -d link; ip -j route show table all; ip -j neigh; tc -j qdisc; nft list ruleset",
        );
        for dev in self.links() {
            for hook in ["ingress", "egress"] {
                write!(script, "; tc -j filter show dev {dev} {hook}").unwrap();
            }
        }
        let said = self.said(&format!("exec 2>&1; {script}"));
        (said.code == Some(0)).then(|| said.out.replace(",\"", ",\n\""))
    }

    /// Names of the interfaces.
    pub(crate) fn links(&self) -> Vec<String> {
        let text = self.sh("ip -j link");
        let links: serde_json::Value = serde_json::from_str(&text).unwrap();
        let name = |link: &serde_json::Value| link["ifname"].as_str().unwrap().to_owned();
        links.as_array().unwrap().iter().map(name).collect()
    }

    /// Processes inside, without the holder. None once the holder has ended: a later namespace may have this one's number.
    pub(crate) fn processes(&self) -> Vec<u32> {
        if netns_of(&self.pid().to_string()).as_ref() != Some(&self.netns) {
            return Vec::new();
        }
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.filter(|&pid| {
            pid != self.pid() && netns_of(&pid.to_string()).as_ref() == Some(&self.netns)
        })
        .collect()
    }
}

impl Space {
    /// Ends everything inside, whereupon Linux removes the namespace and what is in it.
    pub(crate) fn destroy(&self) {
        for pid in self.processes().into_iter().chain([self.pid()]) {
            let _ = Command::new("kill")
                .args(["-KILL", &pid.to_string()])
                .stderr(Stdio::null())
                .status();
        }
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        // What lives in a namespace that this test made is this test's. Twice, for what a guardian starts meanwhile.
        for _ in 0..2 {
            for pid in self.processes() {
                let _ = Command::new("kill")
                    .args(["-KILL", &pid.to_string()])
                    .stderr(Stdio::null())
                    .status();
            }
        }
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A program as a user of the first namespace.
fn as_user(user: User, program: &str) -> Command {
    let mut command = Command::new(program);
    if is_root() && user == User::Ordinary {
        command.uid(ORDINARY).gid(ORDINARY);
    }
    command
}

fn netns_of(pid: &str) -> Option<String> {
    let link = fs::read_link(format!("/proc/{pid}/ns/net")).ok()?;
    Some(link.to_str()?.to_owned())
}
