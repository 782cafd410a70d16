//! Frames of every kind: IPv6, broadcast, multicast, others, VLAN tags.

use crate::attach::{Attacher, Mode, Site, Way, pinged};
use crate::common::Said;
use crate::tools::raw::{Capture, ethernet, mac, tagged, udp};
use crate::tools::udp::{Stream, arrivals, expect_each_once, listen, listen_in_group};

const BROADCAST: [u8; 6] = [0xff; 6];
/// Of 224.0.0.251.
const GROUP: [u8; 6] = [1, 0, 0x5e, 0, 0, 251];
/// The tag of `push_vlan`.
const VLAN: u16 = 5;

/// Pings over IPv6, with the neighbour discovery before them; what the program saw is what the far side sent.
pub(crate) fn ipv6(site: &Site) {
    site.load("kinds");
    let sent = || site.far().counter("f0", "tx", "packets");
    let before = sent();
    site.attach("kinds");
    site.world.turn_ipv6_on();
    assert_eq!(pinged(site.far(), "fd00:1::1", 10), 10);
    let arrived = site.udp(&Stream::new("[fd00:1::1]:7300", 50));
    expect_each_once(&arrived, 50);
    // Multicast reports of the far side may still be under way.
    crate::common::wait_until("the program has seen what was sent", || {
        site.count("kinds", 0) == sent() - before
    });
    let counts = site.counts("kinds");
    assert_eq!(counts[&2], counts[&0], "all of it IPv6: {counts:?}");
    assert!(
        counts[&10] > 0,
        "neighbours are found by multicast: {counts:?}"
    );
}

/// What is sent to all, to a group, to another host, by another protocol: the program sees each, and who listens gets it.
pub(crate) fn to_many(site: &Site) {
    site.run("kinds");
    let host = listen_in_group(site.near(), &site.tools(), 7300, "224.0.0.251");
    let capture = site.capture_far();
    let to = |mac: [u8; 6], ip: [u8; 4], number: u32| {
        let builder = etherparse::PacketBuilder::ethernet2(crate::tools::raw::mac(1, 2), mac)
            .ipv4([10, 1, 0, 2], ip, 4)
            .udp(5000, 7300);
        let mut bytes = Vec::new();
        builder.write(&mut bytes, &number.to_be_bytes()).unwrap();
        bytes
    };
    // Who has 10.1.0.1? Tell 10.1.0.2.
    let question = [
        &[0, 1, 8, 0, 6, 4, 0, 1][..],
        &mac(1, 2),
        &[10, 1, 0, 2],
        &[0; 6],
        &[10, 1, 0, 1],
    ]
    .concat();
    site.inject(&[
        to(mac(1, 1), [10, 1, 0, 1], 0),
        to(BROADCAST, [10, 1, 0, 255], 1),
        to(GROUP, [224, 0, 0, 251], 2),
        // To another host's MAC address: the program sees it, and its PASS does not make the host take it.
        to(mac(1, 9), [10, 1, 0, 1], 3),
        ethernet(BROADCAST, mac(1, 2), 0x0806, &question),
        ethernet(mac(1, 1), mac(1, 2), 0x88b5, &[7; 50]),
        // Of no protocol: a length instead of a type.
        ethernet(GROUP, mac(1, 2), 3, &[0x42, 0x42, 3]),
    ]);
    site.expect_counts(
        "kinds",
        &[(0, 7), (1, 4), (3, 1), (6, 2), (8, 3), (9, 2), (10, 2)],
    );
    expect_each_once(&arrivals(host), 3);
    let answers = capture.take(1);
    // Over IPv4 nothing answers the others; the question is answered by x0's own address.
    assert_eq!(answers.len(), 1, "{answers:02x?}");
    assert_eq!(
        answers[0][..14],
        ethernet(mac(1, 2), mac(1, 1), 0x0806, &[])[..]
    );
    assert_eq!(answers[0][20..28], [&[0, 2][..], &mac(1, 1)].concat()[..]);
}

