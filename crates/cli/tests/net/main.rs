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
mod examples;
mod frames;
mod hostile;
mod interface;
mod lifetimes;
mod replace;
mod skep;
mod soak;
mod tools;
mod verdicts;
mod world;

use attach::{Attacher, Kit, Mode, Site, Way};
use skep_testkit::{Harness, Need};
use std::process::ExitCode;
use world::{Size, User, World};

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

/// A scenario.
struct Row {
    name: &'static str,
    whom: Whom,
    /// The namespaces that it needs.
    size: Size,
    /// What it needs beside what its attacher does.
    needs: &'static [Need],
    run: fn(&Site),
}

/// Rows as `module::function, for whom, how many namespaces, needs…;`.
macro_rules! rows {
    ($($module:ident::$name:ident, $whom:ident, $size:ident $(, $need:ident)*;)*) => {
        &[$(Row {
            name: concat!(stringify!($module), "::", stringify!($name)),
            whom: Whom::$whom,
            size: Size::$size,
            needs: &[$(Need::$need),*],
            run: $module::$name,
        }),*]
    };
}

// The kernel's own programs beside skep's, which tag frames or have the interface first, need the oracle.
const ROWS: &[Row] = rows! {
    verdicts::ping, All, Two;
    verdicts::idle, All, Two;
    verdicts::drop_icmp, All, Two;
    verdicts::bulk, All, Two;
    verdicts::swap_tx, All, Two;
    verdicts::redirect_if, All, Three;
    verdicts::redirect_dev, All, Three;
    verdicts::abort, All, Two;
    frames::ipv6, All, Two;
    frames::to_many, All, Two;
    frames::vlan_in_frame, All, Two;
    frames::vlan_beside_frame, All, Two, Oracle, Bpftool;
    frames::vlan_sent_back, All, Two, Oracle, Bpftool;
    adjust::head, All, Two;
    adjust::meta, All, Two;
    adjust::tail, All, Two;
    hostile::passed, All, Two;
    hostile::sent_back, All, Two;
    hostile::adjusted, All, Two;
    replace::under_traffic, All, Two;
    soak::accounts, All, Two;
    interface::down_and_up, All, Two;
    interface::renamed, All, Two;
    interface::deleted, All, Two;
    interface::far_namespace_deleted, All, Two;
    interface::near_namespace_deleted, All, Two;
    lifetimes::attached_without_pin, All, Two;
    lifetimes::replaced, All, Two;
    lifetimes::detached_twice, All, Two;
    command::words, All, Two;
    command::modes, Kernel, Two;
    skep::detached, All, Two;
    skep::daemon_killed, Skep, Two;
    skep::daemon_terminated, Skep, Two;
    skep::guardian_killed, Skep, Two;
    skep::repaired, Skep, Two;
    skep::others_untouched, Skep, Three;
    skep::link, Skep, Two;
    skep::taken_by_a_daemon, Skep, Two;
    skep::taken_by_linux, Skep, Two, Oracle, Bpftool;
    skep::run, Skep, Two;
};

/// What does not apply to a way.
const LEFT_OUT: &[(Way, &str)] = &[
    // A device that the machine made is the daemon's, and goes with it: there is no "as before".
    (Way::Tap, "skep::daemon_killed"),
    (Way::Tap, "skep::daemon_terminated"),
    (Way::Tap, "skep::guardian_killed"),
    (Way::Tap, "skep::repaired"),
    // Another daemon has the device in its hands, or Linux, as it has any other interface: behind the machine, which is the wire.
    (Way::Tap, "skep::taken_by_a_daemon"),
    (Way::Tap, "skep::taken_by_linux"),
    // `run` has a machine of its own, which is not the one that made the device.
    (Way::Tap, "skep::run"),
    // A tag beside a frame is put into it on its way through the wire, so that programs see it: `vlan_in_frame` alone is left.
    (Way::Tap, "frames::vlan_beside_frame"),
    (Way::Tap, "frames::vlan_sent_back"),
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
        for row in ROWS.iter().filter(|row| is_for(row, attacher)) {
            let (kit, name) = (kit.clone(), format!("{}::{}", attacher.name(), row.name));
            let needs = [needs(attacher), row.needs].concat();
            let run = move || (row.run)(&Site::new(&kit, attacher, row.size));
            harness = harness.case(name, &needs, run);
        }
    }
    for attacher in as_root() {
        // The other scenarios are an ordinary user's.
        let kit = kit.clone();
        let run = move || {
            verdicts::ping(&Site::in_world(
                &kit,
                attacher,
                World::new(User::Root, Size::Two),
            ))
        };
        let needs = [needs(attacher), &[Need::Oracle]].concat();
        harness = harness.case(format!("{}::as_root", attacher.name()), &needs, run);
    }
    for (name, user, needs) in examples::ROWS {
        let kit = kit.clone();
        harness = harness.case(*name, needs, move || examples::attach_script(&kit, *user));
    }
    // The last test that ends removes the copies.
    drop(kit);
    harness.run()
}

fn is_for(row: &Row, attacher: Attacher) -> bool {
    match attacher {
        Attacher::Kernel(_) => row.whom != Whom::Skep,
        Attacher::Skep(way) => row.whom != Whom::Kernel && !LEFT_OUT.contains(&(way, row.name)),
    }
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
        Attacher::Skep(Way::Tun | Way::Tap) => &[Netns, Clang, Tun],
        Attacher::Skep(Way::AfXdp) => &[Netns, Clang, AfXdp],
    }
}
