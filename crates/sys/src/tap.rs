//! TAP devices: interfaces whose other end is a descriptor (Documentation/networking/tuntap.rst).
//!
//! What the host sends by the interface is read from the descriptor, what is written enters by the interface. Nothing
//! waits: descriptors are non-blocking. The interface goes away with the last of its descriptors.

use crate::interface::interface_index;
use crate::packet::VnetHeader;
use std::ffi::{CStr, c_int, c_ulong};
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

/// The file that makes them.
pub const TUN_FILE: &str = "/dev/net/tun";

/// Most parts that [`Tap::write`] takes for a frame.
pub const TAP_PARTS: usize = 8;

/// How many descriptors an interface may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TapQueues {
    /// One.
    Single,
    /// Several; see [`Tap::open_queue`].
    Multiple,
}

/// What comes before each frame on the descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TapHeader {
    /// Nothing: frames are complete.
    None,
    /// A [`VnetHeader`].
    Vnet,
}

/// What the far side takes off the host's hands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TapOffload {
    /// Nothing: checksums are there, frames are as long as the MTU says.
    None,
    /// Checksums and the cutting of TCP segments, and of UDP datagrams where the kernel can. Needs [`TapHeader::Vnet`].
    Segments,
}

/// What to make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TapSpec {
    /// Number of descriptors.
    pub queues: TapQueues,
    /// Header before frames.
    pub header: TapHeader,
}

/// A descriptor of a TAP interface.
#[derive(Debug)]
pub struct Tap {
    file: File,
    name: String,
    spec: TapSpec,
}

impl Tap {
    /// Makes an interface. `%d` in the name stands for a free number.
    ///
    /// # Errors
    /// With the remedy in its text if the tun file is missing or refused; `EBUSY` if there is such an interface, `EPERM` without
    /// `CAP_NET_ADMIN` in the user namespace of the network namespace, `EINVAL` if the name is no interface's.
    pub fn create(name: &str, spec: TapSpec) -> io::Result<Self> {
        Self::attach(name, spec, libc::IFF_TUN_EXCL)
    }

    /// A further descriptor, whose queue's number is the count of those before. What the host sends is spread over
    /// all by flow; what is written here enters with this queue's number plus one as the frame's `queue_mapping`.
    ///
    /// # Errors
    /// `EINVAL` for an interface with [`TapQueues::Single`]; else as for [`Self::create`].
    pub fn open_queue(&self) -> io::Result<Self> {
        Self::attach(&self.name, self.spec, 0)
    }

