//! Messages: round trips of every command and value, and hostile bytes.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use skep_uapi::{
    Arch, BtfId, BtfInfo, Command, Engine, Errno, Existing, Handle, Jited, LinkId, LinkInfo,
    MachineStatus, MapCreate, MapId, MapInfo, NetAttach, NetAttached, NetDevice, NetDeviceAdd,
    NetLive, ObjectKind, PinInfo, ProgCode, ProgId, ProgInfo, ProgLoad, ProgType, Reply, TestRun,
    TestRunResult, Value, Via, XdpMode,
};
use skep_wire::{
    Answer, Ask, ClientHello, DaemonHello, DaemonStatus, FrameDecoder, Refusal, Request, RequestId,
    Response, WireError, decode_request, decode_response, encode_request, encode_response,
    write_message,
};

/// One of each.
fn commands() -> Vec<Command> {
    let handle = Handle(3);
    let (map, prog, key) = (handle, handle, vec![1, 2, 3, 4]);
    let mut commands = net_commands(handle);
    commands.extend([
        Command::MapCreate(MapCreate {
            name: "m".into(),
            btf: Some(handle),
            ..MapCreate::default()
        }),
        Command::MapLookup {
            map,
            key: key.clone(),
            flags: 4,
        },
        Command::MapUpdate {
            map,
            key: key.clone(),
            value: vec![0; 300],
            flags: u64::MAX,
        },
        Command::MapDelete {
            map,
            key: key.clone(),
        },
        Command::MapLookupAndDelete {
            map,
            key: key.clone(),
        },
        Command::MapNextKey {
            map,
            key: Some(key),
        },
        Command::MapFreeze { map },
        Command::ProgLoad(Box::new(ProgLoad {
            insns: vec![0x95; 8],
            fd_array: vec![handle; 3],
            ..ProgLoad::default()
        })),
        Command::TestRun(Box::new(TestRun {
            prog,
            data_in: vec![7; 64],
            data_size_out: 1500,
            ctx_in: vec![],
            ctx_size_out: 0,
            repeat: 9,
            flags: 0,
            cpu: 0,
            engine: Engine::Checked,
        })),
        Command::ProgBindMap { prog, map },
        Command::BtfLoad {
            data: vec![0x9f, 0xeb],
            log_level: 1,
        },
        Command::Pin {
            object: handle,
            path: "/sys/fs/bpf/ä".into(),
        },
        Command::OpenPin {
            path: "/sys/fs/bpf/x".into(),
        },
        Command::NextId {
            kind: ObjectKind::Btf,
            after: u32::MAX,
        },
        Command::OpenId {
            kind: ObjectKind::Link,
            id: 0,
        },
        Command::ProgInfo { prog },
        Command::ProgCode { prog },
        Command::MapInfo { map },
        Command::BtfInfo { btf: handle },
        Command::LinkInfo { link: handle },
        Command::Close { handle },
        Command::PinList {
            prefix: String::new(),
        },
        Command::PinRemove { path: "/".into() },
        Command::TraceRead {
            lines_max: 1,
            wait_ms: 1,
        },
        Command::CpuCount,
        Command::ProgCompile {
            prog,
            arch: Arch::Aarch64,
        },
        Command::Status,
    ]);
    commands.iter().for_each(listed);
    commands
}

/// Those about interfaces and links.
fn net_commands(handle: Handle) -> Vec<Command> {
    vec![
        Command::NetAttach(NetAttach {
            prog: handle,
            ifindex: 2,
            mode: XdpMode::Generic,
            existing: Existing::Replace,
            via: Some(Via::Tun),
        }),
        Command::NetDetach {
            ifindex: u32::MAX,
            mode: XdpMode::Any,
        },
        Command::NetQuery,
        Command::NetDeviceAdd(NetDeviceAdd {
            name: "t0".into(),
            peer: Some("t1".into()),
        }),
        Command::NetDeviceDelete { name: "t0".into() },
        Command::NetDeviceList,
        Command::LinkDetach { link: handle },
    ]
}

