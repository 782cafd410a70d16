//! The same object loaded by bpftool and by skep's loader, both into this machine's Linux, gives the same programs, maps
//! and BTF. Needs the oracle: root, bpf(2), and bpftool 7.5 or later (`SKEP_BPFTOOL`, else the one in `PATH`).
//! Directories of further objects, such as the kernel's compiled selftests, can be named in `SKEP_OBJECTS`, with colons.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use skep_linux::LinuxBpf;
use skep_loader::{Loaded, Options, load};
use skep_object::{ObjectName, Pinning, parse};
use skep_testkit::oracle::{BpfFs, bpftool_path};
use skep_testkit::{Harness, Need};
use skep_uapi::{
    Bpf, BtfId, Command as Bpf2, Handle, MapInfo, ObjectKind, ProgCode, ProgInfo, Value,
};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Own objects that bpftool can load and pin whole.
const WHOLE: &[&str] = &[
    "core",
    "globals",
    "hello",
    "maps",
    "strings",
    "subprogs",
    "weak_only",
];
/// Where Debian's libxdp has its objects. What bpftool cannot load of them, skep must not load either.
const LIBXDP: &str = "/usr/lib/x86_64-linux-gnu/bpf";

fn main() {
    Harness::from_args()
        .case(
            "bpftool_and_skep_load_alike",
            &[Need::Oracle, Need::Bpftool],
            || {
                let oracle = Oracle {
                    bpftool: bpftool_path(),
                };
                if let Err(difference) = oracle.compare_all() {
                    panic!("{difference}");
                }
            },
        )
        .run();
}

struct Oracle {
    bpftool: PathBuf,
}

