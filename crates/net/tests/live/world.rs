//! Namespaces, interfaces, programs and another host for the cases.

use skep_machine::{Config, Connection, Machine, Peer};
use skep_net::live::{Ledger, LedgerError, LivePorts, Promise, Undo};
use skep_sys::interface_index;
use skep_uapi::{
    AttachType, Bpf, Command as Bpfc, Existing, Handle, NetAttach, NetAttached, ProgLoad, ProgType,
    Reply, Value, Via, XdpMode,
};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest wait for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Time in which what must not happen would.
pub(crate) const SOON: Duration = Duration::from_millis(100);

/// Runs a case inside, as the user that the tests run as: an ordinary user suffices, and root outside is none inside.
pub(crate) fn run_inside(name: &str) {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net"]);
    command.arg(std::env::current_exe().unwrap());
    let output = command.env("SKEP_NET_INSIDE", name).output().unwrap();
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

/// What `ip` and `tc` say of a namespace, without what changes by itself.
pub(crate) fn state(interface: &str) -> String {
    let links = sh("ip -o link show");
    let links = links
        .replace("M-DOWN", "")
        .replace("LOWERLAYERDOWN", "DOWN");
    links + &sh("tc qdisc show") + &sh(&format!("tc filter show dev {interface} ingress"))
}

/// Waits until it holds.
pub(crate) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "waited for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Remembers what was promised and not forgotten.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    open: Mutex<BTreeMap<u64, Undo>>,
    next: Mutex<u64>,
}

impl Notes {
    pub(crate) fn open(&self) -> Vec<Undo> {
        self.open.lock().unwrap().values().cloned().collect()
    }
}

impl Ledger for Notes {
    fn promise(&self, undo: &Undo) -> Result<Promise, LedgerError> {
        let mut next = self.next.lock().unwrap();
        *next += 1;
        self.open.lock().unwrap().insert(*next, undo.clone());
        Ok(Promise(*next))
    }

    fn forget(&self, promise: Promise) {
        assert!(self.open.lock().unwrap().remove(&promise.0).is_some());
    }
}

/// A machine on this namespace's interfaces.
pub(crate) struct Skep {
    pub(crate) connection: Connection,
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

    /// Loads a program.
    pub(crate) fn load(&self, text: &str) -> Handle {
        let load = ProgLoad {
            prog_type: ProgType::XDP,
            expected_attach_type: AttachType::XDP,
            insns: skep_isa::text::assemble(text).unwrap().to_bytes(),
            license: "GPL".to_owned(),
            ..ProgLoad::default()
        };
        let reply = self.connection.call(Bpfc::ProgLoad(Box::new(load)));
        let Ok(Value::Handle(handle)) = reply.result else {
            panic!("{}", reply.log)
        };
        handle
    }

    /// Tries to attach.
    pub(crate) fn try_attach(
        &self,
        prog: Handle,
        ifindex: u32,
        existing: Existing,
        via: Option<Via>,
    ) -> Reply {
        self.connection.call(Bpfc::NetAttach(NetAttach {
            prog,
            ifindex,
            mode: XdpMode::Any,
            existing,
            via,
        }))
    }

    /// Attaches a program, in the place of the one that is there.
    pub(crate) fn attach(&self, text: &str, interface: &str) -> Handle {
        let prog = self.load(text);
        let ifindex = interface_index(interface).unwrap();
        let reply = self.try_attach(prog, ifindex, Existing::Replace, None);
        assert!(reply.result.is_ok(), "{:?} {}", reply.result, reply.log);
        prog
    }

    pub(crate) fn detach(&self, interface: &str) {
        let ifindex = interface_index(interface).unwrap();
        let mode = XdpMode::Any;
        let reply = self.connection.call(Bpfc::NetDetach { ifindex, mode });
        assert!(reply.result.is_ok(), "{:?} {}", reply.result, reply.log);
    }

    pub(crate) fn query(&self) -> Vec<NetAttached> {
        match self.connection.call(Bpfc::NetQuery).result {
            Ok(Value::NetAttached(list)) => list,
            other => panic!("{other:?}"),
        }
    }

    /// Verdict counts of the only attachment.
    pub(crate) fn verdicts(&self) -> [u64; 6] {
        let [one] = self.query().try_into().unwrap();
        one.live.unwrap().verdicts
    }