/// Fails to compile for a command that `commands` may lack.
fn listed(command: &Command) {
    match command {
        Command::MapCreate(_)
        | Command::MapLookup { .. }
        | Command::MapUpdate { .. }
        | Command::MapDelete { .. }
        | Command::MapLookupAndDelete { .. }
        | Command::MapNextKey { .. }
        | Command::MapFreeze { .. }
        | Command::ProgLoad(_)
        | Command::TestRun(_)
        | Command::ProgBindMap { .. }
        | Command::BtfLoad { .. }
        | Command::Pin { .. }
        | Command::OpenPin { .. }
        | Command::NextId { .. }
        | Command::OpenId { .. }
        | Command::ProgInfo { .. }
        | Command::ProgCode { .. }
        | Command::MapInfo { .. }
        | Command::BtfInfo { .. }
        | Command::LinkInfo { .. }
        | Command::Close { .. }
        | Command::PinList { .. }
        | Command::PinRemove { .. }
        | Command::TraceRead { .. }
        | Command::CpuCount
        | Command::ProgCompile { .. }
        | Command::Status
        | Command::NetAttach(_)
        | Command::NetDetach { .. }
        | Command::NetQuery
        | Command::NetDeviceAdd(_)
        | Command::NetDeviceDelete { .. }
        | Command::NetDeviceList
        | Command::LinkDetach { .. } => {}
    }
}

fn requests() -> Vec<Request> {
    let mut asks: Vec<Ask> = commands().into_iter().map(Ask::Call).collect();
    asks.extend([
        Ask::Hello(ClientHello {
            comm: "skep".into(),
        }),
        Ask::DaemonStatus,
        Ask::Shutdown,
    ]);
    asks.into_iter()
        .zip(0..)
        .map(|(ask, id)| Request {
            id: RequestId(id),
            ask,
        })
        .collect()
}

/// Those about interfaces.
fn net_values() -> Vec<Value> {
    vec![
        Value::NetAttached(vec![NetAttached {
            ifindex: 2,
            name: "veth0".into(),
            mode: XdpMode::Driver,
            prog_id: ProgId(1),
            link_id: Some(LinkId(1)),
            live: Some(NetLive {
                via: Via::Packet,
                verdicts: [1, 2, 3, 4, 5, u64::MAX],
                missed: 0,
                undelivered: 1,
            }),
        }]),
        Value::NetDevices(vec![NetDevice {
            name: "t0".into(),
            ifindex: 3,
            peer: None,
        }]),
    ]
}

/// Those of one field.
fn plain_values() -> [Value; 7] {
    [
        Value::Unit,
        Value::Handle(Handle(1)),
        Value::Opened(ObjectKind::Map, Handle(2)),
        Value::Bytes(vec![1; 1000]),
        Value::Id(7),
        Value::Count(u64::MAX),
        Value::Lines(vec![String::new(), "line".into()]),
    ]
}

