//! A client and a daemon's end of the protocol, in one process, with a fake behind it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use skep_uapi::{Bpf, Command, Errno, Handle, Reply, Value};
use skep_wire::{
    Answer, Ask, Claim, Client, Connection, DaemonHello, DaemonStatus, Deadlines, Endpoint,
    Incoming, Preamble, Refusal, RequestId, SKEP_VERSION, WireError,
};
use std::fs::{DirBuilder, remove_dir_all};
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

const FAST: Deadlines = Deadlines {
    preamble: Duration::from_millis(300),
    message: Duration::from_millis(300),
    write: Duration::from_millis(300),
};

/// A folder of its own with an endpoint in it.
struct Place {
    folder: PathBuf,
    endpoint: Endpoint,
}

impl Place {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("skep-session-{name}-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&folder).unwrap();
        let endpoint = Endpoint::in_folder(folder.clone()).unwrap();
        Self { folder, endpoint }
    }

    fn claim(&self) -> Claim {
        self.endpoint.claim().unwrap().unwrap()
    }

    fn raw(&self) -> UnixStream {
        UnixStream::connect(self.endpoint.socket_path()).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = remove_dir_all(&self.folder);
    }
}

/// Serves one connection after the other until `Shutdown`; gives each connection's end.
fn serve(claim: Claim) -> JoinHandle<Vec<Result<(), WireError>>> {
    spawn(move || {
        let mut ends = Vec::new();
        loop {
            let (stream, _) = claim.listener().accept().unwrap();
            let mut stop = false;
            ends.push(session(stream, &mut stop));
            if stop {
                return ends;
            }
        }
    })
}

fn session(stream: UnixStream, stop: &mut bool) -> Result<(), WireError> {
    let mut connection = Connection::accept(stream, FAST)?;
    assert_eq!(connection.peer().pid, std::process::id());
    loop {
        let request = match connection.read_request(None)? {
            Incoming::Request(request) => request,
            Incoming::Closed => return Ok(()),
            Incoming::Idle => continue,
        };
        let answer = match request.ask {
            Ask::Hello(hello) if hello.comm.is_empty() => Answer::Refused(Refusal::HelloOutOfPlace),
            Ask::Hello(_) => Answer::Hello(DaemonHello {
                pid: 7,
                skep: SKEP_VERSION.into(),
            }),
            Ask::Call(command) => Answer::Reply(fake(command)),
            Ask::DaemonStatus => Answer::DaemonStatus(DaemonStatus {
                sessions: 1,
                ..DaemonStatus::default()
            }),
            Ask::Shutdown => {
                *stop = true;
                Answer::ShuttingDown
            }
        };
        let last = answer == Answer::ShuttingDown;
        connection.write_answer(request.id, answer)?;
        if last {
            return Ok(());
        }
    }
}

/// Echoes bytes; `TraceRead` of n lines gives a reply of n bytes.
fn fake(command: Command) -> Reply {
    match command {
        Command::MapLookup { key, .. } => Reply::ok(Value::Bytes(key)),
        Command::TraceRead { lines_max, .. } => {
            Reply::ok(Value::Bytes(vec![9; usize::try_from(lines_max).unwrap()]))
        }
        Command::Status => Reply {
            result: Err(Errno::EACCES),
            log: "a log".into(),
        },
        other => panic!("{other:?}"),
    }
}

fn lookup(key: Vec<u8>) -> Command {
    let map = Handle(1);
    Command::MapLookup { map, key, flags: 0 }
}

#[test]
fn calls_of_any_size() {
    let place = Place::new("calls");
    let server = serve(place.claim());
    let client = Client::connect(&place.endpoint).unwrap();
    assert_eq!(client.daemon().pid, 7);
    for len in [0, 1, 100_000, 5 << 20] {
        let reply = client.call(lookup(vec![3; len]));
        assert!(reply == Reply::ok(Value::Bytes(vec![3; len])), "{len}");
    }
    let reply = client.call(Command::Status);
    assert_eq!(
        (reply.result, reply.log.as_str()),
        (Err(Errno::EACCES), "a log")
    );
    assert_eq!(client.daemon_status().unwrap().sessions, 1);
    // Too long either way is an error of that call alone.
    assert_eq!(
        client.call(lookup(vec![0; 65 << 20])).result,
        Err(Errno::EMSGSIZE)
    );
    let long = Command::TraceRead {
        lines_max: 65 << 20,
        wait_ms: 0,
    };
    assert_eq!(client.call(long).result, Err(Errno::EMSGSIZE));
    assert!(client.call(lookup(vec![1])).result.is_ok());
    assert_eq!(client.failure(), None);
    client.shutdown().unwrap();
    assert_eq!(server.join().unwrap(), [Ok(())]);
}

#[test]
fn a_dead_daemon_is_told_at_every_call() {
    let place = Place::new("dead");
    let absent = Client::connect(&place.endpoint).unwrap_err();
    assert!(absent.is_absent());
    assert!(absent.to_string().contains("skep daemon run"), "{absent}");

    let server = serve(place.claim());
    let client = Client::connect(&place.endpoint).unwrap();
    client.shutdown().unwrap();
    server.join().unwrap();
    for _ in 0..2 {
        assert_eq!(client.call(Command::CpuCount).result, Err(Errno::EPIPE));
    }
    let failure = client.failure().unwrap();
    assert_eq!(failure.error, WireError::Closed);
    let text = failure.to_string();
    assert!(
        text.contains(place.folder.to_str().unwrap()) && text.contains("skep daemon list"),
        "{text}"
    );
}

