//! Device maps of a machine whose interfaces are not the host's.
#![allow(clippy::unwrap_used, reason = "tests")]

use skep_helpers::Clock;
use skep_machine::{Config, Connection, Host, Machine, Peer};
use skep_uapi::{
    AttachType, BPF_ANY, Bpf, Command, Errno, Handle, MapCreate, MapType, ProgLoad, ProgType,
    Reply, Value,
};
use std::sync::Arc;

/// Interfaces 100 to 199.
#[derive(Debug)]
struct Hundreds;

impl Host for Hundreds {
    fn clock_ns(&self, _clock: Clock) -> u64 {
        0
    }

    fn random_u32(&self) -> u32 {
        0
    }

    fn device_exists(&self, ifindex: u32) -> bool {
        (100..200).contains(&ifindex)
    }
}

fn machine() -> (Arc<Machine>, Connection) {
    let machine = Machine::new(Config {
        host: Arc::new(Hundreds),
        ..Config::of_host()
    });
    let connection = machine.connect(Peer::this_process());
    (machine, connection)
}

fn handle(reply: Reply) -> Handle {
    match reply.result {
        Ok(Value::Handle(handle)) => handle,
        other => panic!("{other:?}: {}", reply.log),
    }
}

fn map(connection: &Connection, map_type: MapType) -> Handle {
    handle(connection.call(Command::MapCreate(MapCreate {
        map_type,
        key_size: 4,
        value_size: 8,
        max_entries: 4,
        ..MapCreate::default()
    })))
}

fn update(
    connection: &Connection,
    map: Handle,
    index: u32,
    value: [u32; 2],
) -> Result<Value, Errno> {
    let update = Command::MapUpdate {
        map,
        key: index.to_ne_bytes().to_vec(),
        value: value.map(u32::to_ne_bytes).concat(),
        flags: BPF_ANY,
    };
    connection.call(update).result
}

fn lookup(connection: &Connection, map: Handle, index: u32) -> Result<Value, Errno> {
    let key = index.to_ne_bytes().to_vec();
    let lookup = Command::MapLookup { map, key, flags: 0 };
    connection.call(lookup).result
}

#[test]
fn interfaces_are_the_machines_and_can_go() {
    let (machine, connection) = machine();
    for map_type in [MapType::DEVMAP, MapType::DEVMAP_HASH] {
        let map = map(&connection, map_type);
        assert_eq!(update(&connection, map, 1, [1, 0]), Err(Errno::EINVAL));
        for (index, ifindex) in [(1, 100), (2, 101), (3, 100)] {
            assert_eq!(
                update(&connection, map, index, [ifindex, 0]),
                Ok(Value::Unit)
            );
        }
        machine.device_gone(100);
        assert_eq!(lookup(&connection, map, 1), Err(Errno::ENOENT));
        assert_eq!(lookup(&connection, map, 3), Err(Errno::ENOENT));
        let left = [101_u32, 0].map(u32::to_ne_bytes).concat();
        assert_eq!(lookup(&connection, map, 2), Ok(Value::Bytes(left)));
    }
}

/// Linux would run it on what is redirected to the entry; skep says that it cannot.
#[test]
fn a_program_for_an_entry_is_refused() {
    let (_machine, connection) = machine();
    let load = ProgLoad {
        prog_type: ProgType::XDP,
        expected_attach_type: AttachType::XDP_DEVMAP,
        insns: skep_isa::text::assemble("r0 = 2\nexit").unwrap().to_bytes(),
        license: "GPL".to_owned(),
        ..ProgLoad::default()
    };
    let prog = handle(connection.call(Command::ProgLoad(Box::new(load))));
    for map_type in [MapType::DEVMAP, MapType::DEVMAP_HASH] {
        let map = map(&connection, map_type);
        let refused = update(&connection, map, 0, [100, prog.0]);
        assert_eq!(refused, Err(Errno::EOPNOTSUPP));
        assert_eq!(lookup(&connection, map, 0), Err(Errno::ENOENT));
    }
}
