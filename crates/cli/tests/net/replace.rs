//! One program in the place of another while packets flow.

use crate::attach::{Attacher, Site};
use crate::common::Said;
use crate::tools::udp::{Stream, arrivals, flaws, listen};
use std::fmt::Write as _;
use std::time::Duration;

/// A thousand times, in one batch.
/// Each packet meets exactly one of the two programs, and arrives once.
pub(crate) fn under_traffic(site: &Site) {
    // Linux takes some milliseconds for each, and was tried with a thousand.
    let times = match site.attacher {
        Attacher::Kernel(_) => 200,
        Attacher::Skep(_) => 1000,
    };
    site.load_as("pass", "one");
    site.load_as("pass", "two");
    let host = listen(site.near(), &site.tools(), 7400);
    let before = site.far().counter("f0", "tx", "packets");
    site.attach("two");
    let stream = Stream {
        to: "10.1.0.1:7400",
        count: u32::MAX,
        pace: Duration::from_micros(400),
        bytes: 64,
    };
    let sending = stream.start(site.far(), &site.tools());
    let mut batch = String::new();
    for name in ["one", "two"].iter().cycle().take(times) {
        let line = site
            .attach_line(name, "x0", "overwrite")
            .replace("{P}", &site.pins());
        writeln!(batch, "{line}").unwrap();
    }
    let file = site.near().home().join("batch");
    std::fs::write(&file, batch).unwrap();
    let said = Said::of(
        &site
            .tool(&format!("batch file {}", file.display()))
            .output()
            .unwrap(),
    );
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert!(
        said.out.ends_with(&format!("processed {times} commands\n")),
        "{}",
        said.out
    );
    let sent = sending.stop();
    let arrivals = arrivals(host);
    // On a busy machine the receiver may come too late for some, which its host counts.
    let arrived = u64::try_from(arrivals.len()).unwrap() + site.near().overflown();
    assert_eq!(arrived, u64::from(sent), "{}", flaws(&arrivals, sent));
    assert!(
        arrivals.values().all(|&times| times == 1),
        "{}",
        flaws(&arrivals, sent)
    );
    let sent = site.far().counter("f0", "tx", "packets") - before;
    let (one, two) = (site.count("one", 0), site.count("two", 0));
    assert_eq!(one + two, sent, "{one} and {two}");
    assert!(one > 0 && two > 0, "{one} and {two}");
}
