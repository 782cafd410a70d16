//! Programs that are verified but that nothing can run: they live like others, and nothing executes them.
#![allow(clippy::unwrap_used, reason = "tests")]

use skep_isa::text::assemble;
use skep_machine::{Body, Config, Connection, Machine, Peer};
use skep_uapi::{
    Arch, AttachType, Bpf, Command, Engine, Errno, Existing, Handle, NetAttach, ProgLoad, ProgType,
    TestRun, Value, XdpMode,
};

fn connection() -> Connection {
    let machine = Machine::new(Config::of_host());
    machine.connect(Peer {
        uid: 0,
        pid: 1,
        comm: "test".to_owned(),
    })
}

fn load(connection: &Connection, prog_type: ProgType, text: &str) -> Handle {
    let insns = assemble(text).unwrap().to_raw();
    let load = ProgLoad {
        prog_type,
        insns: insns.iter().flat_map(|slot| slot.to_bytes()).collect(),
        license: "GPL".to_owned(),
        name: "shown".to_owned(),
        expected_attach_type: match prog_type {
            ProgType::XDP => AttachType::XDP,
            _ => AttachType(0),
        },
        ..ProgLoad::default()
    };
    let reply = connection.call(Command::ProgLoad(Box::new(load)));
    let Ok(Value::Handle(handle)) = reply.result else {
        panic!("{reply:?}");
    };
    handle
}

fn test_run(connection: &Connection, prog: Handle) -> Errno {
    let run = TestRun {
        prog,
        data_in: vec![0; 64],
        data_size_out: 0,
        ctx_in: Vec::new(),
        ctx_size_out: 0,
        repeat: 1,
        flags: 0,
        cpu: 0,
        engine: Engine::Auto,
    };
    let run = connection.call(Command::TestRun(Box::new(run)));
    run.result.unwrap_err()
}

#[test]
fn a_program_of_a_type_without_context_is_listed_and_dumped() {
    let connection = connection();
    let text = "r0 = *(u32 *)(r1 + 0)\nif r0 == 0 goto +0\nr0 = 0\nexit";
    let prog = load(&connection, ProgType::SOCKET_FILTER, text);
    let held = connection.prog(prog).unwrap();
    assert!(matches!(held.body, Body::Shown { .. }));
    let info = connection.call(Command::ProgInfo { prog }).result.unwrap();
    let Value::ProgInfo(info) = info else {
        panic!("{info:?}");
    };
    assert_eq!((info.bytes_jited, info.verified_insns), (0, 6));
    let code = connection.call(Command::ProgCode { prog }).result.unwrap();
    let Value::ProgCode(code) = code else {
        panic!("{code:?}");
    };
    assert_eq!(
        code.xlated.len(),
        usize::try_from(info.bytes_xlated).unwrap()
    );
    assert!(code.jited.code.is_empty());
}

#[test]
fn nothing_runs_it() {
    let connection = connection();
    let filter = load(&connection, ProgType::SOCKET_FILTER, "r0 = 0\nexit");
    assert_eq!(test_run(&connection, filter), Errno::EOPNOTSUPP);
    let probe = load(&connection, ProgType::KPROBE, "r0 = 0\nexit");
    assert_eq!(test_run(&connection, probe), Errno::ENOTSUPP);
    // An XDP program whose helper (`bpf_jiffies64`) has no body.
    let lacks = load(&connection, ProgType::XDP, "call 118\nr0 = 2\nexit");
    assert_eq!(test_run(&connection, lacks), Errno::EOPNOTSUPP);
    let attach = |prog| {
        let attach = NetAttach {
            prog,
            ifindex: 1,
            mode: XdpMode::Any,
            existing: Existing::Replace,
            via: None,
        };
        connection.call(Command::NetAttach(attach)).result
    };
    assert_eq!(attach(filter).unwrap_err(), Errno::EINVAL);
    assert_eq!(attach(lacks).unwrap_err(), Errno::EOPNOTSUPP);
    let held = connection.prog(lacks).unwrap();
    assert!(connection.with_runner(&held, |_| ()).is_err());
    let compile = Command::ProgCompile {
        prog: lacks,
        arch: Arch::Aarch64,
    };
    assert_eq!(
        connection.call(compile).result.unwrap_err(),
        Errno::EOPNOTSUPP
    );
}
