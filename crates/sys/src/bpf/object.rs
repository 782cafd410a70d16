//! Commands that are the same for all kinds of objects, and BTF.

use super::attr::{Attr, Command, call, call_fd, invalid, len_u32};
use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// An object's name, zero-terminated in 16 bytes (`BPF_OBJ_NAME_LEN`). Which characters are allowed is the kernel's say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Name([u8; 16]);

impl Name {
    /// The name, or `None` if it is longer than 15 bytes or holds a zero.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        if text.len() >= bytes.len() || text.contains('\0') {
            return None;
        }
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Some(Self(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Where a parser's or verifier's log goes.
#[derive(Debug)]
pub struct Log<'a> {
    /// Level bits; 0 with an empty buffer is no log.
    pub level: u32,
    /// Space for the text, zero-terminated by the kernel.
    pub buffer: &'a mut [u8],
}

/// The kinds of objects that have ids.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IdKind {
    /// Programs.
    Prog,
    /// Maps.
    Map,
    /// BTF objects.
    Btf,
    /// Links.
    Link,
}

/// First id above `after`.
///
/// # Errors
/// `ENOENT` after the last, `EPERM` without CAP_SYS_ADMIN.
pub fn next_id(kind: IdKind, after: u32) -> io::Result<u32> {
    let command = match kind {
        IdKind::Prog => Command::ProgNextId,
        IdKind::Map => Command::MapNextId,
        IdKind::Btf => Command::BtfNextId,
        IdKind::Link => Command::LinkNextId,
    };
    let mut attr = Attr::new();
    attr.set_u32(0, after);
    // SAFETY: these commands have no pointers.
    unsafe { call(command, &mut attr) }?;
    Ok(attr.u32(4))
}

/// Opens an object by id.
///
/// # Errors
/// `ENOENT` if there is none, `EPERM` without CAP_SYS_ADMIN.
pub fn open_id(kind: IdKind, id: u32) -> io::Result<OwnedFd> {
    let command = match kind {
        IdKind::Prog => Command::ProgOpenId,
        IdKind::Map => Command::MapOpenId,
        IdKind::Btf => Command::BtfOpenId,
        IdKind::Link => Command::LinkOpenId,
    };
    let mut attr = Attr::new();
    attr.set_u32(0, id);
    // SAFETY: these commands have no pointers and return a new descriptor.
    unsafe { call_fd(command, &mut attr) }
}

/// Pins an object at `path`.
///
/// # Errors
/// `EPERM` outside a bpffs, `EEXIST` if the name is taken.
pub fn obj_pin(object: BorrowedFd<'_>, path: &CStr) -> io::Result<()> {
    let mut attr = Attr::new();
    attr.set_input(0, path.to_bytes_with_nul())
        .set_fd(8, object);
    // SAFETY: the one pointer is a zero-terminated string, which `path` keeps alive; the kernel only reads it.
    unsafe { call(Command::ObjPin, &mut attr) }?;
    Ok(())
}

/// Opens the object pinned at `path`.
///
/// # Errors
/// `ENOENT` without the file, `EACCES` if it is no pin.
pub fn obj_get(path: &CStr) -> io::Result<OwnedFd> {
    let mut attr = Attr::new();
    attr.set_input(0, path.to_bytes_with_nul());
    // SAFETY: the one pointer is a zero-terminated string, which `path` keeps alive; the kernel only reads it. The
    // command returns a new descriptor.
    unsafe { call_fd(Command::ObjGet, &mut attr) }
}

/// Loads BTF; `log` is written on success too.
///
/// # Errors
/// `EINVAL` for BTF that the kernel refuses.
pub fn btf_load(data: &[u8], log: Log<'_>) -> io::Result<OwnedFd> {
    if data.is_empty() {
        return Err(invalid());
    }
    let mut attr = Attr::new();
    attr.set_input(0, data)
        .set_output(8, log.buffer)
        .set_u32(16, len_u32(data.len())?)
        .set_u32(20, len_u32(log.buffer.len())?)
        .set_u32(24, log.level);
    // SAFETY: the kernel reads `btf_size` bytes of `data` and writes at most `btf_log_size` of the log, both of which
    // are the slices' lengths. The command returns a new descriptor.
    unsafe { call_fd(Command::BtfLoad, &mut attr) }
}

/// Ties a map's life to a program's.
///
/// # Errors
/// `EBADF` or `EINVAL` for descriptors of other kinds.
pub fn prog_bind_map(prog: BorrowedFd<'_>, map: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = Attr::new();
    attr.set_fd(0, prog).set_fd(4, map);
    // SAFETY: the command has no pointers.
    unsafe { call(Command::ProgBindMap, &mut attr) }?;
    Ok(())
}

/// Takes off what a link holds; the link stays, detached.
///
/// # Errors
/// `EOPNOTSUPP` for a kind of link that cannot be detached, `EINVAL` or `EBADF` for a descriptor that is no link.
pub fn link_detach(link: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = Attr::new();
    attr.set_fd(0, link);
    // SAFETY: the command has no pointers.
    unsafe { call(Command::LinkDetach, &mut attr) }?;
    Ok(())
}

/// What `/proc/self/fdinfo` says of a descriptor: lines of `name:` tab value.
///
/// # Errors
/// Where `/proc` is not mounted.
pub fn fdinfo(fd: BorrowedFd<'_>) -> io::Result<String> {
    fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(Name::new("").is_some());
        assert!(Name::new("fifteen_letters").is_some());
        assert!(Name::new("sixteen_letters_").is_none());
        assert!(Name::new("a\0b").is_none());
    }
}
