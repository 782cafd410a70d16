//! Device maps: commands, and redirection through them. The loopback device is the one interface that every namespace has.

use crate::transcript::{Transcript, World, map};
use skep_uapi::{
    BPF_ANY, BPF_EXIST, BPF_NOEXIST, Command, Errno, Handle, MapCreate, MapType, TestRun, Value,
};

const TYPES: [MapType; 2] = [MapType::DEVMAP, MapType::DEVMAP_HASH];
const LOOPBACK: u32 = 1;
const NOWHERE: u32 = 0x7fff_ffff;

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().copied().flat_map(u32::to_ne_bytes).collect()
}

/// A map under test and where its results go.
struct Case<'a> {
    world: &'a World<'a>,
    t: &'a mut Transcript,
    map: Handle,
    /// Words of a value.
    words: usize,
}

impl Case<'_> {
    fn update(&mut self, what: &str, index: u32, value: [u32; 2], flags: u64) {
        let result = self.world.call(Command::MapUpdate {
            map: self.map,
            key: words(&[index]),
            value: words(&value[..self.words]),
            flags,
        });
        self.t.result(&format!("update {index} {what}"), result);
    }

    fn lookup(&mut self, index: u32) {
        let result = self.world.call(Command::MapLookup {
            map: self.map,
            key: words(&[index]),
            flags: 0,
        });
        self.t.result(&format!("lookup {index}"), result);
    }

    fn delete(&mut self, index: u32) {
        let (map, key) = (self.map, words(&[index]));
        let result = self.world.call(Command::MapDelete { map, key });
        self.t.result(&format!("delete {index}"), result);
    }

    fn keys(&mut self) {
        let next = |key| {
            let map = self.map;
            self.world.call(Command::MapNextKey { map, key })
        };
        let mut keys = Vec::new();
        while let Ok(Value::Bytes(key)) = next(keys.last().cloned()) {
            keys.push(key);
            assert!(keys.len() < 100, "iteration does not end");
        }
        let after = next(Some(words(&[77])));
        let numbers: Vec<_> = keys.iter().map(|key| key[0]).collect();
        self.t.line("keys", format!("{numbers:?}"));
        self.t.result("after a key that is not there", after);
    }

    fn charged(&mut self) {
        let info = self.world.call(Command::MapInfo { map: self.map });
        let Ok(Value::MapInfo(info)) = info else {
            panic!("no info")
        };
        self.t.line("charged", format!("{:?}", info.bytes_memlock));
    }
}

/// What commands can do with entries.
pub(crate) fn commands(world: &World<'_>, t: &mut Transcript) {
    for map_type in TYPES {
        for words in [1, 2] {
            t.line("map", format!("{map_type} of {words} words"));
            let map = world.map(MapCreate {
                max_entries: 4,
                ..map(map_type, 4, 4 * words)
            });
            let words = usize::try_from(words).unwrap();
            let mut case = Case {
                world,
                t,
                map,
                words,
            };
            entries(&mut case);
            limits(&mut case);
            case.charged();
            if words == 2 {
                programs(&mut case);
            }
            let (t, world) = (case.t, case.world);
            t.result("freeze", world.call(Command::MapFreeze { map }));
            let mut case = Case {
                world,
                t,
                map,
                words,
            };
            case.update("frozen", 0, [LOOPBACK, 0], BPF_ANY);
            case.delete(0);
            case.keys();
        }
    }
}

fn entries(case: &mut Case<'_>) {
    case.keys();
    case.lookup(1);
    case.delete(1);
    case.charged();
    for (name, flags) in [
        ("noexist", BPF_NOEXIST),
        ("exist", BPF_EXIST),
        ("any", BPF_ANY),
        ("again noexist", BPF_NOEXIST),
        ("again exist", BPF_EXIST),
        ("flags 3", 3),
        ("lock", 4),
        ("flags 8", 8),
        ("high flags", 1 << 32),
    ] {
        case.update(name, 1, [LOOPBACK, 0], flags);
    }
    case.charged();
    case.lookup(1);
    case.update("to nowhere", 1, [NOWHERE, 0], BPF_ANY);
    case.update("to nowhere noexist", 1, [NOWHERE, 0], BPF_NOEXIST);
    case.update("to nowhere flags 9", 1, [NOWHERE, 0], 9);
    case.update("to a negative number", 1, [u32::MAX, 0], BPF_ANY);
    case.lookup(1);
    case.update("to nothing", 1, [0, 0], BPF_ANY);
    case.lookup(1);
    case.charged();
    case.update("to nothing again", 1, [0, 0], BPF_EXIST);
    case.charged();
    case.update("back", 1, [LOOPBACK, 0], BPF_ANY);
    case.charged();
    case.delete(1);
    case.delete(1);
    case.charged();
    case.lookup(1);
}

