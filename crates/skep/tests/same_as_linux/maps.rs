//! Maps: update flags, iteration, limits, freezing.

use crate::transcript::{Transcript, World, map};
use skep_uapi::{
    BPF_ANY, BPF_EXIST, BPF_F_LOCK, BPF_F_MMAPABLE, BPF_F_NO_PREALLOC, BPF_F_RDONLY,
    BPF_F_RDONLY_PROG, BPF_F_WRONLY, BPF_F_WRONLY_PROG, BPF_NOEXIST, Command, Handle, MapCreate,
    MapType, Value,
};

const TYPES: [MapType; 5] = [
    MapType::ARRAY,
    MapType::HASH,
    MapType::PERCPU_ARRAY,
    MapType::DEVMAP,
    MapType::DEVMAP_HASH,
];

fn key(number: u32) -> Vec<u8> {
    number.to_ne_bytes().to_vec()
}

fn lookup(map: Handle, key: Vec<u8>) -> Command {
    Command::MapLookup { map, key, flags: 0 }
}

fn update(map: Handle, key: Vec<u8>, value: Vec<u8>, flags: u64) -> Command {
    Command::MapUpdate {
        map,
        key,
        value,
        flags,
    }
}

/// Each kind of update on keys 0 to 2, then lookups, deletions and iteration.
fn exercise(world: &World<'_>, t: &mut Transcript, map: Handle, value_bytes: usize) {
    let value = |byte: u8| vec![byte; value_bytes];
    t.result("lookup 1", world.call(lookup(map, key(1))));
    for (name, flags) in [
        ("exist", BPF_EXIST),
        ("noexist", BPF_NOEXIST),
        ("any", BPF_ANY),
        ("flags 3", 3),
        ("lock", BPF_F_LOCK),
        ("flags 8", 8),
    ] {
        t.result(
            &format!("update 1 {name}"),
            world.call(update(map, key(1), value(7), flags)),
        );
    }
    t.result(
        "update 1 again noexist",
        world.call(update(map, key(1), value(8), BPF_NOEXIST)),
    );
    t.result(
        "update 1 again exist",
        world.call(update(map, key(1), value(9), BPF_EXIST)),
    );
    t.result(
        "update 0",
        world.call(update(map, key(0), value(1), BPF_ANY)),
    );
    t.result(
        "update 2",
        world.call(update(map, key(2), value(2), BPF_ANY)),
    );
    t.result("lookup 1", world.call(lookup(map, key(1))));
    t.result("lookup 2", world.call(lookup(map, key(2))));
    t.result(
        "lookup with flags",
        world.call(Command::MapLookup {
            map,
            key: key(1),
            flags: 1,
        }),
    );
    t.result("short key", world.call(lookup(map, vec![0])));
    let mut keys = Vec::new();
    while let Ok(Value::Bytes(next)) = world.call(Command::MapNextKey {
        map,
        key: keys.last().cloned(),
    }) {
        keys.push(next);
    }
    keys.sort();
    t.line("keys", format!("{keys:?}"));
    t.result(
        "delete 1",
        world.call(Command::MapDelete { map, key: key(1) }),
    );
    t.result(
        "delete 1 again",
        world.call(Command::MapDelete { map, key: key(1) }),
    );
    t.result(
        "lookup and delete 0",
        world.call(Command::MapLookupAndDelete { map, key: key(0) }),
    );
    t.result("lookup 0", world.call(lookup(map, key(0))));
}

pub(crate) fn array(world: &World<'_>, t: &mut Transcript) {
    let map = world.map(map(MapType::ARRAY, 4, 12));
    exercise(world, t, map, 12);
    t.result(
        "next of a key that is not there",
        world.call(Command::MapNextKey {
            map,
            key: Some(key(77)),
        }),
    );
}

pub(crate) fn hash(world: &World<'_>, t: &mut Transcript) {
    exercise(world, t, world.map(map(MapType::HASH, 4, 12)), 12);
    let create = MapCreate {
        map_flags: BPF_F_NO_PREALLOC,
        ..map(MapType::HASH, 4, 12)
    };
    exercise(world, t, world.map(create), 12);
}

pub(crate) fn percpu_array(world: &World<'_>, t: &mut Transcript) {
    let Ok(Value::Count(cpus)) = world.call(Command::CpuCount) else {
        panic!("no CPU count")
    };
    t.line("CPUs counted", cpus > 0);
    let map = world.map(map(MapType::PERCPU_ARRAY, 4, 5));
    let all =
        |byte: u8| [byte, byte, byte, byte, byte, 0, 0, 0].repeat(usize::try_from(cpus).unwrap());
    t.result("update 0", world.call(update(map, key(0), all(3), BPF_ANY)));
    t.result(
        "update 0 noexist",
        world.call(update(map, key(0), all(3), BPF_NOEXIST)),
    );
    t.result("update 2", world.call(update(map, key(2), all(3), BPF_ANY)));
    let read = world.call(lookup(map, key(0)));
    t.line(
        "reads back what was written",
        read == Ok(Value::Bytes(all(3))),
    );
    t.result("lookup 2", world.call(lookup(map, key(2))));
    t.result(
        "delete 0",
        world.call(Command::MapDelete { map, key: key(0) }),
    );
}

