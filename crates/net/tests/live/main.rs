//! Programs on real interfaces, in a network of their own that an ordinary user may make.
//!
//! Each case starts this program again in new user and network namespaces (`SKEP_NET_INSIDE` names what to run there), so
//! that nothing touches the machine's own network.

#![allow(clippy::unwrap_used, reason = "tests")]

mod packet;
mod tap;
mod world;

use skep_testkit::{Harness, Need};

/// What runs inside, by name: the cases, and the programs of the other host.
const INSIDE: &[(&str, fn())] = &[
    ("verdicts", packet::verdicts),
    ("frames_as_the_program_left_them", packet::frames_as_left),
    ("tcp_with_segments", packet::tcp_with_segments),
    ("tcp_redirected", packet::tcp_redirected),
    ("nothing_lost_at_detach", packet::nothing_lost_at_detach),
    ("no_rights", packet::no_rights),
    ("replacement_and_detach", packet::replacement_and_detach),
    ("others_interfere", packet::others_interfere),
    ("renamed_down_and_deleted", packet::renamed_down_and_deleted),
    ("refusals", packet::refusals),
    ("tap_pair", tap::pair),
    ("tap_verdicts", tap::verdicts),
];

const OTHER_HOST: &[(&str, fn())] = &[
    ("udp_sender", world::udp_sender),
    ("udp_streamer", world::udp_streamer),
    ("tcp_sender", world::tcp_sender),
    ("tcp_receiver", world::tcp_receiver),
];

fn main() {
    if let Some(name) = std::env::var_os("SKEP_NET_INSIDE") {
        let name = name.into_string().unwrap();
        let mut all = INSIDE.iter().chain(OTHER_HOST);
        let (_, run) = all.find(|(case, _)| *case == name).unwrap();
        return run();
    }
    let mut harness = Harness::from_args();
    for (name, _) in INSIDE {
        harness = harness.case(*name, &[Need::Netns], || world::run_inside(name));
    }
    harness.run();
}
