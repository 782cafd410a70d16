//! The program that redirects frames to sockets, and its map.
//!
//! There are two: one that redirects and does nothing else, for any interface and mode, and one for the driver of a certain
//! interface that first asks it for the VLAN tag beside the frame, by a kernel function that only programs bound to a
//! device may call (Documentation/networking/xdp-rx-metadata.rst).

use super::metadata::{self, VlanTags};
use super::socket::XskSocket;
use crate::bpf::{Map, MapCreate, Name, ProgLoad, map_create, prog_info, prog_load};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// `BPF_PROG_TYPE_XDP`.
const PROG_TYPE_XDP: u32 = 6;
/// `BPF_MAP_TYPE_XSKMAP`.
const MAP_TYPE_XSKMAP: u32 = 17;
/// `BPF_F_XDP_HAS_FRAGS`: takes frames in several pieces, of interfaces with a large MTU.
const HAS_FRAGS: u32 = 1 << 5;
/// `BPF_F_XDP_DEV_BOUND_ONLY`: for the driver of one interface alone, whose functions it may call (Linux 6.3).
const DEVICE_BOUND: u32 = 1 << 6;
/// Name of both.
const NAME: &str = "skep_xsk";

/// A program in the kernel that gives a frame to the socket of the queue that it came in at; where there is no socket
/// (any more) the host gets the frame. So it does no harm when it outlives the process that made it.
#[derive(Debug)]
pub struct RedirectProgram {
    program: OwnedFd,
    sockets: Map,
    id: u32,
    tags: VlanTags,
}

/// Where a program learns of VLAN tags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TagSource {
    /// Number of the interface, whose driver tells.
    pub ifindex: u32,
    /// `bpf_xdp_metadata_rx_vlan_tag`, as the kernel's BTF numbers it.
    pub kfunc: u32,
}

impl RedirectProgram {
    /// Loads it, for an interface of so many receive queues. With a source of tags it can only be attached to that
    /// interface's driver, and sockets must be opened to take tags.
    ///
    /// # Errors
    /// `EPERM` without the right to load XDP programs, `EINVAL` for no queues or where the kernel has no AF_XDP; with a
    /// source, also where kernel or driver have no such function.
    pub fn load(queues: u32, source: Option<TagSource>) -> io::Result<Self> {
        let name = Name::new(NAME).unwrap_or_default();
        let map = map_create(&MapCreate {
            map_type: MAP_TYPE_XSKMAP,
            key_size: 4,
            value_size: 4,
            max_entries: queues,
            map_flags: 0,
            inner_map: None,
            numa_node: 0,
            name,
            btf: None,
            btf_key_type_id: 0,
            btf_value_type_id: 0,
            map_extra: 0,
        })?;
        let insns = instructions(map.as_fd(), source.map(|source| source.kfunc));
        let load = |flags| load(&insns, name, flags, source.map(|source| source.ifindex));
        let program = load(HAS_FRAGS).or_else(|error| match error.raw_os_error() {
            // Kernels before 5.18 do not know the flag, and later ones not together with the other.
            Some(libc::EINVAL) => load(0),
            _ => Err(error),
        })?;
        Ok(Self {
            id: prog_info(program.as_fd())?.id,
            sockets: Map::from_fd(map)?,
            program,
            tags: match source {
                Some(_) => VlanTags::Kept,
                None => VlanTags::Lost,
            },
        })
    }

    /// What becomes of tags; sockets must be opened so.
    #[must_use]
    pub fn tags(&self) -> VlanTags {
        self.tags
    }

    /// Lets a queue's frames go to a socket.
    ///
    /// # Errors
    /// `E2BIG` for a queue beyond those it was loaded for.
    pub fn redirect(&self, queue: u32, socket: &XskSocket) -> io::Result<()> {
        let fd = socket.as_fd().as_raw_fd();
        self.sockets
            .update(&queue.to_ne_bytes(), &fd.to_ne_bytes(), 0)
    }

    /// Its id in the kernel.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }
}

/// The program, to attach it.
impl AsFd for RedirectProgram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.program.as_fd()
    }
}

