//! A packet and its context at stable addresses.
//!
//! A packet lies in a frame: headroom, metadata and data, room for growth, and a reserved tail, as in the kernel's buffers. The
//! context beside it is what the program gets; [`Packet`] fills both, and after a run reads from the context where the packet
//! then lies. [`Packet::new`] makes the packet of a test run; [`Packet::with_room`] a buffer that takes one received packet after the
//! other and never allocates again.
//! What a run left is read with care: unverified code may have written anything to its context.

use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::mem::{offset_of, size_of};
use core::ops::Range;
use skep_abi::{NetDevice, PacketCtx, RxQueue, TxQueue, XDP_HEADROOM};
use skep_memory::{Block, Permission, Region};

/// Bytes of a page, which is what Linux gives a packet in a test run.
const FRAME_BYTES: usize = 4096;
/// Bytes in front of the packet.
const HEAD_BYTES: usize = XDP_HEADROOM as usize;
/// Bytes at the end of the frame that stay reserved (kernel `struct skb_shared_info`, aligned).
const TAIL_BYTES: usize = 320;
/// Longest linear part of any packet, so that a frame's size fits its field.
const ROOM_BYTES_MAX: usize = 1 << 24;

/// Where a packet comes from and how much of the frame its metadata takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PacketSpec {
    /// Interface that received it.
    pub ifindex: u32,
    /// Receive queue.
    pub rx_queue: u32,
    /// Bytes at the start of the data that are metadata.
    pub meta_bytes: usize,
}

/// Why [`Packet::refill`] took no packet. The buffer keeps the one that it had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefillError {
    /// Metadata and packet together are longer than the buffer's linear part.
    TooLong {
        /// Bytes of both.
        bytes: usize,
        /// Bytes that there is room for.
        room: usize,
    },
    /// The metadata would be longer than all bytes given.
    MetadataTooLong {
        /// Bytes of metadata asked for.
        meta_bytes: usize,
        /// Bytes given.
        bytes: usize,
    },
}

impl fmt::Display for RefillError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes, room } => {
                write!(
                    f,
                    "a packet of {bytes} bytes in a buffer for {room} at most"
                )
            }
            Self::MetadataTooLong { meta_bytes, bytes } => {
                write!(f, "{meta_bytes} bytes of metadata in a packet of {bytes}")
            }
        }
    }
}

impl std::error::Error for RefillError {}

/// One packet with the context that a program gets. Programs change it in place, from run to run.
///
/// Not `Sync`: a program that has compared its pointers with the packet's end goes by that for the rest of its run, so that
/// no other run may move the end meanwhile.
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>(_: T) {}
/// shared(skep_exec::Packet::new(&[0; 64], &skep_exec::PacketSpec::default()));
/// ```
#[derive(Debug)]
pub struct Packet {
    frame: Block,
    /// The context, then the structures that it points to.
    ctx: Block,
    /// What did not fit into the linear part; nothing in a buffer for received packets.
    rest: Block,
    /// Where the data began when the packet was put in, from the start of the frame.
    data_start: usize,
    one_run_at_a_time: PhantomData<Cell<()>>,
}

const RXQ: usize = size_of::<PacketCtx>();
const TXQ: usize = RXQ + size_of::<RxQueue>();
const DEVICE: usize = TXQ + size_of::<TxQueue>();
const CTX_BYTES: usize = DEVICE + size_of::<NetDevice>();

impl Packet {
    /// Largest linear part of a test run's packet, in bytes; the rest of a longer packet lies behind it, where only
    /// `bpf_xdp_load_bytes` reaches.
    pub const LINEAR_BYTES_MAX: usize = FRAME_BYTES - HEAD_BYTES - TAIL_BYTES;

    /// Longest frame that an interface gives or takes, in bytes: 64 KiB of payload (receive offload) behind an Ethernet header
    /// and two VLAN tags.
    pub const RECEIVED_BYTES_MAX: usize = (64 << 10) + 14 + 8;

