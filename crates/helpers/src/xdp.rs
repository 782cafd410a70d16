//! Packets of XDP programs: growing and cutting, copying, redirecting.
//!
//! The context argument is the address of a `PacketCtx`; bodies read and write its fields through the run's memory. Limits
//! were observed on Linux 6.18.

use crate::env::{copy_in, failed, low, low_signed};
use crate::{Args, Env, Redirect};
use core::mem::offset_of;
use skep_abi::PacketCtx;
use skep_memory::{Fault, FaultKind, Memory};
use skep_uapi::{BPF_F_BROADCAST, BPF_F_EXCLUDE_INGRESS, Errno, MapId};

/// Smallest packet that may be left: an Ethernet header.
const PACKET_BYTES_MIN: i64 = 14;
/// Bytes at the start of the headroom that stay reserved (kernel `struct xdp_frame`).
const RESERVED_HEAD: i64 = 40;
/// Bytes at the end of the frame that stay reserved (kernel `struct skb_shared_info`, aligned).
const RESERVED_TAIL: i64 = 320;
/// Largest metadata (kernel: 252 less what the headroom reserves).
const META_BYTES_MAX: i64 = 252;
/// Largest offset and length that bytes can be copied at.
const COPY_MAX: u32 = 0xffff;
/// Bytes that are moved at a time, on the native stack: nothing is allocated for a packet.
const PIECE_BYTES: usize = 256;
/// `XDP_ABORTED` and `XDP_REDIRECT`.
const ABORTED: u64 = 0;
const REDIRECT: u64 = 4;
/// The flags of `bpf_redirect_map` that are a verdict: what to do without an entry.
const ACTION_BITS: u64 = 3;

/// The fields of a packet context that helpers use, as signed numbers so that differences are plain.
struct Packet<'env, E> {
    env: &'env E,
    ctx: u64,
    data: i64,
    end: i64,
    meta: i64,
    hard_start: i64,
}

/// A run of bytes at an address.
#[derive(Clone, Copy)]
struct Piece {
    addr: u64,
    len: u64,
}

impl<'env, E: Env> Packet<'env, E> {
    fn at(env: &'env E, ctx: u64) -> Result<Self, Fault> {
        let field = |offset: usize| {
            env.memory()
                .load(ctx + offset as u64, 8)
                .map(u64::cast_signed)
        };
        Ok(Self {
            env,
            ctx,
            data: field(offset_of!(PacketCtx, data))?,
            end: field(offset_of!(PacketCtx, data_end))?,
            meta: field(offset_of!(PacketCtx, data_meta))?,
            hard_start: field(offset_of!(PacketCtx, data_hard_start))?,
        })
    }

    fn frame_end(&self) -> Result<i64, Fault> {
        let bytes = self
            .env
            .memory()
            .load(self.ctx + offset_of!(PacketCtx, frame_bytes) as u64, 4)?;
        Ok(self.hard_start + bytes.cast_signed())
    }

    fn set(&self, offset: usize, value: i64) -> Result<(), Fault> {
        self.env
            .memory()
            .store(self.ctx + offset as u64, 8, value.cast_unsigned())
    }

    fn field(&self, offset: usize) -> Result<u64, Fault> {
        self.env.memory().load(self.ctx + offset as u64, 8)
    }

    /// Bytes of the whole packet, the part behind the linear one included.
    fn bytes(&self) -> Result<u64, Fault> {
        Ok((self.end - self.data).cast_unsigned()
            + self.field(offset_of!(PacketCtx, frags_bytes))?)
    }

    /// Where `len` bytes at `offset` are: in the linear part, behind it, or across both; `None` if the packet is shorter.
    fn pieces(&self, offset: u32, len: u32) -> Result<Option<[Piece; 2]>, Fault> {
        let (offset, len) = (u64::from(offset), u64::from(len));
        if offset + len > self.bytes()? {
            return Ok(None);
        }
        let linear = (self.end - self.data).cast_unsigned();
        let first = linear.saturating_sub(offset).min(len);
        let behind = self
            .field(offset_of!(PacketCtx, frags))?
            .wrapping_add(offset.saturating_sub(linear));
        let start = self.data.cast_unsigned() + offset;
        Ok(Some([
            Piece {
                addr: start,
                len: first,
            },
            Piece {
                addr: behind,
                len: len - first,
            },
        ]))
    }
}

/// `long bpf_xdp_adjust_head(ctx, delta)`: moves the start of the packet, and metadata with it.
pub fn xdp_adjust_head<E: Env>(env: &E, args: Args) -> Result<u64, Fault> {
    let packet = Packet::at(env, args[0])?;
    let meta_bytes = packet.data - packet.meta;
    let data = packet.data + i64::from(low_signed(args[1]));
    if data < packet.hard_start + RESERVED_HEAD + meta_bytes || data > packet.end - PACKET_BYTES_MIN
    {
        return Ok(failed(Errno::EINVAL));
    }
    let meta = copy_in(
        env,
        packet.meta.cast_unsigned(),
        low(meta_bytes.cast_unsigned()),
    )?;
    packet.set(offset_of!(PacketCtx, data_meta), data - meta_bytes)?;
    packet.set(offset_of!(PacketCtx, data), data)?;
    // Only now is the new place part of the packet.
    env.memory()
        .write((data - meta_bytes).cast_unsigned(), &meta)?;
    Ok(0)
}

