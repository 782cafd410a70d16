//! What skep promises beyond Linux: that it leaves no trace, however it ends.
//!
//! Each of these but the first is skep's alone, and runs on every way of skep. Before the attach the interface has filters, a clsact and rules of the user's own.

use crate::attach::{Attacher, Site, Way};
use crate::common::{Said, interrupt, json_value, wait_until};
use crate::tools::udp::{Stream, expect_each_once};
use crate::world::Space;
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Longest time from a daemon's death until traffic is as before the attach.
const RECOVERY: Duration = Duration::from_secs(1);

/// Things of the user's own that must survive: on `x0`, and besides.
fn furnish(site: &Site) {
    site.near().sh("tc qdisc add dev x0 clsact
         tc filter add dev x0 ingress pref 77 handle 5 bpf bytecode '1,6 0 0 0' flowid 1:7
         tc filter add dev x0 egress pref 78 bpf bytecode '1,6 0 0 0' flowid 1:8
         ip link set x0 alias mine
         nft add table inet mine
         nft add chain inet mine input '{ type filter hook input priority 0; }'
         nft add rule inet mine input udp dport 7999 drop");
}

/// What configures every namespace.
fn state(site: &Site) -> Vec<String> {
    site.world.spaces().map(Space::state).collect()
}

/// Checks that [`state`] is `before` again, and shows the lines that differ.
fn expect_state(site: &Site, before: &[String]) {
    for (before, after) in before.iter().zip(state(site)) {
        let mut differing = String::new();
        for (before, after) in before
            .lines()
            .zip(after.lines())
            .filter(|(before, after)| before != after)
        {
            writeln!(differing, "-{before}\n+{after}").unwrap();
        }
        assert!(*before == after, "{differing}");
    }
}

/// The number of the process that the machine of `near` is in.
fn daemon(site: &Site) -> u32 {
    let said = site.said("daemon status -j");
    json_value(&said.out, "pid")
        .unwrap_or_else(|| panic!("{said:?}"))
        .parse()
        .unwrap()
}

fn signal(name: &str, pids: &[u32]) {
    let pids = pids.iter().map(u32::to_string);
    assert!(
        Command::new("kill")
            .arg(format!("-{name}"))
            .args(pids)
            .status()
            .unwrap()
            .success()
    );
}

/// Attaches drop_icmp where the user has things, lets `end` end skep, and sees that all is as before.
fn as_before(site: &Site, end: impl FnOnce()) {
    furnish(site);
    let before = state(site);
    site.run("drop_icmp");
    site.expect_lost(2);
    end();
    let begun = Instant::now();
    while !site.is_answered() {
        assert!(begun.elapsed() < RECOVERY, "no traffic after {RECOVERY:?}");
    }
    let begun = Instant::now();
    while state(site) != before && begun.elapsed() < RECOVERY {
        std::thread::sleep(Duration::from_millis(20));
    }
    expect_state(site, &before);
    expect_each_once(&site.udp(&Stream::new("10.1.0.1:7600", 100)), 100);
    // A new machine knows of nothing, and can attach again.
    if let Attacher::Skep(_) = site.attacher {
        assert_eq!(site.results("link list"), "");
    }
    assert!(site.results("net list -j").starts_with("[{\"xdp\":[],"));
    site.load_as("drop_icmp", "again");
    site.attach("again");
    site.expect_lost(2);
    site.detach();
    expect_state(site, &before);
}

/// `ip`, `tc` and `nft` say the same, to the byte, before an attach and after the detach; with Linux's own XDP, too.
pub(crate) fn detached(site: &Site) {
    as_before(site, || site.detach());
}

/// The guardian undoes what a killed daemon had done.
pub(crate) fn daemon_killed(site: &Site) {
    as_before(site, || signal("KILL", &[daemon(site)]));
}

/// So does the daemon itself when it is asked to end.
pub(crate) fn daemon_terminated(site: &Site) {
    as_before(site, || signal("TERM", &[daemon(site)]));
}

/// And so does a daemon whose guardian was killed.
pub(crate) fn guardian_killed(site: &Site) {
    as_before(site, || {
        let daemon = daemon(site);
        let guardians: Vec<u32> = site
            .near()
            .processes()
            .into_iter()
            .filter(|&pid| pid != daemon)
            .collect();
        assert!(!guardians.is_empty(), "there is a guardian");
        signal("KILL", &guardians);
        signal("TERM", &[daemon]);
    });
}

/// With both gone at once, the command undoes it.
pub(crate) fn repaired(site: &Site) {
    as_before(site, || {
        signal("KILL", &site.near().processes());
        wait_until("both are gone", || site.near().processes().is_empty());
        let said = site.said("net repair");
        assert_eq!(
            (said.code, said.err.as_str()),
            (Some(0), ""),
            "{}",
            said.out
        );
        // Nothing is left for another.
        assert_eq!(site.said("net repair").code, Some(0));
    });
}

/// While something is attached, other interfaces and the other end are as before.
pub(crate) fn others_untouched(site: &Site) {
    let others = |site: &Site| {
        let ip = |space: &Space, dev| {
            space.sh(&format!(
                "ip -j -d addr show {dev}; tc -j qdisc show dev {dev}; tc -j filter show dev {dev}"
            ))
        };
        let far = site.far().state();
        (
            ip(site.near(), "y0"),
            ip(site.near(), "lo"),
            far,
            site.world.other().state(),
            site.near().sh("nft list ruleset; ip rule; ip route"),
        )
    };
    // Linux's native XDP, which AF_XDP is on, limits what the other end of a veth pair may send, for as long as it is there.
    let without_limit = |(y0, lo, far, other, rules): (String, String, String, String, String)| {
        let far = match site.attacher {
            Attacher::Kernel(_) | Attacher::Skep(Way::Packet | Way::Tun | Way::Tap) => far,
            Attacher::Skep(Way::AfXdp) => {
                let lines = far.split_inclusive('\n');
                lines
                    .filter(|line| !line.starts_with("\"max_mtu\":"))
                    .collect()
            }
        };
        [y0, lo, far, other, rules]
    };
    furnish(site);
    let before = others(site);
    site.run("pass");
    let expected = without_limit(before.clone());
    assert_eq!(without_limit(others(site)), expected);
    assert_eq!(site.ping(2), 2);
    site.detach();
    assert_eq!(others(site), before);
}

/// The link that holds an attachment, which is one and the same while programs replace each other.
pub(crate) fn link(site: &Site) {
    site.run("pass");
    site.load("drop_icmp");
    let links = || site.results("link list -j");
    let (id, ifindex) = (
        json_value(&links(), "id").unwrap(),
        site.near().ifindex("x0"),
    );
    let expect = |program: &str| {
        let text = links();
        let value = |key| json_value(&text, key).unwrap_or_else(|| panic!("no {key}: {text}"));
        let found = [
            value("id"),
            value("type"),
            value("prog_id"),
            value("devname"),
            value("ifindex"),
        ];
        assert_eq!(
            found,
            [
                id.clone(),
                "xdp".into(),
                site.id(program),
                "x0".into(),
                ifindex.to_string()
            ]
        );
    };
    expect("pass");
    site.replace("drop_icmp");
    expect("drop_icmp");
    let shown = site.results("link list");
    assert!(
        shown.starts_with(&format!("{id}: xdp  prog {}", site.id("drop_icmp"))),
        "{shown}"
    );
    assert!(shown.contains("x0"), "{shown}");
    site.results(&format!("link detach id {id}"));
    assert_eq!(site.ping(2), 2);
    assert!(!links().contains("\"devname\":\"x0\""), "{}", links());
    // A pin keeps the link, but not the attachment.
    site.attach("drop_icmp");
    let id = json_value(&links(), "id").unwrap();
    site.results(&format!("link pin id {id} {{P}}/link"));
    site.detach();
    assert_eq!(site.ping(2), 2);
    assert!(links().contains(&format!("\"id\":{id}")), "{}", links());
    assert!(!links().contains("\"devname\":\"x0\""), "{}", links());
}

/// An interface that somebody else has is refused, with the owner's name.
pub(crate) fn taken_by_a_daemon(site: &Site) {
    site.run("pass");
    let owner = daemon(site);
    // Another user's world, as far as skep can see: a runtime folder of its own.
    let runtime = site.near().home().join("second");
    site.near().sh("mkdir -m 700 second");
    let second = |line: &str| {
        Said::of(
            &site
                .tool(line)
                .env("XDG_RUNTIME_DIR", &runtime)
                .output()
                .unwrap(),
        )
    };
    let object = site.kit().object("pass");
    let loaded = second(&format!("prog load {} {{P}}/other", object.display()));
    assert_eq!(loaded.code, Some(0), "{loaded:?}");
    let refused = second(&site.attach_line("other", "x0", ""));
    assert_ne!(refused.code, Some(0));
    assert!(refused.err.contains(&owner.to_string()), "{refused:?}");
    let refused = second(&site.attach_line("other", "x0", "overwrite"));
    assert!(refused.err.contains(&owner.to_string()), "{refused:?}");
    assert_eq!(second("daemon stop").code, Some(0));
    assert_eq!(site.ping(2), 2);
    assert_eq!(site.count("pass", 0), 2);
}

/// So is one on which Linux runs a program, and the loopback interface.
pub(crate) fn taken_by_linux(site: &Site) {
    let fs = skep_testkit::oracle::BpfFs::mount();
    let pin = fs.join("pass").display().to_string();
    let object = site.kit().object("pass").display().to_string();
    let bpftool = |words: &[&str]| {
        let mut command = site.near().privileged(skep_testkit::oracle::bpftool_path());
        let said = Said::of(&command.args(words).output().unwrap());
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
        said.out
    };
    bpftool(&["prog", "load", &object, &pin]);
    bpftool(&["net", "attach", "xdpgeneric", "pinned", &pin, "dev", "x0"]);
    let id = json_value(&bpftool(&["prog", "show", "pinned", &pin, "-j"]), "id").unwrap();
    site.load("pass");
    for dev in ["x0", "lo"] {
        let before = site.near().state();
        let refused = site.said(&site.attach_line("pass", dev, "overwrite"));
        assert_ne!(refused.code, Some(0));
        let named = if dev == "x0" { &id } else { "lo" };
        assert!(refused.err.contains(named), "{refused:?}");
        assert_eq!(site.near().state(), before);
    }
}

/// The one command that attaches, shows what happens and cleans up.
pub(crate) fn run(site: &Site) {
    furnish(site);
    let before = state(site);
    let Attacher::Skep(way) = site.attacher else {
        unreachable!("skep alone has the command")
    };
    let object = site.kit().object("hello");
    let line = format!("run {} dev x0 {}", object.display(), way.option());
    let mut command = site.tool(&line);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let sent = site.far().counter("f0", "tx", "packets");
    let child = command.spawn().unwrap();
    wait_until("it has attached", || {
        site.near().links().len() > 2 || state(site) != before
    });
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(site.ping(5), 5);
    let sent = site.far().counter("f0", "tx", "packets") - sent;
    std::thread::sleep(Duration::from_millis(300));
    let said = interrupt(child, "INT");
    assert_eq!(said.code, Some(0), "{said:?}");
    for number in 0..sent {
        assert!(
            said.out.contains(&format!("Hello World {number}\n")),
            "{}",
            said.out
        );
    }
    assert!(
        said.out
            .contains(&format!("packets {sent}  drop 0  pass {sent}  ")),
        "{}",
        said.out
    );
    expect_state(site, &before);
    assert_eq!(site.ping(2), 2);
}
