//! The tun way: X's frames are redirected into a TAP device, whose descriptor gives them; what passes is put back ([`Wiring`]).
//!
//! ```text
//!            TAP t: read ──► program ──► PASS: sent on a, marked M
//!              ▲                              │
//! frames ──► X ┤ tc ingress of X: M ──► stack a ══ b  tc ingress of b: M ──► X's ingress
//!              └─ not M ──► sent on t
//! ```
//!
//! Where `/dev/net/tun` may be opened this spares what the packet way does twice: the host's copy goes to the program itself
//! instead of being sunk beside it. Frames come with their offload data, whole up to 64 KiB. Linux puts a VLAN tag
//! that it took out of a frame back in before a TAP device gets it, so that it is taken out here again: the program sees
//! what it sees in the packet way.
//!
//! What passes could also be written to a queue N of a second TAP and be let by for its `queue_mapping` N. It is not, although
//! that is cheaper (measured on one core of a VM: 1.0 µs against 1.7 µs of sending on a): a far end with as many send queues
//! can choose that number for its frames, which the program then would never see. A mark of 32 random bits cannot be guessed and
//! does not cross network namespaces, and a TAP cannot give one.
//!
//! What differs from Linux: as in the packet way, a frame that passed has the mark M in the host's stack.

use super::check::Owner;
use super::ledger::Ledger;
use super::mark::{Mark, random_word};
use super::outlets::{Exits, Offload};
use super::refusal::Refusal;
use super::way::{Destination, Losses, Next, Way};
use super::wires::Wires;
use super::wiring::{Sink, Wiring};
use skep_exec::{Packet, PacketSpec};
use skep_sys::netlink::{IfIndex, IfName, LinkInfo, Netlink, disable_ipv6};
use skep_sys::packet::{VlanTag, VnetHeader};
use skep_sys::{Tap, TapHeader, TapOffload, TapQueues, TapSpec, wait_any_readable};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SPEC: TapSpec = TapSpec {
    queues: TapQueues::Single,
    header: TapHeader::Vnet,
};
/// Bytes of the two addresses, behind which a tag is.
const ADDRESSES_BYTES: usize = 12;
/// Bytes of a tag.
const TAG_BYTES: usize = 4;
/// How often the device is asked what it lost.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The way to one interface.
#[derive(Debug)]
pub(crate) struct TunWay {
    exits: Exits,
    // Dropped before the TAP, whose end would leave a filter that loses what it takes.
    wiring: Arc<Wiring>,
    tap: Tap,
    buffer: Box<[u8]>,
    ifindex: u32,
    /// Of the frame taken last.
    offload: Offload,
    losses: Losses,
    drops: Drops,
}

impl TunWay {
    /// Takes over the packets of an interface. What was changed is undone on failure.
    pub(crate) fn open(
        ledger: Arc<dyn Ledger>,
        link: &LinkInfo,
        wires: Arc<Wires>,
    ) -> Result<(Self, Arc<Wiring>), Refusal> {
        let failed = |error| Refusal::system("a packet socket", error);
        let mark = Mark::random().map_err(failed)?;
        let exits = Exits::open(link.index.get(), mark, wires)?;
        // It needs no entry in the ledger: it goes with its descriptor.
        let (tap, index) = make_tap(link.index)?;
        let drops = Drops::of(tap.name());
        let wiring = Arc::new(Wiring::build(ledger, link, mark, Sink::Device(index))?);
        wiring.sink()?;
        let way = Self {
            exits,
            wiring: Arc::clone(&wiring),
            tap,
            buffer: vec![0; Packet::RECEIVED_BYTES_MAX].into_boxed_slice(),
            ifindex: link.index.get(),
            offload: Offload::default(),
            losses: Losses::default(),
            drops,
        };
        Ok((way, wiring))
    }
}

/// A TAP device that sends nothing by itself.
fn make_tap(x: IfIndex) -> Result<(Tap, IfIndex), Refusal> {
    let failed = |error| Refusal::system("a TAP device", error);
    let stem = random_word().map_err(failed)?;
    let name = IfName::new(&format!("sk{stem:08x}t")).expect("eleven good bytes");
    let tap = Tap::create(name.as_str(), SPEC).map_err(failed)?;
    tap.set_offload(TapOffload::Segments).map_err(failed)?;
    let mut netlink = Netlink::open()?;
    let found = netlink.link_by_name(&name)?.map(|link| link.index);
    let index = found.ok_or_else(|| Refusal::Vanished(name.to_string()))?;
    netlink.set_no_arp(index)?;
    netlink.set_addr_gen_mode_none(index)?;
    disable_ipv6(&name)?;
    netlink.set_alias(index, &Owner::this_process(x).alias())?;
    Ok((tap, index))
}