    /// A packet with the headroom and the frame of a Linux test run. `None` if the metadata is longer than `data`, or the host
    /// is out of memory.
    #[must_use]
    pub fn new(data: &[u8], spec: &PacketSpec) -> Option<Self> {
        let (linear, rest) = data.split_at(data.len().min(Self::LINEAR_BYTES_MAX));
        let mut packet = Self::of_blocks(Self::LINEAR_BYTES_MAX, rest.len())?;
        packet.rest.write(0, rest);
        packet.refill(&[linear], spec).ok()?;
        Some(packet)
    }

    /// An empty buffer for one received packet after the other, each of at most `linear_bytes_max` bytes and wholly linear. `None` if
    /// that is more than 16 MiB, or the host is out of memory.
    #[must_use]
    pub fn with_room(linear_bytes_max: usize) -> Option<Self> {
        let room = (linear_bytes_max <= ROOM_BYTES_MAX).then_some(linear_bytes_max)?;
        let mut packet = Self::of_blocks(room, 0)?;
        packet.refill(&[], &PacketSpec::default()).ok()?;
        Some(packet)
    }

    fn of_blocks(linear_bytes_max: usize, rest_bytes: usize) -> Option<Self> {
        Some(Self {
            frame: Block::new(HEAD_BYTES + linear_bytes_max + TAIL_BYTES)?,
            ctx: Block::new(CTX_BYTES)?,
            rest: Block::new(rest_bytes)?,
            data_start: HEAD_BYTES,
            one_run_at_a_time: PhantomData,
        })
    }

    /// Puts a packet into the buffer, of which `parts` are the bytes one after the other, the first `spec.meta_bytes` of them metadata. The
    /// context is as new whatever a program did to it; bytes of earlier packets stay in the headroom and behind the end, as in the
    /// kernel's recycled pages. Allocates nothing.
    ///
    /// A packet may grow at its tail to what the smallest of these frames holds: a page, or the next power of two that the
    /// packet fits in; Linux's limit on an interface is the buffer that the driver happened to allocate.
    ///
    /// # Errors
    /// See [`RefillError`].
    pub fn refill(&mut self, parts: &[&[u8]], spec: &PacketSpec) -> Result<(), RefillError> {
        let bytes = parts.iter().map(|part| part.len()).sum::<usize>();
        let room = self.frame.len() - HEAD_BYTES - TAIL_BYTES;
        if bytes > room {
            return Err(RefillError::TooLong { bytes, room });
        }
        if spec.meta_bytes > bytes {
            let meta_bytes = spec.meta_bytes;
            return Err(RefillError::MetadataTooLong { meta_bytes, bytes });
        }
        let mut place = &mut self.frame.bytes_mut()[HEAD_BYTES..HEAD_BYTES + bytes];
        for part in parts {
            let (here, behind) = place.split_at_mut(part.len());
            here.copy_from_slice(part);
            place = behind;
        }
        self.data_start = HEAD_BYTES + spec.meta_bytes;
        self.reset_context(bytes, spec);
        Ok(())
    }

