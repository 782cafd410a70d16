//! The typed commands against the running kernel. What needs rights that are missing is reported as ignored, and as
//! failed where `SKEP_REQUIRE` names `oracle`. Nothing is attached; pins live in a bpffs of a private mount namespace.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod asm;
mod commands;
mod net;
mod pins;
mod uapi_ids;

use skep_linux::LinuxBpf;
use skep_testkit::{Harness, Need};
use skep_uapi::{Bpf, Command, Errno, MapCreate, MapType, Value};

type Test = (&'static str, fn());

/// Tests that load into the kernel.
const ORACLE: &[Test] = &[
    ("hello_loads_and_tells_about_itself", commands::hello),
    ("hello_runs", commands::hello_runs),
    ("rejected_program_has_errno_and_log", commands::rejected),
    ("map_elements", commands::elements),
    ("per_cpu_values", commands::per_cpu),
    ("prog_array_takes_handles", commands::prog_array),
    ("descriptor_array", commands::descriptor_array),
    ("wrong_handles", commands::wrong_handles),
    ("btf_garbage_is_einval", commands::btf_garbage),
    ("btf_loads_and_reads_back", commands::btf),
    ("ids_and_status", commands::ids),
    (
        "syscall_program_writes_its_context",
        commands::syscall_context,
    ),
    ("pins_in_a_private_bpffs", pins::pins),
    ("files_that_are_not_pins", pins::not_pins),
    ("trace_lines", pins::trace),
    ("attachments_refused", net::refusals),
    ("attachments_listed", net::listing),
];

fn main() {
    let mut harness = Harness::from_args();
    for &(name, test) in ORACLE {
        harness = harness.case(name, &[Need::Oracle], test);
    }
    harness
        .case("uapi_ids_are_the_kernels", &[Need::Oracle], uapi_ids::check)
        .run();
}

fn array(value_size: u32, max_entries: u32) -> MapCreate {
    MapCreate {
        map_type: MapType::ARRAY,
        key_size: 4,
        value_size,
        max_entries,
        name: "skep_test".to_owned(),
        ..MapCreate::default()
    }
}

/// The value of a command that must succeed.
fn ok(bpf: &LinuxBpf, command: Command) -> Value {
    let text = format!("{command:?}");
    let reply = bpf.call(command);
    reply
        .result
        .unwrap_or_else(|errno| panic!("{text}: {errno} {}", reply.log))
}

/// The error of a command that must fail.
fn err(bpf: &LinuxBpf, command: Command) -> Errno {
    bpf.call(command).result.unwrap_err()
}

/// Takes the content out of a value of the expected shape.
macro_rules! content {
    ($value:expr, $shape:path) => {
        match $value {
            $shape(content) => content,
            other => panic!("expected {}: {other:?}", stringify!($shape)),
        }
    };
}
use content;
