//! The packet scheduler: clsact, filters, and the set-up that they serve.

use crate::{end, errno, has_flag, ip, name, output, pair, run, wait_until_up};
use skep_sys::ClassicInsn;
use skep_sys::netlink::{
    ActionInfo, BpfFilter, Cause, Direction, FilterId, FilterInfo, IfIndex, IngressQdisc, Netlink,
    NetlinkError, PROTOCOL_ALL, Redirect, disable_ipv6,
};

const fn insn(code: u16, jt: u8, jf: u8, k: u32) -> ClassicInsn {
    ClassicInsn { code, jt, jf, k }
}

const RETURN_ALL: ClassicInsn = insn(6, 0, 0, 0xffff_ffff);
const RETURN_NONE: ClassicInsn = insn(6, 0, 0, 0);
/// `A = mark of the frame` (`SKF_AD_OFF + SKF_AD_MARK`).
const LOAD_MARK: ClassicInsn = insn(0x20, 0, 0, 0xffff_f014);

/// Frames without the mark.
fn unmarked(mark: u32) -> [ClassicInsn; 4] {
    [LOAD_MARK, insn(0x15, 0, 1, mark), RETURN_NONE, RETURN_ALL]
}

/// Frames with the mark.
fn marked(mark: u32) -> [ClassicInsn; 4] {
    [LOAD_MARK, insn(0x15, 0, 1, mark), RETURN_ALL, RETURN_NONE]
}

/// What arrives at one interface, if the program says so, leaves by another.
fn redirect<'a>(index: IfIndex, to: IfIndex, program: &'a [ClassicInsn]) -> BpfFilter<'a> {
    BpfFilter {
        index,
        direction: Direction::Ingress,
        preference: 1,
        handle: 1,
        program,
        redirect: Redirect {
            to,
            direction: Direction::Egress,
        },
        cookie: b"",
    }
}

pub(crate) fn filters() {
    let mut netlink = Netlink::open().unwrap();
    let x = pair(&mut netlink, "x", "y").index;
    let to = pair(&mut netlink, "s0", "s1").index;
    assert!(!netlink.clsact_exists(x).unwrap());
    netlink.add_clsact(x).unwrap();
    assert!(netlink.clsact_exists(x).unwrap() && !netlink.clsact_exists(to).unwrap());
    let qdiscs = output("tc qdisc show dev x");
    assert!(
        qdiscs.contains("qdisc clsact ffff: parent ffff:fff1"),
        "{qdiscs}"
    );

    let program = unmarked(0xdead_beef);
    let first = BpfFilter {
        cookie: b"0123456789abcdef",
        ..redirect(x, to, &program)
    };
    let second = BpfFilter {
        handle: 0x42,
        ..redirect(x, to, &program)
    };
    let back = BpfFilter {
        direction: Direction::Egress,
        preference: 0xffff,
        redirect: Redirect {
            to,
            direction: Direction::Ingress,
        },
        cookie: b"\x01",
        ..first.clone()
    };
    // The second handle of a preference, the first of another direction.
    for filter in [&first, &second, &back] {
        netlink.add_bpf_filter(filter).unwrap();
    }
    let shown = output("tc filter show dev x ingress");
    let expected = "4,32 0 0 4294963220,21 0 1 3735928559,6 0 0 0,6 0 0 4294967295";
    assert_eq!(shown.matches(expected).count(), 2, "{shown}");
    assert!(
        shown.contains("filter protocol all pref 1 bpf chain 0 handle 0x42"),
        "{shown}"
    );
    assert!(
        shown.contains("mirred (Egress Redirect to device s0) stolen"),
        "{shown}"
    );
    assert!(
        shown.contains("cookie 30313233343536373839616263646566"),
        "{shown}"
    );
    let shown = output("tc filter show dev x egress");
    assert!(shown.contains("pref 65535 bpf"), "{shown}");
    assert!(
        shown.contains("mirred (Ingress Redirect to device s0) stolen"),
        "{shown}"
    );
    check_list_and_delete(&mut netlink, &first, &second, &back);
}

/// Filters that are there, two of one preference, are listed as they were made and go one by one.
fn check_list_and_delete(
    netlink: &mut Netlink,
    first: &BpfFilter<'_>,
    second: &BpfFilter<'_>,
    back: &BpfFilter<'_>,
) {
    let (x, to) = (first.index, first.redirect.to);
    let info = |filter: &BpfFilter<'_>| FilterInfo {
        id: filter.id(),
        actions: vec![ActionInfo {
            kind: "mirred".to_owned(),
            redirect: Some(filter.redirect),
            cookie: filter.cookie.to_vec(),
        }],
    };
    let mut found = netlink.filters(x, Direction::Ingress).unwrap();
    found.sort_by_key(|filter| filter.id.handle);
    assert_eq!(found, [info(first), info(second)]);
    assert_eq!(netlink.filters(x, Direction::Egress).unwrap(), [info(back)]);

    netlink.delete_filter(&first.id()).unwrap();
    assert_eq!(
        netlink.filters(x, Direction::Ingress).unwrap(),
        [info(second)]
    );
    assert_eq!(
        output("tc filter show dev x ingress")
            .matches("handle")
            .count(),
        1
    );
    // Whose target is gone.
    netlink.delete_link(to).unwrap();
    let orphan = netlink.filters(x, Direction::Ingress).unwrap();
    assert_eq!(orphan[0].actions[0].redirect, None);
    netlink.delete_filter(&second.id()).unwrap();
    assert_eq!(output("tc filter show dev x ingress"), "");
    netlink.delete_clsact(x).unwrap();
    assert!(!netlink.clsact_exists(x).unwrap());
    assert!(!output("tc qdisc show dev x").contains("clsact"));
}