impl Way for TunWay {
    fn wait(&mut self, wake: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<bool> {
        let ready = wait_any_readable(&[wake, self.tap.as_fd()], timeout)?;
        Ok(ready == Some(0))
    }

    fn next(&mut self, packet: &mut Packet) -> io::Result<Next> {
        let spec = PacketSpec {
            ifindex: self.ifindex,
            ..PacketSpec::default()
        };
        while let Some((vnet, len)) = self.tap.read(&mut self.buffer)? {
            let frame = Untagged::new(&self.buffer[..len], vnet);
            if packet.refill(&frame.parts, &spec).is_ok() {
                self.offload = frame.offload;
                return Ok(Next::Frame);
            }
            self.losses.missed += 1;
        }
        Ok(Next::Empty)
    }

    fn send(&mut self, to: Destination, packet: &mut Packet) {
        let entry = self.wiring.entry;
        self.exits.send(to, entry, packet, self.offload);
    }

    fn flush(&mut self) {
        self.losses.undelivered += self.exits.flush();
    }

    fn take_losses(&mut self) -> Losses {
        self.losses.missed += self.drops.look();
        std::mem::take(&mut self.losses)
    }

    fn let_go(&mut self) {
        self.wiring.unsink();
        // The counter goes with the device: what is not read until then is not known.
        self.drops.pause = Duration::ZERO;
    }
}

/// A frame without the tag that it had before its protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Untagged<'a> {
    parts: [&'a [u8]; 2],
    offload: Offload,
}

impl<'a> Untagged<'a> {
    fn new(frame: &'a [u8], vnet: VnetHeader) -> Self {
        Self::without_tag(frame, vnet).unwrap_or(Self {
            parts: [frame, &[]],
            offload: Offload { vnet, vlan: None },
        })
    }

    fn without_tag(frame: &'a [u8], vnet: VnetHeader) -> Option<Self> {
        let (addresses, behind) = frame.split_at_checked(ADDRESSES_BYTES)?;
        let (&[p0, p1, t0, t1], rest) = behind.split_first_chunk::<TAG_BYTES>()?;
        let vlan = VlanTag {
            tci: u16::from_be_bytes([t0, t1]),
            tpid: u16::from_be_bytes([p0, p1]),
        };
        if !matches!(vlan.tpid, 0x8100 | 0x88a8) {
            return None;
        }
        Some(Self {
            parts: [addresses, rest],
            offload: Offload {
                vnet: vnet.moved(-4)?,
                vlan: Some(vlan),
            },
        })
    }
}

/// The TAP's counter of frames that found its queue full.
#[derive(Debug)]
struct Drops {
    device: String,
    counted: u64,
    looked: Instant,
    /// Shortest time from one look to the next.
    pause: Duration,
}

impl Drops {
    fn of(device: &str) -> Self {
        Self {
            device: device.to_owned(),
            counted: 0,
            looked: Instant::now(),
            pause: LOOK_EVERY,
        }
    }

    /// How many there were since the last call that looked, which not every call does.
    fn look(&mut self) -> u64 {
        if self.looked.elapsed() < self.pause {
            return 0;
        }
        self.looked = Instant::now();
        // Of the thread's network namespace, which need not be that of the mounted /sys. Without it nothing is known to
        // be lost.
        let text = fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
        let count = drops(&text, &self.device).unwrap_or(self.counted);
        let more = count.saturating_sub(self.counted);
        self.counted = count;
        more
    }
}

/// The dropped frames among a device's sent ones, in the table that /proc/net/dev is: the name, eight counters of what was
/// received, then those of what was sent (bytes, packets, errs, drop …).
fn drops(text: &str, device: &str) -> Option<u64> {
    let mut lines = text
        .lines()
        .filter_map(|line| line.trim_start().split_once(':'));
    let (_, counters) = lines.find(|(name, _)| *name == device)?;
    counters.split_ascii_whitespace().nth(11)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTIAL: VnetHeader = VnetHeader {
        flags: VnetHeader::NEEDS_CSUM,
        gso_type: 0,
        hdr_len: 0,
        gso_size: 0,
        csum_start: 38,
        csum_offset: 6,
    };

    #[test]
    fn tags_are_taken_out() {
        let mut frame: Vec<u8> = (0..60).collect();
        let plain = Untagged::new(&frame, PARTIAL);
        assert_eq!(plain.parts, [&frame[..], &[]]);
        assert_eq!((plain.offload.vnet, plain.offload.vlan), (PARTIAL, None));
        frame[12..16].copy_from_slice(&[0x81, 0, 0x20, 5]);
        let untagged = Untagged::new(&frame, PARTIAL);
        assert_eq!(
            untagged.parts.concat(),
            [&frame[..12], &frame[16..]].concat()
        );
        assert_eq!(untagged.offload.vnet.csum_start, 34);
        let tag = VlanTag {
            tci: 0x2005,
            tpid: 0x8100,
        };
        assert_eq!(untagged.offload.vlan, Some(tag));
        for end in 0..16 {
            let short = Untagged::new(&frame[..end], VnetHeader::default());
            assert_eq!(short.parts.concat(), frame[..end]);
        }
    }

    #[test]
    fn the_table_of_devices() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets errs drop\n\
                    \u{20}   lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n\
                    sk0t:21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36\n  x:1 2\n";
        assert_eq!(drops(text, "lo"), Some(12));
        assert_eq!(drops(text, "sk0t"), Some(32));
        assert_eq!(drops(text, "x"), None);
        assert_eq!(drops(text, "sk0"), None);
        assert_eq!(drops("", "lo"), None);
    }
}
