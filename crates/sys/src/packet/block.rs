//! A block of a receive ring in layout `TPACKET_V3`: a header, then frames, each with a header of its own.
//!
//! ```text
//! block    0 version  4 offset of private area   8 status  12 frames  16 offset of the first  20 bytes used ..
//! frame    0 offset of the next  4 time (s)  8 (ns)  12 bytes here  16 bytes on the wire  20 status
//!         24 offset of the frame's bytes (u16)  32 VLAN tag (u32)  36 VLAN protocol (u16)
//!         48 struct sockaddr_ll: 58 packet type (u8)
//! ```
//!
//! Offsets in a frame's header count from that header; the [`VnetHeader`] lies right before the frame's bytes. All are
//! in the host's byte order (linux/if_packet.h, Documentation/networking/packet_mmap.rst). This file works on a slice and
//! trusts none of the numbers in it: a frame that is not inside ends the block. The status word is the ring's concern.

use super::vnet::VnetHeader;

/// Offset of the status word in a block.
pub(super) const STATUS_OFFSET: usize = 8;
/// Offset of the number of frames.
const FRAMES_OFFSET: usize = 12;
/// Offset of the first frame's offset.
const FIRST_OFFSET: usize = 16;
/// Bytes of a block's header.
pub(super) const BLOCK_HEADER_BYTES: usize = 48;
/// Bytes of a frame's header with the address behind it, up to its packet type.
const FRAME_HEADER_BYTES: usize = 60;

const _: () = assert!(size_of::<libc::tpacket_block_desc>() == BLOCK_HEADER_BYTES);
const _: () = assert!(size_of::<libc::tpacket3_hdr>() == 48);

/// The tag of a VLAN that the kernel took out of the frame (hardware-accelerated tags are never inside).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VlanTag {
    /// Priority, drop-eligible bit and VLAN number.
    pub tci: u16,
    /// Protocol of the tag: `0x8100`, `0x88a8`.
    pub tpid: u16,
}

/// Whom a frame is for, as seen by the interface that received it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PacketType {
    /// This host.
    Host,
    /// Everyone.
    Broadcast,
    /// A group.
    Multicast,
    /// Another host: the interface is promiscuous.
    OtherHost,
    /// Sent by this host.
    Outgoing,
    /// A number that this version does not know.
    Other(u8),
}

impl From<u8> for PacketType {
    fn from(number: u8) -> Self {
        match number {
            0 => Self::Host,
            1 => Self::Broadcast,
            2 => Self::Multicast,
            3 => Self::OtherHost,
            4 => Self::Outgoing,
            other => Self::Other(other),
        }
    }
}

/// A received frame, in the ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RxFrame<'a> {
    /// Its bytes from the Ethernet header on, without the tag in `vlan`.
    pub data: &'a [u8],
    /// Bytes that the frame had; more than in `data` if it did not fit into a block.
    pub wire_bytes: u32,
    /// Checksum and segments.
    pub vnet: VnetHeader,
    /// The tag that was before the frame's protocol.
    pub vlan: Option<VlanTag>,
    /// Whom it is for.
    pub packet_type: PacketType,
}

impl RxFrame<'_> {
    /// Whether bytes at the end are missing, because the frame did not fit into a block.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        usize::try_from(self.wire_bytes).map_or(true, |bytes| self.data.len() < bytes)
    }
}

/// A block that says something that cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Malformed;

/// A place in a block: the next frame, and how many follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cursor {
    at: usize,
    left: u32,
}

impl Cursor {
    /// Behind the last frame of any block.
    pub(super) const DONE: Self = Self { at: 0, left: 0 };

    /// The first frame of a block.
    pub(super) fn first(block: &[u8]) -> Result<Self, Malformed> {
        let header: &[u8; BLOCK_HEADER_BYTES] = block.first_chunk().ok_or(Malformed)?;
        Ok(Self {
            at: offset(word(header, FIRST_OFFSET))?,
            left: word(header, FRAMES_OFFSET),
        })
    }

    /// Whether all frames were taken.
    pub(super) fn is_done(self) -> bool {
        self.left == 0
    }

    /// The frame here; moves to the next. `None` behind the last. After an error the cursor is behind the last.
    pub(super) fn take<'a>(&mut self, block: &'a [u8]) -> Result<Option<RxFrame<'a>>, Malformed> {
        if self.left == 0 {
            return Ok(None);
        }
        let taken = self.try_take(block);
        if taken.is_err() {
            self.left = 0;
        }
        taken.map(Some)
    }

    fn try_take<'a>(&mut self, block: &'a [u8]) -> Result<RxFrame<'a>, Malformed> {
        let rest = block.get(self.at..).ok_or(Malformed)?;
        let header: &[u8; FRAME_HEADER_BYTES] = rest.first_chunk().ok_or(Malformed)?;
        let start = usize::from(half(header, 24));
        let len = offset(word(header, 12))?;
        let data = rest.get(start..).and_then(|data| data.get(..len));
        let data = data.ok_or(Malformed)?;
        let frame = RxFrame {
            data,
            wire_bytes: word(header, 16),
            vnet: vnet_before(rest, start)?,
            vlan: vlan(header),
            packet_type: PacketType::from(header[58]),
        };
        self.left -= 1;
        if self.left > 0 {
            let step = offset(word(header, 0))?;
            // A step over less than a header would visit bytes twice; zero, the same frame for ever.
            if step < FRAME_HEADER_BYTES {
                return Err(Malformed);
            }
            self.at = self.at.checked_add(step).ok_or(Malformed)?;
        }
        Ok(frame)
    }
}

/// All frames of a block that are well-formed up to the first that is not: the ring's parser for any bytes.
pub fn parse_block(block: &[u8]) -> impl Iterator<Item = RxFrame<'_>> {
    let mut cursor = Cursor::first(block).ok();
    std::iter::from_fn(move || cursor.as_mut()?.take(block).ok().flatten())
}

fn vnet_before(rest: &[u8], start: usize) -> Result<VnetHeader, Malformed> {
    let before = rest.get(..start).ok_or(Malformed)?;
    let (between, bytes) = before.split_last_chunk().ok_or(Malformed)?;
    match between.len() < FRAME_HEADER_BYTES {
        true => Err(Malformed),
        false => Ok(VnetHeader::from_bytes(*bytes)),
    }
}

fn vlan(header: &[u8; FRAME_HEADER_BYTES]) -> Option<VlanTag> {
    let status = word(header, 20);
    if status & libc::TP_STATUS_VLAN_VALID == 0 {
        return None;
    }
    let [low, high, ..] = word(header, 32).to_le_bytes();
    Some(VlanTag {
        tci: u16::from_le_bytes([low, high]),
        tpid: match status & libc::TP_STATUS_VLAN_TPID_VALID {
            0 => 0x8100,
            _ => half(header, 36),
        },
    })
}

fn offset(word: u32) -> Result<usize, Malformed> {
    usize::try_from(word).map_err(|_| Malformed)
}

fn word<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn half<const N: usize>(bytes: &[u8; N], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}
