//! The worker on a way that is a list.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::live::place::LiveCounts;
use crate::live::way::Losses;
use skep_machine::{Attach, Attached, Config, Connection, Machine, Peer, Ports, PortsError};
use skep_sys::wait_readable;
use skep_uapi::{
    AttachType, Bpf, Command, Existing, NetAttach, NetDevice, NetDeviceAdd, NetLive, ProgLoad,
    ProgType, Value, Via, XdpMode,
};
use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::sync::Mutex;

const INTERFACE: u32 = 5;
const PATIENCE: Duration = Duration::from_secs(20);

/// What happened at the way, and what is to happen.
#[derive(Debug, Default)]
struct List {
    come: VecDeque<Vec<u8>>,
    sent: Vec<(Destination, Vec<u8>)>,
    breaks: bool,
    panics: bool,
    let_go: bool,
}

#[derive(Debug)]
struct ListWay(Arc<Mutex<List>>);

impl Way for ListWay {
    fn wait(&mut self, wake: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<bool> {
        let timeout = timeout.map_or(SETTLE, |timeout| timeout.min(SETTLE / 8));
        Ok(wait_readable(wake, Some(timeout))? == skep_sys::Readiness::Ready)
    }

    fn next(&mut self, packet: &mut Packet) -> io::Result<Next> {
        let mut list = self.0.lock().unwrap();
        if list.breaks {
            return Err(io::Error::other("torn"));
        }
        let Some(frame) = list.come.pop_front() else {
            return Ok(Next::Empty);
        };
        let spec = skep_exec::PacketSpec {
            ifindex: INTERFACE,
            ..Default::default()
        };
        packet.refill(&[&frame], &spec).unwrap();
        Ok(Next::Frame)
    }

    fn send(&mut self, to: Destination, packet: &mut Packet) {
        let mut list = self.0.lock().unwrap();
        assert!(!list.panics, "as the case wants");
        list.sent.push((to, packet.linear().to_vec()));
    }

    fn flush(&mut self) {}

    fn take_losses(&mut self) -> Losses {
        Losses::default()
    }

    fn let_go(&mut self) {
        let mut list = self.0.lock().unwrap();
        list.let_go = true;
        // One that was taken before.
        list.come.push_back(vec![9; 60]);
    }
}

/// Ports that only remember, so that the machine makes a link.
#[derive(Debug, Default)]
struct Remembers(Mutex<Option<Arc<Attachment>>>);

impl Ports for Remembers {
    fn attach(&self, machine: &Arc<Machine>, attach: &Attach) -> Result<(), PortsError> {
        *self.0.lock().unwrap() = Some(Arc::new(Attachment {
            link: Arc::clone(&attach.link),
            connection: machine.connect(Peer {
                uid: 0,
                pid: 42,
                comm: peer_name("a-very-long-interface"),
            }),
            ifindex: attach.ifindex,
            mode: attach.mode,
            via: Via::Packet,
            counts: LiveCounts::default(),
        }));
        Ok(())
    }

    fn detach(&self, _: u32) -> Result<Option<NetLive>, PortsError> {
        Ok(None)
    }

    fn query(&self) -> Vec<Attached> {
        let attachment = self.0.lock().unwrap().clone();
        let describe = |attachment: Arc<Attachment>| Attached {
            link: Arc::clone(&attachment.link),
            ifindex: attachment.ifindex,
            name: String::new(),
            mode: attachment.mode,
            live: attachment.live(),
        };
        attachment.into_iter().map(describe).collect()
    }

    fn device_add(&self, _: &NetDeviceAdd) -> Result<u32, PortsError> {
        unreachable!("no case makes devices")
    }

    fn device_delete(&self, _: &str) -> Result<(), PortsError> {
        Ok(())
    }

    fn devices(&self) -> Vec<NetDevice> {
        Vec::new()
    }

    fn shut_down(&self) {}
}

/// A worker, its way and what it counts.
struct Case {
    connection: Connection,
    ports: Arc<Remembers>,
    list: Arc<Mutex<List>>,
    place: Arc<Place>,
    failure: Arc<Mutex<Option<String>>>,
    worker: Option<Background>,
}

impl Case {
    fn new(text: &str) -> Self {
        let ports = Arc::<Remembers>::default();
        let config = Config {
            ports: Some(Arc::clone(&ports) as Arc<dyn Ports>),
            ..Config::of_host()
        };
        let mut case = Self {
            connection: Machine::new(config).connect(Peer::this_process()),
            ports,
            list: Arc::default(),
            place: Arc::default(),
            failure: Arc::default(),
            worker: None,
        };
        case.attach(text);
        case.place.put(case.attachment());
        let failure = Arc::clone(&case.failure);
        let on_failure: OnFailure =
            Box::new(move |error| *failure.lock().unwrap() = Some(error.to_string()));
        let way = Box::new(ListWay(Arc::clone(&case.list)));
        let worker = start("fake", way, Arc::clone(&case.place), on_failure);
        case.worker = Some(worker.unwrap());
        case
    }