/// A filter that drops all that enters.
pub(crate) fn drop_ingress() {
    let mut netlink = Netlink::open().unwrap();
    let d = pair(&mut netlink, "d", "c").index;
    netlink.add_clsact(d).unwrap();
    netlink.drop_ingress(d, 1, 1).unwrap();
    let shown = output("tc filter show dev d ingress");
    assert!(
        shown.contains("direct-action") && shown.contains("bytecode '1,6 0 0 2'"),
        "{shown}"
    );
    let error = netlink.drop_ingress(d, 1, 1);
    assert_eq!(errno(error), Some(libc::EEXIST));
}

/// What the kernel refuses.
pub(crate) fn refused_filters() {
    let mut netlink = Netlink::open().unwrap();
    let va = pair(&mut netlink, "va", "vb").index;
    let gone = |result: Result<(), NetlinkError>| result.unwrap_err().is_already_gone();
    assert!(gone(netlink.delete_clsact(va)));
    assert_eq!(netlink.filters(va, Direction::Ingress).unwrap(), []);
    let program = [RETURN_ALL];
    let filter = redirect(va, va, &program);
    assert_eq!(errno(netlink.add_bpf_filter(&filter)), Some(libc::EINVAL));
    assert!(gone(netlink.delete_filter(&filter.id())));
    netlink.add_clsact(va).unwrap();
    assert_eq!(errno(netlink.add_clsact(va)), Some(libc::EEXIST));
    assert!(gone(netlink.delete_filter(&filter.id())));
    netlink.add_bpf_filter(&filter).unwrap();
    assert_eq!(errno(netlink.add_bpf_filter(&filter)), Some(libc::EEXIST));
    let all = FilterId {
        handle: 0,
        ..filter.id()
    };
    let error = netlink.delete_filter(&all).unwrap_err();
    assert_eq!(error.cause, Cause::Unspecific);
    // Another handle, protocol or kind.
    let others = [
        FilterId {
            handle: 9,
            ..filter.id()
        },
        FilterId {
            protocol: 0x800,
            ..filter.id()
        },
        FilterId {
            kind: "u32".to_owned(),
            ..filter.id()
        },
    ];
    for other in &others {
        assert!(gone(netlink.delete_filter(other)));
    }
    let bad = BpfFilter {
        program: &[],
        handle: 2,
        ..filter.clone()
    };
    assert_eq!(errno(netlink.add_bpf_filter(&bad)), Some(libc::EINVAL));
    assert_eq!(netlink.filters(va, Direction::Ingress).unwrap().len(), 1);
    netlink.delete_link(va).unwrap();
    assert!(gone(netlink.delete_filter(&filter.id())));
    assert!(gone(netlink.delete_clsact(va)));
    assert_eq!(netlink.filters(va, Direction::Ingress).unwrap(), []);
    assert_eq!(netlink.ingress_qdisc(va).unwrap(), None);
}

