//! A C program that calls helpers with many arguments: what it leaves in maps and prints.

use crate::transcript::{Transcript, World, hex};
use skep_loader::{Loaded, Options, load};
use skep_object::ObjectName;
use skep_uapi::{Command, Handle, TestRun, Value};

fn open(world: &World<'_>) -> Loaded {
    let bytes = std::fs::read("tests/same_as_linux/data/battery.bpf.o").unwrap();
    let object = skep_object::parse(&bytes).unwrap();
    let options = Options::new(ObjectName::from_path("battery.bpf.o"));
    load(&object, world.bpf, &options).unwrap_or_else(|error| panic!("{error}"))
}

fn run(world: &World<'_>, loaded: &Loaded, name: &str) -> u32 {
    let prog = loaded
        .programs
        .iter()
        .find(|program| program.name == name)
        .unwrap()
        .handle;
    let run = TestRun {
        prog,
        data_in: vec![0; 64],
        data_size_out: 0,
        ctx_in: Vec::new(),
        ctx_size_out: 0,
        repeat: 1,
        flags: 0,
        cpu: 0,
        engine: world.engine,
    };
    match world.call(Command::TestRun(Box::new(run))).unwrap() {
        Value::TestRun(result) => result.retval,
        other => panic!("expected a run, got {other:?}"),
    }
}

fn map(loaded: &Loaded, name: &str) -> Handle {
    loaded
        .maps
        .iter()
        .find(|map| map.name == name)
        .unwrap()
        .handle
}

fn read(world: &World<'_>, map: Handle, index: u32) -> Vec<u8> {
    match world
        .call(Command::MapLookup {
            map,
            key: index.to_ne_bytes().to_vec(),
            flags: 0,
        })
        .unwrap()
    {
        Value::Bytes(bytes) => bytes,
        other => panic!("expected a value, got {other:?}"),
    }
}

fn number(world: &World<'_>, loaded: &Loaded, index: u32) -> i64 {
    i64::from_ne_bytes(
        read(world, map(loaded, "numbers"), index)
            .try_into()
            .unwrap(),
    )
}

pub(crate) fn snprintf(world: &World<'_>, t: &mut Transcript) {
    let loaded = open(world);
    t.line("verdict", run(world, &loaded, "snprintf_battery"));
    for index in 0..21 {
        let text = read(world, map(&loaded, "texts"), index);
        let end = text
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(text.len());
        let shown = String::from_utf8_lossy(&text[..end]).into_owned();
        t.line(
            &format!("{index} returns {}", number(world, &loaded, index)),
            format!("{shown:?}"),
        );
    }
}

pub(crate) fn tables(world: &World<'_>, t: &mut Transcript) {
    let loaded = open(world);
    t.line("verdict", run(world, &loaded, "table_battery"));
    for index in 0..19 {
        t.line(&index.to_string(), number(world, &loaded, index));
    }
    for key in 1..4_u64 {
        let lookup = Command::MapLookup {
            map: map(&loaded, "table"),
            key: key.to_ne_bytes().to_vec(),
            flags: 0,
        };
        t.result(&format!("key {key}"), world.call(lookup));
    }
    let counters = read(world, map(&loaded, "counters"), 1);
    let set = counters
        .as_chunks::<8>()
        .0
        .iter()
        .filter(|value| u64::from_ne_bytes(**value) == 5)
        .count();
    t.line("CPUs with the counter", set);
    let untouched = read(world, map(&loaded, "counters"), 0);
    t.line(
        "the other counter is zero",
        untouched.iter().all(|byte| *byte == 0),
    );
    t.line(
        "global data",
        hex(&read(world, map(&loaded, "battery.data"), 0)),
    );
}

pub(crate) fn trace(world: &World<'_>, t: &mut Transcript) {
    let loaded = open(world);
    // Linux has one trace pipe for everybody: what others left in it is read away first, and only our lines count.
    while matches!(world.call(Command::TraceRead { lines_max: 4096, wait_ms: 0 }), Ok(Value::Lines(lines)) if !lines.is_empty())
    {
    }
    t.line("verdict", run(world, &loaded, "trace_battery"));
    // skep's machine names the process, Linux the thread. What does not name either follows a line break in a text.
    let thread = std::fs::read_link("/proc/thread-self").unwrap();
    let thread = thread.file_name().unwrap().to_string_lossy().into_owned();
    let mine = [std::process::id().to_string(), thread].map(|id| format!("-{id} "));
    let is_mine = |line: &String| {
        !line.contains("bpf_trace_printk") || mine.iter().any(|mine| line.contains(mine))
    };
    let mut texts = Vec::new();
    for _ in 0..50 {
        let Ok(Value::Lines(lines)) = world.call(Command::TraceRead {
            lines_max: 4096,
            wait_ms: 20,
        }) else {
            break;
        };
        texts.extend(lines.into_iter().filter(is_mine));
        if texts.len() >= 6 {
            break;
        }
    }
    for line in texts {
        let (head, text) = line
            .split_once("bpf_trace_printk: ")
            .unwrap_or(("- - -", &line));
        let flags = head.split_whitespace().nth(2).unwrap_or("?");
        t.line(flags, format!("{text:?}"));
    }
}
