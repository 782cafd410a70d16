//! What the kernel announces.

use crate::{output, pair};
use skep_sys::netlink::{LinkEvent, Monitor, Netlink};
use skep_sys::{Readiness, wait_readable};
use std::os::fd::AsFd;
use std::process::Command;
use std::time::Duration;

pub(crate) fn monitor() {
    let mut monitor = Monitor::open().unwrap();
    assert_eq!(monitor.next_event().unwrap(), None);
    let mut netlink = Netlink::open().unwrap();
    let x = pair(&mut netlink, "x", "y").index;
    netlink.set_up(x).unwrap();
    netlink.set_mac(x, [2, 0, 0, 0, 0, 9]).unwrap();
    netlink.set_mtu(x, 1400).unwrap();
    let ready = wait_readable(monitor.as_fd(), Some(Duration::from_secs(10)));
    assert_eq!(ready.unwrap(), Readiness::Ready);
    let mut events = drain(&mut monitor);
    let changed = |event: &LinkEvent| match event {
        LinkEvent::Changed(link) if link.index == x => Some((**link).clone()),
        LinkEvent::Changed(_) | LinkEvent::Deleted(_) | LinkEvent::Lost => None,
    };
    let last = events.iter().rev().find_map(changed).unwrap();
    assert_eq!(last.name, "x");
    assert_eq!((last.mac, last.mtu), (Some([2, 0, 0, 0, 0, 9]), 1400));
    assert!(last.flags.is_up());

    // A port that leaves its bridge is not deleted. (What the kernel announces is pinned without one, too.)
    let bridge = ["ip", "link", "add", "name", "bridge0", "type", "bridge"];
    if Command::new(bridge[0])
        .args(&bridge[1..])
        .status()
        .unwrap()
        .success()
    {
        output("ip link set x master bridge0");
        output("ip link set x nomaster");
        events = drain(&mut monitor);
        assert!(!events.contains(&LinkEvent::Deleted(x)), "{events:?}");
        output("ip link del bridge0");
        events = drain(&mut monitor);
        assert!(!events.contains(&LinkEvent::Deleted(x)), "{events:?}");
    }

    netlink.delete_link(x).unwrap();
    events = drain(&mut monitor);
    assert!(events.contains(&LinkEvent::Deleted(x)), "{events:?}");
    assert_eq!(monitor.next_event().unwrap(), None);

    // More than the socket holds, unread.
    let y = pair(&mut netlink, "x", "y").index;
    for mtu in 0..3000 {
        netlink.set_mtu(y, 1000 + mtu % 2).unwrap();
    }
    let events = drain(&mut monitor);
    assert_eq!(
        events.iter().filter(|one| **one == LinkEvent::Lost).count(),
        1
    );
    netlink.delete_link(y).unwrap();
    assert!(drain(&mut monitor).contains(&LinkEvent::Deleted(y)));
}

fn drain(monitor: &mut Monitor) -> Vec<LinkEvent> {
    std::iter::from_fn(|| monitor.next_event().unwrap()).collect()
}