/// `long bpf_xdp_adjust_meta(ctx, delta)`: moves the start of the metadata.
pub fn xdp_adjust_meta<E: Env>(env: &E, args: Args) -> Result<u64, Fault> {
    let packet = Packet::at(env, args[0])?;
    let meta = packet.meta + i64::from(low_signed(args[1]));
    if meta < packet.hard_start + RESERVED_HEAD || meta > packet.data {
        return Ok(failed(Errno::EINVAL));
    }
    let bytes = packet.data - meta;
    if bytes % 4 != 0 || bytes > META_BYTES_MAX {
        return Ok(failed(Errno::EACCES));
    }
    packet.set(offset_of!(PacketCtx, data_meta), meta)?;
    Ok(0)
}

/// `long bpf_xdp_adjust_tail(ctx, delta)`: moves the end of the packet; new bytes are zero.
pub fn xdp_adjust_tail<E: Env>(env: &E, args: Args) -> Result<u64, Fault> {
    let packet = Packet::at(env, args[0])?;
    let end = packet.end + i64::from(low_signed(args[1]));
    if end > packet.frame_end()? - RESERVED_TAIL || end < packet.data + PACKET_BYTES_MIN {
        return Ok(failed(Errno::EINVAL));
    }
    packet.set(offset_of!(PacketCtx, data_end), end)?;
    let (from, until) = (packet.end.cast_unsigned(), end.cast_unsigned());
    for at in (from..until).step_by(PIECE_BYTES) {
        let bytes = usize::try_from(until - at).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        env.memory().write(at, &[0; PIECE_BYTES][..bytes])?;
    }
    Ok(0)
}

/// `u64 bpf_xdp_get_buff_len(ctx)`.
pub fn xdp_get_buff_len<E: Env>(env: &E, args: Args) -> Result<u64, Fault> {
    Packet::at(env, args[0])?.bytes()
}

/// `long bpf_xdp_load_bytes(ctx, offset, buf, len)`.
pub fn xdp_load_bytes<E: Env>(env: &E, args: Args) -> Result<u64, Fault> {
    copy(env, args, |packet, buffer, bytes| {
        env.memory().read(packet, bytes)?;
        env.memory().write(buffer, bytes)
    })
}

/// `long bpf_xdp_store_bytes(ctx, offset, buf, len)`.
pub fn xdp_store_bytes<E: Env>(env: &E, args: Args) -> Result<u64, Fault> {
    copy(env, args, |packet, buffer, bytes| {
        env.memory().read(buffer, bytes)?;
        env.memory().write(packet, bytes)
    })
}

/// Finds the packet's bytes and hands each piece's address, the buffer's and room for the bytes to `transfer`.
fn copy<E: Env>(
    env: &E,
    args: Args,
    transfer: impl Fn(u64, u64, &mut [u8]) -> Result<(), Fault>,
) -> Result<u64, Fault> {
    if low(args[1]) > COPY_MAX || low(args[3]) > COPY_MAX {
        return Ok(failed(Errno::EFAULT));
    }
    let Some(pieces) = Packet::at(env, args[0])?.pieces(low(args[1]), low(args[3]))? else {
        return Ok(failed(Errno::EINVAL));
    };
    let mut buffer = args[2];
    for piece in pieces {
        let until = piece.addr + piece.len;
        for at in (piece.addr..until).step_by(PIECE_BYTES) {
            let bytes =
                usize::try_from(until - at).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
            transfer(at, buffer, &mut [0; PIECE_BYTES][..bytes])?;
            buffer += bytes as u64;
        }
    }
    Ok(0)
}

/// `long bpf_redirect(ifindex, flags)` for XDP: no flag is allowed.
pub fn redirect<E: Env>(env: &E, args: Args) -> Result<u64, Fault> {
    if args[1] != 0 {
        return Ok(ABORTED);
    }
    env.set_redirect(Redirect::Interface {
        ifindex: low(args[0]),
    });
    Ok(REDIRECT)
}

/// `long bpf_redirect_map(map, key, flags)`: the low bits of the flags are what it returns if there is no such entry. A broadcast
/// asks for none.
pub fn redirect_map<E: Env>(env: &E, args: Args) -> Result<u64, Fault> {
    let [addr, key, flags, ..] = args;
    let map = env.map(addr)?;
    let devices = map.object().devices().ok_or(Fault {
        kind: FaultKind::NotAMap,
        addr,
        bytes: 0,
    })?;
    if flags & !(ACTION_BITS | BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS) != 0 {
        return Ok(ABORTED);
    }
    let (index, found) = (low(key), |redirect| {
        env.set_redirect(redirect);
        REDIRECT
    });
    if flags & BPF_F_BROADCAST != 0 {
        return Ok(found(Redirect::Broadcast {
            map: MapId(map.header().id),
            index,
            exclude_ingress: flags & BPF_F_EXCLUDE_INGRESS != 0,
        }));
    }
    if let Some(ifindex) = devices.device(index) {
        return Ok(found(Redirect::Entry { ifindex, index }));
    }
    miss(env);
    Ok(flags & ACTION_BITS)
}

/// Forgets the map of an earlier redirection. Its key stays and is taken for an interface's index, should the program return
/// `XDP_REDIRECT` all the same: so Linux 6.18 does, as packets sent from test runs show.
fn miss<E: Env>(env: &E) {
    match env.redirect() {
        Some(Redirect::Entry { index, .. } | Redirect::Broadcast { index, .. }) => {
            env.set_redirect(Redirect::Interface { ifindex: index });
        }
        Some(Redirect::Interface { .. }) | None => {}
    }
}
