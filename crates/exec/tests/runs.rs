//! Small programs that every engine must run to the same result, registers and packet alike, and how runs end early.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use skep_exec::{EngineKind, Image, Native, Packet, PacketSpec, RunError, RunSettings, Runner};
use skep_helpers::{Clock, Services};
use skep_isa::text::assemble;
use skep_xlate::Xlated;
use std::sync::atomic::{AtomicU32, Ordering};

const ENGINES: [EngineKind; 3] = [EngineKind::Native, EngineKind::Interp, EngineKind::Checked];

/// Counts its trace lines, and panics at the one of that number.
#[derive(Default)]
struct TestServices {
    lines: AtomicU32,
    panics_at: Option<u32>,
}

impl Services for TestServices {
    fn clock_ns(&self, _clock: Clock) -> u64 {
        1000
    }

    fn random_u32(&self) -> u32 {
        4
    }

    fn trace(&self, _cpu: u32, _line: &[u8]) {
        let line = self.lines.fetch_add(1, Ordering::Relaxed);
        assert!(self.panics_at != Some(line), "line {line} is one too many");
    }
}

fn image(text: &str) -> Image {
    let program = assemble(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let xlated = Xlated::assume_verified_for_tests(&program);
    Image::publish(xlated, Vec::new(), Native::IfPossible).unwrap()
}

/// The engines that this host has.
fn engines(image: &Image) -> impl Iterator<Item = EngineKind> {
    let native = image.compiled().is_some();
    ENGINES
        .into_iter()
        .filter(move |engine| native || *engine != EngineKind::Native)
}

fn run(
    image: &Image,
    engine: EngineKind,
    services: &TestServices,
    repeat: u32,
) -> (Result<u64, RunError>, Vec<u8>) {
    let bytes: Vec<u8> = (1..=64).collect();
    let packet = Packet::new(&bytes, &PacketSpec::default()).unwrap();
    let settings = RunSettings {
        services,
        cpu: 3,
        numa_node: 1,
    };
    let outcome = Runner::new(image, settings).run(engine, &packet, repeat);
    (outcome.map(|outcome| outcome.retval), packet.bytes())
}

/// Each program begins with r1, the packet's first byte.
const PROGRAMS: &[(&str, &str, u64)] = &[
    (
        "constants",
        "r0 = 0x1122334455667788 ll\nw0 += 1\nexit",
        0x5566_7789,
    ),
    (
        "division by zero",
        "r0 = 7\nr2 = 0\nr0 /= r2\nr0 += 5\nexit",
        5,
    ),
    (
        "signed division of the smallest",
        "r0 = 0x8000000000000000 ll\nr2 = -1\nr0 s/= r2\nexit",
        1 << 63,
    ),
    ("shifts are masked", "r0 = 1\nr2 = 65\nr0 <<= r2\nexit", 2),
    (
        "arithmetic shift of 32 bits",
        "w0 = -16\nw0 s>>= 2\nexit",
        0xffff_fffc,
    ),
    (
        "swaps",
        "r0 = *(u32 *)(r1 +0)\nr0 = be32 r0\nexit",
        0x0102_0304,
    ),
    (
        "sign-extending load",
        "*(u8 *)(r1 +9) = 200\nr0 = *(s8 *)(r1 +9)\nexit",
        (-56_i64).cast_unsigned(),
    ),
    (
        "sizes of stores",
        "r2 = -1\n*(u16 *)(r1 +8) = r2\nr0 = *(u64 *)(r1 +8)\nexit",
        0x100f_0e0d_0c0b_ffff,
    ),
    (
        "unaligned access",
        "r0 = *(u64 *)(r1 +3)\n*(u64 *)(r1 +13) = r0\nexit",
        0x0b0a_0908_0706_0504,
    ),
    (
        "atomics",
        "r2 = 5\nr2 = atomic64_fetch_add((u64 *)(r1 +0), r2)\nlock *(u64 *)(r1 +8) += r2\nr0 = *(u64 *)(r1 +8)\nexit",
        0x1816_1412_100e_0c0a,
    ),
    (
        "compare and exchange of 32 bits",
        "r0 = 0x04030201\nr2 = -1\nr0 = atomic_cmpxchg((u32 *)(r1 +0), r0, r2)\nr2 = *(u64 *)(r1 +0)\nr0 += r2\nexit",
        0x0807_0605_ffff_ffff_u64.wrapping_add(0x0403_0201),
    ),
    (
        "a loop",
        "r0 = 0\nr2 = 10\nl: r0 += r2\nr2 += -1\nif r2 s> 0x0 goto l\nexit",
        55,
    ),
    (
        "branches of 32 bits see half",
        "r2 = 0x100000001 ll\nr0 = 0\nif w2 == 0x1 goto pc+1\nexit\nr0 = 1\nif r2 == 0x1 goto pc+1\nr0 = 2\nexit",
        2,
    ),
    (
        "local calls have frames of their own",
        "*(u64 *)(r10 -8) = 7\nr6 = 100\nr2 = r10\nr2 += -8\nr1 = r2\ncall f\nr2 = *(u64 *)(r10 -8)\nr0 += r2\nr0 += r6\nexit\n\
         f: *(u64 *)(r10 -8) = 1\nr6 = *(u64 *)(r1 +0)\n*(u64 *)(r1 +0) = 20\nr0 = *(u64 *)(r10 -8)\nr0 += r6\nexit",
        128,
    ),
    (
        "eight frames of 512 bytes",
        "r1 = 7\n*(u64 *)(r10 -512) = 1\ncall f\nr2 = *(u64 *)(r10 -512)\nr0 += r2\nexit\n\
         f: *(u64 *)(r10 -512) = 1\nr1 += -1\nr0 = 0\nif r1 == 0x0 goto e\ncall f\ne: r2 = *(u64 *)(r10 -512)\nr0 += r2\nexit",
        8,
    ),
    (
        "helpers keep r6 to r9",
        "r6 = 1\nr7 = 2\nr8 = 3\nr9 = 4\ncall 8\nr0 += r6\nr0 += r7\nr0 += r8\nr0 += r9\nexit",
        13,
    ),
    (
        "helpers within a local call",
        "r6 = 5\ncall f\nr0 += r6\nexit\nf: call 42\nr6 = r0\ncall 7\nr0 += r6\nexit",
        10,
    ),
    (
        "may_goto ends a loop",
        "r0 = 0\nl: r0 += 1\nmay_goto pc+1\ngoto l\nexit",
        (8 << 20) + 1,
    ),
];

#[test]
fn every_engine_gives_the_same() {
    for (name, text, expected) in PROGRAMS {
        let image = image(&format!("r1 = *(u64 *)(r1 +0)\n{text}"));
        let mut packets = Vec::new();
        for engine in engines(&image) {
            let (result, packet) = run(&image, engine, &TestServices::default(), 1);
            assert_eq!(result, Ok(*expected), "{name}, {engine:?}");
            packets.push(packet);
        }
        assert!(packets.iter().all(|packet| *packet == packets[0]), "{name}");
    }
}

/// A trace line of seven bytes, then r0 = 9.
const TRACES: &str = "r2 = 0x20676e69686e6f00 ll\n*(u64 *)(r10 -8) = r2\nr1 = r10\nr1 += -7\nr2 = 7\n\
                      *(u8 *)(r10 -1) = 0\ncall 6\nr0 = 9\nexit";

#[test]
fn a_panicking_helper_ends_its_run_and_no_other() {
    let image = image(TRACES);
    for engine in engines(&image) {
        let services = TestServices {
            panics_at: Some(2),
            ..TestServices::default()
        };
        let (result, _) = run(&image, engine, &services, 2);
        assert_eq!(result, Ok(9), "{engine:?}");
        let (result, _) = run(&image, engine, &services, 1);
        let Err(RunError::Panic { message }) = result else {
            panic!("{engine:?}: {result:?}")
        };
        assert!(message.contains("line 2 is one too many"), "{message}");
        let (result, _) = run(&image, engine, &services, 1);
        assert_eq!(result, Ok(9), "{engine:?}");
    }
}

#[test]
fn a_failure_stops_a_batch() {
    let image = image(TRACES);
    for engine in engines(&image) {
        let services = TestServices {
            panics_at: Some(0),
            ..TestServices::default()
        };
        let (result, _) = run(&image, engine, &services, 1_000_000);
        assert!(matches!(result, Err(RunError::Panic { .. })), "{engine:?}");
        assert!(services.lines.into_inner() <= 64, "{engine:?}");
    }
}

/// What a program may not touch is a fault in a checked run; the others are never given such a program.
#[test]
fn checked_runs_refuse_what_is_outside() {
    for text in [
        "r0 = *(u64 *)(r10 +0)\nexit",
        "r1 = *(u64 *)(r1 +0)\nr0 = *(u64 *)(r1 +57)\nexit",
        "r1 = 0\nr0 = *(u8 *)(r1 +0)\nexit",
        "r1 = 0\nr2 = r10\ncall 1\nexit",
    ] {
        let (result, _) = run(
            &image(text),
            EngineKind::Checked,
            &TestServices::default(),
            1,
        );
        assert!(
            matches!(result, Err(RunError::Fault { .. })),
            "{text}: {result:?}"
        );
    }
}

#[test]
fn without_machine_code_there_is_no_native_engine() {
    let program = assemble("r0 = 1\nexit").unwrap();
    let xlated = Xlated::assume_verified_for_tests(&program);
    let image = Image::publish(xlated, Vec::new(), Native::Never).unwrap();
    let services = TestServices::default();
    let (result, _) = run(&image, EngineKind::Native, &services, 1);
    assert!(matches!(result, Err(RunError::NoEngine { .. })));
    assert_eq!(run(&image, EngineKind::Interp, &services, 1).0, Ok(1));
}
