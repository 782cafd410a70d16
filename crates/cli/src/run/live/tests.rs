//! A run on ports that only count.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::app;
use crate::output::{Format, Out};
use crate::run::options::Source;
use crate::tests::Shared;
use skep_machine::{Attach, Attached, PortsError};
use skep_uapi::{Errno, NetDevice, NetDeviceAdd, NetLive, Via};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Time of a run.
const TIME: Duration = Duration::from_millis(50);

/// Ports on which each question finds one more packet.
#[derive(Debug, Default)]
struct Counting {
    attached: Mutex<Option<Attach>>,
    packets: AtomicU64,
    /// Packets after which the interface goes away.
    packets_max: Option<u64>,
    down: AtomicBool,
}

impl Ports for Counting {
    fn attach(&self, _: &Arc<skep_machine::Machine>, attach: &Attach) -> Result<(), PortsError> {
        if attach.via == Some(Via::Tun) {
            return Err(PortsError {
                errno: Errno::EACCES,
                why: "/dev/net/tun cannot be opened".to_owned(),
            });
        }
        *self.attached.lock().unwrap() = Some(attach.clone());
        Ok(())
    }

    fn detach(&self, _: u32) -> Result<Option<NetLive>, PortsError> {
        *self.attached.lock().unwrap() = None;
        Ok(None)
    }

    fn query(&self) -> Vec<Attached> {
        let Some(attach) = self.attached.lock().unwrap().clone() else {
            return Vec::new();
        };
        let packets = self.packets.fetch_add(1, Ordering::Relaxed) + 1;
        if self.packets_max.is_some_and(|max| packets > max) {
            return Vec::new();
        }
        vec![Attached {
            link: attach.link,
            ifindex: attach.ifindex,
            name: "lo".to_owned(),
            mode: attach.mode,
            live: NetLive {
                via: Via::Packet,
                verdicts: [0, 0, packets, 0, 0, 0],
                missed: 0,
                undelivered: 0,
            },
        }]
    }

    fn device_add(&self, _: &NetDeviceAdd) -> Result<u32, PortsError> {
        unreachable!("nobody makes devices here")
    }

    fn device_delete(&self, _: &str) -> Result<(), PortsError> {
        unreachable!("nobody makes devices here")
    }

    fn devices(&self) -> Vec<NetDevice> {
        Vec::new()
    }

    fn shut_down(&self) {
        self.down.store(true, Ordering::Relaxed);
    }
}

/// What a run printed, and how it ended.
struct Ran {
    text: String,
    outcome: Outcome,
}

fn ran(ports: &Arc<Counting>, format: Format, screen: Screen, via: Option<Via>) -> Ran {
    let on = LiveOptions {
        interface: "lo".to_owned(),
        via,
        time: Some(TIME),
    };
    let options = RunOptions {
        file: PathBuf::from("tests/data/hello.bpf.o"),
        program: None,
        btf: None,
        source: Source::Interface(on.clone()),
    };
    let (results, errors) = (Shared::default(), Shared::default());
    let out = Out::new(Box::new(results.clone()), Box::new(errors), format);
    let mut session = Session::new(app::Options::default(), out);
    let signals = TerminationSignals::block().unwrap();
    let place = Place {
        interface: Interface::find("lo".to_owned()).unwrap(),
        options: &on,
        ports: Arc::<Counting>::clone(ports),
    };
    let outcome = live(&mut session, &options, &place, screen, &signals);
    drop(place);
    session.out.finish().unwrap();
    assert!(ports.down.load(Ordering::Relaxed));
    assert!(ports.attached.lock().unwrap().is_none());
    Ran {
        text: results.text(),
        outcome,
    }
}

#[test]
fn counts_come_at_the_end() {
    let ran = ran(&Arc::default(), Format::Text, Screen::Plain, None);
    ran.outcome.unwrap();
    let (load, counts) = ran.text.split_once('\n').unwrap();
    assert!(load.starts_with("hello: "), "{load}");
    assert_eq!(
        counts,
        "lo via packet: packets 2  drop 0  pass 2  tx 0  redirect 0  missed 0  undelivered 0\n"
    );
}

#[test]
fn a_terminal_shows_them_meanwhile() {
    let ran = ran(&Arc::default(), Format::Text, Screen::Terminal, None);
    ran.outcome.unwrap();
    let (_, counts) = ran.text.split_once('\n').unwrap();
    assert_eq!(
        counts,
        "\r\x1b[Klo via packet: packets 1  pass 1\
         \r\x1b[Klo via packet: packets 2  drop 0  pass 2  tx 0  redirect 0  missed 0  undelivered 0\n"
    );
}

#[test]
fn json_is_one_document() {
    let ran = ran(&Arc::default(), Format::Json, Screen::Plain, None);
    ran.outcome.unwrap();
    let document: serde_json::Value = serde_json::from_str(&ran.text).unwrap();
    assert_eq!(document["program"], "hello");
    assert_eq!(document["devname"], "lo");
    assert_eq!(document["ifindex"], 1);
    assert_eq!(document["via"], "packet");
    assert_eq!(document["packets"], 2);
    assert_eq!(document["verdicts"]["pass"], 2);
    assert!(document["load"]["insns"].as_u64().unwrap() > 0);
}

#[test]
fn an_interface_that_goes_ends_the_run() {
    let ports = Arc::new(Counting {
        packets_max: Some(1),
        ..Counting::default()
    });
    let ran = ran(&ports, Format::Text, Screen::Plain, None);
    let Err(Failure::Message { text, .. }) = ran.outcome else {
        unreachable!("{:?}", ran.outcome)
    };
    assert_eq!(text, "interface lo has gone");
    assert!(
        ran.text.contains("lo via packet: packets 1 "),
        "{}",
        ran.text
    );
}

#[test]
fn a_refusal_names_interface_and_reason() {
    let ports = Arc::new(Counting::default());
    let ran = ran(&ports, Format::Text, Screen::Plain, Some(Via::Tun));
    let Err(Failure::Message { text, code }) = ran.outcome else {
        unreachable!("{:?}", ran.outcome)
    };
    assert_eq!(
        text,
        "interface xdp attach failed: Permission denied (lo: /dev/net/tun cannot be opened)"
    );
    assert_eq!(code, crate::failure::errno_code(Errno::EACCES));
}
