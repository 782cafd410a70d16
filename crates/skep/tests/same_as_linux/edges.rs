//! The edges of commands: iteration over many keys, types of maps, records, flags, log levels, ids.

use crate::transcript::{Transcript, World, map, prog};
use skep_uapi::{
    BPF_ANY, Command, Handle, MapCreate, MapType, ObjectKind, ProgLoad, TypeId, Value,
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

/// Types 1 to 4: `int` of 4 bytes, `long` of 8, `struct` of the latter twice (16 bytes), `void main(void)`'s prototype; 5 is
/// the function `main`; 6 a `struct` of one `int`, 7 an `int` by another name, 9 a section of the variable 8, an `int`.
fn types(world: &World<'_>) -> Handle {
    let types: Vec<u32> = [
        [1, 1 << 24, 4, 0x0100_0020].as_slice(),
        &[5, 1 << 24, 8, 0x0100_0040],
        &[10, 4 << 24 | 2, 16, 5, 2, 0, 5, 2, 64],
        &[0, 13 << 24, 1],
        &[15, 12 << 24, 4],
        &[10, 4 << 24 | 1, 4, 5, 1, 0],
        &[5, 8 << 24, 1],
        &[10, 14 << 24, 1, 1],
        &[30, 15 << 24 | 1, 4, 8, 0, 4],
    ]
    .concat();
    let strings = b"\0int\0long\0pair\0main\0file\0line\0.bss\0";
    let header = [
        24,
        0,
        types.len() as u32 * 4,
        types.len() as u32 * 4,
        strings.len() as u32,
    ];
    let words = header
        .into_iter()
        .chain(types)
        .flat_map(u32::to_le_bytes)
        .collect();
    let data = [vec![0x9f, 0xeb, 1, 0], words, strings.to_vec()].concat();
    world.handle(Command::BtfLoad { data, log_level: 0 })
}

/// A hash map of many keys: full, iterated, iterated while it is emptied.
pub(crate) fn many_keys(world: &World<'_>, t: &mut Transcript) {
    const KEYS: u32 = 100;
    let map = world.map(MapCreate {
        max_entries: KEYS,
        ..map(MapType::HASH, 4, 4)
    });
    let update = |number, value: Vec<u8>| Command::MapUpdate {
        map,
        key: key(number),
        value,
        flags: BPF_ANY,
    };
    for number in 0..KEYS {
        world.call(update(number, key(number))).unwrap();
    }
    t.result("one too many", world.call(update(KEYS, key(0))));
    t.result("replacing in a full map", world.call(update(7, key(70))));
    let next = |key| world.call(Command::MapNextKey { map, key });
    let mut keys = Vec::new();
    while let Ok(Value::Bytes(next)) = next(keys.last().cloned()) {
        keys.push(next);
        assert!(keys.len() < 1000, "iteration does not end");
    }
    t.result("after the last", next(keys.last().cloned()));
    t.line(
        "a key that is not there begins anew",
        next(Some(key(5000))).unwrap() == Value::Bytes(keys[0].clone()),
    );
    keys.sort();
    keys.dedup();
    t.line("different keys", keys.len());
    let mut removed = 0;
    while let Ok(Value::Bytes(first)) = next(None) {
        world.call(Command::MapDelete { map, key: first }).unwrap();
        removed += 1;
    }
    t.line("removed from the front", removed);
    t.result("first of an empty map", next(None));
}

/// Taking an element out, and keys of a wrong length, of every type.
pub(crate) fn takes(world: &World<'_>, t: &mut Transcript) {
    for map_type in TYPES {
        let map = world.map(map(map_type, 4, 4));
        let mut take = |what: &str, key| {
            let result = world.call(Command::MapLookupAndDelete { map, key });
            t.result(&format!("{map_type} take {what}"), result);
        };
        take("of a key that is not there", key(1));
        take("beyond the end", key(9));
        if map_type == MapType::HASH {
            let update = Command::MapUpdate {
                map,
                key: key(1),
                value: key(5),
                flags: BPF_ANY,
            };
            world.call(update).unwrap();
            take("1", key(1));
            take("1 again", key(1));
        }
        world.call(Command::MapFreeze { map }).unwrap();
        let frozen = Command::MapLookupAndDelete { map, key: key(1) };
        t.result(&format!("{map_type} frozen"), world.call(frozen));
    }
}

/// Sizes that no host has memory for, or that do not fit their counters.
pub(crate) fn sizes(world: &World<'_>, t: &mut Transcript) {
    for (map_type, value_size, max_entries) in [
        (MapType::PERCPU_ARRAY, u32::MAX, 1),
        (MapType::PERCPU_ARRAY, 1 << 15, u32::MAX),
        (MapType::ARRAY, u32::MAX, 1),
        (MapType::ARRAY, (1 << 31) - 1, u32::MAX),
        (MapType::ARRAY, 1 << 30, u32::MAX),
        (MapType::HASH, u32::MAX, 1),
        (MapType::HASH, 4, u32::MAX),
        (MapType::HASH, 4, (1 << 31) + 1),
        (MapType::HASH, 4, (1 << 28) + 1),
        (MapType::HASH, 4, (1 << 27) + 1),
    ] {
        let create = MapCreate {
            max_entries,
            ..map(map_type, 4, value_size)
        };
        t.result(
            &format!("{map_type} value {value_size} entries {max_entries}"),
            world.call(Command::MapCreate(create)),
        );
    }
}

/// Which types of key and value go with which map.
pub(crate) fn map_types(world: &World<'_>, t: &mut Transcript) {
    let btf = Some(types(world));
    for map_type in TYPES {
        for (key_type, value_type) in [
            (1, 1),
            (1, 2),
            (2, 1),
            (0, 1),
            (1, 0),
            (0, 0),
            (1, 3),
            (1, 5),
            (4, 1),
            (1, 99),
            (99, 1),
            (6, 1),
            (7, 1),
            (1, 6),
            (0, 9),
            (1, 9),
        ] {
            let create = MapCreate {
                btf,
                btf_key_type_id: TypeId(key_type),
                btf_value_type_id: TypeId(value_type),
                ..map(map_type, 4, 4)
            };
            t.result(
                &format!("{map_type} key type {key_type} value type {value_type}"),
                world.call(Command::MapCreate(create)),
            );
        }
    }
    for (key_type, value_type, max_entries) in [(0, 9, 1), (0, 1, 1), (9, 9, 1)] {
        let create = MapCreate {
            btf,
            btf_key_type_id: TypeId(key_type),
            btf_value_type_id: TypeId(value_type),
            max_entries,
            ..map(MapType::ARRAY, 4, 4)
        };
        t.result(
            &format!("array of one, key type {key_type} value type {value_type}"),
            world.call(Command::MapCreate(create)),
        );
    }
    let untyped = world.map(MapCreate {
        btf,
        ..map(MapType::ARRAY, 4, 4)
    });
    let info = world.call(Command::MapInfo { map: untyped });
    let kept = matches!(info, Ok(Value::MapInfo(info)) if info.btf_id.0 != 0);
    t.line("BTF without types is kept", kept);
    for (what, handle) in [
        ("a map", world.map(map(MapType::ARRAY, 4, 4))),
        ("nothing", Handle(4_000_000)),
    ] {
        for number in [1, 0] {
            let create = MapCreate {
                btf: Some(handle),
                btf_key_type_id: TypeId(number),
                btf_value_type_id: TypeId(number),
                ..map(MapType::ARRAY, 4, 4)
            };
            let result = world.call(Command::MapCreate(create));
            t.result(&format!("type {number} in {what}"), result);
        }
    }
}

/// A program with one function record and one line record, of `main`, `file` and `line`.
fn with_records(btf: Handle) -> ProgLoad {
    ProgLoad {
        btf: Some(btf),
        func_info: words(&[0, 5]),
        func_info_rec_size: 8,
        line_info: words(&[0, 20, 25, 1 << 10 | 3]),
        line_info_rec_size: 16,
        ..prog("r0 = 2\nr0 = 1\nexit")
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().copied().flat_map(u32::to_ne_bytes).collect()
}

/// Function and line records that are wrong in one way each.
pub(crate) fn records(world: &World<'_>, t: &mut Transcript) {
    let btf = types(world);
    let mut attempt = |what: &str, load| {
        let result = world.call(Command::ProgLoad(Box::new(load)));
        t.result(what, result);
    };
    let good = || with_records(btf);
    attempt("good", good());
    let funcs = |func_info: &[u32], func_info_rec_size| ProgLoad {
        func_info: words(func_info),
        func_info_rec_size,
        ..good()
    };
    attempt("functions of size 4", funcs(&[0], 4));
    attempt("functions of size 0", funcs(&[0, 5], 0));
    attempt("functions of size 12, rest zero", funcs(&[0, 5, 0], 12));
    attempt("functions of size 12, rest not", funcs(&[0, 5, 1], 12));
    attempt(
        "functions of size 252",
        funcs(&[vec![0, 5], vec![0; 61]].concat(), 252),
    );
    attempt(
        "functions of size 256",
        funcs(&[vec![0, 5], vec![0; 62]].concat(), 256),
    );
    attempt("a function that does not begin at 0", funcs(&[1, 5], 8));
    attempt("a function of a type that is none", funcs(&[0, 1], 8));
    attempt("a function of a missing type", funcs(&[0, 99], 8));
    attempt("a function too many", funcs(&[0, 5, 1, 5], 8));
    attempt("a function twice", funcs(&[0, 5, 0, 5], 8));
    attempt("functions out of order", funcs(&[2, 5, 0, 5], 8));
    let lines = |line_info: &[u32], line_info_rec_size| ProgLoad {
        line_info: words(line_info),
        line_info_rec_size,
        ..good()
    };
    attempt("lines of size 12", lines(&[0, 20, 25], 12));
    attempt(
        "lines of size 20, rest not zero",
        lines(&[0, 20, 25, 0, 1], 20),
    );
    attempt(
        "a line that does not begin at 0",
        lines(&[1, 20, 25, 0], 16),
    );
    attempt(
        "lines out of order",
        lines(&[0, 20, 25, 0, 2, 20, 25, 0, 1, 20, 25, 0], 16),
    );
    attempt("a line twice", lines(&[0, 20, 25, 0, 0, 20, 25, 0], 16));
    attempt(
        "a line behind the end",
        lines(&[0, 20, 25, 0, 3, 20, 25, 0], 16),
    );
    attempt("a line of a missing string", lines(&[0, 20, 999, 0], 16));
    attempt("a line of a missing file", lines(&[0, 999, 25, 0], 16));
    attempt("a line without text", lines(&[0, 20, 0, 0], 16));
    for (what, btf) in [
        ("nothing", Handle(4_000_000)),
        ("a map", world.map(map(MapType::ARRAY, 4, 4))),
    ] {
        attempt(&format!("records in {what}"), with_records(btf));
    }
}

/// Flags, log levels and descriptor arrays of a load.
pub(crate) fn load_options(world: &World<'_>, t: &mut Transcript) {
    let mut attempt = |what: &str, load| {
        let result = world.call(Command::ProgLoad(Box::new(load)));
        t.result(what, result);
    };
    let good = || prog("r0 = 2\nexit");
    for bit in 0..9 {
        // A token's flag needs a token.
        attempt(
            &format!("flag bit {bit}"),
            ProgLoad {
                prog_flags: 1 << bit,
                ..good()
            },
        );
    }
    for log_level in [0, 1, 2, 3, 4, 7, 8, 16, 1 << 31] {
        attempt(
            &format!("log level {log_level}"),
            ProgLoad {
                log_level,
                ..good()
            },
        );
    }
    let array = world.map(map(MapType::ARRAY, 4, 4));
    let btf = types(world);
    let listed = |text: &str, fd_array: Vec<Handle>| ProgLoad {
        fd_array,
        ..prog(text)
    };
    let uses = "r1 = map_idx[0]\nr0 = 2\nexit";
    attempt("a map by index", listed(uses, vec![array]));
    attempt("a map by index of BTF", listed(uses, vec![btf]));
    attempt(
        "a map by index of nothing",
        listed(uses, vec![Handle(4_000_000)]),
    );
    attempt(
        "nothing listed and not used",
        listed("r0 = 2\nexit", vec![array, Handle(4_000_000)]),
    );
    attempt("BTF listed and not used", listed("r0 = 2\nexit", vec![btf]));
    attempt(
        "a map by descriptor of BTF",
        prog(&format!("r1 = map_fd[{}]\nr0 = 2\nexit", btf.0)),
    );
    for bytes in [1, 4, 7, 9] {
        let load = ProgLoad {
            insns: good().insns[..bytes].to_vec(),
            ..good()
        };
        attempt(&format!("{bytes} bytes of instructions"), load);
    }
    let maps: Vec<_> = (0..65)
        .map(|_| world.map(map(MapType::ARRAY, 4, 4)))
        .collect();
    for count in [64, 65] {
        let loads: String = maps[..count]
            .iter()
            .map(|map| format!("r1 = map_fd[{}]\n", map.0))
            .collect();
        attempt(
            &format!("{count} maps"),
            prog(&format!("{loads}r0 = 2\nexit")),
        );
    }
}

/// Ids rise, dead ones are skipped, and bound maps belong to their program.
pub(crate) fn ids(world: &World<'_>, t: &mut Transcript) {
    let id_of = |map| match world.call(Command::MapInfo { map }) {
        Ok(Value::MapInfo(info)) => info.id.0,
        other => panic!("{other:?}"),
    };
    let maps = [(); 3].map(|()| world.map(map(MapType::ARRAY, 4, 4)));
    let ids = maps.map(id_of);
    t.line("ids rise", ids.is_sorted());
    let next = |after| {
        world.call(Command::NextId {
            kind: ObjectKind::Map,
            after,
        })
    };
    t.line("the next one", next(ids[0]) == Ok(Value::Id(ids[1])));
    world.call(Command::Close { handle: maps[1] }).unwrap();
    // Linux frees maps a moment later.
    let skipped = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        next(ids[0]) == Ok(Value::Id(ids[2]))
    });
    t.line("a closed one is skipped", skipped);
    t.result("after the largest", next(u32::MAX));
    t.result("after the largest signed", next(i32::MAX as u32));
    let prog = world.prog(&format!("r1 = map_fd[{}]\nr0 = 2\nexit", maps[2].0));
    for (what, prog, map) in [
        ("a map", prog, maps[0]),
        ("it again", prog, maps[0]),
        ("one that is used", prog, maps[2]),
        ("a program", prog, prog),
        ("nothing", prog, Handle(4_000_000)),
        ("to a map", maps[0], maps[0]),
        ("to nothing", Handle(4_000_000), maps[0]),
    ] {
        let result = world.call(Command::ProgBindMap { prog, map });
        t.result(&format!("bind {what}"), result);
    }
    let Ok(Value::ProgInfo(info)) = world.call(Command::ProgInfo { prog }) else {
        panic!("no info")
    };
    let map_ids: Vec<_> = info.map_ids.iter().map(|id| id.0).collect();
    t.line("used first, then bound", map_ids == [ids[2], ids[0]]);
}