    fn attach(&self, text: &str) {
        let load = ProgLoad {
            prog_type: ProgType::XDP,
            expected_attach_type: AttachType::XDP,
            insns: skep_isa::text::assemble(text).unwrap().to_bytes(),
            license: "GPL".to_owned(),
            ..ProgLoad::default()
        };
        let reply = self.connection.call(Command::ProgLoad(Box::new(load)));
        let Ok(Value::Handle(prog)) = reply.result else {
            panic!("{}", reply.log)
        };
        let reply = self.connection.call(Command::NetAttach(NetAttach {
            prog,
            ifindex: INTERFACE,
            mode: XdpMode::Any,
            existing: Existing::Replace,
            via: None,
        }));
        assert_eq!(reply.result, Ok(Value::Unit), "{}", reply.log);
    }

    fn attachment(&self) -> Arc<Attachment> {
        self.ports.0.lock().unwrap().clone().unwrap()
    }

    fn live(&self) -> NetLive {
        self.attachment().live()
    }

    fn trace(&self) -> String {
        let read = Command::TraceRead {
            lines_max: 1000,
            wait_ms: 0,
        };
        match self.connection.call(read).result {
            Ok(Value::Lines(lines)) => lines.join("\n"),
            other => panic!("{other:?}"),
        }
    }

    /// Lets frames come, numbered from 0, and waits until they are handled.
    fn come(&self, count: u8) {
        let before = self.live().verdicts.iter().sum::<u64>();
        let frames = (0..count).map(|number| vec![number; 60]);
        self.list.lock().unwrap().come.extend(frames);
        wait_for(|| self.live().verdicts.iter().sum::<u64>() == before + u64::from(count));
    }

    /// Where frames went, by number.
    fn sent(&self) -> Vec<(Destination, u8)> {
        let list = self.list.lock().unwrap();
        list.sent
            .iter()
            .map(|(to, bytes)| (*to, bytes[0]))
            .collect()
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.stop();
        }
    }
}

fn wait_for(mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn every_frame_once_and_in_order() {
    let case = Case::new("r0 = 2\nexit");
    case.come(200);
    let expected: Vec<_> = (0..200)
        .map(|number| (Destination::Stack, number))
        .collect();
    assert_eq!(case.sent(), expected);
    assert_eq!(case.live().verdicts, [0, 0, 200, 0, 0, 0]);
}

#[test]
fn without_a_program_frames_pass() {
    let case = Case::new("r0 = 1\nexit");
    case.place.take();
    let frames = (0..200).map(|number| vec![number; 60]);
    case.list.lock().unwrap().come.extend(frames);
    wait_for(|| case.sent().len() == 200);
    let expected: Vec<_> = (0..200)
        .map(|number| (Destination::Stack, number))
        .collect();
    assert_eq!(case.sent(), expected);
    assert_eq!(case.live().verdicts, [0; 6]);
}

#[test]
fn a_replacement_takes_effect() {
    let case = Case::new("r0 = 3\nexit");
    case.come(1);
    case.attach("r1 = 7\nr2 = 0\ncall 23\nexit");
    case.come(1);
    case.attach("r0 = 4\nexit");
    case.come(1);
    assert_eq!(
        case.sent(),
        [(Destination::Wire, 0), (Destination::Interface(7), 0)]
    );
    assert_eq!(case.live().verdicts, [0, 0, 0, 1, 2, 0]);
    // Redirected to nowhere.
    assert_eq!(case.live().undelivered, 1);
}

#[test]
fn exceptions_are_traced() {
    let case = Case::new("r0 = 0\nexit");
    case.come(1);
    case.attach("r0 = 9\nexit");
    case.come(1);
    assert_eq!(case.sent(), []);
    assert_eq!(case.live().verdicts, [1, 0, 0, 0, 0, 1]);
    let mut trace = String::new();
    wait_for(|| {
        trace += &case.trace();
        trace.contains("action=0x9")
    });
    for part in [
        " skep-a-very-lon-42 ",
        ": xdp_exception: prog_id=",
        " action=ABORTED ifindex=5",
        " action=0x9 ifindex=5",
    ] {
        assert!(trace.contains(part), "{trace}");
    }
}

#[test]
fn what_was_taken_is_handled_at_the_end() {
    let mut case = Case::new("r0 = 2\nexit");
    case.worker.take().unwrap().stop();
    assert!(case.list.lock().unwrap().let_go);
    assert_eq!(case.sent(), [(Destination::Stack, 9)]);
    assert_eq!(*case.failure.lock().unwrap(), None);
}

#[test]
fn a_broken_way_is_told_of() {
    let case = Case::new("r0 = 2\nexit");
    case.list.lock().unwrap().breaks = true;
    wait_for(|| case.failure.lock().unwrap().is_some());
    assert_eq!(case.failure.lock().unwrap().as_deref(), Some("torn"));
    wait_for(|| case.worker.as_ref().unwrap().is_finished());
}

#[test]
fn so_is_one_that_panics() {
    let case = Case::new("r0 = 2\nexit");
    {
        let mut list = case.list.lock().unwrap();
        list.panics = true;
        list.come.push_back(vec![0; 60]);
    }
    wait_for(|| case.failure.lock().unwrap().is_some());
}

#[test]
fn names_fit() {
    assert_eq!(peer_name("x1"), "skep-x1");
    assert_eq!(peer_name("0123456789abcde"), "skep-0123456789");
    assert_eq!(peer_name("12345678é"), "skep-12345678é");
    assert_eq!(peer_name("123456789é"), "skep-123456789");
}
