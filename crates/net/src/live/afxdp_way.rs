//! The AF_XDP way: a small program of the kernel's own XDP redirects X's frames to sockets; what passes is put back
//! ([`Wiring`]).
//!
//! ```text
//!            AF_XDP sockets ──► program ──► PASS: sent on a, marked M
//!                 ▲                             │
//! frames ──► X ───┘ XDP of X                    a ══ b  tc ingress of b: M ──► X's ingress ──► stack
//! ```
//!
//! Linux runs no XDP program on what tc redirects into X's ingress: native XDP runs in the driver, which such a frame has not
//! come by, and generic XDP leaves out frames that are marked as redirected. So no frame meets the program twice, and none has
//! to be told from another. Only a kernel built without `CONFIG_NET_REDIRECT` (it comes with ifb, and with nftables' fwd) does
//! not mark them; what passes would come round for ever. So in generic mode a [`Probe`] goes first, and if it comes back, the way
//! fails.
//!
//! That b lets marked frames only into X is not needed here, but b is there for the other ways. Writing to a TAP would cost 1.0 µs
//! where sending on a costs 1.7 µs (measured on one core of a VM); it would be a second mechanism with an upkeep of its own.
//!
//! Without a socket (any more) the kernel's program lets frames pass: if this process is killed, X is a plain
//! interface at once, with a program on it that does nothing.
//!
//! # What a socket does not tell
//! Unfinished checksums and joined TCP segments are found in the bytes ([`guess`]), which are all that it gives. In generic
//! mode a frame may be longer than the MTU, and UDP datagrams that the sender joined cannot be taken apart: they count as
//! missed. With a program in the driver nothing is joined, which is one reason why that is tried first.
//!
//! The other is VLAN tags that the card (or, on a veth, the sender) left beside the frame. The driver tells our program of
//! them, where it can (`tell_tag` in [`skep_sys::xsk`]); they go back when the frame is sent on. Elsewhere they are lost: in
//! generic mode, before Linux 6.8 and with most drivers yet, so that what passes goes on in the wrong VLAN. Such an interface
//! is taken only if the user asked for this way by its name ([`candidates`]), and a line in the trace pipe says so. Tags
//! within frames stay there in any case, also for the program.

use super::ledger::Ledger;
use super::mark::Mark;
use super::outlets::{Exits, Offload, Outgoing};
use super::partial::{Guess, guess};
use super::refusal::Refusal;
use super::way::{Destination, Losses, Next, Way};
use super::wires::Wires;
use super::wiring::{Sink, Wiring};
use super::xdp_hook::{Hooked, XdpHook};
use super::xdp_programs::{Chosen, candidates};
use skep_exec::{Packet, PacketSpec};
use skep_sys::netlink::LinkInfo;
use skep_sys::wait_any_readable;
use skep_sys::xsk::{VlanTags, XskSocket};
use skep_uapi::XdpMode;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the sockets are asked what they lost.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The way to one interface.
#[derive(Debug)]
pub(crate) struct AfxdpWay {
    /// One for each receive queue, in order.
    queues: Vec<XskSocket>,
    /// The queue that is looked at next.
    at: usize,
    exits: Exits,
    hook: Arc<XdpHook>,
    ifindex: u32,
    probe: Option<Probe>,
    /// Of the frame taken last.
    offload: Offload,
    losses: Losses,
    /// Frames that the sockets lost, as far as it is in `losses`.
    counted: u64,
    looked: Instant,
}

impl AfxdpWay {
    /// Takes over the packets of an interface. What was changed is undone on failure.
    pub(crate) fn open(
        ledger: Arc<dyn Ledger>,
        link: &LinkInfo,
        mode: XdpMode,
        chosen: Chosen,
        wires: Arc<Wires>,
    ) -> Result<(Self, Arc<XdpHook>), Refusal> {
        let failed = |error| Refusal::system("a packet socket", error);
        let mark = Mark::random().map_err(failed)?;
        let exits = Exits::open(link.index.get(), mark, wires)?;
        let candidates = candidates(link, mode, chosen)?;
        let wiring = Wiring::build(Arc::clone(&ledger), link, mark, Sink::None)?;
        wiring.sink()?;
        let Hooked { hook, queues } = XdpHook::attach(ledger, link, candidates, wiring)?;
        let hook = Arc::new(hook);
        let mut way = Self {
            queues,
            at: 0,
            exits,
            hook: Arc::clone(&hook),
            ifindex: link.index.get(),
            probe: None,
            offload: Offload::default(),
            losses: Losses::default(),
            counted: 0,
            looked: Instant::now(),
        };
        if hook.is_generic() {
            let probe = Probe::new(link.mac).map_err(failed)?;
            let frame = Outgoing::new(&probe.0, Offload::default(), 0);
            way.exits.pass(hook.entry(), &frame);
            way.exits.flush();
            way.probe = Some(probe);
        }
        Ok((way, hook))
    }

