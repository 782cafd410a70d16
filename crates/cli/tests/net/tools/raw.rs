//! Frames as they are: sent on an interface, captured from one.
//!
//! The capture is tcpdump's, whose packet socket sees what arrives before the rest of the host does, with VLAN tags put
//! back where they were. [`Frame`] builds what the scenarios send.

use crate::common::{feed, wait_until};
use crate::world::Space;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

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
    [&frame[..12], &tag.to_be_bytes(), &vlan.to_be_bytes(), &frame[12..]].concat()
}

/// A frame with the MAC addresses swapped.
pub(crate) fn swapped(frame: &[u8]) -> Bytes {
    [&frame[6..12], &frame[..6], &frame[12..]].concat()
}

/// Sends frames on an interface.
pub(crate) fn send(space: &Space, sender: &Path, dev: &str, frames: &[Bytes]) {
    let mut input = Vec::new();
    for frame in frames {
        input.extend(u16::try_from(frame.len()).unwrap().to_be_bytes());
        input.extend(frame);
    }
    let mut command = space.command(sender);
    command.arg(dev);
    let said = feed(command, &input);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
}

/// A capture of what an interface receives.
pub(crate) struct Capture {
    child: Child,
    file: PathBuf,
}

impl Capture {
    /// Begins it; nothing that arrives from now on is missed.
    pub(crate) fn start(space: &Space, dev: &str) -> Self {
        let file = space.home().join(format!("{dev}.pcap"));
        let log = space.home().join(format!("{dev}.log"));
        let mut command = space.command("tcpdump");
        command.args(["-i", dev, "-Q", "in", "-U", "--immediate-mode", "-B", "32768", "-Z", "root", "-w", "-"]);
        command.stdout(File::create(&file).unwrap()).stderr(File::create(&log).unwrap());
        let child = command.spawn().unwrap();
        wait_until("tcpdump listens", || fs::read_to_string(&log).unwrap().contains("listening on"));
        Self { child, file }
    }

    /// What has arrived so far.
    pub(crate) fn frames(&self) -> Vec<Bytes> {
        read_pcap(&fs::read(&self.file).unwrap())
    }

    /// Waits until `count` frames have arrived, and a moment longer for what should not, and gives them.
    pub(crate) fn take(mut self, count: usize) -> Vec<Bytes> {
        wait_until("frames arrive", || self.frames().len() >= count);
        std::thread::sleep(std::time::Duration::from_millis(100));
        self.stop();
        self.frames()
    }

    fn stop(&mut self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-INT", &pid]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The packets of a pcap file of this machine's byte order, which may still grow.
fn read_pcap(file: &[u8]) -> Vec<Bytes> {
    let mut frames = Vec::new();
    let mut rest = file.get(24..).unwrap_or_default();
    while let Some((head, tail)) = rest.split_at_checked(16) {
        let len = u32::from_ne_bytes(head[8..12].try_into().unwrap());
        let Some((frame, next)) = tail.split_at_checked(len.try_into().unwrap()) else {
            break;
        };
        frames.push(frame.to_vec());
        rest = next;
    }
    frames
}
