//! The packet way: tc sends X's frames to a device of ours, where a packet socket's ring sees them; what passes is put back ([`Wiring`]).
//!
//! Needs nothing but packet sockets, veth and tc with the classic `bpf` classifier and `mirred`, so an ordinary user has it in a network
//! namespace of their own. The program sees frames as Linux's generic XDP shows them: linear, up to 64 KiB long, without the
//! VLAN tag that the card (or the kernel for it) took out; the tag goes back when the frame is sent on.
//!
//! What differs from Linux:
//! - a frame that passed has the mark M (`fwmark`) in the host's stack, and whoever listens on X with a packet socket sees it twice;
//! - a frame waits up to a millisecond, or a tick of the kernel's clock, for others to fill its block of the ring;
//! - joined frames of a kind that a [`VnetHeader`] cannot describe (TCP within a tunnel's UDP, SCTP), and those longer than 64 KiB (BIG
//!   TCP), cannot be taken from a packet socket: they are lost and counted as missed. Senders on the same host make them, and
//!   cards that join what tunnels carry; switching that off for the interface helps (`ethtool -K`).
//!
//! [`VnetHeader`]: skep_sys::packet::VnetHeader

use super::ledger::Ledger;
use super::mark::Mark;
use super::outlets::{Exits, Offload};
use super::refusal::Refusal;
use super::way::{Destination, Losses, Next, Way};
use super::wires::Wires;
use super::wiring::{Sink, Wiring};
use skep_exec::{Packet, PacketSpec};
use skep_sys::netlink::LinkInfo;
use skep_sys::packet::{RingSpec, RxRing};
use skep_sys::wait_any_readable;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

/// A block holds any frame; all together they hold what comes in ten milliseconds at 10 Gbit/s. Where little comes, the kernel
/// hands a block over each millisecond, so that a worker without a CPU for 128 ms loses nothing.
const RING: RingSpec = RingSpec {
    block_bytes: 128 << 10,
    blocks: 128,
    retire: Duration::from_millis(1),
};
/// Under load losses are looked for once in so many bursts.
const BURSTS_PER_LOOK: u32 = 64;

/// The way to one interface.
#[derive(Debug)]
pub(crate) struct PacketWay {
    ring: RxRing,
    exits: Exits,
    wiring: Arc<Wiring>,
    ifindex: u32,
    /// Of the frame taken last.
    offload: Offload,
    /// Whether the ring's socket has said something that may be an error.
    spoken: bool,
    idle: bool,
    bursts: u32,
    losses: Losses,
}

impl PacketWay {
    /// Takes over the packets of an interface. What was changed is undone on failure.
    pub(crate) fn open(
        ledger: Arc<dyn Ledger>,
        link: &LinkInfo,
        wires: Arc<Wires>,
    ) -> Result<(Self, Arc<Wiring>), Refusal> {
        let failed = |error| Refusal::system("a packet socket", error);
        let mark = Mark::random().map_err(failed)?;
        // What may be refused without any change is tried first.
        let ifindex = link.index.get();
        let exits = Exits::open(ifindex, mark, wires)?;
        let wiring = Arc::new(Wiring::build(ledger, link, mark, Sink::Pair)?);
        let ring = RxRing::open(wiring.drain, RING, &[]).map_err(failed)?;
        wiring.sink()?;
        let way = Self {
            ring,
            exits,
            wiring: Arc::clone(&wiring),
            ifindex,
            offload: Offload::default(),
            spoken: false,
            idle: true,
            bursts: 0,
            losses: Losses::default(),
        };
        Ok((way, wiring))
    }

    /// Clears what the socket has to say when it has no frame: that the interface went down, which it may come back from.
    fn hear(&mut self) -> io::Result<()> {
        match self.ring.take_error() {
            Some(error) if error.kind() != io::ErrorKind::NetworkDown => Err(error),
            Some(_) | None => Ok(()),
        }
    }
}

impl Way for PacketWay {
    fn wait(&mut self, wake: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<bool> {
        let ready = wait_any_readable(&[wake, self.ring.as_fd()], timeout)?;
        self.spoken = ready == Some(1);
        Ok(ready == Some(0))
    }

    fn next(&mut self, packet: &mut Packet) -> io::Result<Next> {
        let spec = PacketSpec {
            ifindex: self.ifindex,
            ..PacketSpec::default()
        };
        while let Some(frame) = self.ring.next() {
            self.spoken = false;
            self.idle = false;
            if !frame.is_truncated() && packet.refill(&[frame.data], &spec).is_ok() {
                self.offload = Offload {
                    vnet: frame.vnet,
                    vlan: frame.vlan,
                };
                return Ok(Next::Frame);
            }
            self.losses.missed += 1;
        }
        if std::mem::take(&mut self.spoken) {
            self.hear()?;
        }
        self.idle = true;
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
        self.bursts += 1;
        if self.idle || self.bursts >= BURSTS_PER_LOOK {
            self.bursts = 0;
            // Without an answer nothing is known to be lost.
            let lost = self.ring.take_statistics().unwrap_or_default();
            self.losses.missed += u64::from(lost.drops) + u64::from(lost.malformed_blocks);
        }
        std::mem::take(&mut self.losses)
    }

    fn let_go(&mut self) {
        self.wiring.unsink();
    }
}

impl Drop for PacketWay {
    /// The monitor may hold the wiring a moment longer; whoever waits for the worker waits for this.
    fn drop(&mut self) {
        self.wiring.remove();
    }
}
