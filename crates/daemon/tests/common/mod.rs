//! A backend that does little and can misbehave, and daemons that serve it.

#![allow(dead_code, reason = "each test target uses its part")]
#![allow(clippy::unwrap_used, reason = "tests")]

use skep_daemon::{Backend, Ended, Log, Options, Peer, Presence, run};
use skep_testkit::TempDir;
use skep_uapi::{
    Bpf, Command, Errno, Handle, MachineStatus, MapCreate, MapId, MapInfo, ObjectKind, Reply, Value,
};
use skep_wire::{Client, Deadlines, Endpoint};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Longest time that anything in these tests may take before it is called hung.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Maps with ids and pins, and nothing else: enough to see lifetimes.
#[derive(Default)]
pub(crate) struct Fake {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    maps: BTreeMap<u32, Weak<Map>>,
    last_id: u32,
    pins: BTreeMap<String, Arc<Map>>,
    peers: Vec<Peer>,
}

struct Map {
    id: u32,
    value_size: u32,
}

struct Connection {
    backend: Arc<Fake>,
    handles: Mutex<BTreeMap<u32, Arc<Map>>>,
}

impl Fake {
    pub(crate) fn peers(&self) -> Vec<Peer> {
        self.state.lock().unwrap().peers.clone()
    }
}

impl Backend for Fake {
    fn connect(self: Arc<Self>, peer: Peer, _: Arc<dyn Presence>) -> Box<dyn Bpf> {
        self.state.lock().unwrap().peers.push(peer);
        Box::new(Connection {
            backend: self,
            handles: Mutex::default(),
        })
    }

    fn is_empty(&self) -> bool {
        self.state.lock().unwrap().pins.is_empty()
    }
}

impl Connection {
    fn open(&self, map: Arc<Map>) -> Handle {
        let mut handles = self.handles.lock().unwrap();
        let number = handles.last_key_value().map_or(3, |(last, _)| last + 1);
        handles.insert(number, map);
        Handle(number)
    }

    fn map(&self, handle: Handle) -> Result<Arc<Map>, Errno> {
        self.handles
            .lock()
            .unwrap()
            .get(&handle.0)
            .cloned()
            .ok_or(Errno::EBADF)
    }

    fn create(&self, create: &MapCreate) -> Value {
        let mut state = self.backend.state.lock().unwrap();
        state.last_id += 1;
        let id = state.last_id;
        let map = Arc::new(Map {
            id,
            value_size: create.value_size,
        });
        state.maps.insert(id, Arc::downgrade(&map));
        drop(state);
        Value::Handle(self.open(map))
    }

    fn status(&self) -> MachineStatus {
        let state = self.backend.state.lock().unwrap();
        let live = state
            .maps
            .values()
            .filter(|map| map.strong_count() > 0)
            .count();
        MachineStatus {
            maps: live.try_into().unwrap(),
            pins: state.pins.len().try_into().unwrap(),
            ..MachineStatus::default()
        }
    }

    fn next_id(&self, after: u32) -> Result<Value, Errno> {
        let state = self.backend.state.lock().unwrap();
        let mut later = state.maps.range(after + 1..);
        let next = later.find(|(_, map)| map.strong_count() > 0);
        next.map(|(&id, _)| Value::Id(id)).ok_or(Errno::ENOENT)
    }

    fn carry_out(&self, command: Command) -> Result<Value, Errno> {
        match command {
            Command::MapCreate(create) => Ok(self.create(&create)),
            Command::MapLookup { map, .. } => {
                let bytes = usize::try_from(self.map(map)?.value_size).unwrap();
                Ok(Value::Bytes(
                    (0..bytes).map(|at| at.to_le_bytes()[0]).collect(),
                ))
            }
            Command::MapInfo { map } => {
                let map = self.map(map)?;
                let info = MapInfo {
                    id: MapId(map.id),
                    ..MapInfo::default()
                };
                Ok(Value::MapInfo(Box::new(info)))
            }
            Command::NextId {
                kind: ObjectKind::Map,
                after,
            } => self.next_id(after),
            Command::Pin { object, path } => {
                let map = self.map(object)?;
                self.backend.state.lock().unwrap().pins.insert(path, map);
                Ok(Value::Unit)
            }
            Command::PinRemove { path } => {
                let removed = self.backend.state.lock().unwrap().pins.remove(&path);
                removed.map(|_| Value::Unit).ok_or(Errno::ENOENT)
            }
            Command::Close { handle } => {
                let closed = self.handles.lock().unwrap().remove(&handle.0);
                closed.map(|_| Value::Unit).ok_or(Errno::EBADF)
            }
            Command::TraceRead { wait_ms, .. } => {
                thread::sleep(Duration::from_millis(wait_ms.into()));
                Ok(Value::Lines(Vec::new()))
            }
            Command::Status => Ok(Value::Status(self.status())),
            Command::CpuCount => Ok(Value::Count(3)),
            Command::MapFreeze { .. } => panic!("a bug of the backend"),
            // Stands for a long run: its key says how many milliseconds.
            Command::MapDelete { key, .. } => {
                let ms = u64::from_le_bytes(key.try_into().map_err(|_| Errno::EINVAL)?);
                thread::sleep(Duration::from_millis(ms));
                Ok(Value::Unit)
            }
            other => panic!("the fake does not know {other:?}"),
        }
    }
}

