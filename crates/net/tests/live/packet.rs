//! The packet way.

use crate::world::{
    Host, STREAM_DATAGRAMS, Skep, Wire, frame, sh, show, silent_pair, state, tcp_received,
    udp_received, udp_stream, wait_for,
};
use skep_sys::interface_index;
use skep_sys::packet::VlanTag;
use skep_uapi::{Errno, Existing, Via};
use std::time::{Duration, Instant};

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
        trace.contains(&format!("action=0x4d ifindex={ifindex}")),
        "{trace}"
    );
    assert!(trace.contains("skep-x-"), "{trace}");
    skep.shut_down();
    assert_eq!(host.pings(), 5);
}

/// Frames of a made-up protocol, on a pair in one namespace whose far end the case itself holds.
pub(crate) fn frames_as_left() {
    for pair in ["xa xb", "ya yb"] {
        silent_pair(pair);
    }
    let skep = Skep::new();
    let mut wire = Wire::new("xb");
    let mut other = Wire::new("yb");
    let frame: Vec<u8> = frame(100);
    // Four bytes off the front, back out of the wire.
    skep.attach("r2 = 4\ncall 44\nr0 = 3\nexit", "xa");
    wire.send(&frame, None);
    assert_eq!(wire.receive(), (frame[4..].to_vec(), None));
    // Tags stay, and programs do not see them.
    let tag = VlanTag {
        tci: 0x2005,
        tpid: 0x8100,
    };
    wire.send(&frame, Some(tag));
    assert_eq!(wire.receive(), (frame[4..].to_vec(), Some(tag)));
    // Passed, it is seen twice: as it came, and as it was put back.
    let mut near = Wire::new("xa");
    skep.attach("r2 = 4\ncall 44\nr0 = 2\nexit", "xa");
    wire.send(&frame, Some(tag));
    assert_eq!(near.receive(), (frame.clone(), Some(tag)));
    assert_eq!(near.receive(), (frame[4..].to_vec(), Some(tag)));
    // A frame as long as they come, as it is, elsewhere.
    let to = interface_index("ya").unwrap();
    skep.attach(&format!("r1 = {to}\nr2 = 0\ncall 23\nexit"), "xa");
    let long = self::frame(9_000);
    wire.send(&long, None);
    assert_eq!(other.receive(), (long, None));
    // Nowhere.
    skep.attach("r1 = 999\nr2 = 0\ncall 23\nexit", "xa");
    wire.send(&frame, None);
    wait_for("the frame that goes nowhere", || {
        let [one] = skep.query().try_into().unwrap();
        one.live.unwrap().undelivered == 1
    });
    assert_eq!(skep.verdicts(), [0, 0, 1, 2, 2, 0]);
    wire.receive_nothing();
    other.receive_nothing();
    skep.shut_down();
}

pub(crate) fn tcp_with_segments() {
    let (host, skep) = (Host::new(), Skep::new());
    host.cable();
    let tcp = tcp_received(&host);
    skep.attach(PASS, "x");
    let begun = skep.verdicts()[2];
    let passed = tcp_received(&host);
    // Segments come together, or there would be a frame for every 1,448 bytes.
    let frames = skep.verdicts()[2] - begun;
    assert!(frames < 7_000, "{frames} frames");
    show(&format!("20 MiB: {tcp:?} alone, {passed:?} passed"));
    skep.shut_down();
}

/// Two hosts that a program joins.
pub(crate) fn tcp_redirected() {
    let (sender, receiver, skep) = (Host::new(), Host::new(), Skep::new());
    sh("ip link add x1 type veth peer name y1");
    sh("ip link add x2 type veth peer name y2");
    receiver.end_of("y1", "10.9.0.1");
    sender.end_of("y2", "10.9.0.2");
    for (here, there) in [("x1", "x2"), ("x2", "x1")] {
        sh(&format!("ip link set {here} up"));
        let to = interface_index(there).unwrap();
        skep.attach(&format!("r1 = {to}\nr2 = 0\ncall 23\nexit"), here);
    }
    wait_for("an answer", || sender.pings() == 5);
    let mut listener = receiver.start("tcp_receiver");
    let mut sent = sender.start("tcp_sender");
    assert!(sent.wait().unwrap().success());
    assert!(listener.wait().unwrap().success());
    skep.shut_down();
}

