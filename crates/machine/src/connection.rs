//! A connection: one peer's handles, and the dispatch of its commands.

use crate::commands;
use crate::{BtfObject, LinkObject, Machine, MapBody, Object, Prog};
use skep_exec::{Outcome, Packet, RunError, Runner};
use skep_uapi::{Bpf, Command, Engine, Errno, Handle, Reply, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Handles that one connection may hold (Linux: a process's descriptor limit).
const HANDLES_MAX: usize = 64 << 10;

/// Who is connected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Uid.
    pub uid: u32,
    /// Process id, for the trace pipe.
    pub pid: u32,
    /// Command name, for the trace pipe.
    pub comm: String,
}

impl Peer {
    /// The calling process itself.
    #[must_use]
    pub fn this_process() -> Self {
        Self {
            uid: skep_sys::effective_uid(),
            pid: skep_sys::pid(),
            comm: skep_sys::comm(),
        }
    }
}

/// Whether a peer is still there to hear an answer. Linux ends a test run when its caller is killed; a machine whose
/// callers are in other processes asks this now and then during long runs.
pub trait Presence: Send + Sync + fmt::Debug {
    /// Whether nobody will hear the answer.
    fn is_gone(&self) -> bool;
}

/// One peer's view of a machine. Dropping it closes its handles.
#[derive(Debug)]
pub struct Connection {
    machine: Arc<Machine>,
    peer: Peer,
    presence: Option<Arc<dyn Presence>>,
    handles: Mutex<Handles>,
}

#[derive(Debug)]
struct Handles {
    next: u32,
    open: BTreeMap<u32, Object>,
}

impl Connection {
    pub(crate) fn new(
        machine: Arc<Machine>,
        peer: Peer,
        presence: Option<Arc<dyn Presence>>,
    ) -> Self {
        // Numbers begin at 3 like a process's descriptors, so that 0 stays "no descriptor" in wire structures.
        Self {
            machine,
            peer,
            presence,
            handles: Mutex::new(Handles {
                next: 3,
                open: BTreeMap::new(),
            }),
        }
    }

    /// The machine.
    #[must_use]
    pub fn machine(&self) -> &Arc<Machine> {
        &self.machine
    }

    /// Who is connected.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What tells whether the peer has gone; `None` for one that cannot go before its calls return.
    pub(crate) fn presence(&self) -> Option<&dyn Presence> {
        self.presence.as_deref()
    }

    fn lock(&self) -> MutexGuard<'_, Handles> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives an object a handle.
    ///
    /// # Errors
    /// EMFILE if the connection holds too many.
    pub fn open(&self, object: Object) -> Result<Handle, Errno> {
        let mut handles = self.lock();
        if handles.open.len() >= HANDLES_MAX {
            return Err(Errno::EMFILE);
        }
        while handles.open.contains_key(&handles.next) || i32::try_from(handles.next).is_err() {
            handles.next = handles
                .next
                .checked_add(1)
                .filter(|next| i32::try_from(*next).is_ok())
                .unwrap_or(3);
        }
        let number = handles.next;
        handles.next += 1;
        handles.open.insert(number, object);
        Ok(Handle(number))
    }

    /// The object of a handle.
    ///
    /// # Errors
    /// EBADF if there is none.
    pub fn object(&self, handle: Handle) -> Result<Object, Errno> {
        self.lock().open.get(&handle.0).cloned().ok_or(Errno::EBADF)
    }

    pub(crate) fn close(&self, handle: Handle) -> Result<(), Errno> {
        let closed = self.lock().open.remove(&handle.0);
        closed.map(drop).ok_or(Errno::EBADF)
    }

    /// The program of a handle: EINVAL if it is something else, as in Linux.
    ///
    /// # Errors
    /// EBADF, EINVAL.
    pub fn prog(&self, handle: Handle) -> Result<Arc<Prog>, Errno> {
        if let Object::Prog(prog) = self.object(handle)? {
            Ok(prog)
        } else {
            Err(Errno::EINVAL)
        }
    }

    /// Verifies what a load would load, and loads nothing. `processed` is set to the number of processed instructions
    /// now and then.
    #[must_use]
    pub fn examine(
        &self,
        load: &skep_uapi::ProgLoad,
        processed: Option<Arc<std::sync::atomic::AtomicU32>>,
    ) -> crate::Examined {
        commands::examine::examine(self, load, processed)
    }

    /// Runs a program `repeat` times over one packet, on a leased CPU slot.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn run_packet(
        &self,
        prog: &Prog,
        packet: &Packet,
        engine: Engine,
        repeat: u32,
    ) -> Result<Outcome, RunError> {
        commands::test_run::execute(self, prog, packet, engine, repeat)
    }

    /// Leases a CPU slot for `work`, which may run the program as often as it likes.
    ///
    /// # Errors
    /// [`RunError::NoEngine`] for a program that nothing can run.
    pub fn with_runner<R>(
        &self,
        prog: &Prog,
        work: impl FnOnce(&Runner<'_>) -> R,
    ) -> Result<R, RunError> {
        commands::test_run::with_runner(self, prog, work)
    }

    /// Puts the line of a tracepoint, such as `xdp_exception`, into the trace pipe, on behalf of the peer.
    pub fn trace(&self, event: &str, text: &str) {
        let services = crate::services::RunServices {
            machine: &self.machine,
            peer: &self.peer,
        };
        services.trace_event(event, text);
    }

    pub(crate) fn map(&self, handle: Handle) -> Result<Arc<MapBody>, Errno> {
        if let Object::Map(map) = self.object(handle)? {
            Ok(map)
        } else {
            Err(Errno::EINVAL)
        }
    }

    pub(crate) fn btf(&self, handle: Handle) -> Result<Arc<BtfObject>, Errno> {
        if let Object::Btf(btf) = self.object(handle)? {
            Ok(btf)
        } else {
            Err(Errno::EINVAL)
        }
    }

    pub(crate) fn link(&self, handle: Handle) -> Result<Arc<LinkObject>, Errno> {
        if let Object::Link(link) = self.object(handle)? {
            Ok(link)
        } else {
            Err(Errno::EINVAL)
        }
    }
}

impl Bpf for Connection {
    fn call(&self, command: Command) -> Reply {
        match command {
            Command::MapCreate(create) => commands::map::create(self, create).into(),
            Command::MapLookup { map, key, flags } => {
                commands::map::lookup(self, map, &key, flags).into()
            }
            Command::MapUpdate {
                map,
                key,
                value,
                flags,
            } => commands::map::update(self, map, &key, &value, flags).into(),
            Command::MapDelete { map, key } => commands::map::delete(self, map, &key).into(),
            Command::MapLookupAndDelete { map, key } => {
                commands::map::lookup_and_delete(self, map, &key).into()
            }
            Command::MapNextKey { map, key } => {
                commands::map::next_key(self, map, key.as_deref()).into()
            }
            Command::MapFreeze { map } => commands::map::freeze(self, map).into(),
            Command::MapInfo { map } => commands::map::info(self, map).into(),
            Command::ProgLoad(load) => commands::prog_load::load(self, &load),
            Command::TestRun(run) => commands::test_run::run(self, &run).into(),
            Command::ProgBindMap { prog, map } => {
                commands::prog_info::bind_map(self, prog, map).into()
            }
            Command::ProgInfo { prog } => commands::prog_info::info(self, prog).into(),
            Command::ProgCode { prog } => commands::prog_info::code(self, prog).into(),
            Command::ProgCompile { prog, arch } => {
                commands::compile::compile(self, prog, arch).into()
            }
            Command::BtfLoad { data, log_level } => commands::btf::load(self, data, log_level),
            Command::BtfInfo { btf } => commands::btf::info(self, btf).into(),
            Command::LinkInfo { link } => commands::link::info(self, link).into(),
            Command::Pin { object, path } => commands::pin::pin(self, object, &path).into(),
            Command::OpenPin { path } => commands::pin::open(self, &path).into(),
            Command::PinList { prefix } => Ok(Value::Pins(self.machine.pins.list(&prefix))).into(),
            Command::PinRemove { path } => {
                self.machine.pins.remove(&path).map(|()| Value::Unit).into()
            }
            Command::NextId { kind, after } => commands::ids::next(self, kind, after).into(),
            Command::OpenId { kind, id } => commands::ids::open(self, kind, id).into(),
            Command::Close { handle } => self.close(handle).map(|()| Value::Unit).into(),
            Command::TraceRead { lines_max, wait_ms } => {
                commands::status::trace_read(self, lines_max, wait_ms).into()
            }
            Command::CpuCount => Ok(Value::Count(self.machine.config.cpus.into())).into(),
            Command::Status => Ok(Value::Status(commands::status::status(self))).into(),
            Command::NetAttach(attach) => commands::net::attach(self, &attach),
            Command::NetDetach { ifindex, mode } => commands::net::detach(self, ifindex, mode),
            Command::NetQuery => commands::net::query(self).into(),
            Command::NetDeviceAdd(device) => commands::net::device_add(self, &device),
            Command::NetDeviceDelete { name } => commands::net::device_delete(self, &name),
            Command::NetDeviceList => commands::net::device_list(self).into(),
            Command::LinkDetach { link } => commands::link::detach(self, link),
        }
    }
}
