//! What lives how long: programs, maps, and the daemon itself. As in the kernel, what nobody holds vanishes.

use crate::common::{ORDINARY, Program, World, is_root, wait_until};
use std::time::Duration;

/// Nothing is left of programs, maps and types.
fn is_empty(world: &World) -> bool {
    ["prog list", "map list", "btf list", "pin list"]
        .iter()
        .all(|line| world.results(line).is_empty())
}

/// A program and what it uses live while it is pinned, under any name.
pub(crate) fn of_a_program(program: &Program) {
    let world = World::with_hello(program);
    assert_eq!(world.results("pin list"), "/sys/fs/bpf/hello  prog 1\n");
    world.silent("prog pin name hello /sys/fs/bpf/second");
    world.silent("pin rm /sys/fs/bpf/hello");
    assert_eq!(
        world
            .results("prog run pinned /sys/fs/bpf/second data_in packet")
            .lines()
            .count(),
        1
    );
    assert_eq!(world.results("map list -j").matches("\"id\":").count(), 2);
    world.silent("pin rm /sys/fs/bpf/second");
    assert!(is_empty(&world));
    assert_eq!(
        world.refused("prog show id 1", 255),
        "Error: get by id (1): No such file or directory"
    );
    // A pin that is not made leaves nothing either, and ids are not used twice.
    world.refused("prog load examples/hello.bpf.o /sys/fs/bpf/with.dot", 255);
    assert!(is_empty(&world));
    world.silent("prog load examples/hello.bpf.o /sys/fs/bpf/hello");
    assert_ne!(world.json("prog show name hello -j", "id"), "1");
}

/// A pinned map outlives its program, with its value and its types; the maps that are not pinned do not.
pub(crate) fn of_a_map(program: &Program) {
    let world = World::with_hello(program);
    world.results("prog run name hello data_in packet repeat 7");
    world.silent("map pin name hello.bss /sys/fs/bpf/counter");
    world.silent("pin rm /sys/fs/bpf/hello");
    assert_eq!(world.results("prog list"), "");
    assert_eq!(
        world.results("map list"),
        world.results("map show pinned /sys/fs/bpf/counter")
    );
    assert!(
        world
            .results("map dump name hello.bss")
            .contains("\"counter\": 7\n")
    );
    world.silent("pin rm /sys/fs/bpf/counter");
    assert!(is_empty(&world));
}

/// Two programs that share a map see each other's changes.
pub(crate) fn of_a_shared_map(program: &Program) {
    let world = World::new(program);
    world.write("packet", [0; 64]);
    world.silent("prog load examples/hello.bpf.o /sys/fs/bpf/one pinmaps /sys/fs/bpf/maps");
    assert!(
        world
            .results("pin list")
            .contains("/sys/fs/bpf/maps/hello_bss  map ")
    );
    world.silent("prog load examples/hello.bpf.o /sys/fs/bpf/two map name hello.bss pinned /sys/fs/bpf/maps/hello_bss");
    for pin in ["one", "two", "one"] {
        world.results(&format!("prog run pinned /sys/fs/bpf/{pin} data_in packet"));
    }
    assert!(
        world
            .results("map dump pinned /sys/fs/bpf/maps/hello_bss")
            .contains("\"counter\": 3\n")
    );
    world.silent("pin rm /sys/fs/bpf/maps/hello_bss /sys/fs/bpf/maps/hello_rodata /sys/fs/bpf/one");
    world.results("prog run pinned /sys/fs/bpf/two data_in packet");
    assert!(
        world
            .results("map dump name hello.bss")
            .contains("\"counter\": 4\n")
    );
    world.silent("pin rm /sys/fs/bpf/two");
    assert!(is_empty(&world));
}

/// The daemon stays while something is pinned, and ends by itself when it holds nothing and nobody came for a while.
pub(crate) fn of_the_daemon(program: &Program) {
    let world = World::new(program);
    // Looking starts none.
    assert_eq!(world.results("prog list"), "");
    assert_eq!(world.run("daemon status").code, Some(3));
    world.silent("daemon stop");

    let mut daemon = world.start("daemon run idle 1");
    wait_until("it serves", || world.run("daemon status").code == Some(0));
    assert_eq!(
        world.json("daemon status -j", "pid"),
        daemon.id().to_string()
    );
    world.silent("prog load examples/hello.bpf.o /sys/fs/bpf/hello");
    std::thread::sleep(Duration::from_millis(2500));
    assert!(daemon.try_wait().unwrap().is_none(), "it holds a pin");
    world.silent("pin rm /sys/fs/bpf/hello");
    wait_until("it ends", || daemon.try_wait().unwrap().is_some());
    assert!(daemon.wait().unwrap().success());
    assert_eq!(world.run("daemon status").code, Some(3));
}

/// `daemon status`, `list` and `stop`.
pub(crate) fn status(program: &Program) {
    let world = World::with_hello(program);
    let (text, json) = (
        world.results("daemon status"),
        world.results("daemon status -j"),
    );
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let uid = if is_root() {
        ORDINARY
    } else {
        skep_sys::effective_uid()
    };
    assert_eq!(json["uid"], uid);
    let counts = ["progs", "maps", "btfs", "links", "pins"].map(|key| json[key].as_u64().unwrap());
    assert_eq!(counts, [1, 2, 1, 0, 1]);
    assert!(
        text.contains("\tprogs 1  maps 2  btfs 1  links 0  pins 1  "),
        "{text}"
    );
    let socket = json["socket"].as_str().unwrap();
    assert!(
        socket.starts_with(world.runtime().to_str().unwrap()),
        "{socket}"
    );
    let namespace = std::fs::read_link("/proc/self/ns/net").unwrap();
    assert_eq!(
        namespace.to_str().unwrap(),
        format!("net:[{}]", json["net_namespace"])
    );
    let pid = json["pid"].to_string();
    assert!(
        text.starts_with(&format!("pid {pid}  uid {uid}  ")),
        "{text}"
    );
    // The same user may have a daemon of its own in /tmp.
    let list = world.results("daemon list");
    let here = list.lines().find(|line| line.ends_with("(here)")).unwrap();
    assert!(
        here.starts_with(&format!("{socket}: running  pid {pid}  ")),
        "{list}"
    );
    let list: serde_json::Value = serde_json::from_str(&world.results("daemon list -j")).unwrap();
    let here = list
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["here"] == true)
        .unwrap();
    assert_eq!(
        (&here["pid"], &here["socket"]),
        (&json["pid"], &json["socket"])
    );

    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
    let meta = std::fs::metadata(socket).unwrap();
    assert!(meta.file_type().is_socket());
    assert_eq!((meta.mode() & 0o777, meta.uid()), (0o600, uid));
    world.silent("daemon stop");
    let said = world.run("daemon status");
    assert_eq!(
        (said.code, said.out),
        (Some(3), format!("no daemon is running (socket {socket})\n"))
    );
    let said = world.run("daemon status -j");
    assert_eq!((said.code, said.out.as_str()), (Some(3), "null\n"));
    assert!(!world.results("daemon list").contains(socket));
    // What it held is gone with it, as after a reboot.
    assert_eq!(world.results("prog list"), "");
}