impl Oracle {
    fn compare_all(&self) -> Result<(), String> {
        let mount = BpfFs::mount();
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../object/tests/data");
        let mut objects: Vec<PathBuf> = WHOLE
            .iter()
            .map(|name| data.join(format!("{name}.bpf.o")))
            .collect();
        let more = std::env::var("SKEP_OBJECTS").unwrap_or_default();
        let directories =
            std::iter::once(LIBXDP).chain(more.split(':').filter(|path| !path.is_empty()));
        for entries in directories.filter_map(|path| std::fs::read_dir(path).ok()) {
            let found = entries.filter_map(|entry| Some(entry.ok()?.path()));
            objects.extend(
                found.filter(|path| path.extension().is_some_and(|extension| extension == "o")),
            );
        }
        // Maps that pin themselves would do so in the system's bpffs.
        objects.retain(|path| std::fs::read(path).is_ok_and(|bytes| !pins_itself(&bytes)));
        let mut wrong = String::new();
        for (at, object) in objects.iter().enumerate() {
            match self.compare(object, &mount.join(format!("object_{at}"))) {
                Ok(how) => println!("{}: {how}", object.display()),
                Err(what) => wrong.push_str(&format!("{}: {what}\n", object.display())),
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// Compares one object; `pins` becomes a directory.
    fn compare(&self, object: &Path, pins: &Path) -> Result<String, String> {
        let maps = pins
            .with_extension("maps")
            .to_string_lossy()
            .replace('.', "_");
        let maps = Path::new(&maps);
        std::fs::create_dir(maps).map_err(|error| error.to_string())?;
        let output = Command::new(&self.bpftool)
            .args(["prog", "loadall"])
            .args([object, pins])
            .arg("pinmaps")
            .arg(maps)
            .output()
            .map_err(|error| error.to_string())?;
        let theirs = String::from_utf8_lossy(&output.stderr);
        let bpf = LinuxBpf::new();
        let parsed = parse(&std::fs::read(object).map_err(|error| error.to_string())?);
        let options = Options::new(ObjectName::from_path(&object.to_string_lossy())).with_host();
        let loaded = match &parsed {
            Ok(parsed) => load(parsed, &bpf, &options).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match (output.status.success(), loaded) {
            (true, Ok(loaded)) => {
                compare_programs(&bpf, &loaded, pins)?;
                compare_maps(&bpf, &loaded, maps)?;
                Ok("same".to_owned())
            }
            // libbpf gave these up; they are loaded here for iproute2's objects.
            (false, Ok(_)) if theirs.contains("legacy map definitions") => {
                Ok("only skep loads legacy definitions".to_owned())
            }
            (false, Err(ours)) => Ok(format!("both refuse: {ours}\n  bpftool: {theirs}")),
            (true, Err(ours)) => Err(format!("only skep refuses: {ours}")),
            (false, Ok(_)) => Err(format!("only bpftool refuses: {theirs}")),
        }
    }
}

fn pins_itself(object: &[u8]) -> bool {
    parse(object).is_ok_and(|object| {
        object
            .maps()
            .iter()
            .any(|map| map.def().pinning == Pinning::ByName)
    })
}

fn compare_programs(bpf: &LinuxBpf, loaded: &Loaded, pins: &Path) -> Result<(), String> {
    let pinned = std::fs::read_dir(pins)
        .map_err(|error| error.to_string())?
        .count();
    same("number of programs", pinned, loaded.programs.len())?;
    for program in &loaded.programs {
        let theirs = open(bpf, &pins.join(&program.name))?;
        let what = |text| format!("program {}: {text}", program.name);
        same(
            &what("definition"),
            program_text(bpf, theirs),
            program_text(bpf, program.handle),
        )?;
        same(&what("code"), code(bpf, theirs), code(bpf, program.handle))?;
        same(
            &what("BTF"),
            btf(bpf, prog_info(bpf, theirs).btf_id),
            btf(bpf, prog_info(bpf, program.handle).btf_id),
        )?;
    }
    Ok(())
}

fn compare_maps(bpf: &LinuxBpf, loaded: &Loaded, pins: &Path) -> Result<(), String> {
    let pinned = std::fs::read_dir(pins)
        .map_err(|error| error.to_string())?
        .count();
    same("number of maps", pinned, loaded.maps.len())?;
    let mut previous = 0;
    for map in &loaded.maps {
        let theirs = open(bpf, &pins.join(map.name.replace('.', "_")))?;
        let id = map_info(bpf, theirs).id.0;
        same(
            &format!("map {} is created after the one before", map.name),
            id > previous,
            true,
        )?;
        previous = id;
        same(
            &format!("map {}", map.name),
            map_text(bpf, theirs),
            map_text(bpf, map.handle),
        )?;
        let key = vec![0; 4];
        let value = |map| {
            bpf.call(Bpf2::MapLookup {
                map,
                key: key.clone(),
                flags: 0,
            })
            .result
            .map_err(|e| e.0)
        };
        if map.name.contains('.') {
            same(
                &format!("value of {}", map.name),
                value(theirs),
                value(map.handle),
            )?;
        }
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, theirs: T, ours: T) -> Result<(), String> {
    if theirs == ours {
        Ok(())
    } else {
        Err(format!(
            "{what} differs\nbpftool: {theirs:?}\n   skep: {ours:?}"
        ))
    }
}

fn open(bpf: &LinuxBpf, path: &Path) -> Result<Handle, String> {
    match bpf
        .call(Bpf2::OpenPin {
            path: path.to_string_lossy().into_owned(),
        })
        .result
    {
        Ok(Value::Opened(_, handle)) => Ok(handle),
        other => Err(format!("{}: {other:?}", path.display())),
    }
}

fn prog_info(bpf: &LinuxBpf, prog: Handle) -> ProgInfo {
    match bpf.call(Bpf2::ProgInfo { prog }).result {
        Ok(Value::ProgInfo(info)) => *info,
        other => panic!("{other:?}"),
    }
}

fn map_info(bpf: &LinuxBpf, map: Handle) -> MapInfo {
    match bpf.call(Bpf2::MapInfo { map }).result {
        Ok(Value::MapInfo(info)) => *info,
        other => panic!("{other:?}"),
    }
}

fn program_text(bpf: &LinuxBpf, prog: Handle) -> String {
    let info = prog_info(bpf, prog);
    let maps: Vec<String> = info.map_ids.iter().map(|id| map_name(bpf, id.0)).collect();
    format!(
        "{} {} {:02x?} gpl {} xlated {} verified {} maps {maps:?}",
        info.prog_type,
        info.name,
        info.tag,
        info.gpl_compatible,
        info.bytes_xlated,
        info.verified_insns
    )
}

fn map_name(bpf: &LinuxBpf, id: u32) -> String {
    match bpf
        .call(Bpf2::OpenId {
            kind: ObjectKind::Map,
            id,
        })
        .result
    {
        Ok(Value::Handle(map)) => map_info(bpf, map).name,
        other => panic!("{other:?}"),
    }
}

fn map_text(bpf: &LinuxBpf, map: Handle) -> String {
    let info = map_info(bpf, map);
    format!(
        "{} {} flags 0x{:x} key {} value {} entries {} extra {} frozen {} types {:?} BTF {}",
        info.map_type,
        info.name,
        info.map_flags,
        info.key_size,
        info.value_size,
        info.max_entries,
        info.map_extra,
        info.frozen,
        (info.btf_key_type_id, info.btf_value_type_id),
        info.btf_id.0 != 0,
    )
}

/// Translated code with map ids replaced by the first letter of the maps' names, and the records.
fn code(bpf: &LinuxBpf, prog: Handle) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let ProgCode {
        mut xlated,
        func_info,
        line_info,
        ..
    } = match bpf.call(Bpf2::ProgCode { prog }).result {
        Ok(Value::ProgCode(code)) => *code,
        other => panic!("{other:?}"),
    };
    for slot in xlated.chunks_exact_mut(8) {
        let is_map = slot[0] == 0x18 && matches!(slot[1] >> 4, 1 | 2);
        if is_map {
            let id = u32::from_le_bytes([slot[4], slot[5], slot[6], slot[7]]);
            let name = map_name(bpf, id);
            let sum: u32 = name
                .bytes()
                .fold(0, |sum, byte| sum * 31 % 65_521 + u32::from(byte));
            slot[4..].copy_from_slice(&sum.to_le_bytes());
        }
    }
    (xlated, func_info, line_info)
}

fn btf(bpf: &LinuxBpf, id: BtfId) -> Vec<u8> {
    let handle = match bpf
        .call(Bpf2::OpenId {
            kind: ObjectKind::Btf,
            id: id.0,
        })
        .result
    {
        Ok(Value::Handle(handle)) => handle,
        other => panic!("{other:?}"),
    };
    match bpf.call(Bpf2::BtfInfo { btf: handle }).result {
        Ok(Value::BtfInfo(info)) => info.data,
        other => panic!("{other:?}"),
    }
}
