//! Two hosts joined by a cable, and a machine on the first.

use skep_machine::{Config, Connection, Machine, Peer};
use skep_net::live::{Ledger, LedgerError, LivePorts, Promise, Undo};
use skep_sys::interface_index;
use skep_uapi::{
    AttachType, Bpf, Command as Call, Existing, NetAttach, NetLive, ProgLoad, ProgType, Value, Via,
    XdpMode,
};
use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest wait for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A way with the mode that is asked of it.
#[derive(Clone, Copy)]
pub(crate) struct Road {
    pub(crate) name: &'static str,
    pub(crate) via: Via,
    pub(crate) mode: XdpMode,
}

/// Runs a case in a network namespace.
pub(crate) fn run_inside(what: &str) {
    let mut command = Command::new("unshare");
    command.arg("--net").arg(std::env::current_exe().unwrap());
    let output = command.env("SKEP_NET_WAY_INSIDE", what).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{text}", output.status);
}

/// Runs a program with these words; gives its output.
pub(crate) fn sh(words: &str) -> String {
    let mut split = words.split_whitespace();
    let mut command = Command::new(split.next().unwrap());
    let output = command.args(split).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}: {text}");
    String::from_utf8(output.stdout).unwrap()
}

/// What `ip` and `tc` say, without what counts.
pub(crate) fn state() -> String {
    [
        "ip -d -o link",
        "ip -o addr",
        "ip route show table all",
        "tc qdisc",
        "tc filter show dev x ingress",
    ]
    .map(sh)
    .join("\n")
}

/// Waits until it holds.
pub(crate) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "waited for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A counter of `/proc/net/dev`, by its column.
pub(crate) fn counter(interface: &str, column: usize) -> u64 {
    let text = sh("cat /proc/thread-self/net/dev");
    let prefix = format!("{interface}:");
    let line = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(&prefix));
    line.unwrap()
        .split_ascii_whitespace()
        .nth(column)
        .unwrap()
        .parse()
        .unwrap()
}

/// Segments and datagrams that were dropped for their checksums: the lines of TCP and UDP.
pub(crate) fn checksum_errors() -> Vec<u64> {
    let text = sh("cat /proc/thread-self/net/snmp");
    let errors = |protocol: &str| {
        // The numbers are below their names.
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(protocol));
        let (names, numbers) = (lines.next().unwrap(), lines.next().unwrap());
        let mut pairs = names.split_whitespace().zip(numbers.split_whitespace());
        let (_, number) = pairs.find(|(name, _)| *name == "InCsumErrors").unwrap();
        number.parse().unwrap()
    };
    ["Tcp:", "Udp:"].map(errors).to_vec()
}

/// Remembers what was promised and not forgotten.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<(u64, BTreeMap<u64, Undo>)>);

impl Notes {
    pub(crate) fn open(&self) -> Vec<Undo> {
        self.0.lock().unwrap().1.values().cloned().collect()
    }
}

impl Ledger for Notes {
    fn promise(&self, undo: &Undo) -> Result<Promise, LedgerError> {
        let mut notes = self.0.lock().unwrap();
        notes.0 += 1;
        let number = notes.0;
        notes.1.insert(number, undo.clone());
        Ok(Promise(number))
    }

    fn forget(&self, promise: Promise) {
        assert!(self.0.lock().unwrap().1.remove(&promise.0).is_some());
    }
}

/// A machine on this namespace's interfaces.
pub(crate) struct Skep {
    connection: Connection,
    pub(crate) ledger: Arc<Notes>,
}

impl Skep {
    pub(crate) fn new() -> Self {
        let ledger = Arc::<Notes>::default();
        let config = Config {
            ports: Some(LivePorts::new(Arc::clone(&ledger) as Arc<dyn Ledger>)),
            ..Config::of_host()
        };
        let connection = Machine::new(config).connect(Peer::this_process());
        Self { connection, ledger }
    }

