//! What happens on each way.

use crate::traffic::{DATAGRAMS, JOINED, answered, received, streams as run_streams};
use crate::world::{Host, Road, Skep, checksum_errors, counter, sh, state, wait_for};
use skep_sys::interface_index;
use skep_uapi::{Via, XdpMode};
use std::io::Write;
use std::process::Command;

const PASS: &str = "r0 = 2\nexit";
const DROP: &str = "r0 = 1\nexit";
const NONE: &[u8] = &[];

/// Where `x0` is in UDP over IPv4: what happens to it. All else passes.
fn on_datagrams(what: &str) -> String {
    format!(
        "r6 = r1\nr2 = *(u32 *)(r1 +4)\nr1 = *(u32 *)(r1 +0)\nr0 = 2\nr3 = r1\nr3 += 42\nif r3 > r2 goto out\n\
         r3 = *(u16 *)(r1 +12)\nif r3 != 8 goto out\nr3 = *(u8 *)(r1 +23)\nif r3 != 17 goto out\n{what}\nout: exit"
    )
}

/// Swaps both pairs of addresses and sends the frame back.
fn swap() -> String {
    let swap = |size: &str, one: u32, other: u32| {
        format!(
            "r3 = *({size} *)(r1 +{one})\nr4 = *({size} *)(r1 +{other})\n\
             *({size} *)(r1 +{one}) = r4\n*({size} *)(r1 +{other}) = r3\n"
        )
    };
    let swaps = [swap("u32", 0, 6), swap("u16", 4, 10), swap("u32", 26, 30)].concat();
    on_datagrams(&format!("{swaps}r0 = 3"))
}

fn all() -> Vec<u8> {
    (0..DATAGRAMS)
        .map(|number| u8::try_from(number).unwrap())
        .collect()
}

const PING: &str = "ping -c 20 -i 0.01 -W 1";

pub(crate) fn ping(road: Road) {
    let (host, skep) = (Host::new(), Skep::new());
    skep.attach(PASS, road);
    assert_eq!(skep.live().via, road.via);
    assert_eq!(answered(&host.sh(&format!("{PING} 10.9.0.1"))), 20);
    assert_eq!(answered(&sh(&format!("{PING} 10.9.0.2"))), 20);
    wait_for("20 requests, 20 answers", || skep.live().verdicts[2] >= 40);
    std::thread::sleep(std::time::Duration::from_secs(1));
    let live = skep.live();
    assert_eq!(
        (live.verdicts, live.missed, live.undelivered),
        ([0, 0, 40, 0, 0, 0], 0, 0)
    );
}

/// Frames longer than a page, which a socket of AF_XDP gets in parts.
pub(crate) fn long_frames(road: Road) {
    let (host, skep) = (Host::new(), Skep::new());
    sh("ip link set x mtu 9000");
    host.sh("ip link set y mtu 9000");
    skep.attach(PASS, road);
    let long = format!("{PING} -M do -s 8972");
    assert_eq!(answered(&host.sh(&format!("{long} 10.9.0.1"))), 20);
    assert_eq!(answered(&sh(&format!("{long} 10.9.0.2"))), 20);
    let live = skep.live();
    assert_eq!((live.missed, live.undelivered), (0, 0), "{live:?}");
}

pub(crate) fn datagrams(road: Road) {
    let (host, skep) = (Host::new(), Skep::new());
    skep.attach(PASS, road);
    let before = checksum_errors();
    assert_eq!(received(&host, "datagrams"), all());
    let live = skep.live();
    assert_eq!(
        live.verdicts[2],
        u64::try_from(DATAGRAMS).unwrap(),
        "{live:?}"
    );
    host.sh("ethtool -K y tx off");
    assert_eq!(received(&host, "datagrams"), all());
    assert_eq!(checksum_errors(), before);
}

fn streams_of(road: Road, prepare: impl FnOnce(&Host)) {
    let (host, skep) = (Host::new(), Skep::new());
    prepare(&host);
    skep.attach(PASS, road);
    let before = checksum_errors();
    let times = run_streams(&host);
    let live = skep.live();
    let mut stderr = std::io::stderr();
    writeln!(stderr, "{}: {times:?} {live:?}", road.name).unwrap();
    assert_eq!(checksum_errors(), before);
    assert_eq!(live.verdicts[2], live.verdicts.iter().sum::<u64>());
}

pub(crate) fn streams(road: Road) {
    streams_of(road, |_| ());
    // The same namespace serves again: the first pair went with its host.
    wait_for("the cable is gone", || interface_index("x").is_err());
    streams_of(road, |host| {
        host.sh("ethtool -K y tx off");
    });
}

pub(crate) fn joined_datagrams(road: Road) {
    let (host, skep) = (Host::new(), Skep::new());
    skep.attach(PASS, road);
    let expected: Vec<u8> = (0..JOINED)
        .map(|number| u8::try_from(number).unwrap())
        .collect();
    let came = received(&host, "joined");
    if road.via == Via::AfXdp && road.mode == XdpMode::Generic {
        // Nothing says where one begins.
        assert_eq!(came, NONE);
        wait_for("it is counted", || skep.live().missed == 1);
    } else {
        assert_eq!(came, expected);
    }
}

pub(crate) fn dropped(road: Road) {
    let (host, skep) = (Host::new(), Skep::new());
    skep.attach(&on_datagrams("r0 = 1"), road);
    assert_eq!(received(&host, "datagrams"), NONE);
    assert_eq!(skep.live().verdicts[1], u64::try_from(DATAGRAMS).unwrap());
    assert_eq!(answered(&host.sh(&format!("{PING} 10.9.0.1"))), 20);
    skep.attach(DROP, road);
    let mut pinged = Command::new("ping");
    pinged.args(["-c", "3", "-i", "0.01", "-W", "0.3", "10.9.0.2"]);
    assert!(!pinged.status().unwrap().success());
}

