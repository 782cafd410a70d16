//! Programs, maps, BTF and ids.

use crate::asm::{hello as hello_insns, load, returning, slot, xdp};
use crate::{array, content, err, ok};
use skep_linux::LinuxBpf;
use skep_uapi::{
    Arch, BPF_ANY, BPF_EXIST, BPF_F_RDONLY_PROG, BPF_NOEXIST, Bpf, Command, Engine, Errno, Handle,
    MapCreate, MapId, MapType, ObjectKind, ProgLoad, ProgType, TestRun, TestRunResult, Value,
};

const FORMAT: &[u8] = b"skep %d\0";

/// A map and a program like the hello example's.
pub(crate) fn load_hello(bpf: &LinuxBpf) -> (Handle, Handle, Handle) {
    let bss = create(bpf, array(4, 1));
    let format = u32::try_from(FORMAT.len()).unwrap();
    let rodata = MapCreate {
        map_flags: BPF_F_RDONLY_PROG,
        ..array(format, 1)
    };
    let rodata = create(bpf, rodata);
    update(bpf, rodata, &[0; 4], FORMAT, BPF_ANY);
    ok(bpf, Command::MapFreeze { map: rodata });
    let insns = hello_insns(bss, rodata, i32::try_from(FORMAT.len()).unwrap());
    (load(bpf, xdp(insns)), bss, rodata)
}

fn create(bpf: &LinuxBpf, map: MapCreate) -> Handle {
    content!(ok(bpf, Command::MapCreate(map)), Value::Handle)
}

fn update(bpf: &LinuxBpf, map: Handle, key: &[u8], value: &[u8], flags: u64) {
    let (key, value) = (key.to_vec(), value.to_vec());
    assert_eq!(
        ok(
            bpf,
            Command::MapUpdate {
                map,
                key,
                value,
                flags
            }
        ),
        Value::Unit
    );
}

fn lookup(bpf: &LinuxBpf, map: Handle, key: &[u8]) -> Vec<u8> {
    let key = key.to_vec();
    content!(
        ok(bpf, Command::MapLookup { map, key, flags: 0 }),
        Value::Bytes
    )
}

pub(crate) fn run(bpf: &LinuxBpf, prog: Handle, repeat: u32) -> TestRunResult {
    let run = TestRun {
        prog,
        data_in: vec![0x55; 64],
        data_size_out: 128,
        ctx_in: Vec::new(),
        ctx_size_out: 0,
        repeat,
        flags: 0,
        cpu: 0,
        engine: Engine::Auto,
    };
    content!(ok(bpf, Command::TestRun(Box::new(run))), Value::TestRun)
}

pub(crate) fn hello() {
    let bpf = LinuxBpf::new();
    let (prog, bss, rodata) = load_hello(&bpf);
    let map_id = |map| content!(ok(&bpf, Command::MapInfo { map }), Value::MapInfo);
    let (bss, rodata) = (map_id(bss), map_id(rodata));
    assert_eq!(
        (bss.name.as_str(), bss.map_type, bss.frozen),
        ("skep_test", MapType::ARRAY, false)
    );
    assert_eq!((bss.key_size, bss.value_size, bss.max_entries), (4, 4, 1));
    assert!(rodata.frozen);
    assert!(bss.bytes_memlock.unwrap() > 0);

    let info = content!(ok(&bpf, Command::ProgInfo { prog }), Value::ProgInfo);
    assert_eq!(
        (info.name.as_str(), info.prog_type),
        ("skep_test", ProgType::XDP)
    );
    assert_eq!(info.map_ids, [bss.id, rodata.id]);
    assert!(info.gpl_compatible && !info.orphaned);
    assert_eq!(info.bytes_xlated, 96);
    assert!(info.bytes_memlock.unwrap() > 0 && info.load_time_ns > 0 && info.verified_insns > 0);

    let code = content!(ok(&bpf, Command::ProgCode { prog }), Value::ProgCode);
    assert_eq!(code.xlated.len(), 96);
    // The dump has map ids where the load had handles.
    assert_eq!(code.xlated[..2], [0x18, 0x26]);
    assert_eq!(
        MapId(u32::from_le_bytes(*code.xlated[4..].first_chunk().unwrap())),
        bss.id
    );
    assert_eq!(code.prog_tags, [info.tag]);
    check_machine_code(&bpf, prog, &code.jited, info.bytes_jited);
}

