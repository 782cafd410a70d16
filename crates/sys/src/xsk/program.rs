//! The program that redirects frames to sockets, and its map.

use super::socket::XskSocket;
use crate::bpf::{Log, Map, MapCreate, Name, ProgLoad, map_create, prog_info, prog_load};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// `BPF_PROG_TYPE_XDP`.
const PROG_TYPE_XDP: u32 = 6;
/// `BPF_MAP_TYPE_XSKMAP`.
const MAP_TYPE_XSKMAP: u32 = 17;
/// `BPF_F_XDP_HAS_FRAGS`: takes frames in several pieces, of interfaces with a large MTU.
const HAS_FRAGS: u32 = 1 << 5;
/// Name of both.
const NAME: &str = "skep_xsk";

/// A program in the kernel that gives a frame to the socket of the queue that it came in at; where there is no socket
/// (any more) the host gets the frame. So it does no harm when it outlives the process that made it.
#[derive(Debug)]
pub struct RedirectProgram {
    program: OwnedFd,
    sockets: Map,
    id: u32,
}

impl RedirectProgram {
    /// Loads it, for an interface of so many receive queues.
    ///
    /// # Errors
    /// `EPERM` without the right to load XDP programs, `EINVAL` for no queues or where the kernel has no AF_XDP.
    pub fn load(queues: u32) -> io::Result<Self> {
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
        let insns = instructions(map.as_fd());
        let program =
            load(&insns, name, HAS_FRAGS).or_else(|error| match error.raw_os_error() {
                // Kernels before 5.18 do not know the flag.
                Some(libc::EINVAL) => load(&insns, name, 0),
                _ => Err(error),
            })?;
        Ok(Self {
            id: prog_info(program.as_fd())?.id,
            sockets: Map::from_fd(map)?,
            program,
        })
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

fn load(insns: &[u8], name: Name, prog_flags: u32) -> io::Result<OwnedFd> {
    prog_load(ProgLoad {
        prog_type: PROG_TYPE_XDP,
        insns,
        license: c"Dual MIT/GPL",
        prog_flags,
        name,
        ifindex: 0,
        expected_attach_type: 0,
        btf: None,
        func_info: &[],
        func_info_rec_size: 0,
        line_info: &[],
        line_info_rec_size: 0,
        attach_btf_id: 0,
        fd_array: &[],
        log: Log {
            level: 0,
            buffer: &mut [],
        },
    })
}

/// `return bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS)`, where the last argument is the verdict if the map has no
/// such entry.
fn instructions(map: BorrowedFd<'_>) -> Vec<u8> {
    /// Registers: destination in the low half, source in the high.
    const fn regs(dst: u8, src: u8) -> u8 {
        match cfg!(target_endian = "little") {
            true => src << 4 | dst,
            false => dst << 4 | src,
        }
    }
    // Code, registers, offset, immediate (RFC 9669, section 3).
    let rows: [(u8, u8, i16, i32); 6] = [
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
    ];
    rows.iter()
        .flat_map(|&(code, regs, offset, imm)| {
            let [o0, o1] = offset.to_ne_bytes();
            let [i0, i1, i2, i3] = imm.to_ne_bytes();
            [code, regs, o0, o1, i0, i1, i2, i3]
        })
        .collect()
}
