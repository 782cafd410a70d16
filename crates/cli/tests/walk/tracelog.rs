//! `skep prog tracelog`: the lines of the trace pipe while programs run.

use crate::common::{Program, World, interrupt, wait_until};
use std::io::{BufRead, BufReader};
use std::process::Child;

/// A reader that the daemon knows of; what runs from now on is its.
fn reader(world: &World, line: &str) -> Child {
    let reader = world.start(line);
    wait_until("the reader is connected", || {
        world.json("daemon status -j", "other_connections") == "1"
    });
    reader
}

/// Checks `            skep-1234   [000] b..11  4460.495347: bpf_trace_printk: TEXT` and gives the text.
fn text_of(line: &str) -> &str {
    let (head, text) = line
        .split_once(": bpf_trace_printk: ")
        .unwrap_or_else(|| panic!("{line:?}"));
    let words: Vec<&str> = head.split_whitespace().collect();
    let [task, cpu, flags, time] = words[..] else {
        panic!("{line:?}")
    };
    let (comm, pid) = task.rsplit_once('-').unwrap();
    // The kernel's columns: 16 for the name, 7 for the process.
    assert_eq!(line.split_once('-').unwrap().0.len(), 16, "{line:?}");
    assert!(comm == "skep" && pid.parse::<u32>().is_ok(), "{line:?}");
    assert!(
        cpu.len() == 5 && cpu.starts_with('[') && cpu.ends_with(']'),
        "{line:?}"
    );
    assert_eq!(flags.len(), 5, "{line:?}");
    let (seconds, micros) = time.split_once('.').unwrap();
    assert!(
        seconds.parse::<u64>().is_ok() && micros.len() == 6,
        "{line:?}"
    );
    text
}

/// Lines come while the program runs, not when the reader ends.
pub(crate) fn live(program: &Program) {
    let world = World::with_hello(program);
    let mut reader = reader(&world, "prog tracelog");
    let mut lines = BufReader::new(reader.stdout.take().unwrap()).lines();
    for round in 0..3 {
        world.results("prog run name hello data_in packet repeat 2");
        for number in [2 * round, 2 * round + 1] {
            let line = lines.next().unwrap().unwrap();
            assert_eq!(text_of(&line), format!("Hello World {number}"));
        }
    }
    interrupt(reader, "INT");
    assert!(lines.next().is_none());
}

/// As JSON: an array of lines, which is whole also when the reader is interrupted.
pub(crate) fn json(program: &Program) {
    let world = World::with_hello(program);
    let reader = reader(&world, "prog tracelog -j");
    world.results("prog run name hello data_in packet repeat 3");
    // The lines are taken once the pipe is empty again for somebody else.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let said = interrupt(reader, "INT");
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines: Vec<String> =
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    assert_eq!(
        lines.iter().map(|line| text_of(line)).collect::<Vec<_>>(),
        ["Hello World 0", "Hello World 1", "Hello World 2"]
    );
}

/// A line that was printed before anybody read is kept, and no line is read twice.
pub(crate) fn each_line_once(program: &Program) {
    let world = World::with_hello(program);
    world.results("prog run name hello data_in packet");
    for number in 0..2 {
        let mut reader = reader(&world, "prog tracelog");
        let mut lines = BufReader::new(reader.stdout.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        assert_eq!(text_of(&line), format!("Hello World {number}"));
        interrupt(reader, "TERM");
        wait_until("the reader has gone", || {
            world.json("daemon status -j", "other_connections") == "0"
        });
        world.results("prog run name hello data_in packet");
    }
    assert_eq!(world.json("daemon status -j", "trace_lost"), "0");
}
