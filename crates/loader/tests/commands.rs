//! The commands that a load sends, as text beside the objects of `skep-object`; `BLESS=1` rewrites the texts. Then what
//! options change, and what happens when the machine refuses.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use proptest::prelude::*;
use skep_btf::core::KernelBtf;
use skep_loader::{
    Freeze, LoadError, MapRef, MapStep, Options, ProgKind, Programs, Reuse, Warning, load, plan,
};
use skep_object::{Object, ObjectName, parse};
use skep_uapi::{
    AttachType, Bpf, Command, Errno, Handle, MapCreate, MapInfo, MapType, ObjectKind, ProgLoad,
    ProgType, Reply, Value,
};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Records commands as text and answers them with new handles.
#[derive(Default)]
struct Recorder {
    state: Mutex<State>,
    /// Refuses the first command that this accepts.
    refuse: Option<fn(&Command) -> Option<Errno>>,
    /// Paths that hold this map.
    pinned: Option<MapInfo>,
}

#[derive(Default)]
struct State {
    text: String,
    next: u32,
    open: HashSet<u32>,
}

impl State {
    fn handle(&mut self) -> Handle {
        self.next += 1;
        self.open.insert(self.next);
        Handle(self.next)
    }
}

impl Bpf for Recorder {
    fn call(&self, command: Command) -> Reply {
        let mut state = self.state.lock().unwrap();
        let text = render(&command);
        writeln!(state.text, "{text}").unwrap();
        if let Some(errno) = self.refuse.and_then(|refuse| refuse(&command)) {
            writeln!(state.text, "  -> {errno}").unwrap();
            let log = match &command {
                Command::ProgLoad(load) if load.log_level > 0 => "the reason".to_owned(),
                _ => String::new(),
            };
            return Reply {
                result: Err(errno),
                log,
            };
        }
        Reply::ok(match command {
            Command::BtfLoad { .. } | Command::MapCreate(_) | Command::ProgLoad(_) => {
                Value::Handle(state.handle())
            }
            Command::CpuCount => Value::Count(3),
            Command::OpenPin { .. } if self.pinned.is_some() => {
                Value::Opened(ObjectKind::Map, state.handle())
            }
            Command::OpenPin { .. } => return Reply::err(Errno::ENOENT),
            Command::MapInfo { .. } => {
                Value::MapInfo(Box::new(self.pinned.clone().unwrap_or_default()))
            }
            Command::Close { handle } => {
                assert!(state.open.remove(&handle.0), "closed twice: {handle:?}");
                Value::Unit
            }
            _ => Value::Unit,
        })
    }
}

impl Recorder {
    fn refusing(refuse: fn(&Command) -> Option<Errno>) -> Self {
        Self {
            refuse: Some(refuse),
            ..Self::default()
        }
    }

    fn text(&self) -> String {
        self.state.lock().unwrap().text.clone()
    }

    fn open(&self) -> usize {
        self.state.lock().unwrap().open.len()
    }
}

fn render(command: &Command) -> String {
    match command {
        Command::BtfLoad { data, .. } => format!("BTF_LOAD {} bytes", data.len()),
        Command::MapCreate(map) => render_map(map),
        Command::ProgLoad(load) => render_prog(load),
        Command::MapUpdate {
            map,
            key,
            value,
            flags,
        } => {
            format!(
                "MAP_UPDATE {} [{}] = {} flags {flags}",
                map.0,
                hex(key),
                hex(value)
            )
        }
        other => format!("{other:?}"),
    }
}

fn render_map(map: &MapCreate) -> String {
    format!(
        "MAP_CREATE {} {} key {} value {} entries {} flags 0x{:x} btf {:?} {} {} inner {:?} node {} extra {}",
        map.map_type,
        map.name,
        map.key_size,
        map.value_size,
        map.max_entries,
        map.map_flags,
        map.btf.map(|btf| btf.0),
        map.btf_key_type_id,
        map.btf_value_type_id,
        map.inner_map.map(|inner| inner.0),
        map.numa_node,
        map.map_extra,
    )
}

