//! Frames as they are: sent on an interface, captured from one.

use super::{Receiver, command};
use crate::attach::PATIENCE;
use crate::common::feed;
use crate::world::Space;
use skep_sys::packet::{PacketType, RingSpec, RxRing, TxSocket, VnetHeader};
use skep_sys::{Readiness, interface_index, wait_readable};
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes on the wire.
pub(crate) type Bytes = Vec<u8>;

/// The MAC address of `x0` and of the other interfaces: `mac(1, 1)`, `mac(1, 2)` for `f0`, `mac(2, 1)` for `y0` …
pub(crate) fn mac(net: u8, host: u8) -> [u8; 6] {
    [2, 0, 0, 0, net, host]
}

/// An Ethernet frame.
pub(crate) fn ethernet(to: [u8; 6], from: [u8; 6], kind: u16, payload: &[u8]) -> Bytes {
    [&to[..], &from, &kind.to_be_bytes(), payload].concat()
}

/// UDP over IPv4 from 10.1.0.2 (`f0`) to 10.1.0.1 (`x0`), with right sums.
pub(crate) fn udp(to_port: u16, payload: &[u8]) -> Bytes {
    let builder = etherparse::PacketBuilder::ethernet2(mac(1, 2), mac(1, 1))
        .ipv4([10, 1, 0, 2], [10, 1, 0, 1], 64)
        .udp(5000, to_port);
    let mut bytes = Vec::new();
    builder.write(&mut bytes, payload).unwrap();
    bytes
}

/// A frame with an 802.1Q or 802.1ad tag in front of its type.
pub(crate) fn tagged(frame: &[u8], tag: u16, vlan: u16) -> Bytes {
    [
        &frame[..12],
        &tag.to_be_bytes(),
        &vlan.to_be_bytes(),
        &frame[12..],
    ]
    .concat()
}

/// A frame with the MAC addresses swapped.
pub(crate) fn swapped(frame: &[u8]) -> Bytes {
    [&frame[6..12], &frame[..6], &frame[12..]].concat()
}

/// Sends frames on an interface.
pub(crate) fn send(space: &Space, program: &Path, dev: &str, frames: &[Bytes]) {
    let mut input = Vec::new();
    for frame in frames {
        input.extend(u16::try_from(frame.len()).unwrap().to_be_bytes());
        input.extend(frame);
    }
    let said = feed(command(space, program, "raw-send", &[dev]), &input);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
}

/// A capture of what an interface receives, with VLAN tags where they are on the wire.
pub(crate) struct Capture {
    receiver: Receiver,
    frames: Arc<Mutex<Vec<Bytes>>>,
    reader: std::thread::JoinHandle<()>,
}

impl Capture {
    /// Begins it; nothing that arrives from now on is missed.
    pub(crate) fn start(space: &Space, program: &Path, dev: &str) -> Self {
        let mut receiver = Receiver::start(command(space, program, "raw-recv", &[dev]));
        let frames = Arc::default();
        let sink: Arc<Mutex<Vec<Bytes>>> = Arc::clone(&frames);
        let lines = receiver.lines();
        let reader = std::thread::spawn(move || {
            for line in lines {
                sink.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(unhex(&line));
            }
        });
        Self {
            receiver,
            frames,
            reader,
        }
    }

    /// Waits until `count` frames have arrived, if they do, and a moment longer for what should not.
    pub(crate) fn take(self, count: usize) -> Vec<Bytes> {
        let seen = || {
            self.frames
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .len()
        };
        let begun = Instant::now();
        while seen() < count && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.end()
    }

    /// Ends it, a moment after the last frame, and gives what arrived.
    pub(crate) fn end(self) -> Vec<Bytes> {
        self.receiver.end();
        self.reader.join().unwrap();
        std::mem::take(&mut self.frames.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// `DEV`, frames on standard input, each behind its length in two bytes.
pub(super) fn send_main(args: &[String]) {
    let ifindex = interface_index(&args[0]).unwrap();
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input).unwrap();
    let mut socket = TxSocket::open(None).unwrap();
    let mut rest = &input[..];
    while let Some((head, tail)) = rest.split_at_checked(2) {
        let (frame, next) = tail.split_at(usize::from(u16::from_be_bytes([head[0], head[1]])));
        socket.push(ifindex, &VnetHeader::default(), &[frame]);
        // Every few frames a pause, so that no queue on the way overflows: what is lost is lost by what is under test.
        let outcome = socket.flush();
        assert!(outcome.failed == 0, "{outcome:?}");
        std::thread::sleep(Duration::from_micros(50));
        rest = next;
    }
}

/// `DEV`; prints each frame as a line of hexadecimal digits.
pub(super) fn recv_main(args: &[String]) {
    let spec = RingSpec {
        // Each block is good for its time at least, however few frames it holds: for two seconds in which nobody reads.
        block_bytes: 1 << 17,
        blocks: 128,
        retire: Duration::from_millis(20),
    };
    let mut ring = RxRing::open(interface_index(&args[0]).unwrap(), spec, &[]).unwrap();
    let ended = super::end_of_input();
    let mut out = std::io::stdout();
    out.write_all(b"ready\n").unwrap();
    out.flush().unwrap();
    loop {
        let was_ended = ended.is_over();
        while let Some(frame) = ring.next() {
            // A bridge or promiscuous mode would show others.
            assert!(frame.packet_type != PacketType::Outgoing);
            let tag = frame
                .vlan
                .map(|tag| [tag.tpid.to_be_bytes(), tag.tci.to_be_bytes()].concat());
            let (macs, rest) = frame.data.split_at(12);
            let parts = [macs, tag.as_deref().unwrap_or_default(), rest].concat();
            let line: String = parts.iter().map(|byte| format!("{byte:02x}")).collect();
            out.write_all(line.as_bytes()).unwrap();
            out.write_all(b"\n").unwrap();
        }
        out.flush().unwrap();
        let readiness = wait_readable(ring.as_fd(), Some(super::QUIET)).unwrap();
        if was_ended && readiness == Readiness::TimedOut {
            break;
        }
    }
    assert_eq!(ring.take_statistics().unwrap().drops, 0);
}

fn unhex(line: &str) -> Bytes {
    let digit = |at: usize| u8::from_str_radix(&line[at..at + 2], 16).unwrap();
    (0..line.len()).step_by(2).map(digit).collect()
}
