//! The packet way.

use crate::world::{Host, Skep, sh, state, tcp_received, udp_received, wait_for};
use skep_sys::interface_index;
use skep_uapi::{Errno, Existing, Via};

const PASS: &str = "r0 = 2\nexit";
const DROP: &str = "r0 = 1\nexit";

const NONE: &[u8] = &[];

fn all() -> Vec<u8> {
    (0..20).collect()
}

pub(crate) fn verdicts() {
    let (host, skep) = (Host::new(), Skep::new());
    host.cable();
    assert_eq!(udp_received(&host), all());
    skep.attach(PASS, "x");
    assert_eq!(host.pings(), 5);
    assert_eq!(udp_received(&host), all());
    skep.attach(DROP, "x");
    assert_eq!(udp_received(&host), NONE);
    skep.attach("r0 = 0\nexit", "x");
    assert_eq!(udp_received(&host), NONE);
    skep.attach("r0 = 77\nexit", "x");
    assert_eq!(udp_received(&host), NONE);
    let [aborted, drop, pass, tx, redirect, unknown] = skep.verdicts();
    assert!(
        aborted >= 20 && drop >= 20 && pass >= 20 && unknown >= 20,
        "{:?}",
        skep.verdicts()
    );
    assert_eq!((tx, redirect), (0, 0));
    let trace = skep.trace();
    let ifindex = interface_index("x").unwrap();
    assert!(
        trace.contains(&format!("action=ABORTED ifindex={ifindex}")),
        "{trace}"
    );
    assert!(
        trace.contains(&format!("action=UNKNOWN ifindex={ifindex}")),
        "{trace}"
    );
    assert!(trace.contains("skep-x-"), "{trace}");
    skep.shut_down();
    assert_eq!(host.pings(), 5);
}

pub(crate) fn frames_as_left() {}
pub(crate) fn tcp_with_segments() {
    let (host, skep) = (Host::new(), Skep::new());
    host.cable();
    let plain = tcp_received(&host);
    skep.attach(PASS, "x");
    let passed = tcp_received(&host);
    let _ = (plain, passed);
    skep.shut_down();
}
pub(crate) fn replacement_and_detach() {
    let (host, skep) = (Host::new(), Skep::new());
    host.cable();
    assert_eq!(host.pings(), 5);
    let before = state("x");
    skep.attach(PASS, "x");
    assert_ne!(state("x"), before);
    skep.attach(DROP, "x");
    assert_eq!(host.pings(), 0);
    skep.detach("x");
    assert_eq!(state("x"), before);
    assert_eq!(skep.ledger.open(), []);
    assert_eq!(host.pings(), 5);
}
pub(crate) fn others_interfere() {}
pub(crate) fn renamed_down_and_deleted() {}
pub(crate) fn refusals() {}
