//! What happens to the interface happens to the attachment.

use crate::attach::{Attacher, Site};
use crate::common::wait_until;
use crate::tools::udp::{Stream, expect_each_once};

/// What `net show dev D -j` says of XDP: name of the interface and mode, or nothing.
fn shown(site: &Site, dev: &str) -> Option<(String, String)> {
    let text = site.results(&format!("net show dev {dev} -j"));
    let shown: serde_json::Value = serde_json::from_str(&text).unwrap();
    let entry = shown[0]["xdp"].get(0)?;
    let field = |name: &str| entry[name].as_str().unwrap().to_owned();
    Some((field("devname"), field("mode")))
}

/// An interface that goes down and up again keeps its program.
pub(crate) fn down_and_up(site: &Site) {
    site.run("drop_icmp");
    let expected = Some(("x0".to_owned(), site.attacher.mode().to_owned()));
    for _ in 0..3 {
        site.near().sh("ip link set x0 down");
        assert_eq!(shown(site, "x0"), expected);
        site.near().sh("ip link set x0 up");
        assert_eq!(shown(site, "x0"), expected);
    }
    works(site, "x0");
    site.expect_lost(2);
    expect_each_once(&site.udp(&Stream::new("10.1.0.1:7500", 50)), 50);
    assert_eq!(site.count("drop_icmp", 0), 2);
    // Attached while it is down, it works when it comes up.
    site.detach();
    site.near().sh("ip link set x0 down");
    site.attach("drop_icmp");
    site.near().sh("ip link set x0 up");
    works(site, "x0");
    site.expect_lost(2);
    assert_eq!(site.count("drop_icmp", 0), 4);
}

/// Waits until both ends of the wire have noticed that they are on.
fn works(site: &Site, dev: &str) {
    site.near().wait_carrier(dev);
    site.far().wait_carrier("f0");
}

/// A renamed interface keeps its program, which is found by the new name.
pub(crate) fn renamed(site: &Site) {
    site.run("drop_icmp");
    site.near()
        .sh("ip link set x0 down; ip link set x0 name renamed0; ip link set renamed0 up");
    assert_eq!(
        shown(site, "renamed0"),
        Some(("renamed0".to_owned(), site.attacher.mode().to_owned()))
    );
    let gone = site.said("net show dev x0");
    assert_eq!(
        (gone.code, gone.err.as_str()),
        (Some(255), "Error: invalid devname x0\n")
    );
    works(site, "renamed0");
    site.expect_lost(2);
    assert_eq!(site.results(&site.detach_line("renamed0")), "");
    assert_eq!(site.ping(2), 2);
    assert_eq!(site.count("drop_icmp", 0), 2);
}

/// A deleted interface takes its attachment with it, and a program that nobody else holds.
pub(crate) fn deleted(site: &Site) {
    gone_by(site, || {
        site.near().sh("ip link del x0");
    });
    // An interface of the same name is another one.
    site.near().sh("ip link add x0 type veth peer name z0");
    assert_eq!(shown(site, "x0"), None);
}

/// The other end of a veth pair takes it with it, be it by the deletion of its namespace.
pub(crate) fn far_namespace_deleted(site: &Site) {
    gone_by(site, || site.far().destroy());
}

fn gone_by(site: &Site, delete: impl Fn()) {
    site.run("pass");
    site.load_as("pass", "kept");
    let id = site.id("pass");
    unpin(site, "pass");
    assert_eq!(
        shown(site, "x0"),
        Some(("x0".to_owned(), site.attacher.mode().to_owned()))
    );
    delete();
    wait_until("the interface is gone", || {
        !site.near().links().contains(&"x0".to_owned())
    });
    let text = site.results("net show -j");
    assert!(text.starts_with("[{\"xdp\":[],"), "{text}");
    wait_until("the program is gone", || {
        site.said(&format!("prog show id {id}")).code == Some(255)
    });
    assert_ne!(site.id("kept"), id);
}

/// Removes a program's pin, and those of its maps.
pub(crate) fn unpin(site: &Site, name: &str) {
    match site.attacher {
        Attacher::Kernel(_) => {
            let pins = std::path::PathBuf::from(site.pins());
            std::fs::remove_file(pins.join(name)).unwrap();
            std::fs::remove_dir_all(pins.join(format!("{name}_maps"))).unwrap();
        }
        Attacher::Skep(_) => {
            assert_eq!(site.results(&format!("pin rm {{P}}/{name}")), "");
            assert_eq!(
                site.results(&format!("pin rm {{P}}/{name}_maps/counts")),
                ""
            );
        }
    }
}

/// A namespace whose processes have all ended is deleted with its interfaces; so is the attachment. A daemon is such a
/// process, so that for skep this is what happens once it has ended, too.
pub(crate) fn near_namespace_deleted(site: &Site) {
    site.run("pass");
    let id = site.id("pass");
    unpin(site, "pass");
    site.near().destroy();
    wait_until("the peer is gone", || {
        !site.far().links().contains(&"f0".to_owned())
    });
    if let Attacher::Kernel(_) = site.attacher {
        let show = || skep_testkit::oracle::bpftool(["prog", "show", "id", &id]);
        wait_until("the program is gone", || !show().status.success());
    }
}