fn responses() -> Vec<Response> {
    let jited = Jited {
        code: vec![0xc3],
        symbols: vec![(u64::MAX, "x".into())],
        arch: Some(Arch::X86_64),
        ..Jited::default()
    };
    let mut values = net_values();
    values.extend(plain_values());
    values.extend([
        Value::TestRun(TestRunResult {
            retval: 2,
            data_out: vec![1, 2],
            ..TestRunResult::default()
        }),
        Value::ProgInfo(Box::new(ProgInfo {
            map_ids: vec![MapId(1)],
            bytes_memlock: Some(4096),
            ..ProgInfo::default()
        })),
        Value::ProgCode(Box::new(ProgCode {
            jited: jited.clone(),
            prog_tags: vec![[9; 8]],
            ..ProgCode::default()
        })),
        Value::MapInfo(Box::new(MapInfo {
            owner_prog_type: Some(ProgType::XDP),
            ..MapInfo::default()
        })),
        Value::BtfInfo(Box::new(BtfInfo {
            id: BtfId(3),
            ..BtfInfo::default()
        })),
        Value::LinkInfo(LinkInfo::default()),
        Value::Pins(vec![PinInfo {
            path: "/p".into(),
            kind: ObjectKind::Prog,
            id: 3,
        }]),
        Value::Jited(Box::new(jited)),
        Value::Status(MachineStatus {
            progs: 1,
            ..MachineStatus::default()
        }),
    ]);
    let failed = Reply {
        result: Err(Errno::EACCES),
        log: "R0 !read_ok\n".into(),
    };
    let mut answers: Vec<Answer> = values
        .into_iter()
        .map(Reply::ok)
        .chain([failed])
        .map(Answer::Reply)
        .collect();
    answers.extend([
        Answer::Hello(DaemonHello {
            pid: 1,
            skep: "0.1.0".into(),
        }),
        Answer::DaemonStatus(DaemonStatus {
            socket: "/run/x".into(),
            ..DaemonStatus::default()
        }),
        Answer::ShuttingDown,
        Answer::Refused(Refusal::HelloOutOfPlace),
    ]);
    answers
        .into_iter()
        .map(|answer| Response {
            id: RequestId(u64::MAX),
            answer,
        })
        .collect()
}

#[test]
fn every_request_round_trips_and_no_part_of_it_does() {
    for request in requests() {
        let bytes = encode_request(&request);
        assert_eq!(decode_request(&bytes).unwrap(), request);
        for end in 0..bytes.len() {
            let cut = decode_request(&bytes[..end]);
            assert_eq!(
                cut,
                Err(WireError::Malformed { what: "request" }),
                "{request:?} cut at {end}"
            );
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(decode_request(&longer).is_err(), "{request:?}");
    }
}

#[test]
fn every_response_round_trips_and_no_part_of_it_does() {
    for response in responses() {
        let bytes = encode_response(&response);
        assert_eq!(decode_response(&bytes).unwrap(), response);
        for end in 0..bytes.len() {
            assert!(
                decode_response(&bytes[..end]).is_err(),
                "{response:?} cut at {end}"
            );
        }
    }
}

#[test]
fn a_claimed_length_costs_nothing() {
    // Call, MapDelete, handle 3, key of 2^60 bytes: none of which follow.
    let mut bytes = encode_request(&Request {
        id: RequestId(1),
        ask: Ask::Call(Command::MapDelete {
            map: Handle(3),
            key: Vec::new(),
        }),
    });
    assert_eq!(bytes.pop(), Some(0));
    bytes.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert!(decode_request(&bytes).is_err());
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_request(&bytes);
        let _ = decode_response(&bytes);
        let mut decoder = FrameDecoder::new();
        let mut input = bytes.as_slice();
        while let Ok(Some(message)) = decoder.take(&mut input) {
            prop_assert!(message.len() <= bytes.len());
        }
    }

    #[test]
    fn mutations_decode_to_something_whole_or_fail(
        index in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let requests = requests();
        let mut bytes = encode_request(&requests[index.index(requests.len())]);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(request) = decode_request(&bytes) {
            // What was understood can be said again, and means the same.
            prop_assert_eq!(decode_request(&encode_request(&request)).unwrap(), request);
        }
    }

    #[test]
    fn frames_survive_any_cutting(
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..200), 1..5),
        pieces in proptest::collection::vec(1_usize..50, 1..20),
    ) {
        let mut bytes = Vec::new();
        for message in &messages {
            write_message(&mut bytes, message).unwrap();
        }
        let mut decoder = FrameDecoder::new();
        let mut decoded = Vec::new();
        let mut rest = bytes.as_slice();
        for &piece in pieces.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (mut input, tail) = rest.split_at(piece.min(rest.len()));
            rest = tail;
            while !input.is_empty() {
                decoded.extend(decoder.take(&mut input).unwrap());
            }
        }
        prop_assert_eq!(decoded, messages);
    }
}
