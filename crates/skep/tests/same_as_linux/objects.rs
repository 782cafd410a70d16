//! Handles, pins, lifetimes, BTF.

use crate::transcript::{Transcript, World, map};
use skep_uapi::{Command, Handle, MapType, ObjectKind, Value};

pub(crate) fn handles(world: &World<'_>, t: &mut Transcript) {
    let nobody = Handle(4_000_000);
    let map = world.map(map(MapType::ARRAY, 4, 4));
    let prog = world.prog("r0 = 2\nexit");
    t.result(
        "map info of nothing",
        world.call(Command::MapInfo { map: nobody }),
    );
    t.result(
        "lookup in a program",
        world.call(Command::MapLookup {
            map: prog,
            key: vec![0; 4],
            flags: 0,
        }),
    );
    t.result(
        "freeze of a program",
        world.call(Command::MapFreeze { map: prog }),
    );
    t.result("bind", world.call(Command::ProgBindMap { prog, map }));
    t.result("bind again", world.call(Command::ProgBindMap { prog, map }));
    t.result("close", world.call(Command::Close { handle: map }));
    t.result("close again", world.call(Command::Close { handle: map }));
    t.result(
        "lookup in a closed map",
        world.call(Command::MapLookup {
            map,
            key: vec![0; 4],
            flags: 0,
        }),
    );
    for kind in [
        ObjectKind::Prog,
        ObjectKind::Map,
        ObjectKind::Btf,
        ObjectKind::Link,
    ] {
        t.result(
            &format!("{kind:?} by an id that is not there"),
            world.call(Command::OpenId {
                kind,
                id: 0x7fff_fff0,
            }),
        );
    }
}

pub(crate) fn pins(world: &World<'_>, t: &mut Transcript) {
    let path = |name: &str| format!("{}/{name}", world.pins);
    let map = world.map(map(MapType::ARRAY, 4, 4));
    let prog = world.prog("r0 = 2\nexit");
    t.result(
        "pin",
        world.call(Command::Pin {
            object: map,
            path: path("a"),
        }),
    );
    t.result(
        "pin over it",
        world.call(Command::Pin {
            object: prog,
            path: path("a"),
        }),
    );
    t.result(
        "pin below it",
        world.call(Command::Pin {
            object: prog,
            path: path("a/b"),
        }),
    );
    t.result(
        "pin with a dot",
        world.call(Command::Pin {
            object: prog,
            path: path("b.c"),
        }),
    );
    t.result(
        "pin a program",
        world.call(Command::Pin {
            object: prog,
            path: path("p"),
        }),
    );
    t.result("open", world.call(Command::OpenPin { path: path("a") }));
    t.result(
        "open the program",
        world.call(Command::OpenPin { path: path("p") }),
    );
    t.result(
        "open nothing",
        world.call(Command::OpenPin {
            path: path("nothing"),
        }),
    );
    let Ok(Value::Pins(mut pins)) = world.call(Command::PinList {
        prefix: world.pins.to_owned(),
    }) else {
        panic!("no pins")
    };
    pins.sort_by(|a, b| a.path.cmp(&b.path));
    for pin in pins {
        t.line(
            "listed",
            format!(
                "{:?} {}",
                pin.kind,
                pin.path.strip_prefix(world.pins).unwrap()
            ),
        );
    }
    t.result("remove", world.call(Command::PinRemove { path: path("a") }));
    t.result(
        "remove again",
        world.call(Command::PinRemove { path: path("a") }),
    );
    t.result(
        "remove the program",
        world.call(Command::PinRemove { path: path("p") }),
    );
}

/// A map lives while a program that uses it does; a program while it is pinned.
pub(crate) fn lifetimes(world: &World<'_>, t: &mut Transcript) {
    let path = format!("{}/life", world.pins);
    let map = world.map(map(MapType::ARRAY, 4, 4));
    let Ok(Value::MapInfo(info)) = world.call(Command::MapInfo { map }) else {
        panic!("no info")
    };
    let prog = world.prog(&format!("r1 = map_fd[{}]\nr0 = 2\nexit", map.0));
    let Ok(Value::ProgInfo(prog_info)) = world.call(Command::ProgInfo { prog }) else {
        panic!("no info")
    };
    t.line("the program names its map", prog_info.map_ids == [info.id]);
    let by_id = |kind, id| Command::OpenId { kind, id };
    world.call(Command::Close { handle: map }).unwrap();
    let again = world.call(by_id(ObjectKind::Map, info.id.0));
    t.line("the map lives with its program", again.is_ok());
    if let Ok(Value::Handle(handle)) = again {
        world.call(Command::Close { handle }).unwrap();
    }
    t.result(
        "pin the program",
        world.call(Command::Pin {
            object: prog,
            path: path.clone(),
        }),
    );
    world.call(Command::Close { handle: prog }).unwrap();
    let again = world.call(by_id(ObjectKind::Prog, prog_info.id.0));
    t.line("the program lives while it is pinned", again.is_ok());
    if let Ok(Value::Handle(handle)) = again {
        world.call(Command::Close { handle }).unwrap();
    }
    t.result("remove the pin", world.call(Command::PinRemove { path }));
    // Linux frees programs and maps a moment later, behind a grace period.
    let gone = (0..200).any(|_| {
        let reply = world.bpf.call(by_id(ObjectKind::Map, info.id.0)).result;
        if let Ok(Value::Handle(handle)) = reply {
            world.call(Command::Close { handle }).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        reply.is_err()
    });
    t.line("the map is gone with the last program", gone);
}

pub(crate) fn btf_load(world: &World<'_>, t: &mut Transcript) {
    let load = |data: Vec<u8>| Command::BtfLoad { data, log_level: 0 };
    t.result("empty", world.call(load(Vec::new())));
    t.result("garbage", world.call(load(vec![0x55; 64])));
    let mut header = vec![0x9f, 0xeb, 1, 0];
    for word in [24_u32, 0, 0, 0, 1] {
        header.extend(word.to_le_bytes());
    }
    t.result(
        "no types",
        world.call(load([header.clone(), vec![0]].concat())),
    );
    let int = [1_u32, 1 << 24, 4, 0x0100_0020]
        .map(u32::to_le_bytes)
        .concat();
    let mut header = vec![0x9f, 0xeb, 1, 0];
    for word in [24_u32, 0, 16, 16, 5] {
        header.extend(word.to_le_bytes());
    }
    let good = [header, int, b"\0int\0".to_vec()].concat();
    t.result("one type", world.call(load(good.clone())));
    t.result("cut off", world.call(load(good[..good.len() - 1].to_vec())));
}
