//! How long attachments and attached programs live.

use crate::attach::Site;
use crate::common::wait_until;
use crate::interface::unpin;

/// An attached program needs no pin and no process; its detachment frees it.
pub(crate) fn attached_without_pin(site: &Site) {
    site.run("drop_icmp");
    let id = site.id("drop_icmp");
    unpin(site, "drop_icmp");
    site.expect_lost(2);
    // Another command finds it by its number, and it still works.
    let shown = site.results(&format!("prog show id {id}"));
    assert!(shown.contains("name drop_icmp"), "{shown}");
    site.detach();
    assert_eq!(site.ping(2), 2);
    wait_until("the program is gone", || {
        site.said(&format!("prog show id {id}")).code == Some(255)
    });
}

/// A program that another replaces is freed, if nobody else holds it; a pinned one stays, and can be attached again.
pub(crate) fn replaced(site: &Site) {
    site.run("drop_icmp");
    let id = site.id("drop_icmp");
    unpin(site, "drop_icmp");
    site.load("pass");
    site.replace("pass");
    wait_until("the program is gone", || {
        site.said(&format!("prog show id {id}")).code == Some(255)
    });
    assert_eq!(site.ping(2), 2);
    assert_eq!(site.count("pass", 0), 2);
    site.load("drop_icmp");
    site.replace("drop_icmp");
    site.expect_lost(2);
    site.replace("pass");
    assert_eq!(site.ping(2), 2);
    assert_eq!(site.count("pass", 0), 4);
}

/// Detaching what is not attached is no error, twice no more than once.
pub(crate) fn detached_twice(site: &Site) {
    site.detach();
    site.run("drop_icmp");
    site.detach();
    site.detach();
    assert_eq!(site.ping(2), 2);
    site.attach("drop_icmp");
    site.expect_lost(2);
}
