//! Packet sockets and TAP devices on real interfaces, in a network of their own that an ordinary user may make.
//!
//! Each case starts this program again in new user and network namespaces (`SKEP_SYS_INSIDE` names what to run there), so
//! that nothing touches the machine's own network.

#![allow(clippy::unwrap_used, reason = "tests")]

mod packet;
mod relay;
mod tap;
mod world;

use skep_testkit::{Harness, Need};

/// What runs inside, by name: the cases, and the programs of other hosts that cases start.
const INSIDE: &[(&str, fn())] = &[
    ("frames_of_all_sizes", packet::frames_of_all_sizes),
    (
        "frames_too_long_for_a_block",
        packet::frames_too_long_for_a_block,
    ),
    ("tags_are_metadata", packet::tags_are_metadata),
    ("losses_are_counted", packet::losses_are_counted),
    ("filter_by_mark", packet::filter_by_mark),
    ("down_and_up_again", packet::down_and_up_again),
    ("refusals", packet::refusals),
    ("segments_are_relayed", relay::segments),
    ("segments_with_tags_are_relayed", relay::segments_with_tags),
    (
        "segments_are_cut_by_software",
        relay::segments_cut_by_software,
    ),
    ("tap", tap::frames_both_ways),
    ("tap_queues", tap::queues),
    ("tap_segments", tap::segments),
];

fn main() {
    if let Some(name) = std::env::var_os("SKEP_SYS_INSIDE") {
        let name = name.into_string().unwrap();
        if name == relay::HOST {
            return relay::host();
        }
        let (_, run) = INSIDE.iter().find(|(case, _)| *case == name).unwrap();
        return run();
    }
    let mut harness = Harness::from_args();
    for (name, _) in INSIDE {
        harness = harness.case(*name, &[Need::Netns], || world::run_inside(name));
    }
    harness.run();
}