    /// Writes the context of a packet whose metadata and data are `bytes` behind the headroom.
    fn reset_context(&mut self, bytes: usize, spec: &PacketSpec) {
        let (start, ctx) = (self.frame.addr(), self.ctx.addr());
        let meta = start + HEAD_BYTES as u64;
        let frame = (HEAD_BYTES + bytes + TAIL_BYTES)
            .next_power_of_two()
            .max(FRAME_BYTES)
            .min(self.frame.len());
        let pointers = [
            (offset_of!(PacketCtx, data), meta + spec.meta_bytes as u64),
            (offset_of!(PacketCtx, data_end), meta + bytes as u64),
            (offset_of!(PacketCtx, data_meta), meta),
            (offset_of!(PacketCtx, data_hard_start), start),
            (offset_of!(PacketCtx, rxq), ctx + RXQ as u64),
            (offset_of!(PacketCtx, txq), ctx + TXQ as u64),
            (offset_of!(PacketCtx, frags), self.rest.addr()),
            (offset_of!(PacketCtx, frags_bytes), self.rest.len() as u64),
            (RXQ + offset_of!(RxQueue, device), ctx + DEVICE as u64),
            (TXQ + offset_of!(TxQueue, device), ctx + DEVICE as u64),
        ];
        let numbers = [
            (
                offset_of!(PacketCtx, frame_bytes),
                u32::try_from(frame).expect("`ROOM_BYTES_MAX` bounds the frame"),
            ),
            (RXQ + offset_of!(RxQueue, queue_index), spec.rx_queue),
            (DEVICE + offset_of!(NetDevice, ifindex), spec.ifindex),
        ];
        let mut context = [0; CTX_BYTES];
        for (offset, value) in pointers {
            context[offset..offset + 8].copy_from_slice(&value.to_ne_bytes());
        }
        for (offset, value) in numbers {
            context[offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
        }
        self.ctx.bytes_mut().copy_from_slice(&context);
    }

    fn pointer(&self, offset: usize) -> u64 {
        let mut bytes = [0; 8];
        self.ctx.read(offset, &mut bytes);
        u64::from_ne_bytes(bytes)
    }

    /// Address of the context.
    pub(crate) fn ctx_addr(&self) -> u64 {
        self.ctx.addr()
    }

    /// Offsets into the frame between the pointer at `from` and the packet's end. What unverified code may have left there
    /// is no packet; it gives an empty one.
    fn range_from(&self, from: usize) -> Range<usize> {
        let offset = |field| {
            let offset = self.pointer(field).wrapping_sub(self.frame.addr());
            usize::try_from(offset)
                .ok()
                .filter(|offset| *offset <= self.frame.len())
        };
        match (offset(from), offset(offset_of!(PacketCtx, data_end))) {
            (Some(start), Some(end)) if start <= end => start..end,
            _ => 0..0,
        }
    }

    fn data_range(&self) -> Range<usize> {
        self.range_from(offset_of!(PacketCtx, data))
    }

    /// Bytes of metadata in front of the packet now.
    #[must_use]
    pub fn meta_bytes(&self) -> usize {
        let bytes = self
            .pointer(offset_of!(PacketCtx, data))
            .wrapping_sub(self.pointer(offset_of!(PacketCtx, data_meta)));
        usize::try_from(bytes).unwrap_or(0)
    }

    /// Bytes of the packet now, without metadata.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data_range().len() + self.rest.len()
    }

    /// Whether the packet has no bytes now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// By how many bytes the start of the data has moved since the packet was put in: positive if the program cut its head, negative
    /// if it grew. What is at an offset from the start (a checksum's place) is now at that offset less this number.
    #[must_use]
    pub fn head_delta(&self) -> isize {
        let start = self.data_range().start;
        start.cast_signed() - self.data_start.cast_signed()
    }

    /// The linear part as it is now, without metadata and without a copy: the whole packet in a buffer made by
    /// [`Packet::with_room`].
    #[must_use]
    pub fn linear(&mut self) -> &[u8] {
        let range = self.data_range();
        &self.frame.bytes_mut()[range]
    }