pub(crate) fn replacement_and_detach() {
    let (host, skep) = (Host::new(), Skep::new());
    host.cable();
    assert_eq!(host.pings(), 5);
    let before = state("x");
    skep.attach(PASS, "x");
    let link = skep.query()[0].link_id;
    assert_ne!(state("x"), before);
    skep.attach(DROP, "x");
    assert_eq!(skep.query()[0].link_id, link);
    assert_eq!(host.pings(), 0);
    skep.detach("x");
    assert_eq!(state("x"), before);
    assert_eq!(skep.ledger.open(), []);
    assert_eq!(host.pings(), 5);
    // Somebody's clsact and filters stay.
    sh("tc qdisc add dev x clsact");
    sh("tc filter add dev x ingress pref 2 bpf bytecode '1,6 0 0 0'");
    let before = state("x");
    skep.attach(PASS, "x");
    assert_eq!(host.pings(), 5);
    skep.detach("x");
    assert_eq!(state("x"), before);
}

/// A stream of datagrams, in the midst of which the program goes: none is lost, and none comes twice.
pub(crate) fn nothing_lost_at_detach() {
    let (host, skep) = (Host::new(), Skep::new());
    host.cable();
    assert_eq!(host.pings(), 5);
    skep.attach(PASS, "x");
    let received = udp_stream(&host, || skep.detach("x"));
    let mut sorted = received.clone();
    sorted.sort_unstable();
    sorted.dedup();
    let missing: Vec<_> = (0..STREAM_DATAGRAMS)
        .filter(|number| sorted.binary_search(number).is_err())
        .collect();
    show(&format!(
        "{} received, {} different, missing {missing:?}",
        received.len(),
        sorted.len()
    ));
    assert_eq!(sorted.len(), STREAM_DATAGRAMS);
    assert!(
        received.len() - sorted.len() < 100,
        "{} came twice",
        received.len() - sorted.len()
    );
}

/// Commands are answered while more frames come than can be handled.
pub(crate) fn commands_under_load() {
    let (host, skep) = (Host::new(), Skep::new());
    host.cable();
    for (text, what) in [
        (DROP, "dropped"),
        (PASS, "passed"),
        ("r0 = 3\nexit", "sent back"),
    ] {
        skep.attach(text, "x");
        let before: u64 = skep.verdicts().iter().sum();
        let mut flooder = host.start("flooder");
        let mut longest = Duration::ZERO;
        while flooder.try_wait().unwrap().is_none() {
            let begin = Instant::now();
            skep.query();
            let prog = skep.load(PASS);
            skep.test_run(prog);
            longest = longest.max(begin.elapsed());
            std::thread::sleep(Duration::from_millis(3));
        }
        let after: u64 = skep.verdicts().iter().sum();
        show(&format!(
            "{} frames a second {what}, three commands took {longest:?} at most, {:?}",
            after - before,
            skep.query()[0].live
        ));
        assert!(after - before > 1000);
        // A tenth of this is what is promised, on a machine that does nothing else.
        assert!(longest < Duration::from_secs(1), "{longest:?}");
    }
    skep.shut_down();
}

pub(crate) fn others_interfere() {
    let (host, skep) = (Host::new(), Skep::new());
    host.cable();
    assert_eq!(host.pings(), 5);
    let before = state("x");
    skep.attach(DROP, "x");
    sh("tc qdisc del dev x clsact");
    wait_for("the filter to be put back", || {
        skep.trace().contains("restored")
    });
    assert_eq!(host.pings(), 0);
    skep.attach(PASS, "x");
    // The address of the interface, which our device follows.
    sh("ip link set x address 02:00:00:00:00:77");
    host.sh("ip neigh flush all");
    wait_for("answers at the new address", || host.pings() == 5);
    let ours = |end: char| {
        let links = sh("ip -o link show");
        let names = links.split([' ', '@', ':']);
        let found = names.filter(|name| name.len() == 11 && name.starts_with("sk"));
        let mut found = found.filter(|name| name.ends_with(end));
        found.next().unwrap_or_default().to_owned()
    };
    sh(&format!("tc qdisc del dev {} clsact", ours('b')));
    wait_for("b's filter to be put back", || {
        skep.trace().contains("restored")
    });
    assert_eq!(host.pings(), 5);
    sh(&format!("ip link set {} down", ours('a')));
    wait_for("the device to be up again", || host.pings() == 5);
    sh(&format!("ip link del {}", ours('c')));
    wait_for("the end", || skep.query().is_empty());
    assert!(skep.trace().contains("detached"));
    wait_for("all to be undone", || skep.ledger.open().is_empty());
    host.sh("ip neigh flush all");
    assert_eq!(ours('a'), "");
    assert_eq!(state("x").lines().count(), before.lines().count());
    wait_for("answers without a program", || host.pings() == 5);
}