    /// Attaches a program to `x`, in the place of the one that is there.
    pub(crate) fn attach(&self, text: &str, road: Road) {
        let load = ProgLoad {
            prog_type: ProgType::XDP,
            expected_attach_type: AttachType::XDP,
            insns: skep_isa::text::assemble(text).unwrap().to_bytes(),
            license: "GPL".to_owned(),
            ..ProgLoad::default()
        };
        let reply = self.connection.call(Call::ProgLoad(Box::new(load)));
        let Ok(Value::Handle(prog)) = reply.result else {
            panic!("{}", reply.log)
        };
        let reply = self.connection.call(Call::NetAttach(NetAttach {
            prog,
            ifindex: interface_index("x").unwrap(),
            mode: road.mode,
            existing: Existing::Replace,
            via: Some(road.via),
        }));
        assert!(reply.result.is_ok(), "{:?} {}", reply.result, reply.log);
    }

    pub(crate) fn detach(&self, road: Road) {
        let ifindex = interface_index("x").unwrap();
        let mode = road.mode;
        let reply = self.connection.call(Call::NetDetach { ifindex, mode });
        assert!(reply.result.is_ok(), "{:?} {}", reply.result, reply.log);
    }

    /// Counts of the only attachment.
    pub(crate) fn live(&self) -> NetLive {
        let result = self.connection.call(Call::NetQuery).result;
        let Ok(Value::NetAttached(list)) = result else {
            panic!("{result:?}")
        };
        let [one] = list.try_into().unwrap();
        one.live.unwrap()
    }
}

/// Another host: a network namespace, held by a process that sleeps.
pub(crate) struct Host(Child);

impl Host {
    /// Joins `x` here with 10.9.0.1 and `y` there with 10.9.0.2. Neither sends anything by itself.
    pub(crate) fn new() -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "echo ready; exec sleep 1000"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.as_mut().unwrap();
        stdout.read_exact(&mut [0; 6]).unwrap();
        let host = Self(child);
        let pid = host.0.id();
        sh("ip link set lo up");
        sh(&format!(
            "ip link add x address 02:00:00:00:00:01 type veth peer name y address 02:00:00:00:00:02 netns {pid}"
        ));
        for (own, other, interface, here) in [(1, 2, "x", true), (2, 1, "y", false)] {
            let run = |words: &str| if here { sh(words) } else { host.sh(words) };
            run(&format!(
                "sysctl -qw net.ipv6.conf.{interface}.disable_ipv6=1"
            ));
            run(&format!("ip addr add 10.9.0.{own}/24 dev {interface}"));
            run(&format!("ip link set {interface} up"));
            run(&format!(
                "ip neigh add 10.9.0.{other} lladdr 02:00:00:00:00:0{other} dev {interface}"
            ));
        }
        // Linux says so some time later, and until then `state` changes by itself.
        wait_for("x is up", || sh("ip link show x").contains("state UP"));
        // The carrier takes its time to be noticed, and states are compared.
        wait_for("the carrier", || {
            sh("ip -o link show x").contains("state UP")
        });
        host
    }

    pub(crate) fn sh(&self, words: &str) -> String {
        sh(&format!("nsenter -t {} -n {words}", self.0.id()))
    }

    /// Runs one of this program's roles there.
    pub(crate) fn start(&self, role: &str) -> Child {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.0.id().to_string(), "-n"]);
        command.arg(std::env::current_exe().unwrap());
        command
            .env("SKEP_NET_WAY_INSIDE", role)
            .stdout(Stdio::piped());
        command.stdin(Stdio::piped()).spawn().unwrap()
    }

    /// Runs a role to its end; gives what it printed.
    pub(crate) fn run(&self, role: &str) -> String {
        finish(self.start(role))
    }
}

/// Waits for a role's end; gives what it printed.
pub(crate) fn finish(role: Child) -> String {
    let output = role.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

impl Drop for Host {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
