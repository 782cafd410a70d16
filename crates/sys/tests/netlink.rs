//! Interfaces, filters and XDP in a network namespace of the test's own, each operation checked against what iproute2
//! says.
//!
//! Each case is this test again, started in a fresh namespace with `SKEP_TEST_NETNS` set to the case's name: as an
//! ordinary user who is root only there, but for the one that loads a program.

#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::Value;
use skep_sys::bpf::{Log, Name, ProgLoad, prog_info, prog_load};
use skep_sys::classic::ClassicInsn;
use skep_sys::netlink::{
    ALIAS_BYTES_MAX, ActionInfo, BpfFilter, Cause, Direction, FilterId, FilterInfo, Hardware,
    IfIndex, IfName, IngressQdisc, LinkEvent, LinkInfo, Monitor, Netlink, NetlinkError, NewLink,
    PROTOCOL_ALL, Redirect, XdpAttach, XdpMode, XdpState, XdpUpdate, disable_ipv6,
};
use skep_sys::{Readiness, wait_readable};
use skep_testkit::{Harness, Need, TempDir};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

const CASE: &str = "SKEP_TEST_NETNS";

/// Whose rights a case runs with.
#[derive(Clone, Copy)]
enum User {
    /// Nobody's, who is root in a user namespace.
    Ordinary,
    /// Root's, who may load programs into Linux.
    Root,
}

const CASES: [(&str, User, &[Need], fn()); 8] = [
    ("links", User::Ordinary, &[Need::Netns], links),
    ("changes", User::Ordinary, &[Need::Netns], changes),
    ("refusals", User::Ordinary, &[Need::Netns], refusals),
    ("filters", User::Ordinary, &[Need::Netns], filters),
    ("foreign", User::Ordinary, &[Need::Netns], foreign),
    ("monitor", User::Ordinary, &[Need::Netns], monitor),
    ("recipe", User::Ordinary, &[Need::Netns], recipe),
    ("xdp", User::Root, &[Need::Netns, Need::Oracle], xdp),
];

fn main() {
    if let Some(name) = std::env::var_os(CASE) {
        let case = CASES.iter().find(|case| name == case.0).unwrap();
        return case.3();
    }
    let add = |harness: Harness, (name, user, needs, _)| {
        harness.case(name, needs, move || in_namespace(name, user))
    };
    CASES.into_iter().fold(Harness::from_args(), add).run();
}

