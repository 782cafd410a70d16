//! The way to a device that the machine made: the machine is its wire.
//!
//! A worker for each device takes what comes in there: what the host sends by the device at the other end, and what programs send out
//! of that one. `XDP_PASS` (and no program) writes it to the device's descriptor, whereby the host receives it; `XDP_TX` sends it
//! back to the other end, where it comes in. So a program sees a frame before the host does, as in a driver.

use super::outlets::{Offload, Outgoing, Outlets};
use super::way::{Destination, Losses, Next, Way};
use super::wires::{Inbox, WireEnd};
use skep_exec::{Packet, PacketSpec};
use skep_sys::{Tap, wait_any_readable};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

/// What the machine holds of one device.
#[derive(Debug)]
pub(crate) struct End {
    /// Its descriptor.
    pub(crate) tap: Tap,
    /// What comes in there without having been sent by a host.
    pub(crate) inbox: Arc<Inbox>,
    /// Interface index that it was made with.
    pub(crate) ifindex: u32,
}

/// The way to one.
#[derive(Debug)]
pub(crate) struct TapWay {
    near: Arc<End>,
    /// The one at the other end of the wire.
    far: Option<Arc<End>>,
    outlets: Outlets,
    buffer: Box<[u8]>,
    offload: Offload,
    losses: Losses,
}

impl TapWay {
    pub(crate) fn new(near: Arc<End>, far: Option<Arc<End>>, outlets: Outlets) -> Self {
        Self {
            near,
            far,
            outlets,
            buffer: vec![0; Packet::RECEIVED_BYTES_MAX].into_boxed_slice(),
            offload: Offload::default(),
            losses: Losses::default(),
        }
    }

    /// Where what leaves the device goes.
    pub(crate) fn wire_end(far: Option<&Arc<End>>) -> WireEnd {
        far.map_or(WireEnd::Machine, |far| {
            WireEnd::Device(Arc::clone(&far.inbox))
        })
    }

    /// The device whose host's frames this worker takes: the far one's, which come in here; without one its own, which end here.
    fn source(&self) -> &Tap {
        &self.far.as_ref().unwrap_or(&self.near).tap
    }

    /// Takes the next frame into the buffer or from the inbox.
    fn take(&mut self) -> io::Result<Option<Taken>> {
        if let Some((offload, bytes)) = self.near.inbox.take() {
            self.offload = offload;
            return Ok(Some(Taken::Sent(bytes)));
        }
        let source = &self.far.as_ref().unwrap_or(&self.near).tap;
        let Some((vnet, len)) = source.read(&mut self.buffer)? else {
            return Ok(None);
        };
        self.offload = Offload { vnet, vlan: None };
        Ok(Some(Taken::Read(len)))
    }
}

/// Where a frame was taken from.
#[derive(Debug)]
enum Taken {
    /// The inbox.
    Sent(Vec<u8>),
    /// The descriptor, into the buffer, with this length.
    Read(usize),
}

impl Way for TapWay {
    fn wait(&mut self, wake: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<bool> {
        let fds = [wake, self.near.inbox.fd(), self.source().as_fd()];
        Ok(wait_any_readable(&fds, timeout)? == Some(0))
    }

    fn next(&mut self, packet: &mut Packet) -> io::Result<Next> {
        let spec = PacketSpec {
            ifindex: self.near.ifindex,
            ..PacketSpec::default()
        };
        while let Some(taken) = self.take()? {
            let bytes = match &taken {
                // The wire ends in the machine.
                Taken::Read(_) if self.far.is_none() => continue,
                Taken::Read(len) => self.buffer.get(..*len).unwrap_or_default(),
                Taken::Sent(bytes) => bytes,
            };
            if packet.refill(&[bytes], &spec).is_ok() {
                return Ok(Next::Frame);
            }
            self.losses.missed += 1;
        }
        Ok(Next::Empty)
    }

    fn send(&mut self, to: Destination, packet: &mut Packet) {
        let head_delta = packet.head_delta();
        let frame = Outgoing::new(packet.linear(), self.offload, head_delta);
        let delivered = match to {
            Destination::Stack => {
                let written = frame.with_parts(|parts| self.near.tap.write(frame.vnet(), parts));
                written.is_ok()
            }
            Destination::Wire => match &self.far {
                Some(far) => far.inbox.put(&frame),
                None => true,
            },
            Destination::Interface(ifindex) => {
                self.outlets.send(ifindex, &frame);
                true
            }
        };
        if !delivered {
            self.losses.undelivered += 1;
        }
    }

    fn flush(&mut self) {
        self.outlets.flush();
        self.losses.undelivered += self.outlets.take_lost();
    }

    fn take_losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }
}
