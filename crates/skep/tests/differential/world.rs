//! A machine with the maps that generated programs use, and one run in it.

use crate::code::{Item, assemble};
use skep_isa::Program;
use skep_uapi::{
    BPF_ANY, Bpf, Command, Engine, Errno, Handle, MapCreate, MapType, ProgLoad, ProgType, TestRun,
    Value,
};

/// A map of every world.
pub(crate) struct Shape {
    pub(crate) map_type: MapType,
    pub(crate) key: u16,
    pub(crate) value: u16,
    pub(crate) entries: u16,
}

impl Shape {
    const fn new(map_type: MapType, key: u16, value: u16, entries: u16) -> Self {
        Self {
            map_type,
            key,
            value,
            entries,
        }
    }

    pub(crate) fn is_hash(&self) -> bool {
        self.map_type == MapType::HASH
    }
}

/// Bytes of the result that a program leaves.
pub(crate) const RESULT_BYTES: u16 = 8 * 26;

/// The maps, by index: the result, then arrays and hashes of odd sizes.
pub(crate) const SHAPES: [Shape; 5] = [
    Shape::new(MapType::ARRAY, 4, RESULT_BYTES, 1),
    Shape::new(MapType::ARRAY, 4, 13, 3),
    Shape::new(MapType::ARRAY, 4, 64, 1),
    Shape::new(MapType::HASH, 4, 10, 4),
    Shape::new(MapType::HASH, 8, 24, 3),
];

/// What a run leaves behind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Left {
    pub(crate) retval: u32,
    pub(crate) packet: Vec<u8>,
    /// Keys and values of each map, by key.
    pub(crate) maps: Vec<Vec<(Vec<u8>, Vec<u8>)>>,
}

impl Left {
    /// Writes what differs from what the checked interpreter left.
    pub(crate) fn show_against(&self, checked: &Self, who: &str, text: &mut String) {
        use std::fmt::Write as _;
        if self.retval != checked.retval {
            writeln!(
                text,
                "--- {who}: r0 {:#x}, checked {:#x}",
                self.retval, checked.retval
            )
            .unwrap();
        }
        if self.packet != checked.packet {
            writeln!(
                text,
                "--- {who}: packet {:02x?}\n    checked {:02x?}",
                self.packet, checked.packet
            )
            .unwrap();
        }
        for (number, (mine, other)) in self.maps.iter().zip(&checked.maps).enumerate() {
            if mine.len() != other.len() {
                writeln!(
                    text,
                    "--- {who}: map {number} {mine:02x?}\n    checked {other:02x?}"
                )
                .unwrap();
                continue;
            }
            for (mine, other) in mine.iter().zip(other).filter(|(mine, other)| mine != other) {
                let words = mine.1.chunks(8).zip(other.1.chunks(8)).enumerate();
                for (word, (one, two)) in words.filter(|(_, (one, two))| one != two) {
                    writeln!(text, "--- {who}: map {number} key {:?} word {word}: {one:02x?}, checked {two:02x?}", mine.0).unwrap();
                }
            }
        }
    }
}

/// An implementation of BPF with the maps in it.
pub(crate) struct World<'a> {
    bpf: &'a dyn Bpf,
    pub(crate) maps: Vec<Handle>,
}

/// Why a program was not loaded.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) errno: Errno,
    pub(crate) log: String,
}

impl Refused {
    /// The line of the log that says why: the last one before the statistics.
    pub(crate) fn reason(&self) -> &str {
        let lines = self.log.lines().rev();
        let mut said = lines.filter(|line| !line.is_empty() && !is_statistics(line));
        said.next().unwrap_or("")
    }
}

fn is_statistics(line: &str) -> bool {
    ["processed ", "verification time", "stack depth"]
        .iter()
        .any(|start| line.starts_with(start))
}