fn check_machine_code(bpf: &LinuxBpf, prog: Handle, jited: &skep_uapi::Jited, bytes_jited: u32) {
    if bytes_jited == 0 {
        return;
    }
    assert_eq!(jited.code.len(), usize::try_from(bytes_jited).unwrap());
    assert_eq!(jited.func_lens, [bytes_jited]);
    assert_eq!(jited.ksyms.len(), 1);
    let named = |name: &str| {
        jited
            .symbols
            .iter()
            .any(|(_, symbol)| symbol.contains(name))
    };
    if jited.ksyms[0] != 0 {
        assert!(
            named("skep_test") && named("bpf_trace_printk"),
            "{:?}",
            jited.symbols
        );
    }
    let own = jited.arch.unwrap();
    let other = if own == Arch::X86_64 {
        Arch::Aarch64
    } else {
        Arch::X86_64
    };
    let compiled = content!(
        ok(bpf, Command::ProgCompile { prog, arch: own }),
        Value::Jited
    );
    assert_eq!(compiled.code, jited.code);
    assert_eq!(
        err(bpf, Command::ProgCompile { prog, arch: other }),
        Errno::EOPNOTSUPP
    );
}

pub(crate) fn hello_runs() {
    let bpf = LinuxBpf::new();
    let (prog, bss, _) = load_hello(&bpf);
    let result = run(&bpf, prog, 3);
    assert_eq!((result.retval, result.data_size), (2, 64));
    assert_eq!(result.data_out, vec![0x55; 64]);
    assert_eq!(lookup(&bpf, bss, &[0; 4]), 3_u32.to_ne_bytes());
    let checked = TestRun {
        prog,
        data_in: vec![0; 64],
        data_size_out: 0,
        ctx_in: Vec::new(),
        ctx_size_out: 0,
        repeat: 1,
        flags: 0,
        cpu: 0,
        engine: Engine::Checked,
    };
    let short = TestRun {
        data_size_out: 10,
        engine: Engine::Auto,
        ..checked.clone()
    };
    assert_eq!(
        err(&bpf, Command::TestRun(Box::new(checked))),
        Errno::EOPNOTSUPP
    );
    assert_eq!(err(&bpf, Command::TestRun(Box::new(short))), Errno::ENOSPC);
}

pub(crate) fn rejected() {
    let bpf = LinuxBpf::new();
    // r0 is never written.
    let prog = ProgLoad {
        log_level: 1,
        ..xdp(slot(0x95, 0, 0, 0).to_vec())
    };
    let reply = bpf.call(Command::ProgLoad(Box::new(prog.clone())));
    assert_eq!(reply.result, Err(Errno::EACCES));
    assert!(reply.log.contains("R0 !read_ok"), "{}", reply.log);
    let silent = ProgLoad {
        log_level: 0,
        ..prog
    };
    assert_eq!(bpf.call(Command::ProgLoad(Box::new(silent))).log, "");

    let accepted = ProgLoad {
        log_level: 2,
        ..xdp(returning(2))
    };
    let reply = bpf.call(Command::ProgLoad(Box::new(accepted)));
    assert!(reply.result.is_ok());
    assert!(reply.log.contains("processed 2 insns"), "{}", reply.log);

    for name in ["a name beyond sixteen", "nul\0"] {
        let named = ProgLoad {
            name: name.to_owned(),
            ..xdp(returning(2))
        };
        assert_eq!(err(&bpf, Command::ProgLoad(Box::new(named))), Errno::EINVAL);
    }
    assert_eq!(
        err(&bpf, Command::ProgLoad(Box::new(xdp(vec![0; 9])))),
        Errno::EINVAL
    );
    assert_eq!(
        err(&bpf, Command::ProgLoad(Box::new(xdp(Vec::new())))),
        Errno::E2BIG
    );
}

pub(crate) fn elements() {
    let bpf = LinuxBpf::new();
    let hash = MapCreate {
        map_type: MapType::HASH,
        ..array(8, 2)
    };
    let map = create(&bpf, hash);
    let next = |key: Option<&[u8]>| Command::MapNextKey {
        map,
        key: key.map(<[u8]>::to_vec),
    };
    assert_eq!(err(&bpf, next(None)), Errno::ENOENT);
    update(&bpf, map, b"key1", b"value__1", BPF_NOEXIST);
    update(&bpf, map, b"key1", b"value__2", BPF_EXIST);
    assert_eq!(lookup(&bpf, map, b"key1"), b"value__2");
    assert_eq!(content!(ok(&bpf, next(None)), Value::Bytes), b"key1");
    assert_eq!(err(&bpf, next(Some(b"key1"))), Errno::ENOENT);

    let write = |key: &[u8], value: &[u8], flags| Command::MapUpdate {
        map,
        key: key.to_vec(),
        value: value.to_vec(),
        flags,
    };
    assert_eq!(
        err(&bpf, write(b"key1", b"value__3", BPF_NOEXIST)),
        Errno::EEXIST
    );
    assert_eq!(
        err(&bpf, write(b"key2", b"value__3", BPF_EXIST)),
        Errno::ENOENT
    );
    assert_eq!(
        err(&bpf, write(b"key", b"value__3", BPF_ANY)),
        Errno::EINVAL
    );
    assert_eq!(err(&bpf, write(b"key1", b"value", BPF_ANY)), Errno::EINVAL);

    let taken = Command::MapLookupAndDelete {
        map,
        key: b"key1".to_vec(),
    };
    assert_eq!(content!(ok(&bpf, taken), Value::Bytes), b"value__2");
    let delete = Command::MapDelete {
        map,
        key: b"key1".to_vec(),
    };
    assert_eq!(err(&bpf, delete), Errno::ENOENT);
    ok(&bpf, Command::MapFreeze { map });
    assert_eq!(
        err(&bpf, write(b"key1", b"value__3", BPF_ANY)),
        Errno::EPERM
    );
}

