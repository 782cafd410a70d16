//! Typed calls on a [`Bpf`]: one function per command, and handles that close themselves.
//!
//! A reply of the wrong kind is the peer's fault and becomes `EPROTO`.

use skep_uapi::{
    Bpf, BtfInfo, Command, Errno, Handle, LinkInfo, MapInfo, NetAttached, NetDevice, ObjectKind,
    PinInfo, ProgCode, ProgInfo, TestRun, TestRunResult, Value,
};

/// An open object; closed when dropped.
pub(crate) struct Held<'a> {
    bpf: &'a dyn Bpf,
    handle: Handle,
}

impl Held<'_> {
    /// The handle, valid while `self` lives.
    pub(crate) fn handle(&self) -> Handle {
        self.handle
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Nothing can be done about a handle that does not close.
        let _ = self.bpf.call(Command::Close {
            handle: self.handle,
        });
    }
}

macro_rules! reply {
    ($bpf:expr, $command:expr, $variant:ident) => {
        match $bpf.call($command).result? {
            Value::$variant(value) => Ok(value),
            _ => Err(Errno::EPROTO),
        }
    };
}

/// A command without an answer.
pub(crate) fn unit(bpf: &dyn Bpf, command: Command) -> Result<(), Errno> {
    bpf.call(command).result.map(|_| ())
}

/// A command that answers with bytes.
pub(crate) fn bytes(bpf: &dyn Bpf, command: Command) -> Result<Vec<u8>, Errno> {
    reply!(bpf, command, Bytes)
}

/// A command that opens something.
pub(crate) fn held(bpf: &dyn Bpf, command: Command) -> Result<Held<'_>, Errno> {
    let handle = reply!(bpf, command, Handle)?;
    Ok(Held { bpf, handle })
}

/// Opens an object by id.
pub(crate) fn open_id(bpf: &dyn Bpf, kind: ObjectKind, id: u32) -> Result<Held<'_>, Errno> {
    held(bpf, Command::OpenId { kind, id })
}

/// Opens a pin.
pub(crate) fn open_pin<'a>(bpf: &'a dyn Bpf, path: &str) -> Result<(ObjectKind, Held<'a>), Errno> {
    match bpf
        .call(Command::OpenPin {
            path: path.to_owned(),
        })
        .result?
    {
        Value::Opened(kind, handle) => Ok((kind, Held { bpf, handle })),
        _ => Err(Errno::EPROTO),
    }
}

/// All ids of a kind, in order.
pub(crate) fn ids(bpf: &dyn Bpf, kind: ObjectKind) -> Result<Vec<u32>, Errno> {
    let mut ids = Vec::new();
    let mut after = 0;
    loop {
        match bpf.call(Command::NextId { kind, after }).result {
            Ok(Value::Id(id)) if id > after => {
                ids.push(id);
                after = id;
            }
            Ok(_) => return Err(Errno::EPROTO),
            Err(Errno::ENOENT) => return Ok(ids),
            Err(errno) => return Err(errno),
        }
    }
}

/// What is known of a program.
pub(crate) fn prog_info(bpf: &dyn Bpf, prog: Handle) -> Result<ProgInfo, Errno> {
    reply!(bpf, Command::ProgInfo { prog }, ProgInfo).map(|info| *info)
}

/// A program's arrays.
pub(crate) fn prog_code(bpf: &dyn Bpf, prog: Handle) -> Result<ProgCode, Errno> {
    reply!(bpf, Command::ProgCode { prog }, ProgCode).map(|code| *code)
}

/// What is known of a map.
pub(crate) fn map_info(bpf: &dyn Bpf, map: Handle) -> Result<MapInfo, Errno> {
    reply!(bpf, Command::MapInfo { map }, MapInfo).map(|info| *info)
}

/// A BTF object.
pub(crate) fn btf_info(bpf: &dyn Bpf, btf: Handle) -> Result<BtfInfo, Errno> {
    reply!(bpf, Command::BtfInfo { btf }, BtfInfo).map(|info| *info)
}

/// What is known of a link.
pub(crate) fn link_info(bpf: &dyn Bpf, link: Handle) -> Result<LinkInfo, Errno> {
    reply!(bpf, Command::LinkInfo { link }, LinkInfo)
}

/// Pins below a prefix.
pub(crate) fn pins(bpf: &dyn Bpf, prefix: &str) -> Result<Vec<PinInfo>, Errno> {
    reply!(
        bpf,
        Command::PinList {
            prefix: prefix.to_owned()
        },
        Pins
    )
}

/// A test run.
pub(crate) fn test_run(bpf: &dyn Bpf, run: TestRun) -> Result<TestRunResult, Errno> {
    reply!(bpf, Command::TestRun(Box::new(run)), TestRun)
}

/// A program's machine code for an architecture.
pub(crate) fn compile(
    bpf: &dyn Bpf,
    prog: Handle,
    arch: skep_uapi::Arch,
) -> Result<skep_uapi::Jited, Errno> {
    reply!(bpf, Command::ProgCompile { prog, arch }, Jited).map(|jited| *jited)
}

/// Lines of the trace pipe.
pub(crate) fn trace_read(
    bpf: &dyn Bpf,
    lines_max: u32,
    wait_ms: u32,
) -> Result<Vec<String>, Errno> {
    reply!(bpf, Command::TraceRead { lines_max, wait_ms }, Lines)
}

/// What is attached to interfaces.
pub(crate) fn net_query(bpf: &dyn Bpf) -> Result<Vec<NetAttached>, Errno> {
    reply!(bpf, Command::NetQuery, NetAttached)
}

/// Devices that the machine made.
pub(crate) fn net_devices(bpf: &dyn Bpf) -> Result<Vec<NetDevice>, Errno> {
    reply!(bpf, Command::NetDeviceList, NetDevices)
}

/// Number of possible CPUs.
pub(crate) fn cpu_count(bpf: &dyn Bpf) -> Result<usize, Errno> {
    let count = reply!(bpf, Command::CpuCount, Count)?;
    usize::try_from(count).map_err(|_| Errno::EPROTO)
}
