//! Programs on live interfaces, end to end: what Linux does to each packet, and that skep does the same.
//!
//! Each scenario is a function over a [`Site`], which is a world of network namespaces with one attacher: Linux's generic
//! XDP, its native XDP, or one of skep's ways. Linux's rows prove the scenario, so that what they expect is what Linux does
//! and not what somebody thought; comments at the scenarios say where its two modes differ.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod adjust;
mod attach;
#[path = "../common/mod.rs"]
mod common;
mod frames;
mod interface;
mod lifetimes;
mod replace;
mod tools;
mod verdicts;
mod world;

use attach::{Attacher, Kit, Mode, Site, Way};
use skep_testkit::{Harness, Need};
use std::process::ExitCode;
use world::Size;

/// A scenario: its name, the namespaces that it needs, which attachers it is for, and what it does.
struct Row {
    name: &'static str,
    size: Size,
    only: Option<Mode>,
    run: fn(&Site),
}

const fn row(name: &'static str, size: Size, run: fn(&Site)) -> Row {
    Row { name, size, only: None, run }
}

const ROWS: &[Row] = &[
    row("verdicts::ping", Size::Two, verdicts::ping),
    row("verdicts::idle", Size::Two, verdicts::idle),
    row("verdicts::drop_icmp", Size::Two, verdicts::drop_icmp),
    row("verdicts::bulk", Size::Two, verdicts::bulk),
    row("verdicts::swap_tx", Size::Two, verdicts::swap_tx),
    row("verdicts::redirect_if", Size::Three, verdicts::redirect_if),
    row("verdicts::redirect_dev", Size::Three, verdicts::redirect_dev),
    row("verdicts::abort", Size::Two, verdicts::abort),
    row("frames::ipv6", Size::Two, frames::ipv6),
    row("frames::to_many", Size::Two, frames::to_many),
    row("frames::vlan_in_frame", Size::Two, frames::vlan_in_frame),
    row("frames::vlan_beside_frame", Size::Two, frames::vlan_beside_frame),
    row("frames::vlan_sent_back", Size::Two, frames::vlan_sent_back),
    row("adjust::head", Size::Two, adjust::head),
    row("adjust::meta", Size::Two, adjust::meta),
    row("adjust::tail", Size::Two, adjust::tail),
    row("replace::under_traffic", Size::Two, replace::under_traffic),
    row("interface::down_and_up", Size::Two, interface::down_and_up),
    row("interface::renamed", Size::Two, interface::renamed),
    row("interface::deleted", Size::Two, interface::deleted),
    row("interface::far_namespace_deleted", Size::Two, interface::far_namespace_deleted),
    row("interface::near_namespace_deleted", Size::Two, interface::near_namespace_deleted),
    row("lifetimes::attached_without_pin", Size::Two, lifetimes::attached_without_pin),
    row("lifetimes::replaced", Size::Two, lifetimes::replaced),
    row("lifetimes::detached_twice", Size::Two, lifetimes::detached_twice),
];

fn main() -> ExitCode {
    if let Some(code) = tools::dispatch() {
        return code;
    }
    // First, because it ends the process where the command line asks for help.
    let mut harness = Harness::from_args();
    let kit = Kit::new();
    let kernel = [Mode::Generic, Mode::Native].map(Attacher::Kernel);
    let attachers = kernel.into_iter().chain(Way::tested().into_iter().map(Attacher::Skep));
    for attacher in attachers {
        for row in ROWS {
            if row.only.is_some_and(|mode| attacher != Attacher::Kernel(mode)) {
                continue;
            }
            let (kit, size, run) = (kit.clone(), row.size, row.run);
            let name = format!("{}::{}", attacher.name(), row.name);
            harness = harness.case(name, needs(attacher), move || run(&Site::new(&kit, attacher, size)));
        }
    }
    // The last test that ends removes the copies.
    drop(kit);
    harness.run()
}

fn needs(attacher: Attacher) -> &'static [Need] {
    use Need::{Bpftool, Clang, Netns, Oracle};
    match attacher {
        Attacher::Kernel(_) => &[Netns, Clang, Oracle, Bpftool],
        Attacher::Skep(Way::Packet) => &[Netns, Clang],
        Attacher::Skep(Way::Tun) => &[Netns, Clang],
        Attacher::Skep(Way::AfXdp) => &[Netns, Clang, Oracle],
    }
}
