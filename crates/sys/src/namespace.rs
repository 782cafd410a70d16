//! Which namespaces the process is in, by inode number: two processes share one if the numbers are equal.

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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn namespaces_differ() {
        let net = namespace_inode(Namespace::Net).unwrap();
        assert_ne!(net, 0);
        assert_ne!(net, namespace_inode(Namespace::User).unwrap());
        assert_ne!(net, namespace_inode(Namespace::Mount).unwrap());
    }
}
