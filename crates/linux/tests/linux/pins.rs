//! Pins and the trace pipe, in file systems that only the test's own thread sees.

use crate::asm::{load, returning, xdp};
use crate::commands::{load_hello, run};
use crate::{array, content, err, ok};
use skep_linux::LinuxBpf;
use skep_sys::{BPF_FS, TRACE_FS, mount_pseudo, private_mount_namespace};
use skep_uapi::{Command, Errno, ObjectKind, PinInfo, Value};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::spawn;

/// Runs `test` with a file system of `fs_type` mounted in a fresh folder, in a thread of its own, because the
/// namespace stays with the thread.
fn with_mounted(name: &str, fs_type: &'static str, test: fn(&Path)) {
    let folder: PathBuf =
        std::env::temp_dir().join(format!("skep-linux-{name}-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    let mounted = folder.clone();
    let thread = spawn(move || {
        private_mount_namespace().unwrap();
        mount_pseudo(fs_type, &mounted).unwrap();
        test(&mounted);
    });
    let result = thread.join();
    fs::remove_dir(&folder).unwrap();
    result.unwrap();
}

/// A name in the mounted folder.
fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

pub(crate) fn pins() {
    with_mounted("pins", BPF_FS, |folder| {
        let bpf = LinuxBpf::new();
        let prog = load(&bpf, xdp(returning(2)));
        let map = content!(ok(&bpf, Command::MapCreate(array(4, 1))), Value::Handle);
        let prog_id = content!(ok(&bpf, Command::ProgInfo { prog }), Value::ProgInfo)
            .id
            .0;
        let map_id = content!(ok(&bpf, Command::MapInfo { map }), Value::MapInfo)
            .id
            .0;
        fs::create_dir(folder.join("dir")).unwrap();
        let pin = |object, name: &str| Command::Pin {
            object,
            path: path(folder, name),
        };
        ok(&bpf, pin(prog, "prog"));
        ok(&bpf, pin(map, "dir/map"));
        assert_eq!(err(&bpf, pin(map, "prog")), Errno::EEXIST);

        let list = |prefix: String| content!(ok(&bpf, Command::PinList { prefix }), Value::Pins);
        let expected = |name: &str, kind, id| PinInfo {
            path: path(folder, name),
            kind,
            id,
        };
        let map_pin = expected("dir/map", ObjectKind::Map, map_id);
        let prog_pin = expected("prog", ObjectKind::Prog, prog_id);
        // A fresh bpffs may also hold the kernel's own iterators, which are links.
        let listed = list(path(folder, ""));
        assert!(
            listed.contains(&map_pin) && listed.contains(&prog_pin),
            "{listed:?}"
        );
        assert_eq!(list(path(folder, "dir")), [map_pin]);

        let opened = ok(
            &bpf,
            Command::OpenPin {
                path: path(folder, "dir/map"),
            },
        );
        assert!(matches!(opened, Value::Opened(ObjectKind::Map, handle) if handle != map));
        ok(
            &bpf,
            Command::PinRemove {
                path: path(folder, "prog"),
            },
        );
        ok(
            &bpf,
            Command::PinRemove {
                path: path(folder, "dir/map"),
            },
        );
        assert_eq!(
            err(
                &bpf,
                Command::OpenPin {
                    path: path(folder, "prog")
                }
            ),
            Errno::ENOENT
        );
        assert_eq!(
            err(
                &bpf,
                Command::PinRemove {
                    path: path(folder, "prog")
                }
            ),
            Errno::ENOENT
        );
        assert_eq!(list(path(folder, "dir")), []);
    });
}

/// Files that only have a name in common with pins are neither made nor removed.
pub(crate) fn not_pins() {
    with_mounted("not-pins", BPF_FS, |folder| {
        let bpf = LinuxBpf::new();
        let map = content!(ok(&bpf, Command::MapCreate(array(4, 1))), Value::Handle);
        let file = folder.with_extension("file");
        let outside = file.to_str().unwrap().to_owned();
        assert_eq!(
            err(
                &bpf,
                Command::Pin {
                    object: map,
                    path: outside.clone()
                }
            ),
            Errno::EPERM
        );
        fs::write(&file, "").unwrap();
        assert_eq!(
            err(
                &bpf,
                Command::OpenPin {
                    path: outside.clone()
                }
            ),
            Errno::EACCES
        );
        assert_eq!(
            err(&bpf, Command::PinRemove { path: outside }),
            Errno::EPERM
        );
        fs::remove_file(&file).unwrap();
        let path = "/a\0b".to_owned();
        assert_eq!(err(&bpf, Command::OpenPin { path }), Errno::EINVAL);
    });
}

pub(crate) fn trace() {
    with_mounted("trace", TRACE_FS, |_| {
        let bpf = LinuxBpf::new();
        let (prog, _, _) = load_hello(&bpf);
        let read = |lines_max, wait_ms| {
            content!(
                ok(&bpf, Command::TraceRead { lines_max, wait_ms }),
                Value::Lines
            )
        };
        assert_eq!(read(0, 0), [""; 0]);
        // The pipe is the whole system's: other readers may take lines, other programs may print.
        for _ in 0..20 {
            run(&bpf, prog, 1);
            let lines = read(1000, 200);
            if lines
                .iter()
                .any(|line| line.contains("bpf_trace_printk: skep "))
            {
                return;
            }
        }
        panic!("no line came");
    });
}