    fn attach(name: &str, spec: TapSpec, more: c_int) -> io::Result<Self> {
        let mut request = request(name)?;
        let queues = match spec.queues {
            TapQueues::Single => 0,
            TapQueues::Multiple => libc::IFF_MULTI_QUEUE,
        };
        let header = match spec.header {
            TapHeader::None => 0,
            TapHeader::Vnet => libc::IFF_VNET_HDR,
        };
        let flags = libc::IFF_TAP | libc::IFF_NO_PI | queues | header | more;
        let flags = u16::try_from(flags).expect("flags of interfaces have 16 bits");
        request.ifr_ifru.ifru_flags = flags.cast_signed();
        let file = open_file()?;
        let place = &raw mut request;
        // SAFETY: `place` points to a live local of the type that this request reads and writes.
        let rc = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, place) };
        if rc != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            file,
            name: name_of(&request),
            spec,
        })
    }

    /// Name of the interface, at the time that the descriptor was opened.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of the interface.
    ///
    /// # Errors
    /// `ENODEV` if it was renamed or deleted.
    pub fn ifindex(&self) -> io::Result<u32> {
        interface_index(&self.name)
    }

    /// Chooses what the far side does, for all queues.
    ///
    /// # Errors
    /// `EINVAL` without [`TapHeader::Vnet`].
    pub fn set_offload(&self, offload: TapOffload) -> io::Result<()> {
        let segments = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN;
        match (offload, self.spec.header) {
            (TapOffload::None, _) => self.offload(0),
            // The kernel would agree, and its frames could not be understood.
            (TapOffload::Segments, TapHeader::None) => {
                Err(io::Error::from_raw_os_error(libc::EINVAL))
            }
            // Datagrams since Linux 6.2.
            (TapOffload::Segments, TapHeader::Vnet) => self
                .offload(segments | libc::TUN_F_USO4 | libc::TUN_F_USO6)
                .or_else(|_| self.offload(segments)),
        }
    }

    fn offload(&self, bits: u32) -> io::Result<()> {
        let bits = c_ulong::from(bits);
        // SAFETY: this request takes a number.
        let rc = unsafe { libc::ioctl(self.file.as_raw_fd(), libc::TUNSETOFFLOAD, bits) };
        match rc {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// The next frame that the host sent by the interface: its header and length. `None` if there is none yet. What does not
    /// fit into `buffer` is lost: give it 64 KiB and 18 bytes.
    ///
    /// # Errors
    /// `EBADFD` if the interface was deleted; others of `read(2)`.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<Option<(VnetHeader, usize)>> {
        let mut header = [0; VnetHeader::BYTES];
        let read = match self.spec.header {
            TapHeader::None => rustix::io::read(&self.file, buffer),
            TapHeader::Vnet => {
                let mut parts = [IoSliceMut::new(&mut header), IoSliceMut::new(buffer)];
                rustix::io::readv(&self.file, &mut parts)
            }
        };
        let before = self.header_bytes();
        match read {
            Ok(count) => match count.checked_sub(before) {
                Some(len) => Ok(Some((VnetHeader::from_bytes(header), len))),
                None => Err(io::ErrorKind::UnexpectedEof.into()),
            },
            Err(rustix::io::Errno::AGAIN) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Lets a frame, made of `parts` one behind the other, enter by the interface. Without [`TapHeader::Vnet`] the header is
    /// not given.
    ///
    /// # Errors
    /// `EIO` if the interface is down, `EINVAL` for a frame shorter than an Ethernet header, an impossible header or more than
    /// [`TAP_PARTS`] parts, `EAGAIN` if there is no room now.
    pub fn write(&self, vnet: &VnetHeader, parts: &[&[u8]]) -> io::Result<()> {
        let header = vnet.to_bytes();
        let mut slices = [IoSlice::new(&[]); TAP_PARTS + 1];
        slices[0] = IoSlice::new(&header[..self.header_bytes()]);
        let places = slices[1..].get_mut(..parts.len());
        let places = places.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
        for (place, part) in places.iter_mut().zip(parts) {
            *place = IoSlice::new(part);
        }
        rustix::io::writev(&self.file, &slices[..=parts.len()])?;
        Ok(())
    }

    fn header_bytes(&self) -> usize {
        match self.spec.header {
            TapHeader::None => 0,
            TapHeader::Vnet => VnetHeader::BYTES,
        }
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn open_file() -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options.custom_flags(libc::O_NONBLOCK);
    options.open(TUN_FILE).map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::PermissionDenied => {
                "only its owner may open it; `chmod 666 /dev/net/tun` as root allows it to all, who still need \
                 CAP_NET_ADMIN to make an interface"
            }
            _ => {
                "`modprobe tun` as root makes it, in a container `mknod /dev/net/tun c 10 200`"
            }
        };
        io::Error::new(error.kind(), format!("{TUN_FILE}: {error}: {remedy}"))
    })
}

/// A request about the interface of this name.
fn request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: a C structure of numbers and unions of numbers and pointers, valid with zeros.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // One byte stays for the end of the string.
    let last = request.ifr_name.len() - 1;
    if name.is_empty() || name.len() > last || name.contains('\0') {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = std::ffi::c_char::from_ne_bytes([byte]);
    }
    Ok(request)
}

fn name_of(request: &libc::ifreq) -> String {
    let bytes: Vec<u8> = request
        .ifr_name
        .iter()
        .flat_map(|byte| byte.to_ne_bytes())
        .collect();
    CStr::from_bytes_until_nul(&bytes).map_or_else(
        |_| String::new(),
        |name| name.to_string_lossy().into_owned(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn names_of_requests() {
        for name in ["x", "tap%d", "fifteen-letters"] {
            assert_eq!(name_of(&request(name).unwrap()), name);
        }
        for name in ["", "sixteen--letters", "a\0b"] {
            assert!(request(name).is_err(), "{name:?}");
        }
    }
}
