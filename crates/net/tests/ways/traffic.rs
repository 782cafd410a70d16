//! What the hosts send each other.

use crate::world::{Host, PATIENCE, finish};
use std::io::{Read, Write, stdin, stdout};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

/// Ports of this host and of the other.
const NEAR: &str = "10.9.0.1:7007";
const FAR: &str = "10.9.0.2:7007";
/// Datagrams in a case, and those that are joined in one send.
pub(crate) const DATAGRAMS: usize = 200;
pub(crate) const JOINED: usize = 10;
/// Bytes that go through TCP.
const STREAM_BYTES: usize = 32 << 20;
/// Time in which what must not come would.
const SOON: Duration = Duration::from_millis(200);

/// Datagrams numbered from 0, sent whatever happens to them, not faster than a plain veth's queue takes them.
pub(crate) fn send_datagrams() {
    let socket = UdpSocket::bind(FAR).unwrap();
    for number in 0..DATAGRAMS {
        socket
            .send_to(&[u8::try_from(number).unwrap(); 100], NEAR)
            .unwrap();
    }
}

/// Datagrams that the sender joins (`UDP_SEGMENT`), as `socat`-like tools and QUIC do.
pub(crate) fn send_joined() {
    // Python is not a need of these tests; perl's numbers are those of linux/udp.h: SOL_UDP 17, UDP_SEGMENT 103.
    let script = format!(
        "use Socket; socket(S, PF_INET, SOCK_DGRAM, 0); setsockopt(S, 17, 103, pack('i', 1000)) or die; \
         send(S, join('', map {{ chr($_) x 1000 }} 0..{}), 0, sockaddr_in(7007, inet_aton('10.9.0.1'))) or die",
        JOINED - 1
    );
    assert!(
        Command::new("perl")
            .args(["-e", &script])
            .status()
            .unwrap()
            .success()
    );
}

/// Which datagrams come here while a role runs there.
pub(crate) fn received(host: &Host, role: &str) -> Vec<u8> {
    let socket = UdpSocket::bind(NEAR).unwrap();
    host.run(role);
    numbers(&socket)
}

fn numbers(socket: &UdpSocket) -> Vec<u8> {
    socket.set_read_timeout(Some(SOON)).unwrap();
    let mut numbers = Vec::new();
    let mut buffer = [0; 2000];
    while let Ok(len) = socket.recv(&mut buffer) {
        assert!(buffer[..len].iter().all(|byte| *byte == buffer[0]), "{len}");
        assert!(matches!(len, 100 | 1000), "{len}");
        numbers.push(buffer[0]);
    }
    numbers
}

/// Sends datagrams, and prints how many came back.
pub(crate) fn receive_datagrams() {
    let socket = UdpSocket::bind(FAR).unwrap();
    for number in 0..DATAGRAMS {
        socket
            .send_to(&[u8::try_from(number).unwrap(); 100], NEAR)
            .unwrap();
    }
    let count = numbers(&socket).len();
    stdout().write_all(count.to_string().as_bytes()).unwrap();
}

fn stream() -> Vec<u8> {
    (0..STREAM_BYTES)
        .map(|at| u8::try_from(at % 253).unwrap())
        .collect()
}

fn connect(to: &str) -> TcpStream {
    let begin = Instant::now();
    loop {
        match TcpStream::connect(to) {
            Ok(stream) => return stream,
            Err(error) => assert!(begin.elapsed() < PATIENCE, "{error}"),
        }
    }
}

fn take(listener: &TcpListener) {
    let (mut socket, _) = listener.accept().unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut received = Vec::new();
    socket.read_to_end(&mut received).unwrap();
    assert!(received == stream(), "{} bytes", received.len());
}

fn give(mut socket: TcpStream) {
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(&stream()).unwrap();
}

pub(crate) fn send_stream() {
    give(connect(NEAR));
}

pub(crate) fn receive_stream() {
    let listener = TcpListener::bind(FAR).unwrap();
    stdout().write_all(b"ready").unwrap();
    stdout().flush().unwrap();
    take(&listener);
    // Until here is known to have read all.
    let _: std::io::Result<usize> = stdin().read(&mut [0]);
}

/// A stream in each direction, each of which must come as it was sent; gives the time that both took.
pub(crate) fn streams(host: &Host) -> [Duration; 2] {
    let listener = TcpListener::bind(NEAR).unwrap();
    let begin = Instant::now();
    let sender = host.start("stream");
    take(&listener);
    finish(sender);
    let first = begin.elapsed();
    let mut sink = host.start("sink");
    sink.stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut [0; 5])
        .unwrap();
    let begin = Instant::now();
    give(connect(FAR));
    drop(sink.stdin.take());
    finish(sink);
    [first, begin.elapsed()]
}

/// How many of 20 pings were answered, none of them twice.
pub(crate) fn answered(output: &str) -> usize {
    assert!(!output.contains("DUP"), "{output}");
    output.matches("bytes from").count()
}
