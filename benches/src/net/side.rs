//! The two that are compared: skep's daemon and Linux, by the same commands.

use super::world::World;
use crate::linux::linux;
use crate::{Outcome, root};
use skep_loader::{Loaded, Options, Programs, load};
use skep_object::ObjectName;
use skep_uapi::{Bpf, Command, Existing, Handle, NetAttach, Value, Via, XdpMode};
use skep_wire::{Client, Endpoint};
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

/// CPU of skep's worker; the generator has the first.
const WORKER_CPU: &str = "1";
/// How long the daemon may take to start.
const START_TIME: Duration = Duration::from_secs(10);

/// One of the two.
pub(super) struct Side {
    bpf: Box<dyn Bpf>,
    daemon: Option<Child>,
}

impl Drop for Side {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            // It may have ended by itself; then there is nothing to end.
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

impl Side {
    /// A daemon of this namespace.
    pub(super) fn skep(world: &World) -> Outcome<Self> {
        let binary = std::env::current_exe()?.with_file_name("skep");
        let daemon = Process::new("taskset")
            .args(["-c", WORKER_CPU])
            .arg(binary)
            .args(["daemon", "run", "idle", "0"])
            .env("XDG_RUNTIME_DIR", world.folder())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let endpoint = Endpoint::in_folder(world.folder().to_owned())?;
        let begun = Instant::now();
        let client = loop {
            match Client::connect(&endpoint) {
                Ok(client) => break client,
                Err(error) if begun.elapsed() > START_TIME => return Err(error.into()),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        Ok(Self {
            bpf: Box::new(client),
            daemon: Some(daemon),
        })
    }

    /// Linux, where it lets us.
    pub(super) fn linux() -> Option<Self> {
        linux().map(|linux| Self {
            bpf: Box::new(linux),
            daemon: None,
        })
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.daemon.as_ref().map(Child::id)
    }

    pub(super) fn name(&self, mode: XdpMode, via: Option<Via>) -> String {
        match (via, mode) {
            (Some(via), _) => format!("skep {via}"),
            (None, XdpMode::Generic) => "Linux generic".to_owned(),
            (None, XdpMode::Driver) => "Linux native".to_owned(),
            (None, XdpMode::Any | XdpMode::Offload) => "Linux".to_owned(),
        }
    }
}

/// A program on `x0`.
pub(super) struct Attached<'side> {
    side: &'side Side,
    loaded: Loaded,
    program: Handle,
    ifindex: u32,
    mode: XdpMode,
}

impl<'side> Attached<'side> {
    /// Loads the object and attaches one of its programs; the inner error is why the side refused.
    pub(super) fn new(
        side: &'side Side,
        world: &World,
        program: &str,
        mode: XdpMode,
        via: Option<Via>,
    ) -> Outcome<Result<Self, String>> {
        let path = "benches/progs/wire.o";
        let bytes = std::fs::read(root().join(path))?;
        let object = skep_object::parse(&bytes)?;
        let mut options = Options::new(ObjectName::from_path(path));
        options.programs = Programs::Named(vec![program.to_owned()]);
        options.variables = vec![(
            "target".to_owned(),
            world.other_ifindex()?.to_ne_bytes().to_vec(),
        )];
        let loaded = load(&object, &*side.bpf, &options)?;
        let found = loaded.programs.iter().find(|loaded| loaded.name == program);
        let program = found.ok_or("no such program")?.handle;
        let attached = Self {
            side,
            loaded,
            program,
            ifindex: world.ifindex()?,
            mode,
        };
        let reply = side.bpf.call(Command::NetAttach(NetAttach {
            prog: program,
            ifindex: attached.ifindex,
            mode,
            existing: Existing::Keep,
            via,
        }));
        Ok(match reply.result {
            Ok(_) => Ok(attached),
            Err(errno) => {
                attached.close();
                Err(format!("{errno}: {}", reply.log.trim()))
            }
        })
    }

    /// Any command, to see how long its answer takes.
    pub(super) fn ask(&self) -> Outcome {
        let prog = self.program;
        Ok(self
            .side
            .bpf
            .call(Command::ProgInfo { prog })
            .result
            .map(drop)?)
    }

    /// Frames that reached the program.
    pub(super) fn handled(&self) -> Outcome<u64> {
        let bss = self
            .loaded
            .maps
            .iter()
            .find(|map| map.name.ends_with(".bss"));
        let command = Command::MapLookup {
            map: bss.ok_or("no .bss")?.handle,
            key: vec![0; 4],
            flags: 0,
        };
        match self.side.bpf.call(command).result? {
            Value::Bytes(bytes) => {
                let first: &[u8; 8] = bytes.first_chunk().ok_or("a short value")?;
                Ok(u64::from_ne_bytes(*first))
            }
            _ => Err("no bytes".into()),
        }
    }

    /// Frames that skep lost and counted.
    pub(super) fn missed(&self) -> Outcome<u64> {
        match self.side.bpf.call(Command::NetQuery).result? {
            Value::NetAttached(list) => {
                let live = list
                    .iter()
                    .find(|attached| attached.ifindex == self.ifindex);
                Ok(live
                    .and_then(|attached| attached.live)
                    .map_or(0, |live| live.missed))
            }
            _ => Err("no list".into()),
        }
    }

    pub(super) fn detach(self) -> Outcome {
        let (ifindex, mode) = (self.ifindex, self.mode);
        self.side
            .bpf
            .call(Command::NetDetach { ifindex, mode })
            .result?;
        self.close();
        Ok(())
    }

    fn close(self) {
        let programs = self.loaded.programs.iter().map(|program| program.handle);
        let maps = self.loaded.maps.iter().map(|map| map.handle);
        for handle in programs.chain(maps).chain(self.loaded.btf) {
            self.side.bpf.call(Command::Close { handle });
        }
    }
}
