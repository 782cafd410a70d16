//! How long runs take: a batch of test runs on each engine and on Linux, and an embedder's single runs.

use crate::linux::linux;
use crate::sample::Sample;
use crate::{Outcome, root};
use skep::{Machine, Object};
use skep_loader::{Options, load};
use skep_object::ObjectName;
use skep_uapi::{Bpf, Command, Engine, Handle, TestRun, Value};
use std::time::Instant;

const ROUNDS: u32 = 12;
const REPEAT: u32 = 1_000_000;
const PROGRAMS: [&str; 2] = ["tiny", "parseonly"];
/// Bytes of the packet: one that an Ethernet frame holds.
const PACKET_BYTES: usize = 1514;

pub(crate) fn run() -> Outcome {
    let linux = linux();
    println!("{ROUNDS} interleaved rounds of {REPEAT} runs, nanoseconds a run: minimum (median)");
    println!(
        "\n{:<12} {:>16} {:>16} {:>16} {:>16}",
        "", "skep JIT", "Linux JIT", "skep interp", "embedder, single"
    );
    for name in PROGRAMS {
        let path = format!("benches/progs/{name}.o");
        let bytes = std::fs::read(root().join(&path))?;
        let object = Object::parse(&bytes, &path)?;
        let loaded = Machine::new().load(&object)?;
        let program = loaded.program("prog")?;
        let packet = packet();
        let theirs = linux.as_ref().map(|linux| {
            let object = skep_object::parse(&bytes)?;
            let loaded = load(&object, linux, &Options::new(ObjectName::from_path(&path)))?;
            let handle = loaded.programs.first().ok_or("no program")?.handle;
            Outcome::Ok((linux, handle))
        });
        let theirs = theirs.transpose()?;
        let [mut jit, mut kernel, mut interp, mut single] = <[Sample; 4]>::default();
        for _ in 0..ROUNDS {
            jit.add(per_run(
                program
                    .run_on(&packet, Engine::Jit, REPEAT)?
                    .elapsed
                    .as_secs_f64(),
                REPEAT,
            ));
            if let Some((linux, prog)) = theirs {
                kernel.add(kernel_run(linux, prog, &packet)?);
            }
            let fewer = REPEAT / 20;
            interp.add(per_run(
                program
                    .run_on(&packet, Engine::Interp, fewer)?
                    .elapsed
                    .as_secs_f64(),
                fewer,
            ));
            single.add(embedder(&program, &packet)?);
        }
        let cells = [&jit, &kernel, &interp, &single].map(|sample| sample.show(2));
        println!(
            "{name:<12} {:>16} {:>16} {:>16} {:>16}",
            cells[0], cells[1], cells[2], cells[3]
        );
    }
    Ok(())
}

fn per_run(seconds: f64, runs: u32) -> f64 {
    seconds * 1e9 / f64::from(runs)
}

/// Single runs through the embedder's interface, one call each.
fn embedder(program: &skep::Program, packet: &[u8]) -> Outcome<f64> {
    let prepared = program.prepare(packet)?;
    program.with_runner(|runner| {
        let begun = Instant::now();
        let mut sum = 0_u32;
        for _ in 0..REPEAT {
            sum = sum.wrapping_add(runner.run(&prepared)?);
        }
        let elapsed = begun.elapsed().as_secs_f64();
        std::hint::black_box(sum);
        Ok(per_run(elapsed, REPEAT))
    })?
}

fn kernel_run(linux: &dyn Bpf, prog: Handle, packet: &[u8]) -> Outcome<f64> {
    let run = TestRun {
        prog,
        data_in: packet.to_vec(),
        data_size_out: 0,
        ctx_in: Vec::new(),
        ctx_size_out: 0,
        repeat: REPEAT,
        flags: 0,
        cpu: 0,
        engine: Engine::Auto,
    };
    // Linux's own figure is whole nanoseconds; the time of the whole call is finer and hardly more.
    let begun = Instant::now();
    match linux.call(Command::TestRun(Box::new(run))).result? {
        Value::TestRun(_) => Ok(per_run(begun.elapsed().as_secs_f64(), REPEAT)),
        other => Err(format!("unexpected answer {other:?}").into()),
    }
}

/// A valid Ethernet, IPv4 and TCP header to port 443, then bytes of a generator; the same on every run.
fn packet() -> Vec<u8> {
    let mut packet = vec![
        2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00, // Ethernet
        0x45, 0, 0x05, 0xdc, 0, 7, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0,
        2, // IPv4, 1500 bytes
        0x30, 0x39, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 0xff, 0xff, 0, 0, 0,
        0, // TCP
    ];
    let words = packet[14..34]
        .as_chunks::<2>()
        .0
        .iter()
        .map(|word| u32::from(u16::from_be_bytes(*word)));
    let sum = words.sum::<u32>();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = u16::try_from(!folded & 0xffff).expect("masked to 16 bits");
    packet[24..26].copy_from_slice(&checksum.to_be_bytes());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    while packet.len() < PACKET_BYTES {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        packet.push(state.to_be_bytes()[0]);
    }
    packet
}