#[test]
fn hostile_clients_end_their_own_connection_only() {
    let place = Place::new("hostile");
    let server = serve(place.claim());
    let preamble = Preamble::ours().encode();
    let say = |bytes: &[&[u8]]| {
        let mut stream = place.raw();
        stream.write_all(&bytes.concat()).unwrap();
        // Waits until the daemon has closed.
        let _ = stream.read_to_end(&mut Vec::new());
    };
    say(&[&[b'x'; 40]]);
    drop(place.raw());
    say(&[&preamble[..10]]);
    say(&[&preamble, &[0; 4]]);
    say(&[&preamble, &[0xff; 4]]);
    say(&[&preamble, &[3, 0, 0, 0x80, 1]]);
    say(&[&preamble, &[3, 0, 0, 0x80, 0xff, 0xff, 0xff]]);
    let client = Client::connect(&place.endpoint).unwrap();
    assert!(client.call(lookup(vec![1])).result.is_ok());
    client.shutdown().unwrap();
    let ends = server.join().unwrap();
    let limit = skep_wire::CHUNK_BYTES_MAX;
    let expected = [
        Err(WireError::NotSkep),
        Err(WireError::Closed),
        Err(WireError::Stalled),
        Err(WireError::ChunkLength { bytes: 0, limit }),
        Err(WireError::ChunkLength {
            bytes: 0x7fff_ffff,
            limit,
        }),
        Err(WireError::Stalled),
        Err(WireError::Malformed { what: "request" }),
        Ok(()),
    ];
    assert_eq!(ends, expected);
}

#[test]
fn a_client_that_does_not_read_is_dropped() {
    let place = Place::new("flood");
    let claim = place.claim();
    let server = spawn(move || {
        let (stream, _) = claim.listener().accept().unwrap();
        let mut connection = Connection::accept(stream, FAST).unwrap();
        connection.write_answer(
            RequestId(1),
            Answer::Reply(Reply::ok(Value::Bytes(vec![0; 8 << 20]))),
        )
    });
    let mut stream = place.raw();
    stream.write_all(&Preamble::ours().encode()).unwrap();
    assert_eq!(server.join().unwrap(), Err(WireError::Stalled));
}

#[test]
fn idle_is_no_error() {
    let place = Place::new("idle");
    let claim = place.claim();
    let server = spawn(move || {
        let (stream, _) = claim.listener().accept().unwrap();
        let mut connection = Connection::accept(stream, FAST).unwrap();
        let idle = connection
            .read_request(Some(Duration::from_millis(1)))
            .unwrap();
        // Silence between messages may last longer than any deadline.
        std::thread::sleep(FAST.message * 2);
        (idle, connection.read_request(Some(Duration::ZERO)).unwrap())
    });
    let mut stream = place.raw();
    stream.write_all(&Preamble::ours().encode()).unwrap();
    assert_eq!(server.join().unwrap(), (Incoming::Idle, Incoming::Idle));
}

/// A daemon that sends what it likes after the client's preamble.
fn rogue(place: &Place, bytes: Vec<u8>) -> JoinHandle<()> {
    let claim = place.claim();
    spawn(move || {
        let (mut stream, _) = claim.listener().accept().unwrap();
        stream
            .read_exact(&mut [0; skep_wire::PREAMBLE_BYTES])
            .unwrap();
        stream.write_all(&bytes).unwrap();
        let _ = stream.read(&mut [0; 100]);
    })
}

#[test]
fn other_versions_and_rogue_daemons() {
    let place = Place::new("rogue");
    let newer = Preamble {
        protocol: 99,
        skep: "9.9".into(),
    };
    let ours = Preamble::ours().encode();
    let with = |bytes: &[u8]| [ours.as_slice(), bytes].concat();
    let cases = [
        (
            newer.encode().to_vec(),
            WireError::Version {
                ours: skep_wire::PROTOCOL_VERSION,
                theirs: 99,
                their_skep: "9.9".into(),
            },
        ),
        (vec![0; 40], WireError::NotSkep),
        // The rest never comes, but the stream stays open.
        (ours[..20].to_vec(), WireError::Stalled),
        (
            with(&[1, 0, 0, 0x80, 0xff]),
            WireError::Malformed { what: "response" },
        ),
        // Question 1 is answered with "shutting down", then question 2 too.
        (with(&[2, 0, 0, 0x80, 1, 3]), WireError::WrongAnswer),
        (with(&[2, 0, 0, 0x80, 2, 3]), WireError::WrongAnswer),
        (with(&[2, 0, 0, 0x80, 1, 3, 9]), WireError::WrongAnswer),
    ];
    for (bytes, expected) in cases {
        let text = format!("{bytes:x?}");
        let server = rogue(&place, bytes);
        let error = Client::connect(&place.endpoint).unwrap_err().error;
        assert_eq!(error, expected, "{text}");
        server.join().unwrap();
    }
}

#[test]
fn a_daemon_that_dies_within_an_answer() {
    let place = Place::new("dies");
    let claim = place.claim();
    let server = spawn(move || {
        let (stream, _) = claim.listener().accept().unwrap();
        let mut connection = Connection::accept(stream, FAST).unwrap();
        let hello = connection.read_request(None).unwrap();
        assert!(matches!(hello, Incoming::Request(request) if request.id == RequestId(1)));
        let daemon = DaemonHello {
            pid: 1,
            skep: SKEP_VERSION.into(),
        };
        connection
            .write_answer(RequestId(1), Answer::Hello(daemon))
            .unwrap();
        connection.read_request(None).unwrap();
        // Ten bytes announced, one sent.
        connection
            .stream()
            .unwrap()
            .write_all(&[10, 0, 0, 0x80, 1])
            .unwrap();
    });
    let client = Client::connect(&place.endpoint).unwrap();
    assert_eq!(client.call(Command::CpuCount), Reply::err(Errno::EPIPE));
    assert_eq!(client.failure().unwrap().error, WireError::Closed);
    server.join().unwrap();
}
