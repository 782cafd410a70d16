//! Long batches of runs: what they free comes back while they go on.
#![allow(clippy::unwrap_used, reason = "tests")]

use skep_machine::{Config, Connection, Machine, Peer};
use skep_uapi::{
    Bpf, Command, Engine, Handle, MapCreate, MapType, ProgLoad, ProgType, TestRun, Value,
};

fn handle(connection: &Connection, command: Command) -> Handle {
    let reply = connection.call(command);
    match reply.result {
        Ok(Value::Handle(handle)) => handle,
        other => panic!("{other:?}: {}", reply.log),
    }
}

/// Each run puts an element of 64 KiB into a hash and takes it out again; r0 is the sum of what the helpers gave.
#[test]
fn elements_freed_in_a_batch_are_used_again() {
    let connection = Machine::new(Config::of_host()).connect(Peer::this_process());
    let map = |map_type| {
        let create = MapCreate {
            map_type,
            key_size: 4,
            value_size: 64 << 10,
            max_entries: 1,
            ..MapCreate::default()
        };
        handle(&connection, Command::MapCreate(create))
    };
    let (hash, source) = (map(MapType::HASH), map(MapType::ARRAY));
    let text = format!(
        "*(u32 *)(r10 -4) = 0\nr1 = map_fd[{hash}]\nr2 = r10\nr2 += -4\nr3 = map_value_fd[{source}]+0\nr4 = 0\ncall 2\nr6 = r0\n\
         r1 = map_fd[{hash}]\nr2 = r10\nr2 += -4\ncall 3\nr0 += r6\nexit",
        hash = hash.0,
        source = source.0,
    );
    let load = ProgLoad {
        prog_type: ProgType::XDP,
        insns: skep_isa::text::assemble(&text).unwrap().to_bytes(),
        license: "GPL".to_owned(),
        ..ProgLoad::default()
    };
    let prog = handle(&connection, Command::ProgLoad(Box::new(load)));
    for engine in [Engine::Auto, Engine::Interp] {
        let run = TestRun {
            prog,
            data_in: vec![0; 64],
            data_size_out: 0,
            ctx_in: Vec::new(),
            ctx_size_out: 0,
            repeat: 2000,
            flags: 0,
            cpu: 0,
            engine,
        };
        let Ok(Value::TestRun(result)) = connection.call(Command::TestRun(Box::new(run))).result
        else {
            panic!("no result")
        };
        assert_eq!(result.retval, 0, "{engine:?}");
    }
}