pub(crate) fn renamed_down_and_deleted() {
    let (host, skep) = (Host::new(), Skep::new());
    host.cable();
    // An interface that is down is one all the same.
    sh("ip link set x down");
    skep.attach(PASS, "x");
    sh("ip link set x up");
    wait_for("answers when it is up", || host.pings() == 5);
    sh("ip link set x down");
    sh("ip link set x name z");
    sh("ip link set z up");
    wait_for("the new name", || skep.query()[0].name == "z");
    wait_for("answers when it is up again", || host.pings() == 5);
    skep.attach(DROP, "z");
    assert_eq!(host.pings(), 0);
    sh("ip link del z");
    wait_for("the link to go", || skep.query().is_empty());
    wait_for("all to be undone", || skep.ledger.open().is_empty());
    assert_eq!(sh("ip -o link show").lines().count(), 1);
}

pub(crate) fn refusals() {
    let skep = Skep::new();
    silent_pair("xa xb");
    let prog = skep.load(PASS);
    let refused = |ifindex: u32, via, errno, words: &[&str]| {
        let reply = skep.try_attach(prog, ifindex, Existing::Keep, via);
        assert_eq!(reply.result, Err(errno), "{}", reply.log);
        for word in words {
            assert!(reply.log.contains(word), "{}", reply.log);
        }
        assert_eq!(skep.ledger.open(), []);
    };
    let xa = interface_index("xa").unwrap();
    refused(1, None, Errno::EOPNOTSUPP, &["lo:", "loopback"]);
    refused(999, None, Errno::ENODEV, &["999"]);
    refused(xa, Some(Via::Tap), Errno::EOPNOTSUPP, &["skep net dev add"]);
    sh("tc qdisc add dev xa clsact");
    sh("tc filter add dev xa ingress pref 1 protocol all u32 match u32 0 0");
    refused(
        xa,
        None,
        Errno::EBUSY,
        &["xa", "preference 1", "u32", "tc filter del"],
    );
    sh("tc qdisc del dev xa clsact");
    sh("ip link add skep0 type veth peer name skep1");
    sh(&format!("ip link set skep0 alias skep:{xa}:1:0"));
    refused(xa, None, Errno::EBUSY, &["xa", "skep0", "pid 1 "]);
    sh(&format!("ip link set skep0 alias skep:{xa}:4194305:0"));
    refused(xa, None, Errno::EBUSY, &["no more", "skep net repair"]);
    sh("ip link del skep0");
    let before = state("xa");
    let attached = skep.try_attach(prog, xa, Existing::Keep, Some(Via::Packet));
    assert!(attached.result.is_ok(), "{}", attached.log);
    refused_again(&skep, xa);
    skep.shut_down();
    assert_eq!(state("xa"), before);
    let reply = skep.try_attach(prog, xa, Existing::Keep, None);
    assert_eq!(reply.result, Err(Errno::EIO), "{}", reply.log);
}

fn refused_again(skep: &Skep, ifindex: u32) {
    let reply = skep.try_attach(skep.load(DROP), ifindex, Existing::Keep, None);
    assert_eq!(reply.result, Err(Errno::EBUSY), "{}", reply.log);
    assert_eq!(skep.query().len(), 1);
}

pub(crate) fn no_rights() {
    silent_pair("xa xb");
    let before = state("xa");
    skep_sys::drop_capabilities_except(&[]).unwrap();
    let skep = Skep::new();
    let xa = interface_index("xa").unwrap();
    let reply = skep.try_attach(skep.load(PASS), xa, Existing::Keep, None);
    assert_eq!(reply.result, Err(Errno::EPERM), "{}", reply.log);
    assert!(reply.log.contains("unshare -Urn"), "{}", reply.log);
    assert_eq!(skep.ledger.open(), []);
    assert_eq!(state("xa"), before);
}
