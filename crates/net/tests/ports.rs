//! Ports by interface index: attaching, pumping, and what stays usable after a failure.
#![allow(clippy::unwrap_used, reason = "tests")]

use skep_machine::{AttachError, AttachMode, Config, Connection, Machine, Peer, Ports, Prog};
use skep_net::{Frame, ListPort, Port, PortError, PortSet, Runs, Verdict};
use skep_uapi::{Bpf, Command, Engine, Handle, ProgLoad, ProgType, Value};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

const ONCE: Runs = Runs {
    engine: Engine::Auto,
    repeat: 1,
};

fn connection() -> Connection {
    Machine::new(Config::of_host()).connect(Peer::this_process())
}

fn program(connection: &Connection, text: &str) -> (Handle, Arc<Prog>) {
    let load = ProgLoad {
        prog_type: ProgType::XDP,
        insns: skep_isa::text::assemble(text).unwrap().to_bytes(),
        license: "GPL".to_owned(),
        ..ProgLoad::default()
    };
    let reply = connection.call(Command::ProgLoad(Box::new(load)));
    let Ok(Value::Handle(handle)) = reply.result else {
        panic!("{}", reply.log)
    };
    (handle, connection.prog(handle).unwrap())
}

fn frames(count: usize) -> Box<ListPort> {
    Box::new(ListPort::new((0..count).map(|_| vec![0; 64])))
}

#[test]
fn one_program_on_each_port() {
    let connection = connection();
    let (_, pass) = program(&connection, "r0 = 2\nexit");
    let set = PortSet::default();
    let (a, b) = (set.add("a", frames(1)), set.add("b", frames(1)));
    assert_eq!((a, b), (1, 2));
    assert_eq!(set.attach(b, &pass, AttachMode::Any), Ok(()));
    assert_eq!(
        set.attach(b, &pass, AttachMode::Native),
        Err(AttachError::Busy(2))
    );
    assert_eq!(
        set.attach(9, &pass, AttachMode::Any),
        Err(AttachError::NoSuchPort(9))
    );
    let names: Vec<_> = set.query().into_iter().map(|port| port.name).collect();
    assert_eq!(names, ["b"]);
    for (ifindex, what) in [(a, "no program"), (9, "no such port")] {
        let error = set.pump(ifindex, &connection, ONCE, |_| {}).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    }
    assert_eq!(set.detach(b), Ok(()));
    assert_eq!(set.detach(b), Ok(()));
    assert_eq!(set.detach(9), Err(AttachError::NoSuchPort(9)));
    assert!(set.query().is_empty());
}

/// An attached program lives on without a handle, and ends with the port that holds it.
#[test]
fn a_port_keeps_its_program() {
    let connection = connection();
    let (handle, prog) = program(&connection, "r0 = 1\nexit");
    let id = prog.id.0;
    let set = PortSet::default();
    let ifindex = set.add("a", frames(3));
    set.attach(ifindex, &prog, AttachMode::Any).unwrap();
    drop(prog);
    connection.call(Command::Close { handle }).result.unwrap();
    let mut sizes = Vec::new();
    let counts = set
        .pump(ifindex, &connection, ONCE, |handled| {
            sizes.push((handled.number, handled.bytes_in, handled.bytes_out));
        })
        .unwrap();
    assert_eq!(counts.of(Verdict::Drop), 3);
    assert_eq!(sizes, [(1, 64, 64), (2, 64, 64), (3, 64, 64)]);
    let next = || {
        let kind = skep_uapi::ObjectKind::Prog;
        connection.call(Command::NextId { kind, after: 0 }).result
    };
    assert_eq!(next(), Ok(Value::Id(id)));
    set.detach(ifindex).unwrap();
    assert_eq!(next(), Err(skep_uapi::Errno::ENOENT));
}

/// What the program did to a frame is what its verdict is carried out on.
#[test]
fn frames_leave_as_the_program_left_them() {
    /// Remembers what it was given.
    #[derive(Debug)]
    struct Remembers(Option<Frame>, Arc<Mutex<Vec<(Verdict, Vec<u8>)>>>);
    impl Port for Remembers {
        fn receive(&mut self) -> Result<Option<Frame>, PortError> {
            Ok(self.0.take())
        }
        fn carry_out(&mut self, verdict: Verdict, frame: Frame) -> Result<(), PortError> {
            self.1.lock().unwrap().push((verdict, frame.bytes));
            Ok(())
        }
        fn finish(&mut self) -> Result<(), PortError> {
            Ok(())
        }
    }
    let connection = connection();
    // Cuts four bytes off the front.
    let (_, prog) = program(&connection, "r2 = 4\ncall 44\nr0 = 3\nexit");
    let set = PortSet::default();
    let seen = Arc::default();
    let frame = Frame {
        bytes: (0..64).collect(),
        ..Frame::default()
    };
    let ifindex = set.add("a", Box::new(Remembers(Some(frame), Arc::clone(&seen))));
    set.attach(ifindex, &prog, AttachMode::Any).unwrap();
    set.pump(ifindex, &connection, ONCE, |_| {}).unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(*seen, [(Verdict::Tx, (4..64).collect::<Vec<u8>>())]);
}

#[test]
fn a_port_is_put_back_whatever_ends_the_pumping() {
    let connection = connection();
    let (_, prog) = program(&connection, "r0 = 2\nexit");
    let set = PortSet::default();
    let ifindex = set.add("a", frames(3));
    set.attach(ifindex, &prog, AttachMode::Any).unwrap();
    let pump = || set.pump(ifindex, &connection, ONCE, |_| panic!("the caller's fault"));
    assert!(catch_unwind(AssertUnwindSafe(pump)).is_err());
    let counts = set.pump(ifindex, &connection, ONCE, |_| {
        let again = set.pump(ifindex, &connection, ONCE, |_| {}).unwrap_err();
        assert!(again.to_string().contains("already"), "{again}");
    });
    assert_eq!(counts.unwrap().of(Verdict::Pass), 2);
}
