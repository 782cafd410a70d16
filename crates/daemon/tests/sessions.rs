//! What clients can do to a daemon and to each other: nothing.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Daemon, create_map, ids, long_command, wait_for, works};
use skep_daemon::{EndReason, Log, RunError, run};
use skep_uapi::{
    Bpf, Command, Engine, Errno, Handle, ObjectKind, ProgLoad, ProgType, Reply, TestRun, Value,
};
use skep_wire::{
    Answer, Ask, Client, ClientHello, FrameDecoder, PREAMBLE_BYTES, Preamble, Refusal, Request,
    RequestId, WireError, decode_response, encode_request, write_message,
};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// A client that says what it likes.
struct Raw {
    stream: UnixStream,
}

impl Raw {
    fn connect(daemon: &Daemon) -> Self {
        let stream = UnixStream::connect(daemon.endpoint.socket_path()).unwrap();
        stream.set_read_timeout(Some(common::PATIENCE)).unwrap();
        Self { stream }
    }

    fn with_preamble(daemon: &Daemon) -> Self {
        let mut raw = Self::connect(daemon);
        raw.stream.write_all(&Preamble::ours().encode()).unwrap();
        raw.stream.read_exact(&mut [0; PREAMBLE_BYTES]).unwrap();
        raw
    }

    fn greeted(daemon: &Daemon) -> Self {
        let mut raw = Self::with_preamble(daemon);
        let answer = raw.ask(Ask::Hello(ClientHello {
            comm: "raw".to_owned(),
        }));
        assert!(matches!(answer, Answer::Hello(_)));
        raw
    }

    fn send(&mut self, ask: Ask) {
        let bytes = encode_request(&Request {
            id: RequestId(7),
            ask,
        });
        write_message(&mut self.stream, &bytes).unwrap();
    }

    fn ask(&mut self, ask: Ask) -> Answer {
        self.send(ask);
        let mut decoder = FrameDecoder::new();
        loop {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            if let Some(message) = decoder.take(&mut byte.as_slice()).unwrap() {
                return decode_response(&message).unwrap().answer;
            }
        }
    }

    /// Reads until the daemon hangs up, and gives what came.
    fn read_to_end(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is as good an end.
        let _ = self.stream.read_to_end(&mut rest);
        rest
    }
}

#[test]
fn greeting_and_status() {
    let daemon = Daemon::start();
    let client = daemon.client();
    let other = daemon.client();
    create_map(&other, 4);
    let status = client.daemon_status().unwrap();
    assert_eq!(status.pid, skep_sys::pid());
    assert_eq!(status.uid, skep_sys::effective_uid());
    assert_eq!(
        status.socket,
        daemon.endpoint.socket_path().display().to_string()
    );
    assert_eq!(status.net_namespace, daemon.endpoint.net_namespace());
    assert_eq!(status.user_namespace, daemon.endpoint.user_namespace());
    assert_eq!(status.skep, skep_wire::SKEP_VERSION);
    assert_eq!(
        (status.sessions, status.machine.maps, status.machine.pins),
        (2, 1, 0)
    );
    assert!(status.uptime_ns > 0);
    let peers = daemon.backend.peers();
    let me = skep_sys::comm();
    assert!(
        peers
            .iter()
            .any(|peer| peer.pid == skep_sys::pid() && peer.comm == me)
    );
    let ended = daemon.stop();
    assert_eq!((ended.reason, ended.abandoned), (EndReason::Asked, 0));
}

#[test]
fn only_one_at_a_place() {
    let daemon = Daemon::start();
    let second = run(
        &daemon.endpoint,
        Arc::clone(&daemon.backend) as _,
        common::options(&daemon.endpoint),
    );
    let socket = daemon.endpoint.socket_path();
    assert_eq!(second.unwrap_err(), RunError::AlreadyRunning { socket });
    assert!(works(&daemon.client()), "the second one took nothing away");
    daemon.stop();
}

#[test]
fn handles_die_with_their_connection() {
    let daemon = Daemon::start();
    let watcher = daemon.client();
    for _ in 0..50 {
        let client = daemon.client();
        let handle = create_map(&client, 4);
        assert_eq!(
            client
                .call(Command::MapInfo { map: handle })
                .result
                .map(|_| ()),
            Ok(())
        );
        let foreign = watcher.call(Command::MapInfo { map: handle });
        assert_eq!(
            foreign,
            Reply::err(Errno::EBADF),
            "a handle belongs to its connection"
        );
        assert_eq!(ids(&watcher).len(), 1);
        drop(client);
        // Who connects later never meets what the earlier one held.
        assert!(ids(&daemon.client()).is_empty());
    }
    daemon.stop();
}

