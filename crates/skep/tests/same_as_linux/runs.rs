//! Test runs: packets, contexts, helpers.

use crate::transcript::{Transcript, World, hex, map};
use skep_uapi::{Command, Engine, Errno, Handle, MapType, TestRun, TestRunResult, Value};

fn run_of(prog: Handle, data_in: Vec<u8>) -> TestRun {
    TestRun {
        prog,
        data_in,
        data_size_out: 16 << 10,
        ctx_in: Vec::new(),
        ctx_size_out: 0,
        repeat: 1,
        flags: 0,
        cpu: 0,
        engine: Engine::Auto,
    }
}

fn run(world: &World<'_>, run: TestRun) -> Result<TestRunResult, Errno> {
    let run = TestRun {
        engine: world.engine,
        ..run
    };
    match world.call(Command::TestRun(Box::new(run)))? {
        Value::TestRun(result) => Ok(result),
        other => panic!("expected a run, got {other:?}"),
    }
}

fn show(result: Result<TestRunResult, Errno>) -> String {
    match result {
        Ok(run) => {
            let start = &run.data_out[..run.data_out.len().min(16)];
            let ctx = if run.ctx_out.is_empty() {
                String::new()
            } else {
                format!(", context {}", hex(&run.ctx_out))
            };
            format!(
                "{} ({} bytes of {}: {}){ctx}",
                run.retval.cast_signed(),
                run.data_out.len(),
                run.data_size,
                hex(start)
            )
        }
        Err(errno) => format!("error {} ({errno})", errno.0),
    }
}

fn packet(len: usize) -> Vec<u8> {
    (0..=255).cycle().take(len).collect()
}

pub(crate) fn test_run(world: &World<'_>, t: &mut Transcript) {
    let length = world.prog("r2 = *(u32 *)(r1 +4)\nr3 = *(u32 *)(r1 +0)\nr0 = r2\nr0 -= r3\nexit");
    for len in [0, 1, 13, 14, 64, 1500, 3519, 3520, 3521, 5000] {
        t.line(
            &format!("length of {len}"),
            show(run(world, run_of(length, packet(len)))),
        );
    }
    t.line(
        "small room",
        show(run(
            world,
            TestRun {
                data_size_out: 10,
                ..run_of(length, packet(64))
            },
        )),
    );
    t.line(
        "no room",
        show(run(
            world,
            TestRun {
                data_size_out: 0,
                ..run_of(length, packet(64))
            },
        )),
    );
    t.line(
        "reserved flags",
        show(run(
            world,
            TestRun {
                flags: 1 << 20,
                ..run_of(length, packet(64))
            },
        )),
    );
    let count = world.prog(
        "r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr4 = r2\nr4 += 14\nr0 = 0\nif r4 > r3 goto out\n\
         r0 = *(u8 *)(r2 +0)\nr0 += 1\n*(u8 *)(r2 +0) = r0\nout:\nexit",
    );
    for repeat in [0, 1, 2, 100] {
        t.line(
            &format!("counted {repeat} times"),
            show(run(
                world,
                TestRun {
                    repeat,
                    ..run_of(count, packet(64))
                },
            )),
        );
    }
    let wide = world.prog("r0 = 0x1234567890 ll\nexit");
    t.line(
        "only 32 bits of r0",
        show(run(world, run_of(wide, packet(64)))),
    );
    t.line(
        "a map is not run",
        show(run(
            world,
            run_of(world.map(map(MapType::ARRAY, 4, 4)), packet(64)),
        )),
    );
    t.line(
        "nothing is not run",
        show(run(world, run_of(Handle(4_000_000), packet(64)))),
    );
}