pub(crate) fn create_errors(world: &World<'_>, t: &mut Transcript) {
    let mut attempt =
        |what: &str, create: MapCreate| t.result(what, world.call(Command::MapCreate(create)));
    for map_type in TYPES {
        for (key_size, value_size) in [
            (0, 4),
            (4, 0),
            (8, 8),
            (4, 4),
            (512, 4),
            (513, 4),
            (4, 1 << 15),
            (4, (1 << 15) + 8),
            (4, 1 << 22),
            (4, 1 << 31),
        ] {
            let create = map(map_type, key_size, value_size);
            attempt(
                &format!("{map_type} key {key_size} value {value_size}"),
                create,
            );
        }
        attempt(
            &format!("{map_type} without entries"),
            MapCreate {
                max_entries: 0,
                ..map(map_type, 4, 4)
            },
        );
        for bit in 0..20 {
            // Flags that need BTF, a token, a NUMA node or a file are not for these types here.
            if ![2, 9, 15, 16].contains(&bit) {
                attempt(
                    &format!("{map_type} flag bit {bit}"),
                    MapCreate {
                        map_flags: 1 << bit,
                        ..map(map_type, 4, 4)
                    },
                );
            }
        }
        let both = MapCreate {
            map_flags: BPF_F_RDONLY | BPF_F_WRONLY,
            ..map(map_type, 4, 4)
        };
        attempt(&format!("{map_type} neither readable nor writable"), both);
        let both = MapCreate {
            map_flags: BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG,
            ..map(map_type, 4, 4)
        };
        attempt(&format!("{map_type} neither for programs"), both);
    }
    for name in [
        "fifteen_letters",
        "sixteen__letters",
        "dot.ted",
        "da-shed",
        "bl ank",
        "\u{e9}",
    ] {
        attempt(
            &format!("name {name:?}"),
            MapCreate {
                name: name.to_owned(),
                ..map(MapType::ARRAY, 4, 4)
            },
        );
    }
    attempt("type 0", map(MapType(0), 4, 4));
    attempt("type 999", map(MapType(999), 4, 4));
    let with_types = MapCreate {
        btf_value_type_id: skep_uapi::TypeId(1),
        ..map(MapType::ARRAY, 4, 4)
    };
    attempt("types without BTF", with_types);
}

pub(crate) fn freeze(world: &World<'_>, t: &mut Transcript) {
    let map = world.map(map(MapType::ARRAY, 4, 4));
    t.result("freeze", world.call(Command::MapFreeze { map }));
    t.result("freeze again", world.call(Command::MapFreeze { map }));
    t.result(
        "update",
        world.call(update(map, key(0), vec![1; 4], BPF_ANY)),
    );
    t.result("lookup", world.call(lookup(map, key(0))));
    t.result(
        "delete",
        world.call(Command::MapDelete { map, key: key(0) }),
    );
}

pub(crate) fn access_flags(world: &World<'_>, t: &mut Transcript) {
    for (name, map_flags) in [
        ("read-only", BPF_F_RDONLY),
        ("write-only", BPF_F_WRONLY),
        ("program read-only", BPF_F_RDONLY_PROG),
    ] {
        let map = world.map(MapCreate {
            map_flags,
            ..map(MapType::HASH, 4, 4)
        });
        t.result(
            &format!("{name} update"),
            world.call(update(map, key(0), vec![1; 4], BPF_ANY)),
        );
        t.result(&format!("{name} lookup"), world.call(lookup(map, key(0))));
        t.result(
            &format!("{name} next key"),
            world.call(Command::MapNextKey { map, key: None }),
        );
        t.result(
            &format!("{name} delete"),
            world.call(Command::MapDelete { map, key: key(0) }),
        );
        t.result(
            &format!("{name} freeze"),
            world.call(Command::MapFreeze { map }),
        );
    }
}

pub(crate) fn info(world: &World<'_>, t: &mut Transcript) {
    let shapes = [
        (MapType::ARRAY, 4, 15, 1, BPF_F_RDONLY_PROG),
        (MapType::ARRAY, 4, 4, 1, BPF_F_MMAPABLE),
        (MapType::ARRAY, 4, 5000, 3, BPF_F_MMAPABLE),
        (MapType::ARRAY, 4, 100, 64, 0),
        (MapType::HASH, 4, 8, 1000, 0),
        (MapType::HASH, 13, 17, 777, BPF_F_NO_PREALLOC),
        (MapType::PERCPU_ARRAY, 4, 100, 64, 0),
        (MapType::HASH, 4, 4, 4, BPF_F_WRONLY),
        (MapType::DEVMAP, 4, 4, 1000, 0),
        (MapType::DEVMAP_HASH, 4, 8, 1000, BPF_F_RDONLY),
    ];
    for (map_type, key_size, value_size, max_entries, map_flags) in shapes {
        let create = MapCreate {
            map_type,
            key_size,
            value_size,
            max_entries,
            map_flags,
            name: "shape".to_owned(),
            ..MapCreate::default()
        };
        let map = world.map(create);
        let Ok(Value::MapInfo(info)) = world.call(Command::MapInfo { map }) else {
            panic!("no info")
        };
        t.line(
            "info",
            format!(
                "{:?}",
                skep_uapi::MapInfo {
                    id: skep_uapi::MapId(0),
                    ..*info
                }
            ),
        );
    }
}
