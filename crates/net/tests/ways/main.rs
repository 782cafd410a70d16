//! The ways that need more than an ordinary user's rights, and the packet way beside them: the same cases on each.
//!
//! Each case starts this program again in a network namespace of its own (`SKEP_NET_WAY_INSIDE` names what to run there, on which
//! way), so that nothing touches the machine's own network. The user namespace stays: neither Linux's XDP nor, where its file
//! is root's, tun can be had in another.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod cases;
mod traffic;
mod world;

use skep_testkit::{Harness, Need};
use skep_uapi::{Via, XdpMode};
use world::{Road, run_inside};

const ROADS: &[Road] = &[
    Road {
        name: "packet",
        via: Via::Packet,
        mode: XdpMode::Any,
    },
    Road {
        name: "tun",
        via: Via::Tun,
        mode: XdpMode::Any,
    },
    Road {
        name: "afxdp_generic",
        via: Via::AfXdp,
        mode: XdpMode::Generic,
    },
    Road {
        name: "afxdp_driver",
        via: Via::AfXdp,
        mode: XdpMode::Driver,
    },
];

/// Name, and what runs inside.
type Case = (&'static str, fn(Road));

const CASES: &[Case] = &[
    ("ping", cases::ping),
    ("long_frames", cases::long_frames),
    ("datagrams", cases::datagrams),
    ("streams", cases::streams),
    ("joined_datagrams", cases::joined_datagrams),
    ("drop", cases::dropped),
    ("send_back", cases::send_back),
    ("redirect", cases::redirect),
    ("tags", cases::tags),
    ("nothing_is_left", cases::nothing_is_left),
    ("again_and_again", cases::again_and_again),
    ("put_back", cases::put_back),
];

/// The other host's part of a case.
const ROLES: &[(&str, fn())] = &[
    ("datagrams", traffic::send_datagrams),
    ("joined", traffic::send_joined),
    ("receive", traffic::receive_datagrams),
    ("stream", traffic::send_stream),
    ("sink", traffic::receive_stream),
];

fn main() {
    if let Ok(what) = std::env::var("SKEP_NET_WAY_INSIDE") {
        return inside(&what);
    }
    let mut harness = Harness::from_args();
    for road in ROADS {
        for (case, _) in CASES {
            let what = format!("{}::{case}", road.name);
            let name = what.clone();
            // Root's rights on all of them; what an ordinary user has in a network namespace is tested as such elsewhere.
            let needs: &[Need] = match road.via {
                Via::Packet | Via::Tap => &[Need::Netns, Need::Oracle],
                Via::Tun => &[Need::Netns, Need::Oracle, Need::Tun],
                Via::AfXdp => &[Need::Netns, Need::Oracle, Need::AfXdp],
            };
            harness = harness.case(name, needs, move || run_inside(&what));
        }
    }
    harness.run();
}

fn inside(what: &str) {
    if let Some((_, role)) = ROLES.iter().find(|(name, _)| *name == what) {
        return role();
    }
    let (road, case) = what.split_once("::").unwrap();
    let road = ROADS.iter().find(|known| known.name == road).unwrap();
    let (_, run) = CASES.iter().find(|(name, _)| *name == case).unwrap();
    run(*road);
}
