//! Programs that move the ends of a packet.

use crate::attach::{Attacher, Mode, Site};
use crate::common::wait_until;
use crate::tools::raw::{ethernet, mac, swapped, udp};
use crate::tools::udp::{arrivals, expect_each_once, listen};

/// Between an outer and an inner Ethernet header.
const OUTER: u16 = 0x88b5;

/// An outer header taken off makes the inner packet the host's; one put in front goes out with it.
pub(crate) fn head(site: &Site) {
    const COUNT: u32 = 100;
    site.let_receive(site.far(), "f0");
    site.run("adjust_head");
    let host = listen(site.near(), &site.tools(), 7000);
    let wrapped: Vec<_> = (0..COUNT)
        .map(|number| {
            ethernet(
                mac(1, 1),
                mac(1, 2),
                OUTER,
                &udp(7000, &number.to_be_bytes()),
            )
        })
        .collect();
    site.inject(&wrapped);
    site.expect_counts("adjust_head", &[(0, COUNT.into())]);
    expect_each_once(&arrivals(host), COUNT);

    let capture = site.capture_far();
    let plain: Vec<_> = (0..COUNT)
        .map(|number| udp(7001, &number.to_be_bytes()))
        .collect();
    site.inject(&plain);
    let wrapped: Vec<_> = plain
        .iter()
        .map(|frame| ethernet(mac(1, 2), mac(1, 1), OUTER, frame))
        .collect();
    assert!(capture.take(plain.len()) == wrapped);
    site.expect_counts("adjust_head", &[(0, COUNT.into()), (1, COUNT.into())]);
}

/// Metadata in front of a packet harms it neither when it passes nor when it goes back.
pub(crate) fn meta(site: &Site) {
    const COUNT: u32 = 100;
    site.let_receive(site.far(), "f0");
    site.run("adjust_meta");
    let frames = |port| {
        (0..COUNT)
            .map(move |number| udp(port, &number.to_be_bytes()))
            .collect::<Vec<_>>()
    };
    let host = listen(site.near(), &site.tools(), 7000);
    let capture = site.capture_far();
    site.inject(&frames(7000));
    site.inject(&frames(7001));
    let back: Vec<_> = frames(7001).iter().map(|frame| swapped(frame)).collect();
    assert!(capture.take(back.len()) == back);
    expect_each_once(&arrivals(host), COUNT);
    site.expect_counts("adjust_meta", &[(0, u64::from(2 * COUNT))]);
}

/// The end moved to both sides. What the helper refuses (-EINVAL) goes back as it came; bytes that it adds are zero.
///
/// Never refused: to shrink down to an Ethernet header. Always: to shrink further. How far a packet may grow depends on the buffer:
/// Linux's generic mode has tail room for `GROWS` at the least, native mode on veth as much as the sender's buffer happens to
/// have (1 byte or 128, but not 64 between them, were seen for one frame), so that there no growth is promised.
pub(crate) fn tail(site: &Site) {
    const GROWS: i32 = 128;
    let frame = udp(7002, &[0x5a; 200]);
    let len = i32::try_from(frame.len()).unwrap();
    site.let_receive(site.far(), "f0");
    site.run("adjust_tail");
    let capture = site.capture_far();
    let mut expected = Vec::new();
    for delta in [
        -1,
        -100,
        14 - len,
        13 - len,
        -len,
        1,
        64,
        GROWS,
        1000,
        4000,
        70_000,
    ] {
        site.set("adjust_tail", "delta", 0, delta);
        let counts = || [0, 1].map(|at| site.count("adjust_tail", at));
        let before = counts();
        site.inject(std::slice::from_ref(&frame));
        wait_until("the program has run", || counts() != before);
        let is_done = counts()[0] != before[0];
        if delta < 0 {
            assert_eq!(is_done, len + delta >= 14, "{delta}");
        } else if delta <= GROWS && site.attacher != Attacher::Kernel(Mode::Native) {
            assert!(is_done, "{delta}");
        } else if delta > 65_535 {
            assert!(!is_done, "{delta}");
        }
        let mut back = swapped(&frame);
        if is_done {
            back.resize(usize::try_from(len + delta).unwrap(), 0);
        } else {
            assert_eq!(site.count("adjust_tail", 2), 22, "{delta}");
        }
        expected.push(back);
    }
    let received = capture.take(expected.len());
    assert!(received == expected, "{received:02x?}\n{expected:02x?}");
}
