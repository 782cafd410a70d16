//! Namespaces, interfaces, programs and another host for the cases.

use skep_machine::{Config, Connection, Machine, Peer};
use skep_net::live::{Ledger, LedgerError, LivePorts, Promise, Undo};
use skep_sys::packet::{RingSpec, RxRing, TxSocket, VlanTag, VnetHeader};
use skep_sys::{interface_index, wait_readable};
use skep_uapi::{
    AttachType, Bpf, Command as Bpfc, Existing, Handle, NetAttach, NetAttached, ProgLoad, ProgType,
    Reply, Value, Via, XdpMode,
};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
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

/// Runs a shell's command; gives its output.
pub(crate) fn sh(words: &str) -> String {
    let output = Command::new("sh").args(["-c", words]).output().unwrap();
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

/// Says a figure, which `--nocapture` shows.
pub(crate) fn show(text: &str) {
    std::io::stderr()
        .write_all(format!("{text}\n").as_bytes())
        .unwrap();
}

/// A veth pair on which the host sends nothing by itself, for frames of any length.
pub(crate) fn silent_pair(names: &str) {
    let (a, b) = names.split_once(' ').unwrap();
    sh(&format!("ip link add {a} type veth peer name {b}"));
    for end in [a, b] {
        sh(&format!("ip link set {end} addrgenmode none arp off"));
        let switch = format!("/proc/sys/net/ipv6/conf/{end}/disable_ipv6");
        std::fs::write(switch, "1").unwrap();
        sh(&format!("ip link set {end} mtu 65535 up"));
    }
}

/// A frame of `len` bytes, of a protocol that nobody speaks.
pub(crate) fn frame(len: usize) -> Vec<u8> {
    let header = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5,
    ];
    let payload = (0..len).map(|at| u8::try_from(at % 251).unwrap());
    header.into_iter().chain(payload).take(len).collect()
}

/// The far end of a pair, held by the case.
pub(crate) struct Wire {
    ifindex: u32,
    ring: RxRing,
    socket: TxSocket,
}

impl Wire {
    pub(crate) fn new(interface: &str) -> Self {
        let ifindex = interface_index(interface).unwrap();
        let spec = RingSpec {
            block_bytes: 256 << 10,
            blocks: 8,
            retire: Duration::from_millis(1),
        };
        Self {
            ifindex,
            ring: RxRing::open(ifindex, spec, &[]).unwrap(),
            socket: TxSocket::open(None).unwrap(),
        }
    }

    /// Sends a frame, with a tag in it.
    pub(crate) fn send(&mut self, frame: &[u8], tag: Option<VlanTag>) {
        let tag = tag.map_or(Vec::new(), |tag| {
            [tag.tpid.to_be_bytes(), tag.tci.to_be_bytes()].concat()
        });
        let parts = [&frame[..12], &tag, &frame[12..]];
        self.socket
            .push(self.ifindex, &VnetHeader::default(), &parts);
        let outcome = self.socket.flush();
        assert_eq!(outcome.failed, 0, "{outcome:?}");
    }

    /// The next frame, and the tag that was taken out of it.
    pub(crate) fn receive(&mut self) -> (Vec<u8>, Option<VlanTag>) {
        let begin = Instant::now();
        loop {
            if let Some(frame) = self.ring.next() {
                return (frame.data.to_vec(), frame.vlan);
            }
            assert!(begin.elapsed() < PATIENCE, "no frame");
            wait_readable(self.ring.as_fd(), Some(SOON)).unwrap();
        }
    }

    pub(crate) fn receive_nothing(&mut self) {
        std::thread::sleep(SOON);
        assert_eq!(self.ring.next(), None);
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
        sh(&format!("ip addr add 10.9.0.1/24 dev {x}"));
        sh(&format!("ip link set {x} up"));
        self.end_of(y, "10.9.0.2");
    }

    /// Gives it an interface with this address.
    pub(crate) fn end_of(&self, interface: &str, address: &str) {
        sh(&format!("ip link set {interface} netns {}", self.0.id()));
        self.sh(&format!("ip addr add {address}/24 dev {interface}"));
        self.sh(&format!("ip link set {interface} up"));
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

/// Datagrams of [`udp_stream`].
pub(crate) const STREAM_DATAGRAMS: usize = 30_000;

/// The other host's part: numbered datagrams, some every millisecond.
pub(crate) fn udp_streamer() {
    let socket = UdpSocket::bind("10.9.0.2:0").unwrap();
    for number in 0..STREAM_DATAGRAMS {
        if number % 30 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        socket.send_to(&number.to_ne_bytes(), PORT).unwrap();
    }
}

/// Numbers of the datagrams that come, in order, while `meanwhile` happens a third of the way in.
pub(crate) fn udp_stream(host: &Host, meanwhile: impl FnOnce()) -> Vec<usize> {
    let socket = UdpSocket::bind(PORT).unwrap();
    let mut sender = host.start("udp_streamer");
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut meanwhile = Some(meanwhile);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut received = Vec::new();
            let mut buffer = [0; 8];
            while let Ok(8) = socket.recv(&mut buffer) {
                received.push(usize::from_ne_bytes(buffer));
                socket.set_read_timeout(Some(10 * SOON)).unwrap();
            }
            received
        });
        std::thread::sleep(4 * SOON);
        meanwhile.take().unwrap()();
        assert!(sender.wait().unwrap().success());
        reader.join().unwrap()
    })
}

fn stream() -> Vec<u8> {
    (0..STREAM_BYTES)
        .map(|at| u8::try_from(at % 253).unwrap())
        .collect()
}

pub(crate) fn tcp_sender() {
    // The other side may not listen yet.
    let mut socket = None;
    wait_for("a listener", || {
        socket = TcpStream::connect(PORT).ok();
        socket.is_some()
    });
    let mut socket = socket.unwrap();
    socket.write_all(&stream()).unwrap();
    drop(socket);
}

/// Takes the stream.
pub(crate) fn tcp_receiver() {
    let (mut socket, _) = TcpListener::bind(PORT).unwrap().accept().unwrap();
    let mut received = Vec::new();
    socket.read_to_end(&mut received).unwrap();
    assert!(received == stream(), "{} bytes", received.len());
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
