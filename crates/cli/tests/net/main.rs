//! Programs on live interfaces, end to end: what Linux does to each packet, and that skep does the same.
//!
//! Each scenario is a function over a [`Site`], which is a world of network namespaces with one attacher: Linux's generic
//! XDP, its native XDP, or one of skep's ways. Linux's rows prove the scenario, so that what they expect is what Linux does
//! and not what somebody thought; comments at the scenarios say where its two modes differ.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod adjust;
mod attach;
mod command;
#[path = "../common/mod.rs"]
mod common;
mod frames;
mod interface;
mod lifetimes;
mod replace;
mod skep;
mod tools;
mod verdicts;
mod world;

use attach::{Attacher, Kit, Mode, Site, Way};
use skep_testkit::{Harness, Need};
use std::process::ExitCode;
use world::Size::{self, Three, Two};
use world::{User, World};

/// Which attachers a scenario is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whom {
    /// Linux and skep alike.
    All,
    /// Linux alone: it tells its two modes apart.
    Kernel,
    /// skep alone.
    Skep,
}

/// A scenario: its name, for whom it is, the namespaces that it needs, and what it does.
type Row = (&'static str, Whom, Size, fn(&Site));

use Whom::{All, Kernel, Skep};

const ROWS: &[Row] = &[
    ("verdicts::ping", All, Two, verdicts::ping),
    ("verdicts::idle", All, Two, verdicts::idle),
    ("verdicts::drop_icmp", All, Two, verdicts::drop_icmp),
    ("verdicts::bulk", All, Two, verdicts::bulk),
    ("verdicts::swap_tx", All, Two, verdicts::swap_tx),
    ("verdicts::redirect_if", All, Three, verdicts::redirect_if),
    ("verdicts::redirect_dev", All, Three, verdicts::redirect_dev),
    ("verdicts::abort", All, Two, verdicts::abort),
    ("frames::ipv6", All, Two, frames::ipv6),
    ("frames::to_many", All, Two, frames::to_many),
    ("frames::vlan_in_frame", All, Two, frames::vlan_in_frame),
    (
        "frames::vlan_beside_frame",
        All,
        Two,
        frames::vlan_beside_frame,
    ),
    ("frames::vlan_sent_back", All, Two, frames::vlan_sent_back),
    ("adjust::head", All, Two, adjust::head),
    ("adjust::meta", All, Two, adjust::meta),
    ("adjust::tail", All, Two, adjust::tail),
    ("replace::under_traffic", All, Two, replace::under_traffic),
    ("interface::down_and_up", All, Two, interface::down_and_up),
    ("interface::renamed", All, Two, interface::renamed),
    ("interface::deleted", All, Two, interface::deleted),
    (
        "interface::far_namespace_deleted",
        All,
        Two,
        interface::far_namespace_deleted,
    ),
    (
        "interface::near_namespace_deleted",
        All,
        Two,
        interface::near_namespace_deleted,
    ),
    (
        "lifetimes::attached_without_pin",
        All,
        Two,
        lifetimes::attached_without_pin,
    ),
    ("lifetimes::replaced", All, Two, lifetimes::replaced),
    (
        "lifetimes::detached_twice",
        All,
        Two,
        lifetimes::detached_twice,
    ),
    ("command::words", All, Two, command::words),
    ("command::modes", Kernel, Two, command::modes),
    ("skep::detached", All, Two, skep::detached),
    ("skep::daemon_killed", Skep, Two, skep::daemon_killed),
    (
        "skep::daemon_terminated",
        Skep,
        Two,
        skep::daemon_terminated,
    ),
    ("skep::guardian_killed", Skep, Two, skep::guardian_killed),
    ("skep::repaired", Skep, Two, skep::repaired),
    (
        "skep::others_untouched",
        Skep,
        Three,
        skep::others_untouched,
    ),
    ("skep::link", Skep, Two, skep::link),
    (
        "skep::taken_by_a_daemon",
        Skep,
        Two,
        skep::taken_by_a_daemon,
    ),
    ("skep::taken_by_linux", Skep, Two, skep::taken_by_linux),
    ("skep::run", Skep, Two, skep::run),
];

fn main() -> ExitCode {
    if let Some(code) = tools::dispatch() {
        return code;
    }
    // First, because it ends the process where the command line asks for help.
    let mut harness = Harness::from_args();
    let kit = Kit::new();
    let kernel = [Mode::Generic, Mode::Native].map(Attacher::Kernel);
    let attachers = kernel
        .into_iter()
        .chain(Way::tested().into_iter().map(Attacher::Skep));
    for attacher in attachers {
        for &(name, whom, size, run) in ROWS {
            let is_for = match whom {
                All => true,
                Kernel => matches!(attacher, Attacher::Kernel(_)),
                Skep => matches!(attacher, Attacher::Skep(_)),
            };
            if is_for {
                let (kit, name) = (kit.clone(), format!("{}::{name}", attacher.name()));
                let needs = needs(attacher);
                harness = harness.case(name, needs, move || run(&Site::new(&kit, attacher, size)));
            }
        }
    }
    for attacher in as_root() {
        // The other scenarios are an ordinary user's.
        let kit = kit.clone();
        let run =
            move || verdicts::ping(&Site::in_world(&kit, attacher, World::new(User::Root, Two)));
        let needs = [needs(attacher), &[Need::Oracle]].concat();
        harness = harness.case(format!("{}::as_root", attacher.name()), &needs, run);
    }
    // The last test that ends removes the copies.
    drop(kit);
    harness.run()
}

/// Attachers that a world of root's is tried with, too.
fn as_root() -> Vec<Attacher> {
    let packet = Way::tested()
        .into_iter()
        .filter(|&way| way == Way::Packet)
        .map(Attacher::Skep);
    [Attacher::Kernel(Mode::Generic)]
        .into_iter()
        .chain(packet)
        .collect()
}

fn needs(attacher: Attacher) -> &'static [Need] {
    use Need::{AfXdp, Bpftool, Clang, Netns, Oracle, Tun};
    match attacher {
        Attacher::Kernel(_) => &[Netns, Clang, Oracle, Bpftool],
        Attacher::Skep(Way::Packet) => &[Netns, Clang],
        Attacher::Skep(Way::Tun) => &[Netns, Clang, Tun],
        Attacher::Skep(Way::AfXdp) => &[Netns, Clang, AfXdp],
    }
}