fn load(insns: &[u8], name: Name, flags: u32, bound_to: Option<u32>) -> io::Result<OwnedFd> {
    prog_load(ProgLoad {
        prog_flags: flags | bound_to.map_or(0, |_| DEVICE_BOUND),
        ifindex: bound_to.unwrap_or(0),
        ..ProgLoad::new(PROG_TYPE_XDP, insns, c"Dual MIT/GPL", name)
    })
}

/// Code, registers, offset, immediate (RFC 9669, section 3).
type Row = (u8, u8, i16, i32);

/// Registers: destination in the low half, source in the high.
const fn regs(dst: u8, src: u8) -> u8 {
    match cfg!(target_endian = "little") {
        true => src << 4 | dst,
        false => dst << 4 | src,
    }
}

/// Puts the tag in front of the frame as [`metadata`] has it, or ends with `XDP_ABORTED`, which Linux traces. Afterwards r1 is
/// the context again.
fn tell_tag(kfunc: i32) -> [Row; 25] {
    const ROOM: i16 = metadata::BYTES_I16;
    let room = i32::from(ROOM);
    [
        // r6 = ctx
        (0xbf, regs(6, 1), 0, 0),
        // if (bpf_xdp_adjust_meta(ctx, -ROOM)) goto abort
        (0xb7, regs(2, 0), 0, -room),
        (0x85, 0, 0, 54),
        (0x55, regs(0, 0), 18, 0),
        // r0 = bpf_xdp_metadata_rx_vlan_tag(ctx, fp - 8, fp - 4)
        (0x7a, regs(10, 0), -8, 0),
        (0xbf, regs(1, 6), 0, 0),
        (0xbf, regs(2, 10), 0, 0),
        (0x07, regs(2, 0), 0, -8),
        (0xbf, regs(3, 10), 0, 0),
        (0x07, regs(3, 0), 0, -4),
        (0x85, regs(0, 2), 0, kfunc),
        // r1 = ctx->data_meta; if (r1 + ROOM > ctx->data) goto abort
        (0x61, regs(1, 6), 8, 0),
        (0x61, regs(2, 6), 0, 0),
        (0xbf, regs(3, 1), 0, 0),
        (0x07, regs(3, 0), 0, room),
        (0x2d, regs(3, 2), 6, 0),
        // *(u32 *)r1 = r0; *(u16 *)(r1 + 4) = *(u16 *)(fp - 8); *(u16 *)(r1 + 6) = *(u16 *)(fp - 4); goto on
        (0x63, regs(1, 0), 0, 0),
        (0x69, regs(3, 10), -8, 0),
        (0x6b, regs(1, 3), 4, 0),
        (0x69, regs(3, 10), -4, 0),
        (0x6b, regs(1, 3), 6, 0),
        (0x05, 0, 2, 0),
        // abort: return XDP_ABORTED
        (0xb7, regs(0, 0), 0, 0),
        (0x95, 0, 0, 0),
        // on: r1 = ctx
        (0xbf, regs(1, 6), 0, 0),
    ]
}

/// `return bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS)`, where the last argument is the verdict if the map has no
/// such entry.
fn redirect(map: BorrowedFd<'_>) -> [Row; 6] {
    [
        // r2 = *(u32 *)(r1 + offsetof(struct xdp_md, rx_queue_index))
        (0x61, regs(2, 1), 16, 0),
        // r1 = map (two slots; source 1: by its descriptor)
        (0x18, regs(1, 1), 0, map.as_raw_fd()),
        (0, 0, 0, 0),
        // r3 = XDP_PASS
        (0xb7, regs(3, 0), 0, 2),
        // call bpf_redirect_map
        (0x85, 0, 0, 51),
        // exit
        (0x95, 0, 0, 0),
    ]
}

fn instructions(map: BorrowedFd<'_>, kfunc: Option<u32>) -> Vec<u8> {
    let tell = kfunc.map(|kfunc| tell_tag(kfunc.cast_signed()));
    let rows = tell.iter().flatten().copied().chain(redirect(map));
    rows.flat_map(|(code, regs, offset, imm)| {
        let [o0, o1] = offset.to_ne_bytes();
        let [i0, i1, i2, i3] = imm.to_ne_bytes();
        [code, regs, o0, o1, i0, i1, i2, i3]
    })
    .collect()
}