pub(crate) fn send_back(road: Road) {
    let (host, skep) = (Host::new(), Skep::new());
    skep.attach(&swap(), road);
    for offload in ["on", "off"] {
        host.sh(&format!("ethtool -K y tx {offload}"));
        assert_eq!(host.run("receive"), DATAGRAMS.to_string());
    }
    let live = skep.live();
    assert_eq!(
        (live.verdicts[3], live.undelivered),
        (2 * u64::try_from(DATAGRAMS).unwrap(), 0)
    );
}

pub(crate) fn redirect(road: Road) {
    let (host, skep) = (Host::new(), Skep::new());
    sh("ip link add v type veth peer name w");
    for end in ["v", "w"] {
        sh(&format!("sysctl -qw net.ipv6.conf.{end}.disable_ipv6=1"));
        sh(&format!("ip link set {end} arp off up"));
    }
    let to = interface_index("v").unwrap();
    skep.attach(&on_datagrams(&format!("r1 = {to}\nr2 = 0\ncall 23")), road);
    let before = counter("w", 1);
    assert_eq!(received(&host, "datagrams"), NONE);
    wait_for("all at the other interface", || {
        counter("w", 1) - before >= u64::try_from(DATAGRAMS).unwrap()
    });
    assert_eq!(counter("w", 1) - before, u64::try_from(DATAGRAMS).unwrap());
    assert_eq!(skep.live().verdicts[4], u64::try_from(DATAGRAMS).unwrap());
}

/// A frame with a tag in it reaches the host's stack with its tag: a packet socket on `x` sees it.
pub(crate) fn tags(road: Road) {
    use skep_sys::packet::{RingSpec, RxRing, TxSocket, VnetHeader};
    let (_host, skep) = (Host::new(), Skep::new());
    // The far end must be here to send a raw frame.
    sh("ip link add name p type veth peer name q");
    for end in ["p", "q"] {
        sh(&format!("sysctl -qw net.ipv6.conf.{end}.disable_ipv6=1"));
        sh(&format!("ip link set {end} arp off up"));
    }
    sh("ip link set x down");
    sh("ip link set x name was_x");
    sh("ip link set p name x");
    skep.attach(PASS, road);
    let spec = RingSpec {
        block_bytes: 256 << 10,
        blocks: 4,
        retire: std::time::Duration::from_millis(1),
    };
    let mut ring = RxRing::open(interface_index("x").unwrap(), spec, &[]).unwrap();
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 9, 0x81, 0, 0x20, 5, 0x88, 0xb5]);
    frame.resize(80, 7);
    let mut sender = TxSocket::open(None).unwrap();
    let q = interface_index("q").unwrap();
    sender.push(q, &VnetHeader::default(), &[&frame]);
    assert_eq!(sender.flush().sent, 1);
    let mut seen = 0;
    // The packet way and the tun way leave the first copy visible, before tc takes it.
    let expected = match road.via {
        Via::Packet | Via::Tun => 2,
        Via::AfXdp | Via::Tap => 1,
    };
    wait_for("the frame at the host", || {
        while let Some(got) = ring.next() {
            assert_eq!(
                got.vlan.map(|tag| (tag.tpid, tag.tci)),
                Some((0x8100, 0x2005))
            );
            assert_eq!(got.data, [&frame[..12], &frame[16..]].concat());
            seen += 1;
        }
        seen == expected
    });
}

pub(crate) fn nothing_is_left(road: Road) {
    let (host, skep) = (Host::new(), Skep::new());
    sh("tc qdisc add dev x clsact");
    sh(
        "tc filter add dev x ingress pref 7 protocol ip u32 match u32 0 0 action mirred egress redirect dev lo",
    );
    sh("tc filter del dev x ingress");
    let before = state();
    skep.attach(PASS, road);
    assert_ne!(state(), before);
    assert_eq!(answered(&host.sh(&format!("{PING} 10.9.0.1"))), 20);
    assert_ne!(skep.ledger.open(), []);
    skep.detach(road);
    assert_eq!(skep.ledger.open(), []);
    // The far end's carrier changes show for a moment.
    wait_for("all as before", || state() == before);
    assert_eq!(answered(&host.sh(&format!("{PING} 10.9.0.1"))), 20);
    sh("tc qdisc del dev x clsact");
    let before = state();
    skep.attach(PASS, road);
    skep.detach(road);
    assert_eq!(state(), before);
}

/// Attached and detached, over and over.
pub(crate) fn again_and_again(road: Road) {
    let (host, skep) = (Host::new(), Skep::new());
    let before = state();
    for _ in 0..20 {
        skep.attach(DROP, road);
        skep.detach(road);
    }
    assert_eq!(skep.ledger.open(), []);
    wait_for("all as before", || state() == before);
    assert_eq!(received(&host, "datagrams"), all());
}

/// What somebody takes away is put back.
pub(crate) fn put_back(road: Road) {
    let (host, skep) = (Host::new(), Skep::new());
    skep.attach(&on_datagrams("r0 = 1"), road);
    match (road.via, road.mode) {
        (Via::AfXdp, XdpMode::Generic) => sh("ip link set dev x xdpgeneric off"),
        (Via::AfXdp, _) => sh("ip link set dev x xdpdrv off"),
        _ => sh("tc qdisc del dev x clsact"),
    };
    wait_for("it is put back", || received(&host, "datagrams").is_empty());
    assert_eq!(answered(&host.sh(&format!("{PING} 10.9.0.1"))), 20);
    skep.detach(road);
    assert_eq!(skep.ledger.open(), []);
    assert_eq!(received(&host, "datagrams"), all());
}
