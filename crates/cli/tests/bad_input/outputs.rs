//! Readers that go away, and disks that are full, on the side of the results.

use crate::common::{Program, Said, World, one_line};
use std::fs::OpenOptions;
use std::process::Stdio;

/// Commands that print, short and long.
const COMMANDS: [&str; 12] = [
    "prog list",
    "prog list -j",
    "prog dump xlated name hello visual",
    "prog dump jited name hello -p",
    "map dump name hello.bss",
    "btf dump file examples/hello.bpf.o",
    "btf dump file examples/hello.bpf.o format c",
    "objdump -S examples/hello.bpf.o",
    "run examples/hello.bpf.o",
    "run examples/hello.bpf.o -j",
    "daemon status",
    "version",
];

/// `skep ... | true`: quiet, as programs are that such a pipe ends.
pub(crate) fn closed_pipe(program: &Program) {
    let world = World::with_hello(program);
    for line in COMMANDS {
        let mut child = world.start(line);
        drop(child.stdout.take());
        let said = Said::of(&child.wait_with_output().unwrap());
        assert_eq!(said.err, "", "{line}");
    }
    // Nobody reads the trace pipe's lines: the reader ends, and the program that prints does not notice.
    let mut reader = world.start("prog tracelog");
    drop(reader.stdout.take());
    world.results("prog run name hello data_in packet repeat 10");
    assert_eq!(world.results("map list").lines().count(), 6);
    reader.kill().unwrap();
    reader.wait().unwrap();
}

/// A device without room is an error.
pub(crate) fn full_device(program: &Program) {
    let world = World::with_hello(program);
    for line in COMMANDS {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = world.skep(line.split_whitespace());
        let said = Said::of(&command.stdout(full).output().unwrap());
        assert_ne!(said.code, Some(0), "{line}");
        assert!(
            one_line(&said.err).contains("No space left on device"),
            "{line}: {}",
            said.err
        );
    }
    // Files that commands write.
    for line in [
        "prog dump xlated name hello file /dev/full",
        "prog run name hello data_in packet data_out /dev/full",
    ] {
        let said = world.run(line);
        assert_ne!(said.code, Some(0), "{line}");
        assert!(
            one_line(&said.err).contains("/dev/full"),
            "{line}: {}",
            said.err
        );
    }
}

/// Without standard streams nothing that a command opens takes their place.
pub(crate) fn no_standard_output(program: &Program) {
    let world = World::with_hello(program);
    for line in COMMANDS {
        let script = format!("exec {} {line} <&- >&- 2>&-", program.skep().display());
        let mut command = world.command("/bin/sh");
        let said = Said::of(
            &command
                .args(["-c", &script])
                .stdout(Stdio::piped())
                .output()
                .unwrap(),
        );
        assert_eq!((said.out.as_str(), said.err.as_str()), ("", ""), "{line}");
        assert!(said.code.is_some(), "{line}: {said:?}");
    }
    let world = World::new(program);
    let script = format!(
        "{} prog load examples/hello.bpf.o /sys/fs/bpf/hello <&- >&- 2>&-",
        program.skep().display()
    );
    let said = Said::of(
        &world
            .command("/bin/sh")
            .args(["-c", &script])
            .output()
            .unwrap(),
    );
    assert_eq!(said.code, Some(0));
    assert_eq!(world.results("pin list"), "/sys/fs/bpf/hello  prog 1\n");
}
