//! Captures in and out: both formats, verdict files, and bytes that are no capture.
#![allow(clippy::unwrap_used, reason = "tests")]

use skep_net::{Frame, PcapPort, Port, PortError, Verdict, VerdictFiles};
use skep_testkit::TempDir;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const ETHERNET: u32 = 1;
const RAW_IP: u32 = 101;

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().copied().flat_map(u32::to_le_bytes).collect()
}

/// A pcap file of microseconds with these packets, captured a second and some microseconds after another.
fn pcap(link: u32, packets: &[&[u8]]) -> Vec<u8> {
    let mut file = words(&[0xa1b2_c3d4, 4 << 16 | 2, 0, 0, 1 << 16, link]);
    for (number, packet) in (1..).zip(packets) {
        let len = u32::try_from(packet.len()).unwrap();
        file.extend(words(&[number, number, len, len]));
        file.extend(*packet);
    }
    file
}

/// A block of pcapng.
fn block(kind: u32, mut body: Vec<u8>) -> Vec<u8> {
    body.resize(body.len().next_multiple_of(4), 0xee);
    let len = u32::try_from(body.len() + 12).unwrap();
    [words(&[kind, len]), body, words(&[len])].concat()
}

fn section() -> Vec<u8> {
    block(0x0a0d_0d0a, words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]))
}

fn interface(link: u32) -> Vec<u8> {
    block(1, words(&[link, 0]))
}

fn enhanced(interface: u32, microseconds: u32, packet: &[u8]) -> Vec<u8> {
    let len = u32::try_from(packet.len()).unwrap();
    let head = words(&[interface, 0, microseconds, len, len]);
    block(6, [head, packet.to_vec()].concat())
}

fn simple(packet: &[u8]) -> Vec<u8> {
    let len = u32::try_from(packet.len()).unwrap();
    block(3, [words(&[len]), packet.to_vec()].concat())
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new("captures"))
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("in.pcap");
        fs::write(&path, bytes).unwrap();
        path
    }

    /// All frames of a capture, and what ended it if that was not its end.
    fn read(&self, bytes: &[u8]) -> (Vec<Frame>, Option<PortError>) {
        let mut port = match PcapPort::open(&self.file(bytes), None) {
            Ok(port) => port,
            Err(error) => return (Vec::new(), Some(error)),
        };
        let mut frames = Vec::new();
        loop {
            match port.receive() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => return (frames, None),
                Err(error) => return (frames, Some(error)),
            }
        }
    }
}

#[test]
fn both_formats_give_their_frames() {
    let folder = Folder::new();
    let (frames, error) = folder.read(&pcap(ETHERNET, &[b"first", b"second"]));
    assert!(error.is_none(), "{error:?}");
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[1].bytes, b"second");
    assert_eq!(frames[1].time, Duration::from_micros(2_000_002));

    let file = [
        section(),
        interface(ETHERNET),
        interface(ETHERNET),
        block(0xbad, words(&[1, 2])),
        enhanced(1, 1_000_001, b"first"),
        simple(b"no padding behind it!"),
    ];
    let (frames, error) = folder.read(&file.concat());
    assert!(error.is_none(), "{error:?}");
    assert_eq!(frames[0].bytes, b"first");
    assert_eq!(frames[0].time, Duration::from_micros(1_000_001));
    assert_eq!(frames[1].bytes, b"no padding behind it!");
}

/// Only where the packets come from has to be Ethernet.
#[test]
fn interfaces_count_by_their_packets() {
    let folder = Folder::new();
    let with = |interface_of_packet| {
        let file = [
            section(),
            interface(ETHERNET),
            interface(RAW_IP),
            enhanced(0, 1, b"good"),
            enhanced(interface_of_packet, 2, b"other"),
        ];
        folder.read(&file.concat())
    };
    let (frames, error) = with(0);
    assert_eq!((frames.len(), error.is_none()), (2, true));
    let (frames, error) = with(1);
    assert_eq!(frames.len(), 1);
    let not_ethernet = |error: &Option<PortError>| matches!(error, Some(PortError::NotEthernet { link_type, .. }) if *link_type == RAW_IP);
    assert!(not_ethernet(&error), "{error:?}");
    let (frames, error) = with(7);
    assert_eq!(frames.len(), 1);
    assert!(
        matches!(error, Some(PortError::Malformed { number: 2, .. })),
        "{error:?}"
    );
    let (_, error) = folder.read(&pcap(RAW_IP, &[b"ip"]));
    assert!(not_ethernet(&error), "{error:?}");
}

/// Cut off anywhere, and with any word replaced, a capture gives frames or an error, and ends.
#[test]
fn damaged_captures_end() {
    let folder = Folder::new();
    let packet = [7; 60];
    let files = [
        pcap(ETHERNET, &[&packet, &packet[..15]]),
        [
            section(),
            interface(ETHERNET),
            enhanced(0, 5, &packet),
            simple(&packet[..17]),
        ]
        .concat(),
    ];
    for file in files {
        let whole = folder.read(&file).0.len();
        for end in 0..file.len() {
            assert!(folder.read(&file[..end]).0.len() <= whole, "cut at {end}");
        }
        for at in (0..file.len()).step_by(2) {
            for word in [0, 1, 3, 0x7fff_ffff, u32::MAX, 0xffff_fff0] {
                let mut damaged = file.clone();
                let end = (at + 4).min(file.len());
                damaged[at..end].copy_from_slice(&word.to_le_bytes()[..end - at]);
                assert!(folder.read(&damaged).0.len() < 100, "{word:#x} at {at}");
            }
        }
    }
    for (bytes, why) in [
        (b"".as_slice(), "short"),
        (b"\x7fELF and more than 24 bytes", ""),
    ] {
        let error = folder.read(bytes).1.unwrap();
        assert!(matches!(error, PortError::NoCapture { .. }), "{error:?}");
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn each_verdict_has_its_file() {
    let folder = Folder::new();
    let path = folder.file(&pcap(ETHERNET, &[b"to pass", b"to drop", b"passes too"]));
    let files = VerdictFiles::new(folder.0.path(), &path);
    let mut port = PcapPort::open(&path, Some(files)).unwrap();
    for verdict in [Verdict::Pass, Verdict::Drop, Verdict::Pass] {
        let frame = port.receive().unwrap().unwrap();
        port.carry_out(verdict, frame).unwrap();
    }
    port.finish().unwrap();
    let read = |name: &str| {
        let bytes = fs::read(folder.0.path().join(name)).unwrap();
        let (frames, error) = Folder::new().read(&bytes);
        assert!(error.is_none(), "{error:?}");
        frames
    };
    let passed = read("in.pass.pcap");
    assert_eq!(passed[1].bytes, b"passes too");
    assert_eq!(passed[1].time, Duration::from_micros(3_000_003));
    assert_eq!(read("in.drop.pcap").len(), 1);
    assert!(!folder.0.path().join("in.tx.pcap").exists());
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = Folder::new();
    let path = folder.file(&pcap(ETHERNET, &[b"frame"]));
    let mut files = VerdictFiles::new(&folder.0.path().join("missing"), &path);
    let error = files.write(Verdict::Tx, &Frame::default()).unwrap_err();
    assert!(error.to_string().contains("missing/in.tx.pcap"), "{error}");
}