    /// Metadata and packet as they are now, one after the other.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let range = self.range_from(offset_of!(PacketCtx, data_meta));
        let len = range.len();
        let mut bytes = vec![0; len + self.rest.len()];
        self.frame.read(range.start, &mut bytes[..len]);
        self.rest.read(0, &mut bytes[len..]);
        bytes
    }

    /// Regions that a checked run may touch now.
    pub(crate) fn region_of(&self, addr: u64) -> Option<Region> {
        let start = self
            .pointer(offset_of!(PacketCtx, data_meta))
            .max(self.frame.addr());
        let end = self
            .pointer(offset_of!(PacketCtx, data_end))
            .min(self.frame.addr() + self.frame.len() as u64);
        let block = |block: &Block| Region {
            start: block.addr(),
            len: block.len() as u64,
            permission: Permission::ReadWrite,
        };
        let packet = Region {
            start,
            len: end.saturating_sub(start),
            permission: Permission::ReadWrite,
        };
        [packet, block(&self.ctx), block(&self.rest)]
            .into_iter()
            .find(|region| addr >= region.start && addr - region.start < region.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_packet_keeps_its_bytes() {
        let data: Vec<u8> = (0..=255).cycle().take(5000).collect();
        let packet = Packet::new(
            &data,
            &PacketSpec {
                ifindex: 1,
                rx_queue: 0,
                meta_bytes: 8,
            },
        );
        let packet = packet.expect("enough memory");
        assert_eq!(packet.bytes(), data);
        assert_eq!(packet.meta_bytes(), 8);
        assert_eq!(packet.len(), 4992);
        let spec = PacketSpec {
            meta_bytes: 5,
            ..PacketSpec::default()
        };
        assert!(Packet::new(&data[..4], &spec).is_none());
    }

    fn field32(packet: &Packet, offset: usize) -> u32 {
        let mut bytes = [0; 4];
        packet.ctx.read(offset, &mut bytes);
        u32::from_ne_bytes(bytes)
    }

    #[test]
    fn a_refilled_buffer_shows_nothing_of_what_was_before() {
        let mut packet = Packet::with_room(Packet::RECEIVED_BYTES_MAX).expect("enough memory");
        assert!(packet.is_empty());
        let long = vec![7; Packet::RECEIVED_BYTES_MAX];
        let spec = PacketSpec {
            ifindex: 3,
            rx_queue: 1,
            meta_bytes: 4,
        };
        assert_eq!(packet.refill(&[&long], &spec), Ok(()));
        assert_eq!((packet.len(), packet.meta_bytes()), (long.len() - 4, 4));
        let context = CTX_BYTES;
        packet.ctx.fill(0, context, 0xff);
        assert_eq!((packet.len(), packet.linear()), (0, [].as_slice()));

        let spec = PacketSpec {
            ifindex: 9,
            rx_queue: 0,
            meta_bytes: 0,
        };
        assert_eq!(packet.refill(&[b"head", b"", b"tail"], &spec), Ok(()));
        assert_eq!(packet.linear(), b"headtail");
        assert_eq!(
            (packet.bytes(), packet.meta_bytes()),
            (b"headtail".to_vec(), 0)
        );
        assert_eq!(packet.head_delta(), 0);
        assert_eq!(field32(&packet, offset_of!(PacketCtx, flags)), 0);
        assert_eq!(field32(&packet, offset_of!(PacketCtx, frame_bytes)), 4096);
        assert_eq!(field32(&packet, DEVICE + offset_of!(NetDevice, ifindex)), 9);
    }

    #[test]
    fn a_packet_without_room_leaves_the_buffer_as_it_was() {
        let mut packet = Packet::with_room(100).expect("enough memory");
        let spec = PacketSpec::default();
        assert_eq!(packet.refill(&[b"kept"], &spec), Ok(()));
        let (bytes, room) = (101, 100);
        let refused = packet.refill(&[&[0; 51], &[0; 50]], &spec);
        assert_eq!(refused, Err(RefillError::TooLong { bytes, room }));
        let spec = PacketSpec {
            meta_bytes: 5,
            ..spec
        };
        let refused = packet.refill(&[b"four"], &spec);
        let (meta_bytes, bytes) = (5, 4);
        assert_eq!(
            refused,
            Err(RefillError::MetadataTooLong { meta_bytes, bytes })
        );
        assert_eq!(packet.linear(), b"kept");
        assert!(Packet::with_room(usize::MAX).is_none());
    }

    /// Moving the start of the data is what a checksum's place has to follow.
    #[test]
    fn the_start_of_the_data_is_followed() {
        let mut packet = Packet::with_room(100).expect("enough memory");
        let spec = PacketSpec {
            meta_bytes: 4,
            ..PacketSpec::default()
        };
        assert_eq!(packet.refill(&[b"meta", b"0123456789"], &spec), Ok(()));
        let data = packet.pointer(offset_of!(PacketCtx, data));
        for delta in [-6_isize, 3] {
            let moved = data.wrapping_add_signed(delta as i64);
            packet
                .ctx
                .write(offset_of!(PacketCtx, data), &moved.to_ne_bytes());
            assert_eq!(packet.head_delta(), delta);
        }
        assert_eq!(packet.linear(), b"3456789");
    }
}