#[test]
fn pins_outlive_their_connection() {
    let daemon = Daemon::start();
    let client = daemon.client();
    let object = create_map(&client, 4);
    let path = "/sys/fs/bpf/m".to_owned();
    let pin = Command::Pin {
        object,
        path: path.clone(),
    };
    assert_eq!(client.call(pin), Reply::ok(Value::Unit));
    drop(client);
    let client = daemon.client();
    assert_eq!(ids(&client).len(), 1);
    assert_eq!(
        client.call(Command::PinRemove { path }),
        Reply::ok(Value::Unit)
    );
    assert!(ids(&client).is_empty());
    daemon.stop();
}

#[test]
fn garbage_and_halves() {
    let daemon = Daemon::start();
    let bystander = daemon.client();
    let handle = create_map(&bystander, 4);

    let mut garbage = Raw::connect(&daemon);
    garbage.stream.write_all(&[0xa5; 4096]).unwrap();
    assert!(garbage.read_to_end().len() <= PREAMBLE_BYTES);

    let mut half_preamble = Raw::connect(&daemon);
    half_preamble.stream.write_all(b"SKEP").unwrap();
    assert!(half_preamble.read_to_end().is_empty());

    let mut silent = Raw::connect(&daemon);
    assert!(silent.read_to_end().is_empty());

    let mut no_hello = Raw::with_preamble(&daemon);
    assert!(no_hello.read_to_end().is_empty());

    let mut huge = Raw::greeted(&daemon);
    huge.stream.write_all(&u32::MAX.to_le_bytes()).unwrap();
    assert!(huge.read_to_end().is_empty());

    let mut nonsense = Raw::greeted(&daemon);
    write_message(&mut nonsense.stream, &[0xff; 100]).unwrap();
    assert!(nonsense.read_to_end().is_empty());

    let mut half_message = Raw::greeted(&daemon);
    half_message
        .stream
        .write_all(&[100, 0, 0, 0, 1, 2, 3])
        .unwrap();
    assert!(half_message.read_to_end().is_empty());

    assert_eq!(
        bystander
            .call(Command::MapInfo { map: handle })
            .result
            .map(|_| ()),
        Ok(())
    );
    wait_for("the log", || {
        daemon.log().matches(" dropped: ").count() >= 7
    });
    daemon.stop();
}

#[test]
fn the_greeting_comes_first_and_once() {
    let daemon = Daemon::start();
    let refused = Answer::Refused(Refusal::HelloOutOfPlace);
    for ask in [
        Ask::Call(Command::CpuCount),
        Ask::DaemonStatus,
        Ask::Shutdown,
    ] {
        let mut raw = Raw::with_preamble(&daemon);
        assert_eq!(raw.ask(ask), refused);
        assert!(raw.read_to_end().is_empty());
    }
    let mut raw = Raw::greeted(&daemon);
    assert_eq!(
        raw.ask(Ask::Hello(ClientHello {
            comm: "ä".repeat(99)
        })),
        refused
    );
    assert!(matches!(
        raw.ask(Ask::Call(Command::CpuCount)),
        Answer::Reply(_)
    ));
    daemon.stop();
}

#[test]
fn client_that_dies_in_the_middle_of_a_command() {
    let daemon = Daemon::start();
    let mut dying = Raw::greeted(&daemon);
    dying.send(Ask::Call(long_command(Duration::from_millis(100))));
    drop(dying);
    // A reader of the trace pipe that goes is noticed long before its wait is over.
    let mut reader = Raw::greeted(&daemon);
    reader.send(Ask::Call(Command::TraceRead {
        lines_max: 1,
        wait_ms: u32::MAX,
    }));
    drop(reader);
    let client = daemon.client();
    assert!(works(&client));
    wait_for("their end", || {
        client.daemon_status().unwrap().sessions == 1
    });
    daemon.stop();
}

#[test]
fn flood_without_reading() {
    let daemon = Daemon::start();
    let bystander = daemon.client();
    let mut flood = Raw::greeted(&daemon);
    let request = encode_request(&Request {
        id: RequestId(1),
        ask: Ask::Call(Command::CpuCount),
    });
    let mut bytes = Vec::new();
    for _ in 0..1000 {
        write_message(&mut bytes, &request).unwrap();
    }
    let begin = Instant::now();
    while flood.stream.write_all(&bytes).is_ok() {
        assert!(
            begin.elapsed() < common::PATIENCE,
            "the flood is not dammed"
        );
        assert!(works(&bystander));
    }
    wait_for("the end of its session", || {
        bystander.daemon_status().unwrap().sessions == 1
    });
    daemon.stop();
}