impl Bpf for Connection {
    fn call(&self, command: Command) -> Reply {
        self.carry_out(command).into()
    }
}

/// A daemon on a thread of this process.
pub(crate) struct Daemon {
    pub(crate) folder: TempDir,
    pub(crate) endpoint: Endpoint,
    pub(crate) backend: Arc<Fake>,
    thread: JoinHandle<Ended>,
}

/// Options of a daemon that never ends by itself and has little patience.
pub(crate) fn options(endpoint: &Endpoint) -> Options {
    let short = Duration::from_millis(300);
    Options {
        idle: None,
        deadlines: Deadlines {
            preamble: short,
            message: short,
            write: short,
        },
        ..Options::new(Log::file(&endpoint.log_path()).unwrap(), None)
    }
}

impl Daemon {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub(crate) fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let fake = Arc::new(Fake::default());
        let daemon = Self::serve(Arc::<Fake>::clone(&fake), change);
        Self {
            backend: fake,
            ..daemon
        }
    }

    pub(crate) fn serve(backend: Arc<dyn Backend>, change: impl FnOnce(&mut Options)) -> Self {
        let folder = TempDir::new("daemon");
        let endpoint = Endpoint::in_folder(folder.path().to_owned()).unwrap();
        let mut options = options(&endpoint);
        change(&mut options);
        let at = endpoint.clone();
        let thread = thread::spawn(move || run(&at, backend, options).unwrap());
        wait_for("the socket", || Client::connect(&endpoint).is_ok());
        Self {
            folder,
            endpoint,
            backend: Arc::default(),
            thread,
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.endpoint).unwrap()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.endpoint.log_path()).unwrap()
    }

    /// Stops it, and checks that it left nothing behind.
    pub(crate) fn stop(self) -> Ended {
        self.client().shutdown().unwrap();
        self.wait()
    }

    pub(crate) fn wait(self) -> Ended {
        wait_for("the end", || self.thread.is_finished());
        let ended = self.thread.join().unwrap();
        assert!(!self.endpoint.socket_path().exists());
        ended
    }
}

pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < PATIENCE, "{what} did not come");
        thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn create_map(client: &Client, value_size: u32) -> Handle {
    let create = MapCreate {
        value_size,
        ..MapCreate::default()
    };
    match client.call(Command::MapCreate(create)).result {
        Ok(Value::Handle(handle)) => handle,
        other => panic!("{other:?}"),
    }
}

/// Whether the daemon still serves.
pub(crate) fn works(client: &Client) -> bool {
    client.call(Command::CpuCount).result == Ok(Value::Count(3))
}

pub(crate) fn ids(client: &Client) -> Vec<u32> {
    let mut ids = vec![];
    loop {
        let after = ids.last().copied().unwrap_or(0);
        let next = Command::NextId {
            kind: ObjectKind::Map,
            after,
        };
        match client.call(next).result {
            Ok(Value::Id(id)) => ids.push(id),
            Err(Errno::ENOENT) => return ids,
            other => panic!("{other:?}"),
        }
    }
}

/// The stand-in for a long run.
pub(crate) fn long_command(time: Duration) -> Command {
    let ms = u64::try_from(time.as_millis()).unwrap();
    Command::MapDelete {
        map: Handle(0),
        key: ms.to_le_bytes().to_vec(),
    }
}
