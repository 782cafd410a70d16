//! What becomes of a packet by the program's verdict.

use crate::attach::{Attacher, Mode, Site, Way};
use crate::tools::raw::{self, Capture, mac, udp};
use crate::tools::udp::{Stream, expect_each_once};
use std::collections::BTreeSet;
use std::time::Duration;

/// hello as a newcomer has it: pings are answered, each packet prints a line and is counted once.
pub(crate) fn ping(site: &Site) {
    let trace = site.trace();
    site.load("hello");
    let sent = || site.far().counter("f0", "tx", "packets");
    let before = sent();
    site.attach("hello");
    // Neighbours are asked for, so that there is more than ICMP.
    site.far().sh("ip neigh del 10.1.0.1 dev f0");
    assert_eq!(site.ping(10), 10);
    let sent = sent() - before;
    assert!(sent > 10, "{sent}: pings and a question for the neighbour");
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(hello_counter(site), sent);
    let text = trace
        .wait_for(|text| text.contains(&format!("bpf_trace_printk: Hello World {}", sent - 1)));
    let numbers: Vec<u64> = text.lines().filter_map(hello_number).collect();
    // Linux's trace holds other programs' lines too: there each number is seen at least once.
    let expected: Vec<u64> = (0..sent).collect();
    match site.attacher {
        Attacher::Kernel(_) => {
            let numbers: BTreeSet<u64> = numbers.into_iter().collect();
            assert!(
                expected.iter().all(|number| numbers.contains(number)),
                "{text}"
            );
        }
        Attacher::Skep(_) => assert_eq!(numbers, expected, "{text}"),
    }
}

/// `counter` in `hello.bss`.
pub(crate) fn hello_counter(site: &Site) -> u64 {
    let text = site.results("map dump pinned {P}/hello_maps/hello_bss -j");
    let dump: serde_json::Value = serde_json::from_str(&text).unwrap();
    dump[0]["formatted"]["value"][".bss"][0]["counter"]
        .as_u64()
        .unwrap_or_else(|| panic!("{text}"))
}

fn hello_number(line: &str) -> Option<u64> {
    line.split_once("bpf_trace_printk: Hello World ")?
        .1
        .parse()
        .ok()
}

/// Nobody sends, so nothing is counted: not by Linux, and not by skep, whose own devices are about.
pub(crate) fn idle(site: &Site) {
    site.run("pass");
    std::thread::sleep(match site.attacher {
        Attacher::Kernel(_) => Duration::from_secs(3),
        Attacher::Skep(_) => Duration::from_secs(10),
    });
    site.expect_counts("pass", &[]);
}

/// Every ping is lost, everything else passes.
pub(crate) fn drop_icmp(site: &Site) {
    site.run("drop_icmp");
    site.expect_lost(5);
    let arrived = site.udp(&Stream::new("10.1.0.1:7200", 200));
    expect_each_once(&arrived, 200);
    assert_eq!(site.count("drop_icmp", 0), 5);
    site.detach();
    assert_eq!(site.ping(5), 5);
    assert_eq!(site.count("drop_icmp", 0), 5);
}

/// A bulk transfer is intact, whatever the sender leaves to its interface: frames beyond the MTU, checksums, both, nothing.
///
/// Linux's generic mode gives the program whole GSO frames of up to 64 KiB, made linear first. Its native mode on veth
/// takes segmentation away from the peer (`tx-tcp-segmentation` of `f0` reads `off [requested on]`), so that the program
/// sees no frame larger than the MTU.
pub(crate) fn bulk(site: &Site) {
    site.run("drop_icmp");
    let mut largest = Vec::new();
    for (port, features) in (7101..).zip([
        "tx on tso on gso on",
        "tx on tso off gso on",
        "tx on tso off gso off",
        "tx off tso off gso off",
    ]) {
        site.far().said(&format!("ethtool -K f0 {features}"));
        site.tcp(port);
        largest.push(site.count("drop_icmp", 2));
    }
    match site.attacher {
        Attacher::Kernel(Mode::Native) | Attacher::Skep(Way::AfXdp) => {
            assert!(largest[0] <= 1514, "{largest:?}");
        }
        Attacher::Kernel(Mode::Generic) | Attacher::Skep(Way::Packet | Way::Tun | Way::Tap) => {
            assert!(largest[0] > 60_000, "{largest:?}")
        }
    }
    site.expect_lost(2);
}