#[test]
fn panic_ends_one_session() {
    let daemon = Daemon::start();
    let bystander = daemon.client();
    let client = daemon.client();
    create_map(&client, 4);
    let reply = client.call(Command::MapFreeze { map: Handle(0) });
    assert_eq!(reply, Reply::err(Errno::EPIPE));
    assert_eq!(client.failure().unwrap().error, WireError::Closed);
    wait_for("its handles' end", || ids(&bystander).is_empty());
    assert!(works(&daemon.client()));
    assert!(
        daemon.log().contains("panic: a bug of the backend"),
        "{}",
        daemon.log()
    );
    daemon.stop();
}

#[test]
fn one_too_many_is_told() {
    let daemon = Daemon::start_with(|options| options.sessions_max = 2);
    let clients = [daemon.client(), daemon.client()];
    let refused = Client::connect(&daemon.endpoint).unwrap_err();
    assert_eq!(refused.error, WireError::Refused(Refusal::TooManySessions));
    assert!(
        refused.to_string().contains("too many connections"),
        "{refused}"
    );
    assert!(clients.iter().all(works));
    drop(clients);
    wait_for("room", || Client::connect(&daemon.endpoint).is_ok());
    wait_for("the end", || match Client::connect(&daemon.endpoint) {
        Ok(client) => client.shutdown().is_ok(),
        Err(_) => false,
    });
    daemon.wait();
}

#[test]
fn many_clients_at_once() {
    let daemon = Daemon::start();
    thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                let client = daemon.client();
                for size in 1..50 {
                    let map = create_map(&client, size);
                    let key = Vec::new();
                    let reply = client.call(Command::MapLookup { map, key, flags: 0 });
                    let Ok(Value::Bytes(bytes)) = reply.result else {
                        panic!("{reply:?}");
                    };
                    assert_eq!(bytes.len(), usize::try_from(size).unwrap());
                    assert_eq!(
                        client.call(Command::Close { handle: map }),
                        Reply::ok(Value::Unit)
                    );
                }
            });
        }
    });
    assert!(ids(&daemon.client()).is_empty());
    daemon.stop();
}

#[test]
fn sixteen_mebibytes_in_one_answer() {
    let daemon = Daemon::start_with(|options| options.deadlines.write = common::PATIENCE);
    let client = daemon.client();
    let map = create_map(&client, 16 << 20);
    let reply = client.call(Command::MapLookup {
        map,
        key: Vec::new(),
        flags: 0,
    });
    let Ok(Value::Bytes(bytes)) = reply.result else {
        panic!("no bytes");
    };
    assert_eq!(bytes.len(), 16 << 20);
    assert!(
        bytes
            .iter()
            .enumerate()
            .all(|(at, &byte)| byte == at.to_le_bytes()[0])
    );
    assert!(works(&client));
    daemon.stop();
}

#[test]
fn ends_when_idle_and_empty_only() {
    let daemon = Daemon::start_with(|options| options.idle = Some(Duration::from_millis(80)));
    let client = daemon.client();
    let object = create_map(&client, 4);
    let path = "/sys/fs/bpf/m".to_owned();
    assert!(
        client
            .call(Command::Pin {
                object,
                path: path.clone()
            })
            .result
            .is_ok()
    );
    drop(client);
    thread::sleep(Duration::from_millis(250));
    let client = daemon.client();
    assert!(client.call(Command::PinRemove { path }).result.is_ok());
    thread::sleep(Duration::from_millis(250));
    assert!(
        works(&client),
        "it does not end while a client is connected"
    );
    drop(client);
    let ended = daemon.wait();
    assert_eq!((ended.reason, ended.abandoned), (EndReason::Idle, 0));
}

#[test]
fn stopping_lets_commands_finish_but_not_for_ever() {
    let daemon = Daemon::start();
    let (quick, slow, reader, idle) = (
        daemon.client(),
        daemon.client(),
        daemon.client(),
        daemon.client(),
    );
    thread::scope(|scope| {
        let quick = scope.spawn(|| quick.call(long_command(Duration::from_millis(150))));
        let slow = scope.spawn(|| slow.call(long_command(Duration::from_secs(3))));
        let reader = scope.spawn(|| {
            reader.call(Command::TraceRead {
                lines_max: 1,
                wait_ms: u32::MAX,
            })
        });
        thread::sleep(Duration::from_millis(50));
        let begin = Instant::now();
        let ended = daemon.stop();
        assert!(
            begin.elapsed() < Duration::from_millis(1500),
            "{:?}",
            begin.elapsed()
        );
        assert_eq!((ended.reason, ended.abandoned), (EndReason::Asked, 1));
        assert_eq!(quick.join().unwrap(), Reply::ok(Value::Unit));
        assert_eq!(slow.join().unwrap(), Reply::err(Errno::EPIPE));
        assert_eq!(reader.join().unwrap(), Reply::ok(Value::Lines(Vec::new())));
        assert_eq!(idle.call(Command::CpuCount), Reply::err(Errno::EPIPE));
    });
}

