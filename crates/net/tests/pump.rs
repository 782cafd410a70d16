//! Pumping: every frame once, as the program left it.
#![allow(clippy::unwrap_used, reason = "tests")]

use skep_machine::{Config, Connection, Machine, Peer, Prog};
use skep_net::{Frame, ListPort, Port, PortError, Runs, Verdict, pump};
use skep_uapi::{Bpf, Command, Engine, ProgLoad, ProgType, Value};
use std::sync::{Arc, Mutex};

const ONCE: Runs = Runs {
    engine: Engine::Auto,
    repeat: 1,
};

fn connection() -> Connection {
    Machine::new(Config::of_host()).connect(Peer::this_process())
}

fn program(connection: &Connection, text: &str) -> Arc<Prog> {
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
    connection.prog(handle).unwrap()
}

fn frames(count: usize) -> ListPort {
    ListPort::new((0..count).map(|_| vec![0; 64]))
}

#[test]
fn every_frame_once() {
    let connection = connection();
    let prog = program(&connection, "r0 = 1\nexit");
    let mut sizes = Vec::new();
    let counts = pump(&mut frames(3), 1, &prog, &connection, ONCE, |handled| {
        sizes.push((handled.number, handled.bytes_in, handled.bytes_out));
    })
    .unwrap();
    assert_eq!(counts.of(Verdict::Drop), 3);
    assert_eq!(sizes, [(1, 64, 64), (2, 64, 64), (3, 64, 64)]);
}

/// What the program did to a frame is what its verdict is carried out on.
#[test]
fn frames_leave_as_the_program_left_them() {
    type Seen = Arc<Mutex<Vec<(Verdict, Vec<u8>)>>>;
    /// Remembers what it was given.
    #[derive(Debug)]
    struct Remembers(Option<Frame>, Seen);
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
    let prog = program(&connection, "r2 = 4\ncall 44\nr0 = 3\nexit");
    let seen = Seen::default();
    let frame = Frame {
        bytes: (0..64).collect(),
        ..Frame::default()
    };
    let mut port = Remembers(Some(frame), Arc::clone(&seen));
    pump(&mut port, 1, &prog, &connection, ONCE, |_| {}).unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(*seen, [(Verdict::Tx, (4..64).collect::<Vec<u8>>())]);
}
