//! Sending frames: out of interfaces, and back to the host's stack.

use super::mark::Mark;
use super::refusal::Refusal;
use super::way::Destination;
use super::wires::Wires;
use skep_exec::Packet;
use skep_sys::packet::{TxSocket, VlanTag, VnetHeader};
use std::io;
use std::sync::Arc;

/// What is known of a frame beside its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Offload {
    /// Checksum and segments, for the frame as it was received, without its tag.
    pub(crate) vnet: VnetHeader,
    /// The tag that was taken out of it.
    pub(crate) vlan: Option<VlanTag>,
}

/// Bytes of the two addresses, behind which a tag goes.
const ADDRESSES_BYTES: usize = 12;
/// Bytes of a tag.
const TAG_BYTES: usize = 4;

/// A frame to be sent: its header, and its parts.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    vnet: VnetHeader,
    bytes: &'a [u8],
    tag: Option<[u8; TAG_BYTES]>,
}

impl<'a> Outgoing<'a> {
    /// A frame that `head_delta` bytes were cut off the start of (negative: put before it) since it came with `offload`.
    pub(crate) fn new(bytes: &'a [u8], offload: Offload, head_delta: isize) -> Self {
        let tag =
            offload
                .vlan
                .filter(|_| bytes.len() >= ADDRESSES_BYTES)
                .map(|VlanTag { tci, tpid }| {
                    let ([a, b], [c, d]) = (tpid.to_be_bytes(), tci.to_be_bytes());
                    [a, b, c, d]
                });
        let tag_bytes = if tag.is_some() { TAG_BYTES } else { 0 };
        let sent_bytes = bytes.len() + tag_bytes;
        let moved = i32::try_from(tag_bytes.cast_signed() - head_delta)
            .ok()
            .and_then(|delta| offload.vnet.moved(delta))
            .filter(|vnet| !vnet.needs_checksum() || checksum_is_inside(vnet, sent_bytes));
        // If the checksum's place was cut away, what is left is sent as it is.
        let vnet = moved.unwrap_or_default();
        Self { vnet, bytes, tag }
    }

    /// Checksum and segments.
    pub(crate) fn vnet(&self) -> &VnetHeader {
        &self.vnet
    }

    /// Calls with the parts of the frame.
    pub(crate) fn with_parts<R>(&self, with: impl FnOnce(&[&[u8]]) -> R) -> R {
        match &self.tag {
            None => with(&[self.bytes]),
            Some(tag) => {
                let (addresses, rest) = self.bytes.split_at(ADDRESSES_BYTES);
                with(&[addresses, tag, rest])
            }
        }
    }
}

fn checksum_is_inside(vnet: &VnetHeader, bytes: usize) -> bool {
    usize::from(vnet.csum_start) + usize::from(vnet.csum_offset) + 2 <= bytes
}

/// Interfaces as places to send to: through a packet socket, or, if the machine is their wire, directly.
#[derive(Debug)]
pub(crate) struct Outlets {
    socket: TxSocket,
    wires: Arc<Wires>,
    lost: u64,
}

impl Outlets {
    pub(crate) fn open(wires: Arc<Wires>) -> io::Result<Self> {
        Ok(Self {
            socket: TxSocket::open(None)?,
            wires,
            lost: 0,
        })
    }

    /// Sends a frame out of an interface, at the latest with [`Outlets::flush`].
    pub(crate) fn send(&mut self, ifindex: u32, frame: &Outgoing<'_>) {
        match self.wires.out_of(ifindex, frame) {
            Some(true) => {}
            Some(false) => self.lost += 1,
            None => frame.with_parts(|parts| self.socket.push(ifindex, frame.vnet(), parts)),
        }
    }

    /// Sends what waits.
    pub(crate) fn flush(&mut self) {
        if !self.socket.is_empty() {
            self.lost += u64::from(self.socket.flush().failed);
        }
    }

    /// Frames that were lost since the last call.
    pub(crate) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }
}

