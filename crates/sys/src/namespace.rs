//! Which namespaces the process is in, by inode number: two processes share one if the numbers are equal.

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::{fs, io};

/// The namespaces that decide which daemon serves a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Namespace {
    /// Network namespace.
    Net,
    /// User namespace.
    User,
    /// Mount namespace.
    Mount,
}

/// Inode number of the calling process's namespace.
///
/// # Errors
/// Where `/proc` is not mounted.
pub fn namespace_inode(namespace: Namespace) -> io::Result<u64> {
    let path = match namespace {
        Namespace::Net => "/proc/self/ns/net",
        Namespace::User => "/proc/self/ns/user",
        Namespace::Mount => "/proc/self/ns/mnt",
    };
    Ok(fs::metadata(path)?.ino())
}

/// Number of the calling thread's network namespace that no other gets before the host is started again, as one may get
/// the inode number of one that has gone (`SO_NETNS_COOKIE`, Linux 5.14). `None` where the kernel has none.
///
/// # Errors
/// Those of `socket(2)`.
pub fn net_namespace_cookie() -> io::Result<Option<u64>> {
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let mut cookie = 0_u64;
    let mut bytes = libc::socklen_t::try_from(size_of::<u64>()).expect("a few bytes");
    // SAFETY: the kernel writes at most `bytes` bytes, which are those of `cookie`, and the count into `bytes`; both live
    // until the end of the call.
    let rc = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut bytes,
        )
    };
    Ok((rc == 0).then_some(cookie))
}

/// Number that the process's effective user has outside its user namespace, in the one above it (the same number where
/// there is none above).
///
/// # Errors
/// Where `/proc` is not mounted, or the user is mapped to nobody outside.
pub fn uid_outside() -> io::Result<u32> {
    let map = fs::read_to_string("/proc/self/uid_map")?;
    mapped(&map, crate::effective_uid()).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Looks a number up in lines of: first number inside, first outside, count.
fn mapped(map: &str, uid: u32) -> Option<u32> {
    map.lines().find_map(|line| {
        let mut words = line.split_whitespace().map(str::parse::<u32>);
        let (inside, outside) = (words.next()?.ok()?, words.next()?.ok()?);
        let count = words.next()?.ok()?;
        let at = uid.checked_sub(inside).filter(|at| *at < count)?;
        outside.checked_add(at)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn users_outside() {
        assert_eq!(
            mapped("         0          0 4294967295\n", 1000),
            Some(1000)
        );
        assert_eq!(mapped("0 65534 1\n", 0), Some(65534));
        assert_eq!(mapped("0 65534 1\n1 100000 10\n", 3), Some(100_002));
        for (map, uid) in [
            ("0 65534 1\n", 1),
            ("", 0),
            ("0 x 1", 0),
            ("0 4294967295 9", 5),
        ] {
            assert_eq!(mapped(map, uid), None);
        }
        assert!(uid_outside().is_ok());
    }

    #[test]
    fn namespaces_differ() {
        let net = namespace_inode(Namespace::Net).unwrap();
        assert_ne!(net, 0);
        assert_ne!(net, namespace_inode(Namespace::User).unwrap());
        assert_ne!(net, namespace_inode(Namespace::Mount).unwrap());
        assert_ne!(net_namespace_cookie().unwrap(), Some(0));
    }
}
