//! A packet and its context at stable addresses.

use core::cell::Cell;
use core::marker::PhantomData;
use core::mem::{offset_of, size_of};
use skep_abi::{NetDevice, PacketCtx, RxQueue, TxQueue, XDP_HEADROOM};
use skep_memory::{Block, Permission, Region};

/// Bytes of a page, which is what Linux gives a packet in a test run.
const FRAME_BYTES: usize = 4096;
/// Bytes at the end of the frame that stay reserved (kernel `struct skb_shared_info`, aligned).
const TAIL_BYTES: usize = 320;

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
    /// What did not fit into the linear part.
    rest: Block,
    one_run_at_a_time: PhantomData<Cell<()>>,
}

const RXQ: usize = size_of::<PacketCtx>();
const TXQ: usize = RXQ + size_of::<RxQueue>();
const DEVICE: usize = TXQ + size_of::<TxQueue>();
const CTX_BYTES: usize = DEVICE + size_of::<NetDevice>();

impl Packet {
    /// Largest linear part, in bytes; the rest of a longer packet lies behind it, where only `bpf_xdp_load_bytes` reaches.
    pub const LINEAR_BYTES_MAX: usize = FRAME_BYTES - XDP_HEADROOM as usize - TAIL_BYTES;

    /// A packet with the headroom and the frame of a Linux test run. `None` if the metadata is longer than `data`, or the host
    /// is out of memory.
    #[must_use]
    pub fn new(data: &[u8], spec: &PacketSpec) -> Option<Self> {
        let (linear, rest) = data.split_at(data.len().min(Self::LINEAR_BYTES_MAX));
        let packet = Self {
            frame: Block::new(FRAME_BYTES)?,
            ctx: Block::new(CTX_BYTES)?,
            rest: Block::new(rest.len())?,
            one_run_at_a_time: PhantomData,
        };
        packet.rest.write(0, rest);
        (spec.meta_bytes <= linear.len()).then(|| packet.fill(linear, spec))
    }

    fn fill(self, linear: &[u8], spec: &PacketSpec) -> Self {
        let headroom = XDP_HEADROOM as usize;
        self.frame.write(headroom, linear);
        let start = self.frame.addr();
        let meta = start + headroom as u64;
        let pointers = [
            (offset_of!(PacketCtx, data), meta + spec.meta_bytes as u64),
            (offset_of!(PacketCtx, data_end), meta + linear.len() as u64),
            (offset_of!(PacketCtx, data_meta), meta),
            (offset_of!(PacketCtx, data_hard_start), start),
            (offset_of!(PacketCtx, rxq), self.ctx.addr() + RXQ as u64),
            (offset_of!(PacketCtx, txq), self.ctx.addr() + TXQ as u64),
            (offset_of!(PacketCtx, frags), self.rest.addr()),
            (offset_of!(PacketCtx, frags_bytes), self.rest.len() as u64),
            (
                RXQ + offset_of!(RxQueue, device),
                self.ctx.addr() + DEVICE as u64,
            ),
            (
                TXQ + offset_of!(TxQueue, device),
                self.ctx.addr() + DEVICE as u64,
            ),
        ];
        for (offset, value) in pointers {
            self.ctx.write(offset, &value.to_ne_bytes());
        }
        let frame_bytes = u32::try_from(FRAME_BYTES).expect("a page");
        let numbers = [
            (offset_of!(PacketCtx, frame_bytes), frame_bytes),
            (RXQ + offset_of!(RxQueue, queue_index), spec.rx_queue),
            (DEVICE + offset_of!(NetDevice, ifindex), spec.ifindex),
        ];
        for (offset, value) in numbers {
            self.ctx.write(offset, &value.to_ne_bytes());
        }
        self
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

    /// Bytes of metadata in front of the packet now.
    #[must_use]
    pub fn meta_bytes(&self) -> usize {
        let bytes = self
            .pointer(offset_of!(PacketCtx, data))
            .wrapping_sub(self.pointer(offset_of!(PacketCtx, data_meta)));
        usize::try_from(bytes).unwrap_or(0)
    }

    /// Metadata and packet as they are now, one after the other.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let start = self
            .pointer(offset_of!(PacketCtx, data_meta))
            .wrapping_sub(self.frame.addr());
        let end = self
            .pointer(offset_of!(PacketCtx, data_end))
            .wrapping_sub(self.frame.addr());
        let limit = self.frame.len() as u64;
        // Unverified code may have written anything to its context; what it left is then no packet.
        let (start, end) = if start <= end && end <= limit {
            (start, end)
        } else {
            (0, 0)
        };
        let len = usize::try_from(end - start).expect("within the frame");
        let mut bytes = vec![0; len + self.rest.len()];
        self.frame.read(
            usize::try_from(start).expect("within the frame"),
            &mut bytes[..len],
        );
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
        let spec = PacketSpec {
            meta_bytes: 5,
            ..PacketSpec::default()
        };
        assert!(Packet::new(&data[..4], &spec).is_none());
    }
}
