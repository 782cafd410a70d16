//! The rights that a daemon keeps.
//!
//! Programs and packets come from anybody, so that whatever goes wrong with one should find nothing to misuse. Kept are
//! `CAP_NET_ADMIN` (devices, filters, tun, XDP programs, marks) and `CAP_NET_RAW` (packet sockets, AF_XDP), and of a
//! real root also `CAP_BPF` (loading the program that feeds an AF_XDP socket, where unprivileged bpf(2) is off) and
//! `CAP_IPC_LOCK` (its memory is locked, and more than the usual limit). `CAP_SYS_ADMIN` is needed for none of these since
//! Linux 5.8. Without `CAP_DAC_OVERRIDE` even root reads and writes only what its files' modes allow: the daemon's
//! own are its own. In a user namespace of one's own the last two mean nothing and are kept all the same, so that there
//! is one list.

use skep_sys::{Capability, drop_capabilities_except, no_new_privileges};
use std::io;

/// `CAP_IPC_LOCK` of linux/capability.h.
const IPC_LOCK: u8 = 14;

/// Gives up what a daemon does not need, for ever and for the programs that it starts. Call it before there are threads.
///
/// # Errors
/// `EBUSY` if there are, and what `capset(2)` says.
pub fn drop_rights() -> io::Result<()> {
    let ipc_lock = Capability::from_number(IPC_LOCK).expect("below 64");
    let kept = [
        Capability::NET_ADMIN,
        Capability::NET_RAW,
        Capability::BPF,
        ipc_lock,
    ];
    drop_capabilities_except(&kept)?;
    no_new_privileges()
}
