//! Real TCP and UDP between two hosts with a relay between them: what the ring received is sent on. A frame with segments or
//! an unfinished checksum that does not survive shows as a stalled or wrong transfer.

use crate::world::{PATIENCE, RING, ip, silence};
use skep_sys::packet::{Gso, RxRing, TxSocket};
use skep_sys::{interface_index, wait_any_readable};
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What [`host`] is called in the list of things that run inside.
pub(crate) const HOST: &str = "host";

const BYTES: usize = 4 << 20;
const SEGMENT: usize = 1000;
const SEGMENTS: usize = 10;
const ADDRESSES: [[&str; 2]; 2] = [["10.7.0.1", "fd07::1"], ["10.7.0.2", "fd07::2"]];

/// The program of a host: waits until its interface is there, then takes its part.
pub(crate) fn host() {
    let mut line = String::new();
    println!("ready");
    std::io::stdin().read_line(&mut line).unwrap();
    let [number, peer] = match line.trim() {
        "server" => [1, 0],
        _ => [0, 1],
    };
    ip("link set host0 up");
    let [v4, v6] = ADDRESSES[number];
    ip(&format!("address add {v4}/24 dev host0"));
    ip(&format!("address add {v6}/64 dev host0 nodad"));
    for (own, peer) in ADDRESSES[number].iter().zip(ADDRESSES[peer]) {
        let own: IpAddr = own.parse().unwrap();
        let peer: IpAddr = peer.parse().unwrap();
        match number {
            1 => serve(SocketAddr::new(own, 7)),
            _ => ask(SocketAddr::new(own, 0), SocketAddr::new(peer, 7)),
        }
    }
}

fn pattern() -> Vec<u8> {
    (0..BYTES)
        .map(|at| u8::try_from(at % 253).unwrap())
        .collect()
}

fn serve(own: SocketAddr) {
    let datagrams = UdpSocket::bind(own).unwrap();
    datagrams.set_read_timeout(Some(PATIENCE)).unwrap();
    let listener = TcpListener::bind(own).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    assert!(received == pattern(), "{} bytes", received.len());
    stream.write_all(&received).unwrap();
    drop(stream);
    let mut buffer = [0; 2 * SEGMENT];
    for number in 0..SEGMENTS {
        let (len, from) = datagrams.recv_from(&mut buffer).unwrap();
        assert_eq!(len, SEGMENT);
        assert_eq!(buffer[0], u8::try_from(number).unwrap());
        datagrams.send_to(&buffer[..1], from).unwrap();
    }
}

fn ask(own: SocketAddr, peer: SocketAddr) {
    let begin = Instant::now();
    let mut stream = loop {
        match TcpStream::connect_timeout(&peer, Duration::from_secs(1)) {
            Ok(stream) => break stream,
            Err(error) => assert!(begin.elapsed() < PATIENCE, "{error}"),
        }
    };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&pattern()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    assert!(received == pattern(), "{} bytes", received.len());

    let datagrams = UdpSocket::bind(own).unwrap();
    datagrams.set_read_timeout(Some(PATIENCE)).unwrap();
    let size = i32::try_from(SEGMENT).unwrap();
    let (fd, len) = (datagrams.as_raw_fd(), 4);
    let value = (&raw const size).cast();
    // SAFETY: `value` points to a live local of four bytes, which the kernel only reads.
    let rc = unsafe { libc::setsockopt(fd, libc::SOL_UDP, libc::UDP_SEGMENT, value, len) };
    assert_eq!(rc, 0);
    let bytes: Vec<u8> = (0..SEGMENT * SEGMENTS)
        .map(|at| u8::try_from(at / SEGMENT).unwrap())
        .collect();
    datagrams.send_to(&bytes, peer).unwrap();
    for _ in 0..SEGMENTS {
        assert_eq!(datagrams.recv(&mut [0; SEGMENT]).unwrap(), 1);
    }
}

/// A host in a network of its own.
struct Host {
    process: Child,
}

impl Host {
    fn start() -> Self {
        let mut process = Command::new("unshare")
            .arg("--net")
            .arg(std::env::current_exe().unwrap())
            .env("SKEP_SYS_INSIDE", HOST)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = [0; 6];
        let stdout = process.stdout.as_mut().unwrap();
        stdout.read_exact(&mut line).unwrap();
        assert_eq!(&line, b"ready\n");
        Self { process }
    }

    fn begin(&mut self, role: &str) {
        let stdin = self.process.stdin.as_mut().unwrap();
        writeln!(stdin, "{role}").unwrap();
    }

    fn is_done(&mut self) -> bool {
        let status = self.process.try_wait().unwrap();
        status.inspect(|status| assert!(status.success())).is_some()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Fails if it has ended, as it should have.
        let _: std::io::Result<()> = self.process.kill();
        self.process.wait().unwrap();
    }
}

