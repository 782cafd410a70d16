//! Giving up capabilities, in a process that has them all.

use crate::world::{RING, pair};
use skep_sys::packet::{RxRing, TxSocket};
use skep_sys::{
    Capability, Tap, drop_capabilities_except, effective_capabilities, no_new_privileges,
};
use std::process::Command;

/// The hexadecimal sets in the status of a program that this one starts.
fn sets_of_child() -> Vec<u64> {
    let output = Command::new("grep")
        .args(["^Cap", "/proc/self/status"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| u64::from_str_radix(line.split_once('\t').unwrap().1, 16).unwrap())
        .collect()
}

pub(crate) fn given_up() {
    let (_, b) = pair();
    let all = effective_capabilities().unwrap();
    assert!(all.contains(Capability::NET_ADMIN) && all.contains(Capability::SETPCAP));

    // Not while another thread would keep them.
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || stopped.recv());
    let error = drop_capabilities_except(&[]).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EBUSY));
    drop(stop);
    assert!(thread.join().unwrap().is_err());
    // A thread that was joined may still be on its way out.
    while std::fs::read_dir("/proc/self/task").unwrap().count() > 1 {
        std::thread::yield_now();
    }
    assert_eq!(effective_capabilities().unwrap(), all);

    drop_capabilities_except(&[Capability::NET_RAW]).unwrap();
    let kept = 1 << Capability::NET_RAW.number();
    assert_eq!(effective_capabilities().unwrap().bits(), kept);
    // A program of root's has what the bounding set leaves: inheritable, permitted, effective, bounding, ambient.
    assert_eq!(sets_of_child(), [0, kept, kept, kept, 0]);
    RxRing::open(b, RING, &[]).unwrap();
    TxSocket::open(Some(1)).unwrap();
    if std::fs::File::options()
        .write(true)
        .open(skep_sys::TUN_FILE)
        .is_ok()
    {
        let spec = crate::tap::PLAIN;
        let error = Tap::create("t0", spec).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
    }
    no_new_privileges().unwrap();

    // What is gone cannot be kept, and the bounding set can no longer be changed.
    drop_capabilities_except(&[Capability::NET_ADMIN]).unwrap();
    assert!(effective_capabilities().unwrap().is_empty());
    let error = RxRing::open(b, RING, &[]).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EPERM));
}