/// Runs a case of this test in a new network namespace.
fn in_namespace(name: &str, user: User) {
    // The checkout may lie where only its owner may look.
    let folder = TempDir::new("netlink");
    let program = folder.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for path in [folder.path(), &program] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = match user {
        User::Ordinary if skep_sys::effective_uid() == 0 => {
            let mut command = Command::new("setpriv");
            command.args([
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "unshare",
            ]);
            command.args(["--user", "--map-root-user"]);
            command
        }
        User::Ordinary => {
            let mut command = Command::new("unshare");
            command.args(["--user", "--map-root-user"]);
            command
        }
        User::Root => Command::new("unshare"),
    };
    let command = command.arg("--net").arg(&program);
    let output = command.env(CASE, name).current_dir("/").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

/// What a command of words without blanks prints.
fn output(command: &str) -> String {
    run(&command.split(' ').collect::<Vec<_>>())
}

/// What a command prints.
fn run(command: &[&str]) -> String {
    let output = Command::new(command[0]).args(&command[1..]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The first object that `ip` or `tc` prints as JSON.
fn json(command: &str) -> Value {
    let list: Value = serde_json::from_str(&output(command)).unwrap();
    list.get(0).cloned().unwrap_or(Value::Null)
}

fn ip(name: &str) -> Value {
    json(&format!("ip -d -j link show dev {name}"))
}

fn has_flag(link: &Value, flag: &str) -> bool {
    link["flags"]
        .as_array()
        .unwrap()
        .iter()
        .any(|one| one == flag)
}

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn end(text: &str) -> NewLink {
    NewLink {
        name: name(text),
        mac: None,
        mtu: None,
        alias: None,
    }
}

/// A veth pair, down; the interface of the first name.
fn pair(netlink: &mut Netlink, a: &str, b: &str) -> LinkInfo {
    netlink.create_veth(&end(a), &end(b)).unwrap();
    netlink.link_by_name(&name(a)).unwrap().unwrap()
}

fn errno<T>(result: Result<T, NetlinkError>) -> Option<i32> {
    result.err().and_then(|error| error.errno())
}

fn links() {
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

fn changes() {
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

fn refusals() {
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

    assert_eq!(errno(netlink.delete_clsact(va)), Some(libc::ENOENT));
    assert_eq!(netlink.filters(va, Direction::Ingress).unwrap(), []);
    let program = [RETURN_ALL];
    let filter = redirect(va, va, &program);
    assert_eq!(errno(netlink.add_bpf_filter(&filter)), Some(libc::EINVAL));
    assert!(netlink.delete_filter(&filter.id()).is_err());
    netlink.add_clsact(va).unwrap();
    assert_eq!(errno(netlink.add_clsact(va)), Some(libc::EEXIST));
    assert!(netlink.delete_filter(&filter.id()).is_err());
    netlink.add_bpf_filter(&filter).unwrap();
    assert_eq!(errno(netlink.add_bpf_filter(&filter)), Some(libc::EEXIST));
    let all = FilterId {
        handle: 0,
        ..filter.id()
    };
    assert_eq!(errno(netlink.delete_filter(&all)), Some(libc::ENOENT));
    let bad = BpfFilter {
        program: &[],
        handle: 2,
        ..filter.clone()
    };
    assert_eq!(errno(netlink.add_bpf_filter(&bad)), Some(libc::EINVAL));
    assert_eq!(netlink.filters(va, Direction::Ingress).unwrap().len(), 1);
}

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

fn filters() {
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
    assert_eq!(found, [info(&first), info(&second)]);
    assert_eq!(
        netlink.filters(x, Direction::Egress).unwrap(),
        [info(&back)]
    );

    netlink.delete_filter(&first.id()).unwrap();
    assert_eq!(
        netlink.filters(x, Direction::Ingress).unwrap(),
        [info(&second)]
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

/// Disciplines and filters that someone else made.
fn foreign() {
    let mut netlink = Netlink::open().unwrap();
    let x = pair(&mut netlink, "x", "y").index;
    output("tc qdisc add dev x ingress");
    let other = IngressQdisc::Other("ingress".to_owned());
    assert_eq!(netlink.ingress_qdisc(x).unwrap(), Some(other));
    assert!(!netlink.clsact_exists(x).unwrap());
    assert_eq!(errno(netlink.add_clsact(x)), Some(libc::EEXIST));
    assert!(netlink.delete_clsact(x).is_err());
    // It takes filters for what arrives all the same.
    let program = [RETURN_ALL];
    let filter = redirect(x, x, &program);
    netlink.add_bpf_filter(&filter).unwrap();
    assert_eq!(netlink.filters(x, Direction::Ingress).unwrap().len(), 1);
    netlink.delete_filter(&filter.id()).unwrap();
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

fn monitor() {
    let mut monitor = Monitor::open().unwrap();
    assert_eq!(monitor.next_event().unwrap(), None);
    let mut netlink = Netlink::open().unwrap();
    let x = pair(&mut netlink, "x", "y").index;
    netlink.set_up(x).unwrap();
    netlink.set_mac(x, [2, 0, 0, 0, 0, 9]).unwrap();
    netlink.set_mtu(x, 1400).unwrap();
    let ready = wait_readable(monitor.as_fd(), Some(Duration::from_secs(10)));
    assert_eq!(ready.unwrap(), Readiness::Ready);
    let mut events = drain(&mut monitor);
    let changed = |event: &LinkEvent| match event {
        LinkEvent::Changed(link) if link.index == x => Some((**link).clone()),
        LinkEvent::Changed(_) | LinkEvent::Deleted(_) | LinkEvent::Lost => None,
    };
    let last = events.iter().rev().find_map(changed).unwrap();
    assert_eq!(last.name, "x");
    assert_eq!((last.mac, last.mtu), (Some([2, 0, 0, 0, 0, 9]), 1400));
    assert!(last.flags.is_up());

    // A port that leaves its bridge is not deleted. (What the kernel announces is pinned without one, too.)
    let bridge = ["ip", "link", "add", "name", "bridge0", "type", "bridge"];
    if Command::new(bridge[0])
        .args(&bridge[1..])
        .status()
        .unwrap()
        .success()
    {
        output("ip link set x master bridge0");
        output("ip link set x nomaster");
        events = drain(&mut monitor);
        assert!(!events.contains(&LinkEvent::Deleted(x)), "{events:?}");
        output("ip link del bridge0");
        events = drain(&mut monitor);
        assert!(!events.contains(&LinkEvent::Deleted(x)), "{events:?}");
    }

    netlink.delete_link(x).unwrap();
    events = drain(&mut monitor);
    assert!(events.contains(&LinkEvent::Deleted(x)), "{events:?}");
    assert_eq!(monitor.next_event().unwrap(), None);

    // More than the socket holds, unread.
    let y = pair(&mut netlink, "x", "y").index;
    for mtu in 0..3000 {
        netlink.set_mtu(y, 1000 + mtu % 2).unwrap();
    }
    let events = drain(&mut monitor);
    assert_eq!(
        events.iter().filter(|one| **one == LinkEvent::Lost).count(),
        1
    );
    netlink.delete_link(y).unwrap();
    assert!(drain(&mut monitor).contains(&LinkEvent::Deleted(y)));
}

fn drain(monitor: &mut Monitor) -> Vec<LinkEvent> {
    std::iter::from_fn(|| monitor.next_event().unwrap()).collect()
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
fn recipe() {
    const MARK: u32 = 0x5eed_1234;
    output("ip link add x type veth peer name far");
    output("ip link set x up");
    output("ip link set far up");
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

/// An XDP program that passes everything.
fn pass(number: u8) -> OwnedFd {
    const XDP: u32 = 6;
    // `r0 = 2; exit`
    let insns = [0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
    let load = ProgLoad {
        prog_type: XDP,
        insns: &insns,
        license: c"GPL",
        prog_flags: 0,
        name: Name::new(&format!("skep_pass{number}")).unwrap(),
        ifindex: 0,
        expected_attach_type: 0,
        btf: None,
        func_info: &[],
        func_info_rec_size: 0,
        line_info: &[],
        line_info_rec_size: 0,
        attach_btf_id: 0,
        fd_array: &[],
        log: Log {
            level: 0,
            buffer: &mut [],
        },
    };
    prog_load(load).unwrap()
}

/// Linux's own XDP, with programs that do nothing.
fn xdp() {
    let mut netlink = Netlink::open().unwrap();
    let x = pair(&mut netlink, "x", "y").index;
    let programs = [1, 2].map(pass);
    let [first, second] = [&programs[0], &programs[1]].map(|fd| {
        let id = prog_info(fd.as_fd()).unwrap().id;
        (fd.as_fd(), id)
    });
    for (mode, shown) in [(XdpMode::Generic, 2), (XdpMode::Driver, 1)] {
        let attach = |program, update| XdpAttach {
            program,
            mode: Some(mode),
            update,
        };
        let on = |netlink: &mut Netlink| {
            let state = netlink.xdp_query(x).unwrap().unwrap();
            let programs: Vec<_> = state.programs().collect();
            programs
        };
        let one = attach(Some(first.0), XdpUpdate::IfNone);
        netlink.xdp_attach(x, &one).unwrap();
        assert_eq!(on(&mut netlink), [(mode, first.1)]);
        assert_eq!(ip("x")["xdp"]["mode"], shown);
        assert_eq!(ip("x")["xdp"]["prog"]["id"], first.1);
        assert_eq!(errno(netlink.xdp_attach(x, &one)), Some(libc::EBUSY));
        let wrong = attach(Some(second.0), XdpUpdate::Replace(second.0));
        assert_eq!(errno(netlink.xdp_attach(x, &wrong)), Some(libc::EEXIST));
        let right = attach(Some(second.0), XdpUpdate::Replace(first.0));
        netlink.xdp_attach(x, &right).unwrap();
        assert_eq!(on(&mut netlink), [(mode, second.1)]);
        let over = attach(Some(first.0), XdpUpdate::Overwrite);
        netlink.xdp_attach(x, &over).unwrap();
        assert_eq!(on(&mut netlink), [(mode, first.1)]);
        netlink
            .xdp_attach(x, &attach(None, XdpUpdate::Overwrite))
            .unwrap();
        assert_eq!(on(&mut netlink), []);
        assert_eq!(ip("x")["xdp"], Value::Null);
    }
    // The kernel's own words.
    let of = |mode| XdpAttach {
        program: Some(first.0),
        mode: Some(mode),
        update: XdpUpdate::Overwrite,
    };
    netlink.xdp_attach(x, &of(XdpMode::Generic)).unwrap();
    let error = netlink.xdp_attach(x, &of(XdpMode::Driver)).unwrap_err();
    let text = "Native and generic XDP can't be active at the same time";
    let expected = Cause::Refused {
        errno: libc::EEXIST,
        text: Some(text.to_owned()),
    };
    assert_eq!(error.cause, expected);
    netlink.delete_link(x).unwrap();
    assert_eq!(netlink.xdp_query(x).unwrap(), None);
}
