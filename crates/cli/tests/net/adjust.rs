//! Programs that move the ends of a packet.

use crate::attach::{Attacher, Mode, Site};
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
        .map(|number| ethernet(mac(1, 1), mac(1, 2), OUTER, &udp(7000, &number.to_be_bytes())))
        .collect();
    site.inject(&wrapped);
    site.expect_counts("adjust_head", &[(0, COUNT.into())]);
    expect_each_once(&arrivals(host), COUNT);

    let capture = site.capture_far();
    let plain: Vec<_> = (0..COUNT).map(|number| udp(7001, &number.to_be_bytes())).collect();
    site.inject(&plain);
    let wrapped: Vec<_> = plain.iter().map(|frame| ethernet(mac(1, 2), mac(1, 1), OUTER, frame)).collect();
    assert!(capture.take(plain.len()) == wrapped);
    site.expect_counts("adjust_head", &[(0, COUNT.into()), (1, COUNT.into())]);
}

/// Metadata in front of a packet harms it neither when it passes nor when it goes back.
pub(crate) fn meta(site: &Site) {
    const COUNT: u32 = 100;
    site.let_receive(site.far(), "f0");
    site.run("adjust_meta");
    let frames = |port| (0..COUNT).map(move |number| udp(port, &number.to_be_bytes())).collect::<Vec<_>>();
    let host = listen(site.near(), &site.tools(), 7000);
    let capture = site.capture_far();
    site.inject(&frames(7000));
    site.inject(&frames(7001));
    let back: Vec<_> = frames(7001).iter().map(|frame| swapped(frame)).collect();
    assert!(capture.take(back.len()) == back);
    expect_each_once(&arrivals(host), COUNT);
    site.expect_counts("adjust_meta", &[(0, u64::from(2 * COUNT))]);
}

/// The end moved to both sides.
pub(crate) fn tail(site: &Site) {
    const FRAME: usize = 242;
    site.let_receive(site.far(), "f0");
    site.run("adjust_tail");
    let frame = udp(7002, &[0x5a; FRAME - 42]);
    for delta in [-1, -100, -228, -229, -300, 1, 64, 128, 200, 400, 1000, 1258, 2000, 3000, 3300, 3500, 4000] {
        site.set("adjust_tail", "delta", 0, delta);
        let (done, refused) = (site.count("adjust_tail", 0), site.count("adjust_tail", 1));
        let capture = site.capture_far();
        site.inject(&[frame.clone()]);
        let got = capture.take(1);
        let lens: Vec<_> = got.iter().map(Vec::len).collect();
        eprintln!("{:?} {delta}: done {} refused {} error {} {lens:?}", site.attacher, site.count("adjust_tail", 0) - done, site.count("adjust_tail", 1) - refused, site.count("adjust_tail", 2));
        let _ = (Attacher::Kernel(Mode::Generic), &got);
    }
}
