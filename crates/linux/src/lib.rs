//! [`LinuxBpf`]: the typed commands on the real kernel.
//!
//! Commands of bpf(2) become that call; the others are answered from where Linux keeps the answer: rtnetlink,
//! `fdinfo`, the bpffs, tracefs, sysfs, `/proc/kallsyms`. What Linux cannot do is `EOPNOTSUPP`. Error numbers are the kernel's own.
//! Handles are numbers of this connection's table, never descriptors, so that a wrong one harms nothing; wherever the
//! kernel wants a descriptor (instructions, values of some maps) the table's is put in.
//!
//! This crate does not verify, retry or interpret: asking again with a log is the loader's part.
#![forbid(unsafe_code)]

mod elements;
mod fdinfo;
mod handles;
mod info;
mod insns;
mod load;
mod net;
mod pins;
mod status;
mod symbols;
mod trace;

use handles::{Handles, Object};
use skep_sys::bpf;
use skep_uapi::{Arch, Bpf, Command, Errno, ObjectKind, Reply, Value};
use std::io;
use trace::TraceReader;

/// What a command without a log gives.
type Outcome = Result<Value, Errno>;

/// One connection to the kernel's BPF subsystem. Dropping it closes its handles.
#[derive(Debug, Default)]
pub struct LinuxBpf {
    handles: Handles,
    trace: TraceReader,
}

impl LinuxBpf {
    /// A connection without handles. Opens nothing: whether bpf(2) is permitted shows with the first command.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Bpf for LinuxBpf {
    fn call(&self, command: Command) -> Reply {
        let handles = &self.handles;
        match command {
            Command::MapCreate(map) => elements::create(handles, &map).into(),
            Command::MapLookup { map, key, flags } => {
                elements::lookup(handles, map, &key, flags).into()
            }
            Command::MapUpdate {
                map,
                key,
                value,
                flags,
            } => elements::update(handles, map, &key, value, flags).into(),
            Command::MapDelete { map, key } => elements::delete(handles, map, &key).into(),
            Command::MapLookupAndDelete { map, key } => {
                elements::lookup_and_delete(handles, map, &key).into()
            }
            Command::MapNextKey { map, key } => {
                elements::next_key(handles, map, key.as_deref()).into()
            }
            Command::MapFreeze { map } => elements::freeze(handles, map).into(),
            Command::ProgLoad(load) => load::prog_load(handles, &load),
            Command::TestRun(run) => load::test_run(handles, *run).into(),
            Command::ProgBindMap { prog, map } => load::bind_map(handles, prog, map).into(),
            Command::BtfLoad { data, log_level } => load::btf_load(handles, &data, log_level),
            Command::Pin { object, path } => pins::pin(handles, object, &path).into(),
            Command::OpenPin { path } => pins::open(handles, &path).into(),
            Command::NextId { kind, after } => status::next_id(kind, after).map(Value::Id).into(),
            Command::OpenId { kind, id } => open_id(handles, kind, id).into(),
            Command::ProgInfo { prog } => info::prog(handles, prog).into(),
            Command::ProgCode { prog } => info::code(handles, prog).into(),
            Command::MapInfo { map } => info::map(handles, map).into(),
            Command::BtfInfo { btf } => info::btf(handles, btf).into(),
            Command::NetAttach(attach) => net::attach(handles, &attach),
            Command::NetDetach { ifindex, mode } => net::detach(ifindex, mode),
            Command::NetQuery => net::query(),
            Command::NetDeviceAdd(_) | Command::NetDeviceDelete { .. } | Command::NetDeviceList => {
                Reply::err(Errno::EOPNOTSUPP)
            }
            Command::LinkDetach { link } => net::detach_link(handles, link).into(),
            Command::LinkInfo { link } => info::link(handles, link).into(),
            Command::Close { handle } => handles.close(handle).map(|()| Value::Unit).into(),
            Command::PinList { prefix } => pins::list(&prefix).map(Value::Pins).into(),
            Command::PinRemove { path } => pins::remove(&path).into(),
            Command::TraceRead { lines_max, wait_ms } => {
                self.trace.read(lines_max, wait_ms).map(Value::Lines).into()
            }
            Command::CpuCount => cpu_count().into(),
            Command::ProgCompile { prog, arch } => info::compile(handles, prog, arch).into(),
            Command::Status => status::status().into(),
        }
    }
}

fn open_id(handles: &Handles, kind: ObjectKind, id: u32) -> Outcome {
    let fd = bpf::open_id(id_kind(kind), id).map_err(errno)?;
    Ok(Value::Handle(handles.insert(Object::new(kind, fd)?)?))
}

fn cpu_count() -> Outcome {
    Ok(Value::Count(
        skep_sys::possible_cpus().map_err(errno)?.into(),
    ))
}

/// The architecture that the kernel compiles for.
fn host_arch() -> Option<Arch> {
    if cfg!(target_arch = "x86_64") {
        Some(Arch::X86_64)
    } else if cfg!(target_arch = "aarch64") {
        Some(Arch::Aarch64)
    } else {
        None
    }
}

fn id_kind(kind: ObjectKind) -> bpf::IdKind {
    match kind {
        ObjectKind::Prog => bpf::IdKind::Prog,
        ObjectKind::Map => bpf::IdKind::Map,
        ObjectKind::Btf => bpf::IdKind::Btf,
        ObjectKind::Link => bpf::IdKind::Link,
    }
}

/// The kernel's number; errors without one (bad text from `/proc`) are input/output errors.
#[expect(clippy::needless_pass_by_value, reason = "shaped for map_err")]
fn errno(error: io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno)
}