    /// Lines of the trace pipe.
    pub(crate) fn trace(&self) -> String {
        let read = Bpfc::TraceRead {
            lines_max: 1000,
            wait_ms: 0,
        };
        match self.connection.call(read).result {
            Ok(Value::Lines(lines)) => lines.join("\n"),
            other => panic!("{other:?}"),
        }
    }

    /// Ends all.
    pub(crate) fn shut_down(&self) {
        let ports = self.connection.machine().config().ports.as_ref();
        ports.unwrap().shut_down();
        assert_eq!(self.ledger.open(), []);
    }
}

/// Another network namespace, held by a process that sleeps.
pub(crate) struct Host(Child);

impl Host {
    pub(crate) fn new() -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "echo ready; exec sleep 1000"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = [0; 6];
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut ready)
            .unwrap();
        Self(child)
    }

    /// Makes it the other end of a cable: `x` here with 10.9.0.1, `y` there with 10.9.0.2.
    pub(crate) fn cable(&self) {
        sh("ip link add x type veth peer name y");
        self.connect("x", "y");
    }

    /// Gives it the second of two interfaces that are connected, and both addresses.
    pub(crate) fn connect(&self, x: &str, y: &str) {
        sh(&format!("ip link set {y} netns {}", self.0.id()));
        sh(&format!("ip addr add 10.9.0.1/24 dev {x}"));
        sh(&format!("ip link set {x} up"));
        self.sh(&format!("ip addr add 10.9.0.2/24 dev {y}"));
        self.sh(&format!("ip link set {y} up"));
    }

    pub(crate) fn sh(&self, words: &str) -> String {
        sh(&format!("nsenter -t {} -n {words}", self.0.id()))
    }

    /// Runs one of this program's functions there.
    pub(crate) fn start(&self, name: &str) -> Child {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.0.id().to_string(), "-n"]);
        command.arg(std::env::current_exe().unwrap());
        command.env("SKEP_NET_INSIDE", name).spawn().unwrap()
    }

    /// Pings this host; gives how many of 5 were answered.
    pub(crate) fn pings(&self) -> usize {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.0.id().to_string(), "-n"]);
        command.args(["ping", "-c", "5", "-i", "0.01", "-W", "0.3", "10.9.0.1"]);
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains("DUP"), "{text}");
        text.matches("bytes from").count()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Port of the cases' servers.
const PORT: &str = "10.9.0.1:7007";
/// Bytes that go through TCP.
const STREAM_BYTES: usize = 20 << 20;

/// The other host's part: datagrams numbered from 0, sent whatever happens to them.
pub(crate) fn udp_sender() {
    let socket = UdpSocket::bind("10.9.0.2:0").unwrap();
    for number in 0..20_u8 {
        socket.send_to(&[number; 100], PORT).unwrap();
    }
}

/// Which of the other host's datagrams come in.
pub(crate) fn udp_received(host: &Host) -> Vec<u8> {
    let socket = UdpSocket::bind(PORT).unwrap();
    assert!(host.start("udp_sender").wait().unwrap().success());
    socket.set_read_timeout(Some(SOON)).unwrap();
    let mut received = Vec::new();
    let mut buffer = [0; 200];
    while let Ok(len) = socket.recv(&mut buffer) {
        assert_eq!(buffer[..len], [buffer[0]; 100]);
        received.push(buffer[0]);
    }
    received
}

fn stream() -> Vec<u8> {
    (0..STREAM_BYTES)
        .map(|at| u8::try_from(at % 253).unwrap())
        .collect()
}

pub(crate) fn tcp_sender() {
    let mut socket = TcpStream::connect(PORT).unwrap();
    socket.write_all(&stream()).unwrap();
    drop(socket);
}

/// Has the other host send a stream, which must come as it was sent; gives the time that it took.
pub(crate) fn tcp_received(host: &Host) -> Duration {
    let listener = TcpListener::bind(PORT).unwrap();
    let mut sender = host.start("tcp_sender");
    let (mut socket, _) = listener.accept().unwrap();
    let begin = Instant::now();
    let mut received = Vec::new();
    socket.read_to_end(&mut received).unwrap();
    let elapsed = begin.elapsed();
    assert!(received == stream(), "{} bytes", received.len());
    assert!(sender.wait().unwrap().success());
    elapsed
}
