//! Prints what loading each program of objects alone asks of the kernel, one line a map or program: `record FILE.o …`.
//! The kernel's types come from this host, or from the file that `SKEP_BTF` names.
//!
//! Lines have the form that a recorder around libbpf can print, too, so that two texts can be compared.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a tool for developers"
)]

use skep_btf::Btf;
use skep_btf::core::KernelBtf;
use skep_loader::{Options, Programs, load};
use skep_object::{Object, ObjectName, parse};
use skep_uapi::{Bpf, Command, Errno, Handle, MapCreate, ProgLoad, Reply, Value};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

fn main() {
    let mut host = Options::new(ObjectName::from_path("")).with_host();
    if let Ok(path) = std::env::var("SKEP_BTF") {
        host.btf = Some(Arc::new(
            KernelBtf::parse(&std::fs::read(path).unwrap()).unwrap(),
        ));
    }
    for path in std::env::args().skip(1) {
        println!("OBJECT {}", path.rsplit('/').next().unwrap());
        match parse(&std::fs::read(&path).unwrap()) {
            Ok(object) => each_program(&object, &path, &host),
            Err(error) => println!("OPENFAIL {error}"),
        }
    }
}

fn each_program(object: &Object, path: &str, host: &Options) {
    for (_, function) in object.programs() {
        println!("LOAD {}", function.name());
        let options = Options {
            object_name: ObjectName::from_path(path),
            programs: Programs::Named(vec![function.name().to_owned()]),
            ..host.clone()
        };
        let recorder = Recorder::default();
        let outcome = load(object, &recorder, &options);
        print!("{}", recorder.0.lock().unwrap().text);
        if let Err(error) = outcome {
            println!("FAIL {error}");
        }
    }
}

#[derive(Default)]
struct Recorder(Mutex<State>);

#[derive(Default)]
struct State {
    text: String,
    /// Names by handle, from 1.
    names: Vec<String>,
}

impl Bpf for Recorder {
    fn call(&self, command: Command) -> Reply {
        let mut state = self.0.lock().unwrap();
        let name = match &command {
            Command::MapCreate(map) => {
                let line = map_line(map);
                state.text.push_str(&line);
                map.name.clone()
            }
            Command::ProgLoad(load) => {
                let line = prog_line(load, &state.names);
                state.text.push_str(&line);
                String::new()
            }
            Command::BtfLoad { data, .. } => match Btf::parse_for_load(data) {
                Ok(_) => String::new(),
                Err(error) => return Reply::err(Errno::from(&error)),
            },
            Command::CpuCount => {
                let cpus = std::thread::available_parallelism().unwrap().get();
                return Reply::ok(Value::Count(u64::try_from(cpus).unwrap()));
            }
            Command::OpenPin { .. } => return Reply::err(Errno::ENOENT),
            _ => return Reply::ok(Value::Unit),
        };
        state.names.push(name);
        Reply::ok(Value::Handle(Handle(
            u32::try_from(state.names.len()).unwrap(),
        )))
    }
}

fn map_line(map: &MapCreate) -> String {
    format!(
        "MAP {} type {} key {} value {} entries {} flags 0x{:x} node {} extra {} keyt {} valt {} inner {} vmlinux_value 0\n",
        map.name,
        map.map_type.0,
        map.key_size,
        map.value_size,
        map.max_entries,
        map.map_flags,
        map.numa_node,
        map.map_extra,
        map.btf_key_type_id.0,
        map.btf_value_type_id.0,
        u32::from(map.inner_map.is_some()),
    )
}

fn prog_line(load: &ProgLoad, names: &[String]) -> String {
    let records = |bytes: &[u8], size: u32| bytes.len() / usize::try_from(size.max(1)).unwrap();
    let mut line = format!(
        "PROG {} type {} attach {} flags 0x{:x} attach_btf {} ifindex {} license {} func {} line {} prog_fd 0 insns",
        load.name,
        load.prog_type.0,
        load.expected_attach_type.0,
        load.prog_flags,
        load.attach_btf_id.0,
        load.ifindex,
        load.license,
        records(&load.func_info, load.func_info_rec_size),
        records(&load.line_info, load.line_info_rec_size),
    );
    let mut refs = String::new();
    let mut wide = false;
    for (at, slot) in load.insns.chunks(8).enumerate() {
        let mut slot = slot.to_vec();
        let source = slot[1] >> 4;
        if !wide && slot[0] == 0x18 && (source == 1 || source == 2) {
            let handle = u32::from_le_bytes(slot[4..].try_into().unwrap());
            let at_name = usize::try_from(handle).unwrap().checked_sub(1);
            let name = at_name
                .and_then(|at| names.get(at))
                .map_or("", String::as_str);
            write!(refs, " {at}={name}").unwrap();
            slot[4..].fill(0);
        }
        wide = !wide && slot[0] == 0x18;
        line.push(' ');
        slot.iter()
            .for_each(|byte| write!(line, "{byte:02x}").unwrap());
    }
    format!("{line} refs{refs}\n")
}