    /// Puts the next frame of a queue into the packet, if there is one.
    fn next_of(&mut self, queue: usize, packet: &mut Packet) -> io::Result<Next> {
        let spec = PacketSpec {
            ifindex: self.ifindex,
            rx_queue: u32::try_from(queue).unwrap_or(u32::MAX),
            ..PacketSpec::default()
        };
        let mtu = self.hook.mtu();
        while let Some(frame) = self.queues[queue].receive() {
            if self
                .probe
                .as_ref()
                .is_some_and(|probe| probe.0 == frame.bytes)
            {
                let why = "this kernel runs generic XDP on packets that were put back (it lacks CONFIG_NET_REDIRECT)";
                return Err(io::Error::new(io::ErrorKind::Unsupported, why));
            }
            if let Guess::Frame(vnet) = guess(frame.bytes, mtu)
                && packet.refill(&[frame.bytes], &spec).is_ok()
            {
                let vlan = frame.vlan;
                self.offload = Offload { vnet, vlan };
                return Ok(Next::Frame);
            }
            self.losses.missed += 1;
        }
        Ok(Next::Empty)
    }
}

/// A frame that no other is like, of a protocol that no host speaks.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Probe([u8; PROBE_BYTES]);

const PROBE_BYTES: usize = 60;

impl Probe {
    fn new(mac: Option<[u8; 6]>) -> io::Result<Self> {
        let mut bytes = [0; PROBE_BYTES];
        let mac = mac.unwrap_or_default();
        bytes[..6].copy_from_slice(&mac);
        bytes[6..12].copy_from_slice(&mac);
        // "Local experimental" of IEEE 802.
        bytes[12..14].copy_from_slice(&[0x88, 0xb5]);
        skep_sys::fill_random(&mut bytes[14..30])?;
        Ok(Self(bytes))
    }
}

impl Way for AfxdpWay {
    fn wait(&mut self, wake: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<bool> {
        for queue in &mut self.queues {
            queue.before_wait();
        }
        let sockets = self.queues.iter().map(AsFd::as_fd);
        let fds: Vec<_> = std::iter::once(wake).chain(sockets).collect();
        Ok(wait_any_readable(&fds, timeout)? == Some(0))
    }

    fn next(&mut self, packet: &mut Packet) -> io::Result<Next> {
        for _ in 0..self.queues.len() {
            if self.next_of(self.at, packet)? == Next::Frame {
                return Ok(Next::Frame);
            }
            self.at = (self.at + 1) % self.queues.len();
        }
        Ok(Next::Empty)
    }

    fn send(&mut self, to: Destination, packet: &mut Packet) {
        let entry = self.hook.entry();
        self.exits.send(to, entry, packet, self.offload);
    }

    fn flush(&mut self) {
        self.losses.undelivered += self.exits.flush();
        // The end of a burst: another queue's turn, lest one that is never empty keeps all others waiting.
        self.at = (self.at + 1) % self.queues.len();
    }

    fn take_losses(&mut self) -> Losses {
        if self.looked.elapsed() >= LOOK_EVERY {
            self.looked = Instant::now();
            let statistics = self.queues.iter().map(XskSocket::statistics);
            // A queue without an answer lost what it had lost before.
            let missed = statistics.map(|statistics| statistics.map_or(0, |all| all.missed()));
            let missed = missed.sum::<u64>();
            self.losses.missed += missed.saturating_sub(self.counted);
            self.counted = self.counted.max(missed);
        }
        std::mem::take(&mut self.losses)
    }

    fn let_go(&mut self) {
        self.hook.detach();
    }

    fn shortfall(&self) -> Option<&'static str> {
        match self.hook.tags() {
            VlanTags::Kept => None,
            VlanTags::Lost => {
                Some("VLAN tags beside frames are lost, for lack of a driver that tells them")
            }
        }
    }
}
