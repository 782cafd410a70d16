//! Devices that the machine made.

use crate::world::{
    Host, Skep, Wire, frame, sh, silence, silent_pair, tcp_received, udp_received, wait_for,
};
use skep_sys::{TUN_FILE, interface_index};
use skep_uapi::{Errno, Value, Via};

const PASS: &str = "r0 = 2\nexit";
const DROP: &str = "r0 = 1\nexit";
const TX: &str = "r0 = 3\nexit";

/// Not every machine lets ordinary users make TAP devices.
fn impossible() -> bool {
    let opened = std::fs::OpenOptions::new().write(true).open(TUN_FILE);
    opened.is_err()
}

/// A wire to another namespace, with and without programs.
pub(crate) fn pair() {
    if impossible() {
        return;
    }
    let (host, skep) = (Host::new(), Skep::new());
    let made = skep.device_add("t1", Some("t2"));
    let ifindex = interface_index("t1").unwrap();
    assert_eq!(made.result, Ok(Value::Id(ifindex)));
    assert_eq!(skep.devices(), ["t1", "t2"]);
    host.connect("t1", "t2");
    wait_for("the wire", || host.pings() == 5);
    assert_eq!(udp_received(&host).len(), 20);
    tcp_received(&host);
    skep.attach(DROP, "t1");
    assert_eq!(host.pings(), 0);
    skep.attach(PASS, "t1");
    assert_eq!(host.pings(), 5);
    tcp_received(&host);
    let [one] = skep.query().try_into().unwrap();
    assert_eq!(one.live.unwrap().via, Via::Tap);
    assert!(one.live.unwrap().verdicts[2] > 5);
    skep.detach("t1");
    assert_eq!(skep.query(), []);
    assert_eq!(host.pings(), 5);
    // The name that it was made with, wherever it is now.
    skep.attach(DROP, "t1");
    assert_eq!(skep.device_delete("t2").result, Ok(Value::Unit));
    assert_eq!((skep.devices(), skep.query().len()), (vec![], 0));
    assert!(interface_index("t1").is_err());
    assert_eq!(skep.device_delete("t2").result, Err(Errno::ENODEV));
}

/// Which way frames go.
pub(crate) fn verdicts() {
    if impossible() {
        return;
    }
    let skep = Skep::new();
    assert!(skep.device_add("t1", Some("t2")).result.is_ok());
    assert!(skep.device_add("t3", None).result.is_ok());
    for (name, peer, errno) in [
        ("t1", None, Errno::EEXIST),
        ("t4", Some("t1"), Errno::EEXIST),
        ("t4", Some("t4"), Errno::EEXIST),
        ("a b", None, Errno::EINVAL),
        ("t%d", None, Errno::EINVAL),
    ] {
        let reply = skep.device_add(name, peer);
        assert_eq!(reply.result, Err(errno), "{name}: {}", reply.log);
    }
    assert_eq!(skep.devices(), ["t1", "t2", "t3"]);
    silence(&["t1", "t2", "t3"]);
    silent_pair("xa xb");
    let [mut t1, mut t2, mut t3, mut xb] = ["t1", "t2", "t3", "xb"].map(Wire::new);
    let frame = frame(200);
    // Without programs: a wire, and one that ends in the machine.
    t2.send(&frame, None);
    assert_eq!(t1.receive().0, frame);
    t3.send(&frame, None);
    // What comes in at t1 goes back, and comes in at t2.
    skep.attach(TX, "t1");
    t2.send(&frame, None);
    assert_eq!(t2.receive().0, frame);
    // From elsewhere out of t1 is in at t2.
    let to = |name| {
        let to = interface_index(name).unwrap();
        format!("r1 = {to}\nr2 = 0\ncall 23\nexit")
    };
    skep.attach(&to("t1"), "xa");
    xb.send(&frame, None);
    assert_eq!(t2.receive().0, frame);
    skep.attach(&to("t3"), "xa");
    xb.send(&frame, None);
    // Out of a real interface.
    skep.attach(&to("xa"), "t1");
    t2.send(&frame, None);
    assert_eq!(xb.receive().0, frame);
    for wire in [&mut t1, &mut t2, &mut t3, &mut xb] {
        wire.receive_nothing();
    }
    for one in skep.query() {
        assert_eq!(one.live.unwrap().undelivered, 0, "{one:?}");
    }
    // Somebody deletes one: the other goes, too.
    sh("ip link del t2");
    wait_for("the device to go", || skep.devices() == ["t3"]);
    wait_for("the other end to go", || interface_index("t1").is_err());
    skep.shut_down();
    assert!(interface_index("t3").is_err());
}