pub(crate) fn context(world: &World<'_>, t: &mut Transcript) {
    let meta = world.prog("r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +8)\nr0 = r2\nr0 -= r3\nexit");
    let interface = world.prog("r0 = *(u32 *)(r1 +12)\nexit");
    let queue = world.prog("r0 = *(u32 *)(r1 +16)\nexit");
    let ctx = |words: [u32; 6]| words.map(u32::to_ne_bytes).concat();
    let with = |prog, ctx_in| TestRun {
        ctx_in,
        ctx_size_out: 24,
        ..run_of(prog, packet(64))
    };
    t.line("interface", show(run(world, run_of(interface, packet(64)))));
    t.line("queue", show(run(world, run_of(queue, packet(64)))));
    t.line(
        "context out only",
        show(run(
            world,
            TestRun {
                ctx_size_out: 24,
                ..run_of(meta, packet(64))
            },
        )),
    );
    for words in [
        [0, 64, 0, 0, 0, 0],
        [8, 64, 0, 0, 0, 0],
        [4, 64, 0, 0, 0, 0],
        [6, 64, 0, 0, 0, 0],
        [32, 64, 0, 0, 0, 0],
        [0, 65, 0, 0, 0, 0],
        [8, 64, 8, 0, 0, 0],
        [0, 64, 0, 1, 0, 0],
        [0, 64, 0, 0, 1, 0],
        [0, 64, 0, 0, 0, 1],
        [65, 64, 0, 0, 0, 0],
        [64, 64, 0, 0, 0, 0],
        [52, 64, 0, 0, 0, 0],
        [0, 64, 0, 1, 0x7fff_ffff, 0],
    ] {
        t.line(
            &format!("{words:?}"),
            show(run(world, with(meta, ctx(words)))),
        );
    }
    let [a, b, c, d] = [(44, 4), (44, -4), (65, -4), (65, 4)]
        .map(|(helper, delta)| world.prog(&format!("r6 = r1\nr2 = {delta}\ncall {helper}\nexit")));
    let meta_grown = world.prog("r6 = r1\nr2 = -8\ncall 54\nexit");
    for (name, prog) in [
        ("head cut", a),
        ("head grown", b),
        ("tail cut", c),
        ("tail grown", d),
        ("meta grown", meta_grown),
    ] {
        for words in [
            [0, 64, 0, 0, 0, 0],
            [8, 64, 0, 0, 0, 0],
            [8, 64, 0, 1, 0, 0],
        ] {
            t.line(
                &format!("{name} {words:?}"),
                show(run(world, with(prog, ctx(words)))),
            );
        }
    }
    for words in [
        [48, 64, 0, 0, 0, 0],
        [0, 14, 0, 0, 0, 0],
        [0, 13, 0, 0, 0, 0],
        [4, 17, 0, 0, 0, 0],
        [0, 64, 0, 0x7fff_0000, 0, 0],
    ] {
        t.line(
            &format!("{words:?}"),
            show(run(world, with(meta, ctx(words)))),
        );
    }
    for meta_bytes in [212, 216, 220, 252, 256] {
        let big = TestRun {
            data_in: packet(300),
            ..with(meta, ctx([meta_bytes, 300, 0, 0, 0, 0]))
        };
        t.line(
            &format!("{meta_bytes} bytes of metadata of 300"),
            show(run(world, big)),
        );
    }
    t.line("short context", show(run(world, with(meta, vec![0; 8]))));
    t.line(
        "long context of zeros",
        show(run(
            world,
            with(meta, [ctx([0, 64, 0, 0, 0, 0]), vec![0; 8]].concat()),
        )),
    );
    t.line(
        "long context",
        show(run(
            world,
            with(meta, [ctx([0, 64, 0, 0, 0, 0]), vec![1; 8]].concat()),
        )),
    );
}

/// Moving the ends of a packet, over the whole range of what is allowed and one beyond.
pub(crate) fn adjust(world: &World<'_>, t: &mut Transcript) {
    let cases: &[(u32, &str, &[i32])] = &[
        (
            44,
            "head",
            &[-257, -256, -217, -216, -200, -4, 0, 4, 14, 49, 50, 51, 64],
        ),
        (
            54,
            "meta",
            &[
                -257, -256, -220, -216, -212, -100, -36, -32, -8, -4, -3, 0, 4,
            ],
        ),
        (
            65,
            "tail",
            &[-64, -51, -50, -49, -1, 0, 1, 100, 3455, 3456, 3457, 4000],
        ),
    ];
    for (helper, name, deltas) in cases {
        for delta in *deltas {
            let prog = world.prog(&format!("r6 = r1\nr2 = {delta}\ncall {helper}\nexit"));
            t.line(
                &format!("{name} {delta}"),
                show(run(world, run_of(prog, packet(64)))),
            );
        }
    }
    for (first, second) in [
        ((54, -8), (44, -8)),
        ((54, -8), (44, 8)),
        ((54, -8), (44, -212)),
        ((44, -100), (54, -120)),
        ((54, -8), (54, 8)),
    ] {
        let prog = world.prog(&format!(
            "r6 = r1\nr2 = {}\ncall {}\nr7 = r0\nr1 = r6\nr2 = {}\ncall {}\nr7 <<= 16\nr0 += r7\nexit",
            first.1, first.0, second.1, second.0,
        ));
        t.line(
            &format!("{first:?} then {second:?}"),
            show(run(world, run_of(prog, packet(64)))),
        );
    }
}

