//! `/proc/self/fdinfo`: what the kernel tells of a descriptor as lines of `name:` and value, and nowhere else.

use crate::errno;
use skep_sys::bpf;
use skep_uapi::{Errno, ObjectKind};
use std::os::fd::BorrowedFd;
use std::str::FromStr;

/// The lines of one descriptor. Names that a kernel does not print are simply missing.
#[derive(Debug)]
pub(crate) struct Fdinfo(String);

impl Fdinfo {
    pub(crate) fn read(fd: BorrowedFd<'_>) -> Result<Self, Errno> {
        bpf::fdinfo(fd).map(Self).map_err(errno)
    }

    /// The value after `name:`, if it is there and parses.
    pub(crate) fn value<T: FromStr>(&self, name: &str) -> Option<T> {
        self.0.lines().find_map(|line| {
            let value = line.strip_prefix(name)?.strip_prefix(':')?;
            value.trim().parse().ok()
        })
    }

    /// A value of 0 or 1; missing is 0.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.value::<u32>(name).is_some_and(|value| value != 0)
    }

    /// Kind and id of the object. Links come first: theirs also tell their program's.
    pub(crate) fn object(&self) -> Option<(ObjectKind, u32)> {
        [
            (ObjectKind::Link, "link_id"),
            (ObjectKind::Map, "map_id"),
            (ObjectKind::Prog, "prog_id"),
            (ObjectKind::Btf, "btf_id"),
        ]
        .into_iter()
        .find_map(|(kind, name)| Some((kind, self.value(name)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let info = Fdinfo(
            "pos:\t0\nmap_type:\t2\nmemlock:\t8192\nfrozen:\t1\nmap_id:\t7\nprog_id:\tx\n"
                .to_owned(),
        );
        assert_eq!(info.value("memlock"), Some(8192_u64));
        assert_eq!(info.value::<u32>("map"), None);
        assert_eq!(info.value::<u32>("prog_id"), None);
        assert!(info.flag("frozen"));
        assert!(!info.flag("owner_jited"));
        assert_eq!(info.object(), Some((ObjectKind::Map, 7)));
        let link = Fdinfo("link_type:\txdp\nlink_id:\t3\nprog_tag:\t00\nprog_id:\t9\n".to_owned());
        assert_eq!(link.object(), Some((ObjectKind::Link, 3)));
        assert_eq!(Fdinfo(String::new()).object(), None);
    }
}