impl<'a> World<'a> {
    pub(crate) fn new(bpf: &'a dyn Bpf) -> Self {
        let create = |shape: &Shape| {
            let create = MapCreate {
                map_type: shape.map_type,
                key_size: shape.key.into(),
                value_size: shape.value.into(),
                max_entries: shape.entries.into(),
                ..MapCreate::default()
            };
            match bpf.call(Command::MapCreate(create)).result {
                Ok(Value::Handle(handle)) => handle,
                other => panic!("no map: {other:?}"),
            }
        };
        Self {
            bpf,
            maps: SHAPES.iter().map(create).collect(),
        }
    }

    pub(crate) fn program(&self, items: &[Item]) -> Option<Program> {
        assemble(items, &self.maps).ok()
    }

    /// Loads a program; a refusal has the log of `log_level`.
    pub(crate) fn load(&self, program: &Program, log_level: u32) -> Result<Handle, Refused> {
        let load = ProgLoad {
            prog_type: ProgType::XDP,
            insns: program.to_bytes(),
            license: "GPL".to_owned(),
            name: "random".to_owned(),
            log_level,
            ..ProgLoad::default()
        };
        let reply = self.bpf.call(Command::ProgLoad(Box::new(load)));
        match reply.result {
            Ok(Value::Handle(handle)) => Ok(handle),
            Ok(other) => panic!("no handle: {other:?}"),
            Err(errno) => Err(Refused {
                errno,
                log: reply.log,
            }),
        }
    }

    pub(crate) fn close(&self, handle: Handle) {
        self.bpf.call(Command::Close { handle }).result.unwrap();
    }

    /// Puts the maps back to what every run starts from.
    fn reset(&self) {
        for (shape, &map) in SHAPES.iter().zip(&self.maps) {
            if shape.is_hash() {
                for (key, _) in self.content(map) {
                    self.bpf
                        .call(Command::MapDelete { map, key })
                        .result
                        .unwrap();
                }
            }
            let there = if shape.is_hash() { 2 } else { shape.entries };
            for number in 0..there {
                let key = key_bytes(shape, number);
                let value = (0..shape.value)
                    .map(|at| (at * 29 + number * 7 + 0x85) as u8)
                    .collect();
                let update = Command::MapUpdate {
                    map,
                    key,
                    value,
                    flags: BPF_ANY,
                };
                self.bpf.call(update).result.unwrap();
            }
        }
    }

    fn content(&self, map: Handle) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut content: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut key = None;
        while let Ok(Value::Bytes(next)) = self.bpf.call(Command::MapNextKey { map, key }).result {
            let lookup = Command::MapLookup {
                map,
                key: next.clone(),
                flags: 0,
            };
            let Ok(Value::Bytes(value)) = self.bpf.call(lookup).result else {
                panic!("a key without a value")
            };
            content.push((next.clone(), value));
            key = Some(next);
        }
        content.sort();
        content
    }

    /// Runs a program on a packet, from the same maps each time.
    pub(crate) fn run(&self, prog: Handle, packet: &[u8], engine: Engine) -> Result<Left, Errno> {
        self.reset();
        let run = TestRun {
            prog,
            data_in: packet.to_vec(),
            data_size_out: 8 << 10,
            ctx_in: Vec::new(),
            ctx_size_out: 0,
            repeat: 1,
            flags: 0,
            cpu: 0,
            engine,
        };
        let Value::TestRun(result) = self.bpf.call(Command::TestRun(Box::new(run))).result? else {
            panic!("no result of a run")
        };
        Ok(Left {
            retval: result.retval,
            packet: result.data_out,
            maps: self.maps.iter().map(|&map| self.content(map)).collect(),
        })
    }
}

/// The key of an entry: its number, with the same byte in what is left of longer keys.
pub(crate) fn key_bytes(shape: &Shape, number: u16) -> Vec<u8> {
    let mut key = vec![0; usize::from(shape.key)];
    key[..2].copy_from_slice(&number.to_ne_bytes());
    key
}
