//! What the hosts send each other.

use crate::world::{Host, PATIENCE, finish};
use etherparse::PacketBuilder;
use skep_sys::interface_index;
use skep_sys::packet::{TxSocket, VnetHeader};
use std::io::{Read, Write, stdin, stdout};
use std::net::{TcpListener, TcpStream, UdpSocket};
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

/// Datagrams that the sender joins, as `UDP_SEGMENT` does: one frame, with what its header leaves to whoever cuts it.
pub(crate) fn send_joined() {
    const HEADERS: usize = 42;
    /// `VIRTIO_NET_HDR_GSO_UDP_L4`
    const SEGMENTS: u8 = 5;
    let payload: Vec<u8> = (0..JOINED)
        .flat_map(|number| [u8::try_from(number).unwrap(); 1000])
        .collect();
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1])
        .ipv4([10, 9, 0, 2], [10, 9, 0, 1], 64)
        .udp(7007, 7007);
    let mut frame = Vec::new();
    builder.write(&mut frame, &payload).unwrap();
    // The sum so far: of the addresses, the protocol and the length.
    let words = [
        0x0a09,
        2,
        0x0a09,
        1,
        17,
        u32::try_from(payload.len() + 8).unwrap(),
    ];
    let sum: u32 = words.iter().sum();
    let sum = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    frame[40..HEADERS].copy_from_slice(&sum.to_be_bytes());
    let header = VnetHeader {
        flags: VnetHeader::NEEDS_CSUM,
        gso_type: SEGMENTS,
        hdr_len: u16::try_from(HEADERS).unwrap(),
        gso_size: 1000,
        csum_start: 34,
        csum_offset: 6,
    };
    let mut socket = TxSocket::open(None).unwrap();
    socket.push(interface_index("y").unwrap(), &header, &[&frame]);
    let outcome = socket.flush();
    assert_eq!(outcome.sent, 1, "{outcome:?}");
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