pub(crate) fn per_cpu() {
    let bpf = LinuxBpf::new();
    let cpus = usize::try_from(content!(ok(&bpf, Command::CpuCount), Value::Count)).unwrap();
    let map = MapCreate {
        map_type: MapType::PERCPU_ARRAY,
        ..array(4, 1)
    };
    let map = create(&bpf, map);
    let values: Vec<u8> = (1..)
        .take(cpus)
        .flat_map(|cpu: u64| cpu.to_ne_bytes())
        .collect();
    update(&bpf, map, &[0; 4], &values, BPF_ANY);
    assert_eq!(lookup(&bpf, map, &[0; 4]), values);
}

pub(crate) fn prog_array() {
    let bpf = LinuxBpf::new();
    let map = MapCreate {
        map_type: MapType::PROG_ARRAY,
        ..array(4, 1)
    };
    let map = create(&bpf, map);
    let prog = load(&bpf, xdp(returning(1)));
    update(&bpf, map, &[0; 4], &prog.0.to_ne_bytes(), BPF_ANY);
    let info = content!(ok(&bpf, Command::ProgInfo { prog }), Value::ProgInfo);
    // The kernel gives an id where it took a descriptor.
    assert_eq!(lookup(&bpf, map, &[0; 4]), info.id.0.to_ne_bytes());
    let owned = content!(ok(&bpf, Command::MapInfo { map }), Value::MapInfo);
    assert_eq!(owned.owner_prog_type, Some(ProgType::XDP));
    let unknown = Command::MapUpdate {
        map,
        key: vec![0; 4],
        value: 99_u32.to_ne_bytes().to_vec(),
        flags: 0,
    };
    assert_eq!(err(&bpf, unknown), Errno::EBADF);
}

pub(crate) fn descriptor_array() {
    let bpf = LinuxBpf::new();
    let map = create(&bpf, array(4, 1));
    // r0 = *(u32 *)(first map of the array); exit
    let insns = |index| {
        [
            slot(0x18, 0x61, 0, index),
            slot(0, 0, 0, 0),
            slot(0x61, 0x10, 0, 0),
            slot(0x95, 0, 0, 0),
        ]
        .as_flattened()
        .to_vec()
    };
    let with_array = |index| ProgLoad {
        fd_array: vec![map],
        ..xdp(insns(index))
    };
    update(&bpf, map, &[0; 4], &7_u32.to_ne_bytes(), BPF_ANY);
    let prog = load(&bpf, with_array(0));
    assert_eq!(run(&bpf, prog, 1).retval, 7);
    assert_eq!(
        err(&bpf, Command::ProgLoad(Box::new(with_array(1)))),
        Errno::EFAULT
    );
    assert_eq!(
        ok(
            &bpf,
            Command::ProgBindMap {
                prog,
                map: create(&bpf, array(4, 1))
            }
        ),
        Value::Unit
    );
}

pub(crate) fn wrong_handles() {
    let bpf = LinuxBpf::new();
    let map = create(&bpf, array(4, 1));
    let missing = Handle(12345);
    assert_eq!(err(&bpf, Command::MapInfo { map: missing }), Errno::EBADF);
    assert_eq!(err(&bpf, Command::ProgInfo { prog: map }), Errno::EINVAL);
    assert_eq!(err(&bpf, Command::LinkInfo { link: map }), Errno::EINVAL);
    assert_eq!(ok(&bpf, Command::Close { handle: map }), Value::Unit);
    assert_eq!(err(&bpf, Command::Close { handle: map }), Errno::EBADF);
    assert_eq!(
        err(
            &bpf,
            Command::MapLookup {
                map,
                key: vec![0; 4],
                flags: 0
            }
        ),
        Errno::EBADF
    );
    // An unknown handle in an instruction is the verifier's to refuse, as it refuses an unknown descriptor.
    let load = xdp(hello_insns(missing, missing, 1));
    assert_eq!(err(&bpf, Command::ProgLoad(Box::new(load))), Errno::EBADF);
}

