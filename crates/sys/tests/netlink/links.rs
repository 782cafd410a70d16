//! Listing, making, changing and deleting interfaces.

use crate::{end, errno, has_flag, ip, name, output, pair, wait_until_up};
use serde_json::Value;
use skep_sys::netlink::{
    ALIAS_BYTES_MAX, Cause, Hardware, IfIndex, Netlink, NewLink, XdpState, disable_ipv6,
};
use std::fs;

pub(crate) fn links() {
    let mut netlink = Netlink::open().unwrap();
    let all = netlink.links().unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    let lo = &all[0];
    assert!(lo.flags.is_loopback() && !lo.flags.is_up());
    assert_eq!((lo.hardware, lo.mac), (Hardware::LOOPBACK, None));

    let a = NewLink {
        mac: Some([2, 0, 0, 0, 0, 0x1a]),
        mtu: Some(9000),
        alias: Some("skep:eth0-3:77:1000".to_owned()),
        ..end("va")
    };
    netlink.create_veth(&a, &end("vb")).unwrap();
    for (of, peer) in [("va", "vb"), ("vb", "va")] {
        let expected = ip(of);
        let link = netlink.link_by_name(&name(of)).unwrap().unwrap();
        assert_eq!(link.name, of);
        assert_eq!(expected["ifindex"], link.index.get());
        assert_eq!(expected["mtu"], link.mtu);
        assert_eq!(expected["num_rx_queues"], link.rx_queues);
        assert_eq!(expected["link"], peer);
        assert_eq!(expected["linkinfo"]["info_kind"], "veth");
        assert_eq!(expected["inet6_addr_gen_mode"], "none");
        assert!(has_flag(&expected, "NOARP") && !has_flag(&expected, "UP"));
        assert!(link.flags.is_no_arp() && !link.flags.is_up());
        let bytes = link.mac.unwrap().map(|byte| format!("{byte:02x}"));
        assert_eq!(expected["address"], bytes.join(":"));
        assert_eq!(expected["ifalias"].as_str(), link.alias.as_deref());
        assert_eq!(link.kind.as_deref(), Some("veth"));
        assert_eq!(link.hardware, Hardware::ETHERNET);
        assert_eq!(link.xdp, XdpState::default());
        let other = netlink.link_by_index(link.peer.unwrap()).unwrap().unwrap();
        assert_eq!(other.name, peer);
    }
    let made = netlink.link_by_name(&a.name).unwrap().unwrap();
    assert_eq!((made.mac, made.mtu, made.alias), (a.mac, 9000, a.alias));
    assert_eq!(netlink.links().unwrap().len(), 3);
    assert_eq!(netlink.link_by_name(&name("vc")).unwrap(), None);
    let nobody = IfIndex::new(4711).unwrap();
    assert_eq!(netlink.link_by_index(nobody).unwrap(), None);

    // More than one datagram holds.
    for number in 0..100 {
        pair(&mut netlink, &format!("m{number}a"), &format!("m{number}b"));
    }
    assert_eq!(netlink.links().unwrap().len(), 203);
}

pub(crate) fn changes() {
    let mut netlink = Netlink::open().unwrap();
    output("ip link add va type veth peer name vb");
    let va = netlink.link_by_name(&name("va")).unwrap().unwrap().index;
    let vb = netlink.link_by_name(&name("vb")).unwrap().unwrap().index;
    assert_eq!(ip("va")["inet6_addr_gen_mode"], "eui64");
    netlink.set_addr_gen_mode_none(va).unwrap();
    assert_eq!(ip("va")["inet6_addr_gen_mode"], "none");
    disable_ipv6(&name("va")).unwrap();
    let file = fs::read_to_string("/proc/sys/net/ipv6/conf/va/disable_ipv6");
    assert_eq!(file.unwrap(), "1\n");
    disable_ipv6(&name("nobody")).unwrap();

    netlink.set_mac(va, [2, 0, 0, 0, 0, 7]).unwrap();
    assert_eq!(ip("va")["address"], "02:00:00:00:00:07");
    netlink.set_mtu(va, 4000).unwrap();
    assert_eq!(ip("va")["mtu"], 4000);
    netlink.set_alias(va, "mine").unwrap();
    assert_eq!(ip("va")["ifalias"], "mine");
    let longest = "x".repeat(ALIAS_BYTES_MAX);
    netlink.set_alias(va, &longest).unwrap();
    assert_eq!(ip("va")["ifalias"], longest);
    netlink.set_alias(va, "").unwrap();
    assert_eq!(ip("va")["ifalias"], Value::Null);
    assert!(!has_flag(&ip("va"), "NOARP"));
    netlink.set_no_arp(va).unwrap();
    assert!(has_flag(&ip("va"), "NOARP"));

    netlink.set_up(va).unwrap();
    assert!(has_flag(&ip("va"), "UP"));
    let link = netlink.link_by_index(va).unwrap().unwrap();
    assert!(link.flags.is_up() && !link.flags.is_running());
    netlink.set_up(vb).unwrap();
    wait_until_up("va");
    let link = netlink.link_by_index(va).unwrap().unwrap();
    assert!(link.flags.is_running());
    netlink.set_down(va).unwrap();
    assert!(!has_flag(&ip("va"), "UP") && has_flag(&ip("va"), "NOARP"));
    assert_eq!(output("ip -6 addr show dev va"), "");

    netlink.delete_link(vb).unwrap();
    assert_eq!(netlink.links().unwrap().len(), 1);
    pair(&mut netlink, "va", "vb");
    netlink.delete_link_by_name(&name("va")).unwrap();
    assert_eq!(netlink.links().unwrap().len(), 1);
}

pub(crate) fn refused_links() {
    let mut netlink = Netlink::open().unwrap();
    let va = pair(&mut netlink, "va", "vb").index;
    let nobody = IfIndex::new(4711).unwrap();
    // Either name.
    let taken = netlink.create_veth(&end("va"), &end("vc"));
    assert_eq!(errno(taken), Some(libc::EEXIST));
    let taken = netlink.create_veth(&end("vc"), &end("vb"));
    assert_eq!(errno(taken), Some(libc::EEXIST));
    assert_eq!(netlink.links().unwrap().len(), 3);
    // What fails after the pair was made.
    let long = NewLink {
        alias: Some("x".repeat(ALIAS_BYTES_MAX + 1)),
        ..end("vd")
    };
    let error = netlink.create_veth(&end("vc"), &long).unwrap_err();
    assert_eq!(error.cause, Cause::TooLong);
    assert_eq!(netlink.links().unwrap().len(), 3);

    let error = netlink.set_mtu(va, 1).unwrap_err();
    let expected = Cause::Refused {
        errno: libc::EINVAL,
        text: Some("mtu less than device minimum".to_owned()),
    };
    assert_eq!(error.cause, expected);
    assert!(netlink.set_up(nobody).unwrap_err().is_no_device());
    assert!(netlink.delete_link(nobody).unwrap_err().is_no_device());
    let nameless = netlink.delete_link_by_name(&name("nobody"));
    assert!(nameless.unwrap_err().is_no_device());
    let lo = IfIndex::new(1).unwrap();
    assert_eq!(errno(netlink.delete_link(lo)), Some(libc::EOPNOTSUPP));
}