/// The far side receives exactly what the program sent back, and the host nothing of it.
pub(crate) fn swap_tx(site: &Site) {
    const COUNT: u32 = 500;
    site.let_receive(site.far(), "f0");
    site.run("swap_tx");
    let frames: Vec<_> = (0..COUNT)
        .map(|number| udp(7000, &number.to_be_bytes()))
        .collect();
    let host = crate::tools::udp::listen(site.near(), &site.tools(), 7000);
    // Whom the answers are for: without a listener its host would send ICMP errors.
    let sender = crate::tools::udp::listen(site.far(), &site.tools(), 5000);
    let capture = site.capture_far();
    site.inject(&frames);
    let received = capture.take(frames.len());
    let arrived = crate::tools::udp::arrivals(sender);
    expect_each_once(&arrived, COUNT);
    let swapped: Vec<_> = frames.iter().map(|frame| ip_swapped(frame)).collect();
    assert_eq!(received.len(), swapped.len());
    assert!(received == swapped, "not the same frames");
    assert_eq!(crate::tools::udp::arrivals(host).len(), 0);
    site.expect_counts("swap_tx", &[(0, COUNT.into())]);
    // What the program passes still gets through.
    assert_eq!(site.ping(3), 3);
}

/// What `swap_tx` makes of a frame.
fn ip_swapped(frame: &[u8]) -> Vec<u8> {
    let mut frame = raw::swapped(frame);
    frame[26..34].rotate_left(4);
    frame[34..38].rotate_left(2);
    frame
}

/// The other interface's peer receives exactly what was redirected.
pub(crate) fn redirect_if(site: &Site) {
    site.load("redirect_if");
    let target = site.near().ifindex("y0").cast_signed();
    site.set("redirect_if", "target", 0, target);
    site.attach("redirect_if");
    redirected(site);
    site.expect_counts("redirect_if", &[(0, 300)]);
    assert_eq!(site.ping(3), 3);
    // An interface that does not exist takes nothing, and Linux says so in its tracepoint alone.
    site.set("redirect_if", "target", 0, 4000);
    site.inject(&[udp(7000, &[0; 4])]);
    site.expect_counts("redirect_if", &[(0, 301), (1, 3)]);
}

/// As by number; where the map has no element, the flags are the verdict.
pub(crate) fn redirect_dev(site: &Site) {
    const PASS: u64 = 2;
    const REDIRECT: u64 = 4;
    site.run("redirect_dev");
    let arrived = site.udp(&Stream::new("10.1.0.1:7000", 20));
    expect_each_once(&arrived, 20);
    site.expect_counts("redirect_dev", &[(PASS, 20)]);
    let target = site.near().ifindex("y0").cast_signed();
    site.set("redirect_dev", "target", 3, target);
    redirected(site);
    site.expect_counts("redirect_dev", &[(PASS, 20), (REDIRECT, 300)]);
}

/// Sends 300 packets, all of which come out of `o0` unchanged and none of which reaches the host.
fn redirected(site: &Site) {
    let frames: Vec<_> = (0..300_u32)
        .map(|number| udp(7000, &number.to_be_bytes()))
        .collect();
    let host = crate::tools::udp::listen(site.near(), &site.tools(), 7000);
    site.let_receive(site.world.other(), "o0");
    let capture = Capture::start(site.world.other(), &site.tools(), "o0");
    site.inject(&frames);
    let received = capture.take(frames.len());
    assert_eq!(received.len(), frames.len());
    assert!(received == frames, "not the same frames");
    assert_eq!(crate::tools::udp::arrivals(host).len(), 0);
    assert_eq!(received[0][..6], mac(1, 1));
}

/// ABORTED and a verdict that does not exist drop the packet and are traced.
///
/// Linux's line is `xdp_exception: prog_id=5 action=ABORTED ifindex=3`, for the latter the number instead: `action=0x63`.
pub(crate) fn abort(site: &Site) {
    let trace = site.trace();
    site.run("abort");
    for port in [7000, 7001] {
        let arrived = site.udp(&Stream::new(&format!("10.1.0.1:{port}"), 5));
        assert_eq!(arrived.len(), 0);
    }
    let arrived = site.udp(&Stream::new("10.1.0.1:7002", 5));
    expect_each_once(&arrived, 5);
    site.expect_counts("abort", &[(0, 5), (1, 5)]);
    let (id, ifindex) = (site.id("abort"), site.near().ifindex("x0"));
    let line = |action| format!("xdp_exception: prog_id={id} action={action} ifindex={ifindex}\n");
    let times = |text: &str, action| text.matches(&line(action)).count();
    let text = trace.wait_for(|text| times(text, "ABORTED") >= 5);
    assert_eq!(times(&text, "ABORTED"), 5, "{text}");
    assert_eq!(times(&text, "0x63"), 5, "{text}");
}