pub(crate) fn btf_garbage() {
    let bpf = LinuxBpf::new();
    for data in [vec![0; 64], vec![0x9f, 0xeb, 1, 0], Vec::new()] {
        assert_eq!(
            err(&bpf, Command::BtfLoad { data, log_level: 0 }),
            Errno::EINVAL
        );
    }
    let data = vec![0; 64];
    let reply = bpf.call(Command::BtfLoad { data, log_level: 1 });
    assert_eq!(reply.result, Err(Errno::EINVAL));
    assert!(reply.log.contains("Invalid magic"), "{}", reply.log);
}

/// Header and one `int` named `x`.
fn small_btf() -> Vec<u8> {
    let mut btf = vec![0x9f, 0xeb, 1, 0];
    let words: [u32; 9] = [24, 0, 16, 16, 3, 1, 0x0100_0000, 4, 0x0100_0020];
    btf.extend(words.into_iter().flat_map(u32::to_le_bytes));
    btf.extend(b"\0x\0");
    btf
}

pub(crate) fn btf() {
    let bpf = LinuxBpf::new();
    let data = small_btf();
    let btf = content!(
        ok(
            &bpf,
            Command::BtfLoad {
                data: data.clone(),
                log_level: 0
            }
        ),
        Value::Handle
    );
    let info = content!(ok(&bpf, Command::BtfInfo { btf }), Value::BtfInfo);
    assert_eq!(
        (info.data, info.name.as_str(), info.kernel_btf),
        (data, "", false)
    );
    let again = Command::OpenId {
        kind: ObjectKind::Btf,
        id: info.id.0,
    };
    assert!(matches!(ok(&bpf, again), Value::Handle(handle) if handle != btf));
    // The kernel's own has a name and megabytes of data.
    if let Value::Handle(vmlinux) = ok(
        &bpf,
        Command::OpenId {
            kind: ObjectKind::Btf,
            id: 1,
        },
    ) {
        let info = content!(ok(&bpf, Command::BtfInfo { btf: vmlinux }), Value::BtfInfo);
        assert_eq!((info.name.as_str(), info.kernel_btf), ("vmlinux", true));
        assert!(info.data.len() > 1_000_000);
    }
}

pub(crate) fn ids() {
    let bpf = LinuxBpf::new();
    let prog = load(&bpf, xdp(returning(2)));
    let id = content!(ok(&bpf, Command::ProgInfo { prog }), Value::ProgInfo)
        .id
        .0;
    let kind = ObjectKind::Prog;
    assert_eq!(
        ok(
            &bpf,
            Command::NextId {
                kind,
                after: id - 1
            }
        ),
        Value::Id(id)
    );
    assert_eq!(
        err(
            &bpf,
            Command::NextId {
                kind,
                after: i32::MAX.cast_unsigned() - 1
            }
        ),
        Errno::ENOENT
    );
    assert_eq!(
        err(
            &bpf,
            Command::OpenId {
                kind,
                id: i32::MAX.cast_unsigned() - 1
            }
        ),
        Errno::ENOENT
    );
    let status = content!(ok(&bpf, Command::Status), Value::Status);
    assert!(status.progs >= 1 && status.btfs >= 1);
}

pub(crate) fn syscall_context() {
    let bpf = LinuxBpf::new();
    // *(u32 *)(r1 + 0) = 42; r0 = 5; exit
    let insns = [
        slot(0x62, 0x01, 0, 42),
        slot(0xb7, 0, 0, 5),
        slot(0x95, 0, 0, 0),
    ];
    let prog = ProgLoad {
        prog_type: ProgType::SYSCALL,
        prog_flags: skep_uapi::BPF_F_SLEEPABLE,
        ..xdp(insns.as_flattened().to_vec())
    };
    let run = TestRun {
        prog: load(&bpf, prog),
        data_in: Vec::new(),
        data_size_out: 0,
        ctx_in: vec![0; 8],
        ctx_size_out: 0,
        repeat: 0,
        flags: 0,
        cpu: 0,
        engine: Engine::Auto,
    };
    let result = content!(ok(&bpf, Command::TestRun(Box::new(run))), Value::TestRun);
    assert_eq!(result.retval, 5);
    assert_eq!(result.ctx_out, [42, 0, 0, 0, 0, 0, 0, 0]);
}
