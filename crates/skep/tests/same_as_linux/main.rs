//! The same commands on skep's machine and on Linux: each case writes a transcript, which must be the committed one on both.
//!
//! What may differ between two machines (ids, handles, times, addresses) never enters a transcript; what Linux answers does.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod battery;
mod devices;
mod edges;
mod maps;
mod objects;
mod progs;
mod runs;
mod transcript;

use skep::{Engine, Machine, Peer};
use skep_linux::LinuxBpf;
use skep_testkit::oracle::BpfFs;
use skep_testkit::{Harness, Need, TempDir, golden};
use transcript::{Transcript, World};

type Case = fn(&World<'_>, &mut Transcript);

/// skep's engines; each runs every case.
const ENGINES: [(&str, Engine); 3] = [
    ("jit", Engine::Jit),
    ("interp", Engine::Interp),
    ("checked", Engine::Checked),
];

/// Every case; the name is the transcript's.
const CASES: &[(&str, Case)] = &[
    ("array", maps::array),
    ("hash", maps::hash),
    ("percpu_array", maps::percpu_array),
    ("map_create", maps::create_errors),
    ("device_maps", devices::commands),
    ("redirect_map", devices::redirection),
    ("freeze", maps::freeze),
    ("access_flags", maps::access_flags),
    ("map_info", maps::info),
    ("handles", objects::handles),
    ("pins", objects::pins),
    ("lifetimes", objects::lifetimes),
    ("btf_load", objects::btf_load),
    ("prog_load_errors", progs::load_errors),
    ("decode_logs", progs::decode_logs),
    ("many_keys", edges::many_keys),
    ("takes", edges::takes),
    ("sizes", edges::sizes),
    ("map_types", edges::map_types),
    ("records", edges::records),
    ("load_options", edges::load_options),
    ("ids", edges::ids),
    ("hello_info", progs::hello_info),
    ("test_run", runs::test_run),
    ("test_run_context", runs::context),
    ("adjust", runs::adjust),
    ("helpers", runs::helpers),
    ("formats", runs::formats),
    ("fact_pruned_imprecise", runs::fact_pruned_imprecise),
    ("battery_snprintf", battery::snprintf),
    ("battery_tables", battery::tables),
    ("battery_trace", battery::trace),
];

fn main() {
    let mut harness = Harness::from_args();
    for &(name, case) in CASES {
        for (label, engine) in ENGINES {
            harness = harness.case(format!("{label}/{name}"), &[], move || {
                let machine = Machine::new();
                let bpf = machine.connect(Peer::this_process());
                check(
                    name,
                    case,
                    &World {
                        bpf: &bpf,
                        pins: "/sys/fs/bpf",
                        engine,
                    },
                );
            });
        }
        harness = harness.case(format!("linux/{name}"), &[Need::Oracle], move || {
            in_private_mounts(move || {
                let bpffs = BpfFs::mount();
                let pins = bpffs.display().to_string();
                check(
                    name,
                    case,
                    &World {
                        bpf: &LinuxBpf::new(),
                        pins: &pins,
                        engine: Engine::Auto,
                    },
                );
            });
        });
    }
    harness.run();
}

/// Runs a test in a thread that sees mounts of its own, the trace pipe's file system among them.
fn in_private_mounts(test: impl FnOnce() + Send + 'static) {
    let folder = TempDir::new("tracefs");
    let thread = std::thread::spawn(move || {
        skep_sys::private_mount_namespace().unwrap();
        skep_sys::mount_pseudo(skep_sys::TRACE_FS, folder.path()).unwrap();
        test();
        skep_sys::unmount(folder.path()).unwrap();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn check(name: &str, case: Case, world: &World<'_>) {
    let mut transcript = Transcript::default();
    case(world, &mut transcript);
    golden(
        format!("tests/same_as_linux/transcripts/{name}.txt"),
        &transcript.text,
    );
}