/// The destinations of the frames of one interface, for ways that put back what passes by a device of their own.
#[derive(Debug)]
pub(crate) struct Exits {
    ifindex: u32,
    /// Sends marked frames, which the filters around the interface know.
    stack: TxSocket,
    outlets: Outlets,
}

impl Exits {
    /// The destinations of `ifindex`'s frames.
    pub(crate) fn open(ifindex: u32, mark: Mark, wires: Arc<Wires>) -> Result<Self, Refusal> {
        let failed = |error| Refusal::system("a packet socket", error);
        Ok(Self {
            ifindex,
            stack: TxSocket::open(Some(mark.get())).map_err(failed)?,
            outlets: Outlets::open(wires).map_err(failed)?,
        })
    }

    /// Sends the frame that came with `offload`, as the program left it; `entry` is the device that leads to the host's stack. At
    /// the latest it leaves with [`Exits::flush`].
    pub(crate) fn send(
        &mut self,
        to: Destination,
        entry: u32,
        packet: &mut Packet,
        offload: Offload,
    ) {
        let head_delta = packet.head_delta();
        let frame = Outgoing::new(packet.linear(), offload, head_delta);
        match to {
            Destination::Stack => self.pass(entry, &frame),
            Destination::Wire => self.outlets.send(self.ifindex, &frame),
            Destination::Interface(ifindex) => self.outlets.send(ifindex, &frame),
        }
    }

    /// Sends a frame to the host's stack.
    pub(crate) fn pass(&mut self, entry: u32, frame: &Outgoing<'_>) {
        frame.with_parts(|parts| self.stack.push(entry, frame.vnet(), parts));
    }

    /// Sends what waits; gives how many frames were lost since the last call.
    pub(crate) fn flush(&mut self) -> u64 {
        let passed = match self.stack.is_empty() {
            true => 0,
            false => u64::from(self.stack.flush().failed),
        };
        self.outlets.flush();
        passed + self.outlets.take_lost()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTIAL: VnetHeader = VnetHeader {
        flags: VnetHeader::NEEDS_CSUM,
        gso_type: 1,
        hdr_len: 54,
        gso_size: 1448,
        csum_start: 34,
        csum_offset: 16,
    };

    fn outgoing(bytes: &[u8], vlan: Option<VlanTag>, head_delta: isize) -> (VnetHeader, Vec<u8>) {
        let offload = Offload {
            vnet: PARTIAL,
            vlan,
        };
        let frame = Outgoing::new(bytes, offload, head_delta);
        (*frame.vnet(), frame.with_parts(|parts| parts.concat()))
    }

    #[test]
    fn headers_move_with_the_frame() {
        let bytes: Vec<u8> = (0..100).collect();
        assert_eq!(outgoing(&bytes, None, 0), (PARTIAL, bytes.clone()));
        let (vnet, _) = outgoing(&bytes, None, -20);
        assert_eq!((vnet.csum_start, vnet.hdr_len), (54, 74));
        let (vnet, _) = outgoing(&bytes, None, 14);
        assert_eq!((vnet.csum_start, vnet.hdr_len), (20, 40));
        // The checksum's place was cut away, at either end.
        assert_eq!(outgoing(&bytes, None, 40).0, VnetHeader::default());
        assert_eq!(outgoing(&bytes[..40], None, 0).0, VnetHeader::default());
    }

    #[test]
    fn a_tag_goes_back() {
        let bytes: Vec<u8> = (0..100).collect();
        let vlan = VlanTag {
            tci: 0x2064,
            tpid: 0x8100,
        };
        let (vnet, sent) = outgoing(&bytes, Some(vlan), 0);
        assert_eq!((vnet.csum_start, vnet.hdr_len), (38, 58));
        assert_eq!(sent[..12], bytes[..12]);
        assert_eq!(sent[12..16], [0x81, 0x00, 0x20, 0x64]);
        assert_eq!(sent[16..], bytes[12..]);
    }
}