fn render_prog(load: &ProgLoad) -> String {
    let mut text = format!(
        "PROG_LOAD {} {} attach {} flags 0x{:x}{} license {:?} btf {:?} log {}",
        load.prog_type,
        load.name,
        load.expected_attach_type,
        load.prog_flags,
        match load.attach_btf_id.0 {
            0 => String::new(),
            id => format!(" attach_btf {id}"),
        },
        load.license,
        load.btf.map(|btf| btf.0),
        load.log_level,
    );
    for (at, slot) in load.insns.chunks(8).enumerate() {
        write!(text, "\n  {at}: {}", hex(slot)).unwrap();
    }
    for (what, records, size) in [
        ("func", &load.func_info, load.func_info_rec_size),
        ("line", &load.line_info, load.line_info_rec_size),
    ] {
        for record in records.chunks(usize::try_from(size.max(1)).unwrap()) {
            let words: Vec<u32> = record
                .chunks(4)
                .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
                .collect();
            write!(text, "\n  {what} {words:?}").unwrap();
        }
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(" ")
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../object/tests/data")
}

fn object(name: &str) -> Object {
    parse(&std::fs::read(data().join(format!("{name}.bpf.o"))).unwrap()).unwrap()
}

fn options(name: &str) -> Options {
    Options::new(ObjectName::from_path(&format!("{name}.bpf.o")))
}

/// Two objects are about the types of a third, which stands for the kernel. The instructions of `core_kinds` are those
/// that libbpf 1.5 makes with `core_kernel` as custom BTF.
fn options_for(name: &str) -> Options {
    let mut options = options(name);
    if let "core_kinds" | "kernel_refs" = name {
        let types = object("core_kernel").btf().unwrap().clone();
        options.btf = Some(Arc::new(KernelBtf::new(types)));
    }
    options
}

#[test]
fn loads_send_their_texts() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/commands");
    let mut wrong = Vec::new();
    let names = [
        "arena",
        "core",
        "core_kinds",
        "externs",
        "globals",
        "hello",
        "kernel_refs",
        "legacy_maps",
        "maps",
        "sections",
        "strings",
        "subprogs",
        "text_only",
        "weak_only",
    ];
    for name in names {
        let recorder = Recorder::default();
        let end = match load(&object(name), &recorder, &options_for(name)) {
            Ok(loaded) => format!(
                "loaded {} maps, {} programs\n",
                loaded.maps.len(),
                loaded.programs.len()
            ),
            Err(error) => format!("error: {error}\n"),
        };
        let got = recorder.text() + &end;
        let path = cases.join(format!("{name}.txt"));
        if std::env::var_os("BLESS").is_some() {
            std::fs::create_dir_all(&cases).unwrap();
            std::fs::write(&path, &got).unwrap();
        } else if std::fs::read_to_string(&path).unwrap_or_default() != got {
            wrong.push(format!("{name}:\n{got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn plan_needs_no_machine() {
    let object = object("hello");
    let plan = plan(&object, &options("hello")).unwrap();
    let maps: Vec<_> = plan
        .maps()
        .iter()
        .map(|map| (map.create.name.as_str(), map.create.map_flags, map.freeze))
        .collect();
    assert_eq!(
        maps,
        [
            ("hello.bss", 0x400, Freeze::Open),
            ("hello.rodata", 0x80, Freeze::Frozen)
        ]
    );
    let programs: Vec<_> = plan
        .programs()
        .iter()
        .map(|program| (program.name.as_str(), program.kind))
        .collect();
    assert_eq!(
        programs,
        [(
            "hello",
            ProgKind {
                prog_type: ProgType::XDP,
                attach_type: AttachType::XDP
            }
        )]
    );
}

#[test]
fn objects_without_programs_load_but_have_no_first() {
    let loaded = load(
        &object("text_only"),
        &Recorder::default(),
        &options("text_only"),
    )
    .unwrap();
    assert_eq!(loaded.first_program(), Err(LoadError::NoPrograms));
    let loaded = load(&object("hello"), &Recorder::default(), &options("hello")).unwrap();
    assert_eq!(loaded.first_program().unwrap().name, "hello");
}

#[test]
fn variables_are_set_before_loading() {
    let mut options = options("globals");
    options.variables = vec![
        ("ro_global".into(), vec![1, 2, 3, 4]),
        ("bss_global".into(), vec![9, 0, 0, 0]),
    ];
    let recorder = Recorder::default();
    load(&object("globals"), &recorder, &options).unwrap();
    assert!(
        recorder
            .text()
            .contains("= 01 02 03 04 01 00 02 00 03 00 flags 0"),
        "{}",
        recorder.text()
    );
    assert!(
        recorder
            .text()
            .contains("= 00 00 00 00 09 00 00 00 flags 0"),
        "{}",
        recorder.text()
    );

    options.variables = vec![("ro_global".into(), vec![1])];
    let error = load(&object("globals"), &recorder, &options).unwrap_err();
    assert_eq!(
        error,
        LoadError::VariableSize {
            name: "ro_global".into(),
            size: 4,
            given: 1
        }
    );
    options.variables = vec![("nothing".into(), vec![1])];
    let error = load(&object("globals"), &recorder, &options).unwrap_err();
    assert_eq!(error, LoadError::NoSuchVariable("nothing".into()));
}

#[test]
fn reused_maps_are_neither_created_nor_filled() {
    for map in [
        MapRef::Index(1),
        MapRef::Name("hello.rodata".into()),
        MapRef::Name(".rodata".into()),
    ] {
        let mut options = options("hello");
        options.reuse = vec![Reuse {
            map,
            handle: Handle(77),
        }];
        let recorder = Recorder::default();
        let loaded = load(&object("hello"), &recorder, &options).unwrap();
        assert_eq!(loaded.maps[1].handle, Handle(77));
        let text = recorder.text();
        assert!(
            !text.contains("hello.rodata") && !text.contains("MapFreeze"),
            "{text}"
        );
        assert!(text.contains("3: 18 21 00 00 4d 00 00 00"), "{text}");
    }
    let mut options = options("hello");
    options.reuse = vec![Reuse {
        map: MapRef::Index(2),
        handle: Handle(77),
    }];
    let error = load(&object("hello"), &Recorder::default(), &options).unwrap_err();
    assert_eq!(error, LoadError::NoSuchMap(MapRef::Index(2)));
}

#[test]
fn a_given_type_replaces_the_section_s() {
    let mut options = options("sections");
    options.prog_kind = Some(ProgKind {
        prog_type: ProgType::SCHED_CLS,
        attach_type: AttachType(0),
    });
    options.programs = Programs::Named(vec!["frags".into(), "optional".into()]);
    let recorder = Recorder::default();
    let loaded = load(&object("sections"), &recorder, &options).unwrap();
    let names: Vec<_> = loaded
        .programs
        .iter()
        .map(|program| program.name.as_str())
        .collect();
    assert_eq!(names, ["optional", "frags"]);
    let text = recorder.text();
    assert!(
        text.contains("PROG_LOAD sched_cls frags attach cgroup_inet_ingress flags 0x0"),
        "{text}"
    );
    options.programs = Programs::Named(vec!["absent".into()]);
    let error = load(&object("sections"), &recorder, &options).unwrap_err();
    assert_eq!(error, LoadError::NoSuchProgram("absent".into()));
}

#[test]
fn externs_get_the_values_that_are_given() {
    let mut options = options("externs");
    options.externs = vec![
        ("LINUX_KERNEL_VERSION".into(), 0x0006_120c),
        ("no_such_symbol".into(), 0x1_0000_0002),
    ];
    let recorder = Recorder::default();
    load(&object("externs"), &recorder, &options).unwrap();
    let text = recorder.text();
    assert!(
        text.contains("MAP_CREATE array externs.kconfig key 4 value 4 entries 1 flags 0x480"),
        "{text}"
    );
    assert!(text.contains("= 0c 12 06 00 flags 0"), "{text}");
    assert!(
        text.contains("18 01 00 00 02 00 00 00") || text.contains("18 02 00 00 02 00 00 00"),
        "{text}"
    );
    options.externs = vec![("LINUX_KERNEL_VERSION".into(), 1 << 32)];
    let error = load(&object("externs"), &recorder, &options).unwrap_err();
    assert_eq!(
        error,
        LoadError::ExternSize {
            name: "LINUX_KERNEL_VERSION".into(),
            value: 1 << 32,
            size: 4
        }
    );
}

#[test]
fn a_refused_program_is_tried_again_for_its_log_and_nothing_stays_open() {
    let recorder = Recorder::refusing(|command| {
        matches!(command, Command::ProgLoad(_)).then_some(Errno::EACCES)
    });
    let error = load(&object("hello"), &recorder, &options("hello")).unwrap_err();
    let want = LoadError::Program {
        program: "hello".into(),
        section: "xdp".into(),
        errno: Errno::EACCES,
        log: "the reason".into(),
    };
    assert_eq!(error, want);
    assert_eq!(
        error.to_string(),
        "program 'hello' (section 'xdp'): Permission denied\nthe reason"
    );
    assert_eq!(recorder.text().matches("PROG_LOAD").count(), 2);
    assert_eq!(recorder.open(), 0, "{}", recorder.text());
}

#[test]
fn refused_maps_name_map_and_step() {
    type Case = (fn(&Command) -> Option<Errno>, &'static str, MapStep);
    let cases: [Case; 4] = [
        (
            |c| {
                matches!(c, Command::MapCreate(m) if m.name == "hello.rodata")
                    .then_some(Errno::EPERM)
            },
            "hello.rodata",
            MapStep::Create,
        ),
        (
            |c| matches!(c, Command::MapUpdate { .. }).then_some(Errno::ENOMEM),
            "hello.bss",
            MapStep::Fill,
        ),
        (
            |c| matches!(c, Command::MapFreeze { .. }).then_some(Errno::EBUSY),
            "hello.rodata",
            MapStep::Freeze,
        ),
        (
            |c| matches!(c, Command::MapCreate(_)).then_some(Errno::EINVAL),
            "hello.bss",
            MapStep::Create,
        ),
    ];
    for (refuse, name, want) in cases {
        let recorder = Recorder::refusing(refuse);
        match load(&object("hello"), &recorder, &options("hello")).unwrap_err() {
            LoadError::Map { map, step, .. } => assert_eq!((map.as_str(), step), (name, want)),
            other => panic!("{other}"),
        }
        assert_eq!(recorder.open(), 0);
    }
}

#[test]
fn refused_btf_is_left_out() {
    let recorder = Recorder::refusing(|command| {
        matches!(command, Command::BtfLoad { .. }).then_some(Errno::EINVAL)
    });
    let loaded = load(&object("hello"), &recorder, &options("hello")).unwrap();
    assert_eq!(
        (loaded.btf, loaded.warnings),
        (
            None,
            vec![Warning::Btf {
                errno: Errno::EINVAL
            }]
        )
    );
    assert!(!recorder.text().contains("func ["), "{}", recorder.text());
}

#[test]
fn maps_pinned_by_name_are_shared() {
    let definition = MapInfo {
        map_type: MapType::ARRAY,
        key_size: 4,
        value_size: 8,
        max_entries: 1,
        ..MapInfo::default()
    };
    let mut options = options("pinned");
    options.pin_dir = "/bpf".into();
    let recorder = Recorder::default();
    let loaded = load(&object("pinned"), &recorder, &options).unwrap();
    assert!(
        recorder
            .text()
            .contains("Pin { object: Handle(2), path: \"/bpf/shared\" }"),
        "{}",
        recorder.text()
    );
    let error = loaded.pin_maps(&recorder, "/elsewhere").unwrap_err();
    assert!(
        matches!(error, LoadError::PinnedElsewhere { .. }),
        "{error}"
    );
    loaded.pin_maps(&recorder, "/bpf").unwrap();

    let recorder = Recorder {
        pinned: Some(definition.clone()),
        ..Recorder::default()
    };
    load(&object("pinned"), &recorder, &options).unwrap();
    assert!(
        !recorder.text().contains("MAP_CREATE"),
        "{}",
        recorder.text()
    );

    let recorder = Recorder {
        pinned: Some(MapInfo {
            max_entries: 2,
            ..definition
        }),
        ..Recorder::default()
    };
    let error = load(&object("pinned"), &recorder, &options).unwrap_err();
    assert_eq!(
        error,
        LoadError::PinnedMapDiffers {
            map: "shared".into(),
            path: "/bpf/shared".into()
        }
    );
    assert_eq!(recorder.open(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever still parses can be loaded or is refused, but does not panic, and a refusal leaves nothing open.
    #[test]
    fn mutated_objects_load_or_are_refused(
        which in 0usize..8,
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..8),
    ) {
        let name = [
            "maps",
            "subprogs",
            "weak_only",
            "globals",
            "core_kinds",
            "kernel_refs",
            "legacy_maps",
            "arena",
        ][which];
        let mut bytes = std::fs::read(data().join(format!("{name}.bpf.o"))).unwrap();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if let Ok(object) = parse(&bytes) {
            let recorder = Recorder::default();
            if load(&object, &recorder, &options_for(name)).is_err() {
                prop_assert_eq!(recorder.open(), 0);
            }
        }
    }

    /// The same for the types that stand for the kernel's.
    #[test]
    fn mutated_kernels_answer_or_not(
        which in 0usize..2,
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..8),
    ) {
        let name = ["core_kinds", "kernel_refs"][which];
        let mut bytes = object("core_kernel").btf().unwrap().to_bytes();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if let Ok(kernel) = KernelBtf::parse(&bytes) {
            let recorder = Recorder::default();
            let options = Options { btf: Some(Arc::new(kernel)), ..options(name) };
            if load(&object(name), &recorder, &options).is_err() {
                prop_assert_eq!(recorder.open(), 0);
            }
        }
    }
}