#[test]
fn place_that_cannot_be_had() {
    let folder = std::env::temp_dir().join(format!("skep-nowhere-{}", skep_sys::pid()));
    let endpoint = skep_wire::Endpoint::in_folder(folder.clone()).unwrap();
    let options = skep_daemon::Options::new(Log::stderr(), None);
    let error = run(&endpoint, Arc::new(common::Fake::default()), options).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&folder.display().to_string()), "{text}");
    assert!(
        text.contains("XDG_RUNTIME_DIR") && text.lines().count() == 1,
        "{text}"
    );
}

/// Two instructions: r0 = 2 (XDP_PASS), exit.
const PASS: [u8; 16] = [0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];

fn load_command() -> Command {
    Command::ProgLoad(Box::new(ProgLoad {
        prog_type: ProgType::XDP,
        insns: PASS.to_vec(),
        license: "MIT".to_owned(),
        ..ProgLoad::default()
    }))
}

fn loaded(reply: &Reply) -> Handle {
    match reply.result {
        Ok(Value::Handle(prog)) => prog,
        _ => panic!("{reply:?}"),
    }
}

fn run_command(prog: Handle, repeat: u32) -> Command {
    Command::TestRun(Box::new(TestRun {
        prog,
        data_in: vec![0; 64],
        data_size_out: 64,
        ctx_in: Vec::new(),
        ctx_size_out: 0,
        repeat,
        flags: 0,
        cpu: 0,
        engine: Engine::Auto,
    }))
}

#[test]
fn machine_whose_clients_go_in_the_middle_of_runs() {
    let daemon = Daemon::serve(skep_daemon::machine(), |options| {
        options.deadlines.write = common::PATIENCE;
    });
    let bystander = daemon.client();
    // More than there are CPU slots, each for hours.
    let cpus = match bystander.call(Command::CpuCount).result {
        Ok(Value::Count(count)) => count,
        other => panic!("{other:?}"),
    };
    for _ in 0..=cpus {
        let mut dying = Raw::greeted(&daemon);
        let Answer::Reply(reply) = dying.ask(Ask::Call(load_command())) else {
            panic!("no reply");
        };
        dying.send(Ask::Call(run_command(loaded(&reply), u32::MAX)));
    }
    let prog = loaded(&bystander.call(load_command()));
    let run = run_command(prog, 100_000);
    let reply = bystander.call(run);
    let Ok(Value::TestRun(result)) = reply.result else {
        panic!("{reply:?}");
    };
    assert_eq!(result.retval, 2);
    assert!(bystander.call(Command::ProgInfo { prog }).result.is_ok());
    wait_for("their end", || {
        bystander.daemon_status().unwrap().sessions == 1
    });
    daemon.stop();
}

#[test]
fn machine_that_is_stopped_in_the_middle_of_a_run() {
    let daemon = Daemon::serve(skep_daemon::machine(), |_| {});
    let client = daemon.client();
    let run = run_command(loaded(&client.call(load_command())), u32::MAX);
    thread::scope(|scope| {
        let running = scope.spawn(|| client.call(run));
        thread::sleep(Duration::from_millis(50));
        assert_eq!(daemon.stop().abandoned, 0);
        assert_eq!(running.join().unwrap(), Reply::err(Errno::EINTR));
    });
}

#[test]
fn programs_of_the_machine_live_while_held() {
    let daemon = Daemon::serve(skep_daemon::machine(), |_| {});
    let watcher = daemon.client();
    let client = daemon.client();
    let object = loaded(&client.call(load_command()));
    let first = |client: &Client| {
        let (kind, after) = (ObjectKind::Prog, 0);
        client.call(Command::NextId { kind, after }).result
    };
    assert_eq!(first(&watcher), Ok(Value::Id(1)));
    let path = "/sys/fs/bpf/pass".to_owned();
    let pin = Command::Pin {
        object,
        path: path.clone(),
    };
    assert_eq!(client.call(pin), Reply::ok(Value::Unit));
    drop(client);
    let client = daemon.client();
    assert_eq!(first(&client), Ok(Value::Id(1)));
    assert_eq!(
        client.call(Command::PinRemove { path }),
        Reply::ok(Value::Unit)
    );
    assert_eq!(first(&client), Err(Errno::ENOENT));
    daemon.stop();
}
