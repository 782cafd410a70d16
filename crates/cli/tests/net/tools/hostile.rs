//! Frames that nobody in his right mind sends, made from a seed: too short, too long, cut off, with lengths that lie, and noise.

use super::raw::{Bytes, ethernet, mac, tagged, udp};
use super::{command, printed};
use crate::world::Space;
use skep_sys::interface_index;
use skep_sys::packet::{TxSocket, VnetHeader};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

/// Sends `count` frames out of a device; gives how many Linux let go.
pub(crate) fn send(space: &Space, program: &Path, dev: &str, count: u32) -> u64 {
    let count = count.to_string();
    let command = command(space, program, "hostile-send", &[dev, &count]);
    printed(command).trim().parse().unwrap()
}

/// `DEV COUNT`; prints how many were sent.
pub(super) fn send_main(args: &[String]) {
    let ifindex = interface_index(&args[0]).unwrap();
    let count: u32 = args[1].parse().unwrap();
    let mut noise = Noise(0x005e_ed0f_5ca1_ab1e);
    let mut socket = TxSocket::open(None).unwrap();
    let mut sent = 0;
    for number in 0..count {
        let frame = frame(number, &mut noise);
        socket.push(ifindex, &header(&frame, &mut noise), &[&frame]);
        sent += u64::from(socket.flush().sent);
        std::thread::sleep(Duration::from_micros(50));
    }
    let line = format!("{sent}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

fn frame(number: u32, noise: &mut Noise) -> Bytes {
    /// An upper limit of bytes, and how a frame of about that many is made.
    type Kind = fn(&mut Noise) -> Bytes;
    const KINDS: [Kind; 9] = [
        |noise| noise.bytes(1..=14),
        |noise| noise.bytes(15..=1514),
        |noise| ethernet(mac(1, 1), mac(1, 2), 0x0800, &noise.bytes(0..=19)),
        |noise| ethernet(mac(1, 1), mac(1, 2), 0x86dd, &noise.bytes(0..=100)),
        lying,
        |noise| {
            let mut cut = datagram(noise, 100);
            cut.truncate(noise.within(14..=cut.len()));
            cut
        },
        // Linux itself drops a tag that is cut off, before a packet socket sees it.
        |noise| {
            let inner = ethernet(mac(1, 1), mac(1, 2), 0x0800, &noise.bytes(2..=60));
            (0..noise.within(1..=4)).fold(inner, |inner, _| tagged(&inner, 0x8100, 7))
        },
        |noise| datagram(noise, 9000 - 42),
        |noise| {
            let payload = noise.within(60_000..=65_000);
            datagram(noise, payload)
        },
    ];
    let kind = usize::try_from(number).unwrap() % KINDS.len();
    KINDS[kind](noise)
}

/// A datagram to one of the ports that programs look for.
fn datagram(noise: &mut Noise, payload: usize) -> Bytes {
    let port = [7000, 7001, 7002][noise.within(0..=2)];
    udp(port, &vec![0x5a; payload])
}

/// Lengths in the headers of IP and UDP that are not the packet's.
fn lying(noise: &mut Noise) -> Bytes {
    let mut frame = datagram(noise, 60);
    for at in [14, 16, 17, 38, 39] {
        if noise.within(0..=1) == 1 {
            frame[at] = noise.byte();
        }
    }
    frame
}

/// Some frames claim that a checksum is still to be computed, somewhere.
fn header(frame: &[u8], noise: &mut Noise) -> VnetHeader {
    if noise.within(0..=3) != 0 {
        return VnetHeader::default();
    }
    VnetHeader {
        flags: VnetHeader::NEEDS_CSUM,
        csum_start: u16::try_from(noise.within(0..=frame.len())).unwrap(),
        csum_offset: u16::try_from(noise.within(0..=20)).unwrap(),
        ..VnetHeader::default()
    }
}

/// Numbers from a seed, by Marsaglia's xorshift.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn within(&mut self, range: std::ops::RangeInclusive<usize>) -> usize {
        let span = u64::try_from(range.end() - range.start() + 1).unwrap();
        range.start() + usize::try_from(self.next() % span).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }

    fn bytes(&mut self, len: std::ops::RangeInclusive<usize>) -> Bytes {
        (0..self.within(len)).map(|_| self.byte()).collect()
    }
}
