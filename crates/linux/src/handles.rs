//! The connection's handles: small numbers for descriptors, each with the kind of object behind it.
//!
//! Numbers begin at 1 and are not used again, so that a stale handle is `EBADF` and never another object. A command
//! holds the object by count, so that closing it elsewhere takes effect after the command.

use crate::errno;
use skep_sys::bpf::Map;
use skep_uapi::{Errno, Handle, ObjectKind};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a handle stands for.
#[derive(Debug)]
pub(crate) enum Object {
    Prog(OwnedFd),
    Map(Map),
    Btf(OwnedFd),
    Link(OwnedFd),
}

impl Object {
    pub(crate) fn new(kind: ObjectKind, fd: OwnedFd) -> Result<Self, Errno> {
        Ok(match kind {
            ObjectKind::Prog => Self::Prog(fd),
            ObjectKind::Map => Self::Map(Map::from_fd(fd).map_err(errno)?),
            ObjectKind::Btf => Self::Btf(fd),
            ObjectKind::Link => Self::Link(fd),
        })
    }

    fn kind(&self) -> ObjectKind {
        match self {
            Self::Prog(_) => ObjectKind::Prog,
            Self::Map(_) => ObjectKind::Map,
            Self::Btf(_) => ObjectKind::Btf,
            Self::Link(_) => ObjectKind::Link,
        }
    }

    /// The map, or what the kernel says to a descriptor of another kind.
    pub(crate) fn map(&self) -> Result<&Map, Errno> {
        match self {
            Self::Map(map) => Ok(map),
            Self::Prog(_) | Self::Btf(_) | Self::Link(_) => Err(Errno::EINVAL),
        }
    }
}

impl AsFd for Object {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Prog(fd) | Self::Btf(fd) | Self::Link(fd) => fd.as_fd(),
            Self::Map(map) => map.as_fd(),
        }
    }
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    last: u32,
    objects: BTreeMap<u32, Arc<Object>>,
}

impl Handles {
    /// A table is whole between any two statements, so that a panic elsewhere does not spoil it.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an object. Handles fit the signed immediate of an instruction; after the last one: `EMFILE`.
    pub(crate) fn insert(&self, object: Object) -> Result<Handle, Errno> {
        let mut table = self.table();
        let number = table.last + 1;
        if i32::try_from(number).is_err() {
            return Err(Errno::EMFILE);
        }
        table.last = number;
        table.objects.insert(number, Arc::new(object));
        Ok(Handle(number))
    }

    /// The object of any kind; `EBADF` for an unknown handle.
    pub(crate) fn any(&self, handle: Handle) -> Result<Arc<Object>, Errno> {
        self.table()
            .objects
            .get(&handle.0)
            .cloned()
            .ok_or(Errno::EBADF)
    }

    /// The object, which must be of `kind`; `EINVAL` for another, as the kernel says.
    pub(crate) fn of_kind(&self, handle: Handle, kind: ObjectKind) -> Result<Arc<Object>, Errno> {
        let object = self.any(handle)?;
        if object.kind() == kind {
            Ok(object)
        } else {
            Err(Errno::EINVAL)
        }
    }

    /// As [`Self::of_kind`] for a handle that may be missing.
    pub(crate) fn optional(
        &self,
        handle: Option<Handle>,
        kind: ObjectKind,
    ) -> Result<Option<Arc<Object>>, Errno> {
        handle.map(|handle| self.of_kind(handle, kind)).transpose()
    }

    pub(crate) fn close(&self, handle: Handle) -> Result<(), Errno> {
        let closed = self.table().objects.remove(&handle.0);
        closed.map(drop).ok_or(Errno::EBADF)
    }
}
