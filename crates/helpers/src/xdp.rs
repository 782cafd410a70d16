//! Packets of XDP programs: growing and cutting, copying, redirecting.
//!
//! The context argument is the address of a `PacketCtx`; bodies read and write its fields through the run's memory. Limits
//! were observed on Linux 6.18.

use crate::env::{failed, length, low, low_signed};
use crate::{Args, Env, Redirect};
use core::mem::offset_of;
use skep_abi::PacketCtx;
use skep_memory::{Fault, Memory};
use skep_uapi::Errno;

/// Smallest packet that may be left: an Ethernet header.
const PACKET_BYTES_MIN: i64 = 14;
/// Bytes at the start of the headroom that stay reserved (kernel `struct xdp_frame`).
const RESERVED_HEAD: i64 = 40;
/// Bytes at the end of the frame that stay reserved (kernel `struct skb_shared_info`, aligned).
const RESERVED_TAIL: i64 = 320;
/// Largest metadata (kernel: 252 less what the headroom reserves).
const META_BYTES_MAX: i64 = 252;
/// `XDP_ABORTED` and `XDP_REDIRECT`.
const ABORTED: u64 = 0;
const REDIRECT: u64 = 4;

/// The fields of a packet context that helpers use, as signed numbers so that differences are plain.
struct Packet<'env, E> {
    env: &'env E,
    ctx: u64,
    data: i64,
    end: i64,
    meta: i64,
    hard_start: i64,
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

    /// Address of `len` bytes at `offset`, or `None` if the packet does not hold them.
    fn range(&self, offset: u32, len: u32) -> Option<u64> {
        let start = self.data + i64::from(offset);
        (start + i64::from(len) <= self.end).then(|| start.cast_unsigned())
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
    if meta_bytes > 0 {
        let mut meta = vec![0; length(low(meta_bytes.cast_unsigned()))];
        env.memory().read(packet.meta.cast_unsigned(), &mut meta)?;
        env.memory()
            .write((data - meta_bytes).cast_unsigned(), &meta)?;
    }
    packet.set(offset_of!(PacketCtx, data_meta), data - meta_bytes)?;
    packet.set(offset_of!(PacketCtx, data), data)?;
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
    if let Ok(grown) = usize::try_from(end - packet.end) {
        env.memory()
            .write(packet.end.cast_unsigned(), &vec![0; grown])?;
    }
    Ok(0)
}

/// `u64 bpf_xdp_get_buff_len(ctx)`.
pub fn xdp_get_buff_len<E: Env>(env: &E, args: Args) -> Result<u64, Fault> {
    let packet = Packet::at(env, args[0])?;
    Ok((packet.end - packet.data).cast_unsigned())
}

/// `long bpf_xdp_load_bytes(ctx, offset, buf, len)`.
pub fn xdp_load_bytes<E: Env>(env: &E, args: Args) -> Result<u64, Fault> {
    copy(env, args, |packet, buffer, len| {
        let mut bytes = vec![0; len];
        env.memory().read(packet, &mut bytes)?;
        env.memory().write(buffer, &bytes)
    })
}

/// `long bpf_xdp_store_bytes(ctx, offset, buf, len)`.
pub fn xdp_store_bytes<E: Env>(env: &E, args: Args) -> Result<u64, Fault> {
    copy(env, args, |packet, buffer, len| {
        let mut bytes = vec![0; len];
        env.memory().read(buffer, &mut bytes)?;
        env.memory().write(packet, &bytes)
    })
}

/// Finds the packet's bytes and hands their address, the buffer's and the length to `transfer`.
fn copy<E: Env>(
    env: &E,
    args: Args,
    transfer: impl FnOnce(u64, u64, usize) -> Result<(), Fault>,
) -> Result<u64, Fault> {
    let len = low(args[3]);
    let Some(packet) = Packet::at(env, args[0])?.range(low(args[1]), len) else {
        return Ok(failed(Errno::EINVAL));
    };
    transfer(packet, args[2], length(len))?;
    Ok(0)
}

/// `long bpf_redirect(ifindex, flags)` for XDP: no flag is allowed.
pub fn redirect<E: Env>(env: &E, args: Args) -> Result<u64, Fault> {
    if args[1] != 0 {
        return Ok(ABORTED);
    }
    env.set_redirect(Redirect {
        ifindex: low(args[0]),
        flags: args[1],
    });
    Ok(REDIRECT)
}