/// Indices beyond the number of entries, and more entries than that.
fn limits(case: &mut Case<'_>) {
    case.lookup(9);
    case.delete(9);
    case.update("", 9, [LOOPBACK, 0], BPF_ANY);
    case.update("noexist", 9, [LOOPBACK, 0], BPF_NOEXIST);
    case.update("to nowhere", 9, [NOWHERE, 0], BPF_ANY);
    case.update("flags 9", 9, [NOWHERE, 0], 9);
    case.delete(9);
    for index in [0, 1, 2, 3, 4, 8] {
        case.update("", index, [LOOPBACK, 0], BPF_ANY);
    }
    case.update("to nowhere", 12, [NOWHERE, 0], BPF_ANY);
    case.update("exist", 12, [LOOPBACK, 0], BPF_EXIST);
    case.update("of a full map", 2, [LOOPBACK, 0], BPF_ANY);
    case.keys();
    for index in [1, 2] {
        case.delete(index);
    }
    for index in [8, 12] {
        case.update("", index, [LOOPBACK, 0], BPF_ANY);
    }
    case.keys();
}

/// Programs in entries.
fn programs(case: &mut Case<'_>) {
    let prog = case.world.prog("r0 = 2\nexit");
    case.update(
        "with a program of no attach type",
        3,
        [LOOPBACK, prog.0],
        BPF_ANY,
    );
    case.update("with a map", 3, [LOOPBACK, case.map.0], BPF_ANY);
    case.update("to nothing with a program", 3, [0, prog.0], BPF_ANY);
    case.update("without a program", 3, [LOOPBACK, u32::MAX], BPF_ANY);
    case.lookup(3);
}

fn retval(world: &World<'_>, prog: Handle) -> Result<u32, Errno> {
    let run = TestRun {
        prog,
        data_in: vec![1; 64],
        data_size_out: 64,
        ctx_in: Vec::new(),
        ctx_size_out: 0,
        repeat: 1,
        flags: 0,
        cpu: 0,
        engine: world.engine,
    };
    match world.call(Command::TestRun(Box::new(run)))? {
        Value::TestRun(result) => Ok(result.retval),
        other => panic!("expected a run, got {other:?}"),
    }
}

/// What `bpf_redirect_map` returns, by key and flags, and what programs may do with device maps.
pub(crate) fn redirection(world: &World<'_>, t: &mut Transcript) {
    const FLAGS: [u64; 17] = [
        0,
        1,
        2,
        3,
        4,
        5,
        7,
        8,
        9,
        16,
        17,
        24,
        27,
        32,
        1 << 31,
        1 << 32,
        1 << 32 | 8,
    ];
    for map_type in TYPES {
        for value_size in [4, 8] {
            let map = world.map(map(map_type, 4, value_size));
            let mut value = words(&[LOOPBACK, 0]);
            value.truncate(usize::try_from(value_size).unwrap());
            let key = words(&[1]);
            let update = Command::MapUpdate {
                map,
                key,
                value,
                flags: BPF_ANY,
            };
            world.call(update).unwrap();
            for key in [1_u64, 0, 2, 5, 1 << 32 | 1] {
                let verdicts: Vec<_> = FLAGS
                    .iter()
                    .map(|flags| {
                        let prog = world.prog(&format!(
                            "r1 = map_fd[{}]\nr2 = {key:#x} ll\nr3 = {flags:#x} ll\ncall 51\nexit",
                            map.0
                        ));
                        let shown = retval(world, prog).map(|retval| retval.to_string());
                        world.call(Command::Close { handle: prog }).unwrap();
                        shown.unwrap_or_else(|errno| errno.to_string())
                    })
                    .collect();
                t.line(
                    &format!("{map_type} of {value_size} key {key:#x}"),
                    verdicts.join(" "),
                );
            }
            access(world, t, map, value_size);
        }
    }
}

/// Programs may look at an entry, not change it.
fn access(world: &World<'_>, t: &mut Transcript, map: Handle, value_size: u32) {
    let lookup = format!(
        "*(u32 *)(r10 -4) = 1\nr1 = map_fd[{}]\nr2 = r10\nr2 += -4\ncall 1\nif r0 == 0 goto out\n",
        map.0
    );
    for (what, body) in [
        ("reads the interface", "r0 = *(u32 *)(r0 +0)"),
        ("reads the program", "r0 = *(u32 *)(r0 +4)"),
        ("writes", "*(u32 *)(r0 +0) = 2"),
        ("adds", "r1 = 1\nlock *(u32 *)(r0 +0) += r1\nr0 = 0"),
    ] {
        let load = crate::transcript::prog(&format!("{lookup}{body}\nout:\nexit"));
        let what = format!("value of {value_size}: a program {what}");
        match world.call(Command::ProgLoad(Box::new(load))) {
            Ok(Value::Handle(prog)) => t.line(&what, format!("{:?}", retval(world, prog))),
            other => t.result(&what, other),
        }
    }
}