/// Where frames of a ring go.
struct Port {
    ring: RxRing,
    to: u32,
    tag: Tag,
}

/// What is done to a frame's tag on the way.
#[derive(Clone, Copy)]
enum Tag {
    Leave,
    Put,
    Drop,
}

/// What went by.
#[derive(Default, Debug)]
struct Seen {
    tcp_segments: u32,
    udp_segments: u32,
    checksums: u32,
    tags: u32,
    failed: u32,
}

/// Connects two hosts, each with an interface `rc` or `rs` on our side, and relays until both are done.
fn relay(prepare: impl FnOnce(), ports: impl FnOnce() -> Vec<Port>) -> Seen {
    let (mut client, mut server) = (Host::start(), Host::start());
    for (host, ours) in [(&client, "rc"), (&server, "rs")] {
        let pid = host.process.id();
        ip(&format!(
            "link add name {ours} type veth peer name host0 netns {pid}"
        ));
        silence(ours);
        ip(&format!("link set {ours} up"));
    }
    prepare();
    let mut ports = ports();
    let mut socket = TxSocket::open(None).unwrap();
    let mut seen = Seen::default();
    server.begin("server");
    client.begin("client");
    let begin = Instant::now();
    loop {
        for port in &mut ports {
            forward(port, &mut socket, &mut seen);
            // The hosts' interfaces come up after ours.
            let _: Option<std::io::Error> = port.ring.take_error();
        }
        let outcome = socket.flush();
        seen.failed += outcome.failed;
        let done = [client.is_done(), server.is_done()];
        if done == [true; 2] {
            return seen;
        }
        assert!(begin.elapsed() < 2 * PATIENCE, "{seen:?} {outcome:?}");
        let fds: Vec<_> = ports.iter().map(|port| port.ring.as_fd()).collect();
        wait_any_readable(&fds, Some(Duration::from_millis(20))).unwrap();
    }
}

fn forward(port: &mut Port, socket: &mut TxSocket, seen: &mut Seen) {
    while let Some(frame) = port.ring.next() {
        assert!(!frame.is_truncated());
        match frame.vnet.gso() {
            Gso::None => {}
            Gso::TcpV4 | Gso::TcpV6 => seen.tcp_segments += 1,
            Gso::UdpSegments => seen.udp_segments += 1,
            gso @ (Gso::UdpFragments | Gso::Other(_)) => panic!("{gso:?}"),
        }
        seen.checksums += u32::from(frame.vnet.needs_checksum());
        seen.tags += u32::from(frame.vlan.is_some());
        let (addresses, rest) = frame.data.split_at(12);
        match port.tag {
            Tag::Put => {
                let moved = frame.vnet.moved(4).unwrap();
                socket.push(port.to, &moved, &[addresses, &[0x81, 0, 0, 5], rest]);
            }
            Tag::Leave => socket.push(port.to, &frame.vnet, &[frame.data]),
            Tag::Drop => {
                assert_eq!(frame.vlan.unwrap().tci, 5);
                socket.push(port.to, &frame.vnet, &[frame.data]);
            }
        }
    }
}

fn port(from: &str, to: &str, tag: Tag) -> Port {
    Port {
        ring: RxRing::open(interface_index(from).unwrap(), RING, &[]).unwrap(),
        to: interface_index(to).unwrap(),
        tag,
    }
}

fn straight() -> Vec<Port> {
    vec![port("rc", "rs", Tag::Leave), port("rs", "rc", Tag::Leave)]
}

fn check(seen: &Seen) {
    assert!(seen.tcp_segments > 100, "{seen:?}");
    // One datagram with segments for each version of IP.
    assert!(seen.udp_segments >= 2, "{seen:?}");
    assert!(seen.checksums >= seen.tcp_segments, "{seen:?}");
    assert!(seen.failed < 100, "{seen:?}");
}

pub(crate) fn segments() {
    check(&relay(|| (), straight));
}

/// Our interfaces cannot cut segments, so that the kernel refuses them past the queueing discipline.
pub(crate) fn segments_cut_by_software() {
    let limit = || {
        for ours in ["rc", "rs"] {
            ip(&format!("link set {ours} gso_max_size 2000"));
        }
    };
    check(&relay(limit, straight));
}

/// Through a pair in the middle on which all frames are tagged.
pub(crate) fn segments_with_tags() {
    let middle = || {
        ip("link add name m1 type veth peer name m2");
        for end in ["m1", "m2"] {
            silence(end);
            ip(&format!("link set {end} up"));
        }
    };
    let ports = || {
        vec![
            port("rc", "m1", Tag::Put),
            port("m2", "rs", Tag::Drop),
            port("rs", "m2", Tag::Put),
            port("m1", "rc", Tag::Drop),
        ]
    };
    let seen = relay(middle, ports);
    check(&seen);
    assert!(seen.tags > 100, "{seen:?}");
}