/// Disciplines and filters that someone else made.
pub(crate) fn foreign() {
    let mut netlink = Netlink::open().unwrap();
    let x = pair(&mut netlink, "x", "y").index;
    output("tc qdisc add dev x ingress");
    let other = IngressQdisc::Other("ingress".to_owned());
    assert_eq!(netlink.ingress_qdisc(x).unwrap(), Some(other));
    assert!(!netlink.clsact_exists(x).unwrap());
    assert_eq!(errno(netlink.add_clsact(x)), Some(libc::EEXIST));
    assert!(netlink.delete_clsact(x).unwrap_err().is_already_gone());
    // It takes filters for what arrives all the same.
    let program = [RETURN_ALL];
    let filter = redirect(x, x, &program);
    netlink.add_bpf_filter(&filter).unwrap();
    assert_eq!(netlink.filters(x, Direction::Ingress).unwrap().len(), 1);
    netlink.delete_filter(&filter.id()).unwrap();
    // Those for the other direction land in the same list.
    let sent = BpfFilter {
        direction: Direction::Egress,
        ..filter.clone()
    };
    netlink.add_bpf_filter(&sent).unwrap();
    assert_eq!(netlink.filters(x, Direction::Ingress).unwrap().len(), 1);
    output("tc qdisc del dev x ingress");

    output("tc qdisc add dev x clsact");
    output("tc filter add dev x ingress pref 7 protocol ip u32 match u32 0 0");
    let found = netlink.filters(x, Direction::Ingress).unwrap();
    assert!(!found.is_empty());
    for filter in &found {
        let id = &filter.id;
        assert_eq!(
            (id.preference, id.protocol, id.kind.as_str()),
            (7, 0x800, "u32")
        );
    }
    // A preference is of one kind and protocol.
    let taken = BpfFilter {
        preference: 7,
        ..filter.clone()
    };
    assert_eq!(errno(netlink.add_bpf_filter(&taken)), Some(libc::EINVAL));
    // Ours beside theirs of the same preference and kind.
    let mut theirs: Vec<_> = "tc filter add dev x ingress pref 1 handle 1 protocol all bpf"
        .split(' ')
        .collect();
    theirs.extend([
        "bytecode",
        "1,6 0 0 0,",
        "action",
        "mirred",
        "egress",
        "mirror",
    ]);
    theirs.extend(["dev", "y"]);
    run(&theirs);
    let ours = BpfFilter {
        handle: 2,
        ..filter.clone()
    };
    netlink.add_bpf_filter(&ours).unwrap();
    netlink.delete_filter(&ours.id()).unwrap();
    let left: Vec<_> = netlink.filters(x, Direction::Ingress).unwrap();
    let left = left.iter().filter(|filter| filter.id.kind == "bpf");
    let left: Vec<_> = left.collect();
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].id.handle, left[0].id.protocol), (1, PROTOCOL_ALL));
    // A mirror copies, and redirects nothing.
    assert_eq!(left[0].actions[0].redirect, None);
}

/// What iproute2 shows of everything that the recipe touches.
fn snapshot() -> String {
    let commands = [
        "ip -d link",
        "ip addr",
        "tc qdisc show",
        "tc filter show dev x ingress",
        "tc filter show dev x egress",
    ];
    commands.map(output).concat()
}

/// The whole set-up that sinks the host's copy of what arrives on `x`, and gives back what has the mark: built by one
/// socket, taken down by another that was opened before, as a guardian's is.
pub(crate) fn recipe() {
    const MARK: u32 = 0x5eed_1234;
    output("ip link add x type veth peer name far");
    for end in ["x", "far"] {
        disable_ipv6(&name(end)).unwrap();
        output(&format!("ip link set {end} up"));
    }
    for end in ["x", "far"] {
        wait_until_up(end);
    }
    let mut netlink = Netlink::open().unwrap();
    let mut guardian = Netlink::open().unwrap();
    let x = netlink.link_by_name(&name("x")).unwrap().unwrap();
    let before = snapshot();

    let [a, b, c, d] = ["sk0000a", "sk0000b", "sk0000c", "sk0000d"];
    let (mut front, mut back) = (end(a), end(b));
    front.alias = Some(format!("skep:x-{}:77:1000", x.index));
    back.mac = x.mac;
    netlink.create_veth(&front, &back).unwrap();
    netlink.create_veth(&end(c), &end(d)).unwrap();
    for one in [a, b, c, d] {
        disable_ipv6(&name(one)).unwrap();
    }
    let [_, back, sink] = [a, b, c].map(|one| {
        let index = netlink.link_by_name(&name(one)).unwrap().unwrap().index;
        netlink.set_up(index).unwrap();
        index
    });
    netlink.add_clsact(x.index).unwrap();
    netlink.add_clsact(back).unwrap();
    let program = marked(MARK);
    let give_back = BpfFilter {
        redirect: Redirect {
            to: x.index,
            direction: Direction::Ingress,
        },
        ..redirect(back, x.index, &program)
    };
    netlink.add_bpf_filter(&give_back).unwrap();
    let program = unmarked(MARK);
    let sunk = BpfFilter {
        cookie: b"skep",
        ..redirect(x.index, sink, &program)
    };
    netlink.add_bpf_filter(&sunk).unwrap();

    let shown = output("tc filter show dev x ingress");
    assert!(
        shown.contains("Egress Redirect to device sk0000c"),
        "{shown}"
    );
    assert!(
        shown.contains(&format!("21 0 1 {MARK},6 0 0 0,6 0 0 4294967295")),
        "{shown}"
    );
    let shown = output("tc filter show dev sk0000b ingress");
    assert!(shown.contains("Ingress Redirect to device x"), "{shown}");
    assert!(has_flag(&ip("sk0000c"), "NO-CARRIER"));
    assert_eq!(ip("sk0000b")["address"], ip("x")["address"]);
    assert_ne!(snapshot(), before);

    guardian.delete_filter(&sunk.id()).unwrap();
    assert_eq!(guardian.filters(x.index, Direction::Ingress).unwrap(), []);
    assert_eq!(guardian.filters(x.index, Direction::Egress).unwrap(), []);
    guardian.delete_clsact(x.index).unwrap();
    guardian.delete_link_by_name(&name(a)).unwrap();
    guardian.delete_link_by_name(&name(c)).unwrap();
    assert_eq!(snapshot(), before);
}