/// Tags in the frame, as a raw sender's are (and a NIC's that leaves them there). Linux's programs see them in both modes, because
/// the stack takes the first tag off the frame and puts it beside only behind XDP. A packet socket is behind that, so that
/// skep's packet way cannot tell such a tag from one that was beside the frame all along, and shows neither: of two tags the
/// program sees the inner one. An interface without VLAN devices drops tagged packets, but for those of VLAN 0.
pub(crate) fn vlan_in_frame(site: &Site) {
    site.run("kinds");
    let frame = udp(7300, &[0; 4]);
    let capture = Capture::start(site.near(), &site.tools(), "x0");
    let sent = [
        frame.clone(),
        tagged(&frame, 0x8100, VLAN),
        tagged(&frame, 0x88a8, VLAN),
        tagged(&tagged(&frame, 0x8100, VLAN), 0x88a8, 9),
        // A tag with priority alone: for the host it is as good as none.
        tagged(&frame, 0x8100, 0x6000),
    ];
    let host = listen(site.near(), &site.tools(), 7300);
    site.inject(&sent);
    let counts: &[_] = match site.attacher {
        Attacher::Kernel(_) | Attacher::Skep(Way::AfXdp | Way::Tap) => {
            &[(0, 5), (1, 1), (4, 2), (5, 2), (8, 5)]
        }
        Attacher::Skep(Way::Packet | Way::Tun) => &[(0, 5), (1, 4), (4, 1), (8, 5)],
    };
    site.expect_counts("kinds", counts);
    assert_eq!(arrivals(host), [(0, 2)].into());
    let seen = capture.end();
    // skep's own packet socket is another's neighbour: frames that it re-injects are seen twice.
    if let Attacher::Kernel(_) = site.attacher {
        assert_eq!(seen, sent);
    }
}

/// A tag beside the frame, as a NIC or a VLAN device leaves it: no program sees it, and it is still there afterwards.
pub(crate) fn vlan_beside_frame(site: &Site) {
    tag_beside(site);
    site.run("kinds");
    let capture = Capture::start(site.near(), &site.tools(), "x0");
    let arrived = site.udp(&Stream::new("10.1.0.1:7001", 5));
    // The host has no device for this VLAN.
    assert!(arrived.is_empty());
    site.expect_counts("kinds", &[(0, 5), (1, 5), (8, 5)]);
    let seen = capture.end();
    if let Attacher::Kernel(_) = site.attacher {
        assert_eq!(seen.len(), 5);
    }
    // The tag is still beside the frames that pass.
    let tag = tagged(&udp(7001, &[]), 0x8100, VLAN)[12..16].to_owned();
    assert!(seen.iter().all(|frame| frame[12..16] == tag), "{seen:02x?}");
}

/// A tag beside the frame goes out again with TX: so do Linux's generic XDP and skep. Linux's native XDP forgets it, because
/// an XDP frame has no place for it, and sends the packet without. skep's AF_XDP, which is on
/// top of that, asks the driver for it and puts it back.
pub(crate) fn vlan_sent_back(site: &Site) {
    tag_beside(site);
    site.let_receive(site.far(), "f0");
    site.run("swap_tx");
    let capture = site.capture_far();
    let arrived = site.udp(&Stream::new("10.1.0.1:7000", 5));
    assert!(arrived.is_empty());
    site.expect_counts("swap_tx", &[(0, 5)]);
    let seen = capture.take(5);
    assert_eq!(seen.len(), 5);
    let tag = tagged(&udp(7001, &[]), 0x8100, VLAN)[12..16].to_owned();
    let is_tagged = |frame: &Vec<u8>| frame[12..16] == tag;
    match site.attacher {
        Attacher::Kernel(Mode::Native) => assert!(!seen.iter().any(is_tagged), "{seen:02x?}"),
        Attacher::Kernel(Mode::Generic) | Attacher::Skep(_) => {
            assert!(seen.iter().all(is_tagged), "{seen:02x?}");
        }
    }
}

/// Makes Linux tag what `f0` sends to ports 7000 and 7001, beside the frame.
fn tag_beside(site: &Site) {
    let bpffs = skep_testkit::oracle::BpfFs::mount();
    let object = site.kit().object("push_vlan");
    let pin = bpffs.join("push_vlan");
    let load = skep_testkit::oracle::bpftool([
        "prog".as_ref(),
        "load".as_ref(),
        object.as_os_str(),
        pin.as_os_str(),
    ]);
    assert!(load.status.success(), "{load:?}");
    let script = format!(
        "tc qdisc add dev f0 clsact && tc filter add dev f0 egress bpf direct-action object-pinned {}",
        pin.display()
    );
    let said = Said::of(
        &site
            .far()
            .privileged("sh")
            .args(["-ec", &script])
            .output()
            .unwrap(),
    );
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
}
