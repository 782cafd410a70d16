//! `union bpf_attr` as bytes, and the system call.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

macro_rules! commands {
    ($($variant:ident = $number:literal, $name:literal;)*) => {
        /// Commands (`enum bpf_cmd`) that this module issues.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Command {
            $(#[doc = concat!("`", $name, "`.")] $variant = $number,)*
        }

        impl Command {
            /// All of them, in order of number.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The number that the kernel knows it by.
            #[must_use]
            pub const fn number(self) -> u32 {
                match self { $(Self::$variant => $number,)* }
            }

            /// The name in `enum bpf_cmd`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

commands! {
    MapCreate = 0, "BPF_MAP_CREATE";
    MapLookup = 1, "BPF_MAP_LOOKUP_ELEM";
    MapUpdate = 2, "BPF_MAP_UPDATE_ELEM";
    MapDelete = 3, "BPF_MAP_DELETE_ELEM";
    MapNextKey = 4, "BPF_MAP_GET_NEXT_KEY";
    ProgLoad = 5, "BPF_PROG_LOAD";
    ObjPin = 6, "BPF_OBJ_PIN";
    ObjGet = 7, "BPF_OBJ_GET";
    TestRun = 10, "BPF_PROG_TEST_RUN";
    ProgNextId = 11, "BPF_PROG_GET_NEXT_ID";
    MapNextId = 12, "BPF_MAP_GET_NEXT_ID";
    ProgOpenId = 13, "BPF_PROG_GET_FD_BY_ID";
    MapOpenId = 14, "BPF_MAP_GET_FD_BY_ID";
    ObjInfo = 15, "BPF_OBJ_GET_INFO_BY_FD";
    BtfLoad = 18, "BPF_BTF_LOAD";
    BtfOpenId = 19, "BPF_BTF_GET_FD_BY_ID";
    MapLookupAndDelete = 21, "BPF_MAP_LOOKUP_AND_DELETE_ELEM";
    MapFreeze = 22, "BPF_MAP_FREEZE";
    BtfNextId = 23, "BPF_BTF_GET_NEXT_ID";
    LinkOpenId = 30, "BPF_LINK_GET_FD_BY_ID";
    LinkNextId = 31, "BPF_LINK_GET_NEXT_ID";
    LinkDetach = 34, "BPF_LINK_DETACH";
    ProgBindMap = 35, "BPF_PROG_BIND_MAP";
}

/// Bytes of the attribute passed; what a kernel does not know must be zero and is.
const ATTR_BYTES: usize = 160;

/// Times that a load is tried again when a signal interrupted it.
const AGAIN_MAX: u32 = 5;

/// Fields of a structure that the kernel reads and writes, by offset. All zero at first.
#[derive(Clone, Debug)]
#[repr(C, align(8))]
pub(super) struct Fields<const BYTES: usize>([u8; BYTES]);

/// `union bpf_attr`.
pub(super) type Attr = Fields<ATTR_BYTES>;

impl<const BYTES: usize> Fields<BYTES> {
    pub(super) fn new() -> Self {
        Self([0; BYTES])
    }

    /// Stores a field. `at` is a constant of this folder, inside the structure.
    pub(super) fn set_bytes(&mut self, at: usize, bytes: &[u8]) -> &mut Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub(super) fn set_u32(&mut self, at: usize, value: u32) -> &mut Self {
        self.set_bytes(at, &value.to_ne_bytes())
    }

    pub(super) fn set_u64(&mut self, at: usize, value: u64) -> &mut Self {
        self.set_bytes(at, &value.to_ne_bytes())
    }

    pub(super) fn set_fd(&mut self, at: usize, fd: BorrowedFd<'_>) -> &mut Self {
        self.set_bytes(at, &fd.as_raw_fd().to_ne_bytes())
    }

    /// Stores the address of bytes that the kernel reads; null for none. The kernel reads them during the call only,
    /// whose caller holds them.
    pub(super) fn set_input(&mut self, at: usize, bytes: &[u8]) -> &mut Self {
        let address = if bytes.is_empty() {
            0
        } else {
            bytes.as_ptr().expose_provenance()
        };
        self.set_u64(at, address as u64)
    }

    /// Stores the address of bytes that the kernel writes; null for none. Whoever makes the call vouches that the
    /// kernel writes no more than these.
    pub(super) fn set_output(&mut self, at: usize, bytes: &mut [u8]) -> &mut Self {
        let address = if bytes.is_empty() {
            0
        } else {
            bytes.as_mut_ptr().expose_provenance()
        };
        self.set_u64(at, address as u64)
    }

    pub(super) fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.0[at..at + N]);
        bytes
    }

    pub(super) fn u32(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.bytes(at))
    }

    pub(super) fn u64(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.bytes(at))
    }

    pub(super) fn as_mut_bytes(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// Makes the call; a result that is not negative is returned as is.
///
/// # Safety
/// Every pointer field of `attr` that `command` knows is null or points to memory of the length that the kernel will
/// take it for, valid for reading (inputs) or writing (outputs) until the call returns.
pub(super) unsafe fn call(command: Command, attr: &mut Attr) -> io::Result<i32> {
    // SAFETY: `attr` is writable for `ATTR_BYTES`; the caller vouches for what it points to.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            libc::c_long::from(command.number()),
            attr.0.as_mut_ptr(),
            libc::c_ulong::try_from(ATTR_BYTES).unwrap_or(0),
        )
    };
    if rc < 0 {
        return Err(io::Error::last_os_error());
    }
    i32::try_from(rc).map_err(|_| io::Error::from_raw_os_error(libc::EOVERFLOW))
}

/// Makes a call that returns a new descriptor, trying again when a signal interrupts it (`EAGAIN`).
///
/// # Safety
/// As [`call`]; `command` returns a new descriptor.
pub(super) unsafe fn call_fd(command: Command, attr: &mut Attr) -> io::Result<OwnedFd> {
    let mut tries = 0;
    loop {
        // SAFETY: the caller vouches for `attr`.
        match unsafe { call(command, attr) } {
            // SAFETY: the caller vouches that the result is a new descriptor, which nobody else owns.
            Ok(fd) => return above_standard(unsafe { OwnedFd::from_raw_fd(fd) }),
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) && tries < AGAIN_MAX => {
                tries += 1
            }
            Err(error) => return Err(error),
        }
    }
}

/// Moves a descriptor out of the range of the standard ones: bpf(2) takes a descriptor of 0 for "none" in many fields.
fn above_standard(fd: OwnedFd) -> io::Result<OwnedFd> {
    if fd.as_raw_fd() > 2 {
        return Ok(fd);
    }
    Ok(rustix::io::fcntl_dupfd_cloexec(&fd, 3)?)
}

/// `len` as the 32 bits that a field has; `E2BIG` if it does not fit.
pub(super) fn len_u32(len: usize) -> io::Result<u32> {
    u32::try_from(len).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))
}

/// The kernel's "invalid argument", for what cannot even be passed to it.
pub(super) fn invalid() -> io::Error {
    io::Error::from_raw_os_error(libc::EINVAL)
}
