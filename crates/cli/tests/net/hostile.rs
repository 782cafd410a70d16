//! Frames that mean harm, as far as Linux lets them be sent: each meets the program exactly once, and nothing breaks.
//!
//! What the host makes of those that pass is Linux's affair. What is sent is what `f0` counts: an answer of the far side's to what
//! comes back is such a frame, too.

use crate::attach::{Attacher, Mode, Site, Way};
use crate::common::json_value;
use crate::tools::hostile;

const FRAMES: u32 = 1800;

/// Programs that pass all of them.
pub(crate) fn passed(site: &Site) {
    const PASS: usize = 2;
    attacked(site, "pass", |site, sent| {
        site.expect_counts("pass", &[(0, sent)]);
        [(PASS, sent)].into()
    });
}

/// That send back all of them, unread.
pub(crate) fn sent_back(site: &Site) {
    const TX: usize = 3;
    attacked(site, "all_tx", |site, sent| {
        site.expect_counts("all_tx", &[(0, sent)]);
        [(TX, sent)].into()
    });
}

/// That move a packet's ends about, with sense and without, and have any verdict.
pub(crate) fn adjusted(site: &Site) {
    attacked(site, "adjust_any", |site, sent| {
        crate::common::wait_until("the program has seen all", || {
            site.count("adjust_any", 0) == sent
        });
        let counts = site.counts("adjust_any");
        assert_eq!(counts[&1] + counts[&2], sent, "{counts:?}");
        let verdicts: Vec<_> = (1..4).map(|at| (at, counts[&(4 + at as u64)])).collect();
        assert_eq!(verdicts.iter().map(|(_, times)| times).sum::<u64>(), sent);
        verdicts
    });
}

/// Attacks `x0` with `program` on it; `check` sees whether its counts are right for so many frames, and gives the verdicts.
fn attacked(site: &Site, program: &str, check: impl Fn(&Site, u64) -> Vec<(usize, u64)>) {
    site.let_receive(site.far(), "f0");
    // Linux's native XDP has no room for long frames: there Linux does not let them be sent.
    match site.attacher {
        Attacher::Kernel(Mode::Native) | Attacher::Skep(Way::AfXdp) => {}
        Attacher::Kernel(Mode::Generic) | Attacher::Skep(Way::Packet | Way::Tun | Way::Tap) => {
            for (space, dev) in [(site.near(), "x0"), (site.far(), "f0")] {
                space.sh(&format!("ip link set {dev} mtu 65521"));
            }
        }
    }
    site.run(program);
    let sent = || site.far().counter("f0", "tx", "packets");
    let before = sent();
    let let_go = hostile::send(site.far(), &site.tools(), "f0", FRAMES);
    assert!(let_go > u64::from(FRAMES) / 2, "{let_go}");
    // Answers, if there are any, are quick.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let sent = sent() - before;
    assert!(sent >= let_go, "{sent} of {let_go}");
    let verdicts = check(site, sent);
    if let Attacher::Skep(_) = site.attacher {
        let text = site.results("net show dev x0 -j");
        let shown: serde_json::Value = serde_json::from_str(&text).unwrap();
        let shown = &shown[0]["xdp"][0];
        assert_eq!(shown["packets"], sent, "{text}");
        let names = ["aborted", "drop", "pass", "tx"];
        for (at, times) in verdicts {
            assert_eq!(shown["verdicts"][names[at]], times, "{text}");
        }
        assert_eq!(shown["missed"], 0, "{text}");
        let pid = json_value(&site.results("daemon status -j"), "pid");
        assert!(pid.is_some());
    }
    site.detach();
    assert_eq!(site.ping(3), 3);
}