/// Results of helpers that do not depend on the machine, by a program for each call.
pub(crate) fn helpers(world: &World<'_>, t: &mut Transcript) {
    for (from, to, seed) in [
        ("0", "0x01020304", 0),
        ("0x01020304", "0", 0),
        ("-1", "0x7fff0001", 5),
        ("0x11223344", "0x11223344", 0xffff),
        ("-1", "-1", -1),
    ] {
        for (from_size, to_size) in [(4, 4), (0, 4), (4, 0), (0, 0), (3, 4), (4, 2)] {
            let prog = world.prog(&format!(
                "r1 = {from}\n*(u64 *)(r10 -8) = r1\nr1 = {to}\n*(u64 *)(r10 -16) = r1\nr1 = r10\nr1 += -8\nr2 = {from_size}\n\
                 r3 = r10\nr3 += -16\nr4 = {to_size}\nr5 = {seed}\ncall 28\nexit",
            ));
            t.line(
                &format!("csum_diff {from}/{from_size} {to}/{to_size} {seed}"),
                show(run(world, run_of(prog, packet(14)))),
            );
        }
    }
    for flags in ["0", "1", "8"] {
        let prog = world.prog(&format!("r1 = 1\nr2 = {flags}\ncall 23\nexit"));
        t.line(
            &format!("redirect with flags {flags}"),
            show(run(world, run_of(prog, packet(14)))),
        );
    }
    let prog = world.prog("call 42\nexit");
    t.line("numa node", show(run(world, run_of(prog, packet(14)))));
    for (offset, len) in [
        (0, 8),
        (60, 4),
        (60, 5),
        (0x7fff_ffff, 4),
        (-1, 4),
        (3518, 8),
    ] {
        for (helper, name) in [(189, "load"), (190, "store")] {
            let prog = world.prog(&format!(
                "r0 = 0\n*(u64 *)(r10 -8) = r0\nr2 = {offset}\nr3 = r10\nr3 += -8\nr4 = {len}\ncall {helper}\nif r0 != 0 goto out\nr0 = *(u64 *)(r10 -8)\nout:\nexit",
            ));
            for packet_len in [64, 5000] {
                t.line(
                    &format!("xdp_{name}_bytes {offset} {len} of {packet_len}"),
                    show(run(world, run_of(prog, packet(packet_len)))),
                );
            }
        }
    }
    let prog = world.prog("call 188\nexit");
    for len in [64, 5000] {
        t.line(
            &format!("xdp_get_buff_len of {len}"),
            show(run(world, run_of(prog, packet(len)))),
        );
    }
}

/// Formats of `bpf_trace_printk`: what it returns for each (the length of the text, or why the format is refused).
pub(crate) fn formats(world: &World<'_>, t: &mut Transcript) {
    let formats = [
        "plain",
        "",
        "%d",
        "%i",
        "%u",
        "%x",
        "%X",
        "%ld",
        "%lld",
        "%lu",
        "%llx",
        "%c",
        "%5d",
        "%-5d|",
        "%05d",
        "%+d",
        "% d",
        "%20llx",
        "%%",
        "%%d",
        "%d %d %d",
        "%d %d %d %d",
        "%s",
        "%pks",
        "%pus",
        "%p",
        "%pK",
        "%px",
        "%ps",
        "%pS",
        "%pB",
        "%pi4",
        "%pI4",
        "%pi6",
        "%pI6",
        "%pI5",
        "%pa",
        "%s%s%s",
        "%sx",
        "%s,",
        "%pksx",
        "%",
        "%z",
        "%l",
        "%ll",
        "%h",
        "%hd",
        "%#x",
        "%.3d",
        "%5",
        "%-",
        "new\nline",
        "tab\there",
        "bell\u{7}",
        "\u{e9}",
        "trailing newline\n",
        "%d%%%d",
        "%pK.",
        "%p,",
        "%px;",
        "%cx",
        "%c%c%c",
        "%3c",
        "%5s|",
        "%-5s|",
    ];
    for format in formats {
        let mut bytes = format.as_bytes().to_vec();
        bytes.push(0);
        let size = bytes.len();
        bytes.resize(size.next_multiple_of(8), 0);
        let depth = bytes.len();
        let mut text = String::new();
        for (number, word) in bytes.as_chunks::<8>().0.iter().enumerate() {
            let offset = depth - number * 8;
            text += &format!(
                "r1 = {:#x} ll\n*(u64 *)(r10 -{offset}) = r1\n",
                u64::from_le_bytes(*word)
            );
        }
        // The arguments: minus one, a number that looks like no address, zero.
        text += &format!(
            "r1 = r10\nr1 += -{depth}\nr2 = {size}\nr3 = -1\nr4 = 1234\nr5 = 0\ncall 6\nexit"
        );
        let prog = world.prog(&text);
        let result = run(world, run_of(prog, packet(14))).map(|run| run.retval.cast_signed());
        t.line(&format!("{format:?}"), format!("{result:?}"));
    }
}

/// The verifier may record only one value of r6 at the join and prune the other path, because nobody asked for precision;
/// code that took the recorded value for a fact would return it on both paths.
pub(crate) fn fact_pruned_imprecise(world: &World<'_>, t: &mut Transcript) {
    let prog = world.prog(
        "r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr4 = r2\nr4 += 1\nr0 = 7\nif r4 > r3 goto out\n\
         r0 = *(u8 *)(r2 +0)\nr6 = 1000\nif r0 == 0 goto join\nr6 = 1\njoin:\nr0 = r6\nout:\nexit",
    );
    for first in [0, 1, 255] {
        let mut data = packet(64);
        data[0] = first;
        t.line(
            &format!("first byte {first}"),
            show(run(world, run_of(prog, data))),
        );
    }
}
