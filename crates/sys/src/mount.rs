//! Pseudo file systems: where they are mounted, and mounting them in places that the caller chooses.

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount as umount,
};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Type name of the file system that holds pins.
pub const BPF_FS: &str = "bpf";
/// Type name of the tracing file system.
pub const TRACE_FS: &str = "tracefs";
/// Type name of the debug file system, which holds `tracing/` where tracefs is not mounted alone.
pub const DEBUG_FS: &str = "debugfs";

/// One mounted file system.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mount {
    /// Where it is mounted.
    pub target: PathBuf,
    /// Its type's name.
    pub fs_type: String,
}

/// Mounts that the calling thread sees (`/proc/thread-self/mountinfo`, proc(5)), in the kernel's order. Odd lines are left out.
///
/// # Errors
/// Where `/proc` is not mounted.
pub fn mounts() -> io::Result<Vec<Mount>> {
    let text = fs::read("/proc/thread-self/mountinfo")?;
    Ok(text
        .split(|&byte| byte == b'\n')
        .filter_map(parse_mountinfo)
        .collect())
}

/// Field 5 is the target, the first field after the lone `-` the type.
fn parse_mountinfo(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|&byte| byte == b' ');
    let target = unescape(fields.nth(4)?);
    fields.find(|field| field == b"-")?;
    let fs_type = String::from_utf8(fields.next()?.to_vec()).ok()?;
    Some(Mount {
        target: PathBuf::from(OsString::from_vec(target)),
        fs_type,
    })
}

/// Undoes the kernel's `\040` for space, tab, newline and backslash.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail
            .get(..3)
            .filter(|digits| digits.iter().all(|d| (b'0'..=b'7').contains(d)));
        match digits {
            Some(digits) if first == b'\\' => {
                let value = digits.iter().fold(0_u8, |value, d| {
                    value.wrapping_mul(8).wrapping_add(d - b'0')
                });
                bytes.push(value);
                rest = &tail[3..];
            }
            Some(_) | None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    bytes
}

/// Mounts a pseudo file system, such as [`BPF_FS`], on a folder.
///
/// # Errors
/// `EPERM` without CAP_SYS_ADMIN in the namespace, `ENODEV` if the kernel lacks the type.
pub fn mount_pseudo(fs_type: &str, target: &Path) -> io::Result<()> {
    mount(fs_type, target, fs_type, MountFlags::empty(), None)?;
    Ok(())
}

/// Unmounts what is mounted on `target`, now or when its last user has gone.
///
/// # Errors
/// `EINVAL` if nothing is mounted there.
pub fn unmount(target: &Path) -> io::Result<()> {
    umount(target, UnmountFlags::DETACH)?;
    Ok(())
}

/// Moves the calling thread into a mount namespace of its own, from which nothing propagates back.
///
/// # Errors
/// `EPERM` without CAP_SYS_ADMIN.
pub fn private_mount_namespace() -> io::Result<()> {
    // SAFETY: only `CLONE_FILES` and the like change what other code may assume (descriptors shared with other
    // threads); `NEWNS` alone changes which files paths name, for the calling thread.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn mountinfo_lines() {
        let mount = |target: &str, fs_type: &str| {
            Some(Mount {
                target: target.into(),
                fs_type: fs_type.into(),
            })
        };
        for (line, expected) in [
            (
                "36 35 98:0 / /sys/fs/bpf rw,noatime master:1 - bpf none rw",
                mount("/sys/fs/bpf", "bpf"),
            ),
            (
                r"36 35 98:0 / /a\040b\134 rw - tracefs t rw",
                mount("/a b\\", "tracefs"),
            ),
            (
                r"36 35 98:0 / /a\04 rw - tracefs t rw",
                mount(r"/a\04", "tracefs"),
            ),
            ("36 35 98:0 / /x rw", None),
            ("36 35 98:0 / /x rw -", None),
            ("", None),
        ] {
            assert_eq!(parse_mountinfo(line.as_bytes()), expected, "{line}");
        }
        assert!(
            mounts()
                .unwrap()
                .iter()
                .any(|mount| mount.fs_type == "proc")
        );
    }
}
