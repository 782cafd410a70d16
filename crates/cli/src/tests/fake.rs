//! A [`Bpf`] of fixed content: one program (Linux's translation of `hello.bpf.o`), maps of several types, a link, attachments.

use crate::types::Types;
use skep_btf::{Btf, BtfExt};
use skep_uapi::{
    Arch, Bpf, BtfId, BtfInfo, Command, Errno, Existing, Handle, Jited, LinkId, LinkInfo, LinkType,
    MapId, MapInfo, MapType, NetAttach, NetAttached, NetDevice, NetLive, ObjectKind, PinInfo,
    ProgCode, ProgId, ProgInfo, ProgType, Reply, TestRunResult, TypeId, Value, Via, XdpMode,
};
use std::collections::BTreeMap;
use std::sync::Mutex;

const OBJECT: &[u8] = include_bytes!("../../tests/data/hello.bpf.o");
const XLATED: &[u8] = include_bytes!("../../tests/data/hello.xlated");
const JITED: &[u8] = include_bytes!("../../tests/data/hello.jited");

/// Address of the machine code.
const CODE: u64 = 0xffff_ffff_c002_2058;
/// What helper calls count from.
const CALL_BASE: u64 = 0xffff_ffff_814c_c810;
const PROG: u32 = 104;
const BTF: u32 = 24;
const LINK: u32 = 3;
const CPUS: usize = 2;

struct FakeMap {
    info: MapInfo,
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// The implementation. A handle is the object's id; kinds are told apart by range.
pub(super) struct Fake {
    maps: Mutex<BTreeMap<u32, FakeMap>>,
    traced: Mutex<bool>,
    link_detached: Mutex<bool>,
}

fn section(name: &str) -> Vec<u8> {
    crate::objdump::sections::content(OBJECT, name).unwrap()
}

/// The types of `hello.bpf.o`.
pub(super) fn types() -> Types {
    Types {
        btf: Btf::parse(&section(".BTF")).unwrap(),
    }
}

fn type_of(name: &str) -> TypeId {
    Btf::parse(&section(".BTF"))
        .unwrap()
        .find(name, |_| true)
        .unwrap()
}

fn map(id: u32, map_type: MapType, name: &str, sizes: (u32, u32, u32)) -> FakeMap {
    let (key_size, value_size, max_entries) = sizes;
    let info = MapInfo {
        id: MapId(id),
        map_type,
        name: name.to_owned(),
        key_size,
        value_size,
        max_entries,
        bytes_memlock: Some(4096),
        ..MapInfo::default()
    };
    FakeMap {
        info,
        entries: BTreeMap::new(),
    }
}

fn maps() -> Vec<FakeMap> {
    let zero = 0_u32.to_le_bytes().to_vec();
    let mut bss = map(27, MapType::ARRAY, "hello.bss", (4, 4, 1));
    bss.info.btf_id = BtfId(BTF);
    bss.info.btf_value_type_id = type_of(".bss");
    bss.entries.insert(zero.clone(), zero.clone());
    let mut rodata = map(28, MapType::ARRAY, "hello.rodata", (4, 15, 1));
    rodata.info.btf_id = BtfId(BTF);
    rodata.info.btf_value_type_id = type_of(".rodata");
    rodata.info.map_flags = 0x80;
    rodata.info.frozen = true;
    rodata
        .entries
        .insert(zero.clone(), b"Hello World %d\0".to_vec());
    let mut wide = map(30, MapType::HASH, "wide", (8, 40, 5));
    wide.entries.insert(vec![1; 8], (0..40).collect());
    let mut percpu = map(31, MapType::PERCPU_HASH, "percpu", (4, 12, 4));
    percpu.entries.insert(zero.clone(), (0..32).collect());
    let mut jumps = map(32, MapType::PROG_ARRAY, "jumps", (4, 4, 3));
    jumps.info.owner_prog_type = Some(ProgType::XDP);
    jumps.info.owner_jited = true;
    jumps
        .entries
        .insert(zero.clone(), PROG.to_le_bytes().to_vec());
    let mut outer = map(33, MapType::ARRAY_OF_MAPS, "outer", (4, 4, 2));
    outer.entries.insert(zero, 27_u32.to_le_bytes().to_vec());
    let queue = map(34, MapType::QUEUE, "evil\x1b[31m", (0, 4, 2));
    let twin = map(35, MapType::HASH, "wide", (4, 4, 1));
    vec![bss, rodata, wide, percpu, jumps, outer, queue, twin]
}

impl Fake {
    pub(super) fn new() -> Self {
        let maps = maps().into_iter().map(|map| (map.info.id.0, map)).collect();
        Self {
            maps: Mutex::new(maps),
            traced: Mutex::new(false),
            link_detached: Mutex::new(false),
        }
    }

    fn ids(&self, kind: ObjectKind) -> Vec<u32> {
        match kind {
            ObjectKind::Prog => vec![PROG],
            ObjectKind::Map => self.maps.lock().unwrap().keys().copied().collect(),
            ObjectKind::Btf => vec![BTF],
            ObjectKind::Link => vec![LINK],
        }
    }

    fn with_map(
        &self,
        handle: Handle,
        act: impl FnOnce(&mut FakeMap) -> Result<Value, Errno>,
    ) -> Result<Value, Errno> {
        act(self
            .maps
            .lock()
            .unwrap()
            .get_mut(&handle.0)
            .ok_or(Errno::EBADF)?)
    }

    fn update(
        &self,
        handle: Handle,
        key: Vec<u8>,
        value: Vec<u8>,
        flags: u64,
    ) -> Result<Value, Errno> {
        self.with_map(handle, |map| {
            let present = map.entries.contains_key(&key);
            let full = map.entries.len() >= usize::try_from(map.info.max_entries).unwrap();
            match (present, flags) {
                (true, 1) => Err(Errno::EEXIST),
                (false, 2) => Err(Errno::ENOENT),
                (false, _) if full => Err(Errno::E2BIG),
                (_, _) => {
                    map.entries.insert(key, value);
                    Ok(Value::Unit)
                }
            }
        })
    }

    fn answer(&self, command: Command) -> Result<Value, Errno> {
        match command {
            Command::Close { .. } | Command::MapFreeze { .. } => Ok(Value::Unit),
            Command::CpuCount => Ok(Value::Count(u64::try_from(CPUS).unwrap())),
            Command::NextId { kind, after } => self
                .ids(kind)
                .into_iter()
                .find(|&id| id > after)
                .map(Value::Id)
                .ok_or(Errno::ENOENT),
            Command::OpenId { kind, id } => self
                .ids(kind)
                .contains(&id)
                .then_some(Value::Handle(Handle(id)))
                .ok_or(Errno::ENOENT),
            Command::OpenPin { path } => match path.as_str() {
                "/sys/fs/bpf/hello" => Ok(Value::Opened(ObjectKind::Prog, Handle(PROG))),
                "/sys/fs/bpf/bss" => Ok(Value::Opened(ObjectKind::Map, Handle(27))),
                _ => Err(Errno::ENOENT),
            },
            Command::Pin { path, .. } if path == "/sys/fs/bpf/hello" => Err(Errno::EEXIST),
            Command::Pin { .. } => Ok(Value::Unit),
            Command::PinRemove { path } if path == "/sys/fs/bpf/hello" => Ok(Value::Unit),
            Command::PinRemove { .. } => Err(Errno::ENOENT),
            Command::PinList { prefix } => Ok(Value::Pins(
                [
                    ("/sys/fs/bpf/bss", ObjectKind::Map, 27),
                    ("/sys/fs/bpf/hello", ObjectKind::Prog, PROG),
                ]
                .into_iter()
                .filter(|(path, ..)| path.starts_with(&prefix))
                .map(|(path, kind, id)| PinInfo {
                    path: path.to_owned(),
                    kind,
                    id,
                })
                .collect(),
            )),
            Command::ProgInfo { .. } => Ok(Value::ProgInfo(Box::new(prog_info()))),
            Command::ProgCode { .. } => Ok(Value::ProgCode(Box::new(prog_code()))),
            Command::BtfInfo { .. } => Ok(Value::BtfInfo(Box::new(BtfInfo {
                id: BtfId(BTF),
                data: section(".BTF"),
                ..BtfInfo::default()
            }))),
            Command::TestRun(run) => Ok(Value::TestRun(TestRunResult {
                retval: 2,
                duration_ps: 12_600,
                data_size: u32::try_from(run.data_in.len()).unwrap(),
                data_out: run.data_in,
                ctx_out: run.ctx_in,
            })),
            Command::TraceRead { .. } => {
                let before = std::mem::replace(&mut *self.traced.lock().unwrap(), true);
                if before {
                    Err(Errno::EIO)
                } else {
                    Ok(Value::Lines(vec!["skep-1 [000] hello \x1b".to_owned()]))
                }
            }
            other => self.map_answer(other),
        }
    }

    fn map_answer(&self, command: Command) -> Result<Value, Errno> {
        match command {
            Command::MapInfo { map } => {
                self.with_map(map, |map| Ok(Value::MapInfo(Box::new(map.info.clone()))))
            }
            Command::MapLookup { map, key, .. } => self.with_map(map, |map| {
                map.entries
                    .get(&key)
                    .cloned()
                    .map(Value::Bytes)
                    .ok_or(Errno::ENOENT)
            }),
            Command::MapNextKey { map, key } => self.with_map(map, |map| {
                let next = map
                    .entries
                    .keys()
                    .find(|next| key.as_ref().is_none_or(|key| *next > key));
                next.cloned().map(Value::Bytes).ok_or(Errno::ENOENT)
            }),
            Command::MapUpdate {
                map,
                key,
                value,
                flags,
            } => self.update(map, key, value, flags),
            Command::MapDelete { map, key } => self.with_map(map, |map| {
                map.entries
                    .remove(&key)
                    .map(|_| Value::Unit)
                    .ok_or(Errno::ENOENT)
            }),
            Command::MapLookupAndDelete { map, .. } => self.with_map(map, |map| {
                map.entries
                    .pop_first()
                    .map(|(_, value)| Value::Bytes(value))
                    .ok_or(Errno::ENOENT)
            }),
            Command::MapCreate(map) if map.key_size == 3 => Err(Errno::EINVAL),
            Command::MapCreate(_) => Ok(Value::Handle(Handle(27))),
            other => self.net_answer(other),
        }
    }

    fn net_answer(&self, command: Command) -> Result<Value, Errno> {
        match command {
            Command::LinkInfo { .. } => Ok(Value::LinkInfo(LinkInfo {
                id: LinkId(LINK),
                link_type: LinkType::XDP.0,
                prog_id: ProgId(PROG),
                ifindex: if *self.link_detached.lock().unwrap() {
                    0
                } else {
                    4_000_000
                },
            })),
            Command::LinkDetach { link } if link.0 == LINK => {
                *self.link_detached.lock().unwrap() = true;
                Ok(Value::Unit)
            }
            Command::NetQuery => Ok(Value::NetAttached(attached())),
            Command::NetDetach { ifindex: 1, .. } => Ok(Value::Unit),
            Command::NetDeviceList => Ok(Value::NetDevices(devices())),
            Command::NetDeviceDelete { name } if name == "tap0" => Ok(Value::Unit),
            _ => Err(Errno::EOPNOTSUPP),
        }
    }
}

impl Bpf for Fake {
    fn call(&self, command: Command) -> Reply {
        match command {
            Command::NetAttach(attach) => attached_or_refused(&attach),
            Command::NetDeviceAdd(device) if device.name == "lo" => {
                refused(Errno::EEXIST, "the name 'lo' is taken")
            }
            Command::NetDeviceAdd(_) => Reply::ok(Value::Id(9)),
            Command::NetDeviceDelete { name } if name != "tap0" => refused(Errno::ENODEV, ""),
            other => self.answer(other).into(),
        }
    }
}

fn refused(errno: Errno, log: &str) -> Reply {
    Reply {
        result: Err(errno),
        log: log.to_owned(),
    }
}

fn attached_or_refused(attach: &NetAttach) -> Reply {
    match (attach.existing, attach.mode, attach.via) {
        (_, XdpMode::Offload, _) => refused(Errno::EOPNOTSUPP, ""),
        (_, _, Some(Via::Tun)) => refused(Errno::EACCES, "/dev/net/tun cannot be opened"),
        (Existing::Keep, ..) => refused(Errno::EBUSY, "XDP program already attached"),
        (Existing::Replace, ..) => Reply::ok(Value::Unit),
    }
}

fn attached() -> Vec<NetAttached> {
    let attached = |ifindex, name: &str, live| NetAttached {
        ifindex,
        name: name.to_owned(),
        mode: XdpMode::Any,
        prog_id: ProgId(PROG),
        link_id: Some(LinkId(LINK)),
        live: Some(live),
    };
    let quiet = NetLive {
        via: Via::Packet,
        verdicts: [0; 6],
        missed: 0,
        undelivered: 0,
    };
    let busy = NetLive {
        via: Via::Tap,
        verdicts: [1, 2, 3, 4, 5, 6],
        missed: 7,
        undelivered: 8,
    };
    vec![
        attached(1, "lo", quiet),
        attached(4_000_000, "evil\x1b[31m", busy),
    ]
}

fn devices() -> Vec<NetDevice> {
    let device = |name: &str, ifindex, peer: Option<&str>| NetDevice {
        name: name.to_owned(),
        ifindex,
        peer: peer.map(str::to_owned),
    };
    vec![
        device("tap0", 7, None),
        device("west", 8, Some("east")),
        device("east", 9, Some("west")),
    ]
}

fn prog_info() -> ProgInfo {
    ProgInfo {
        id: ProgId(PROG),
        prog_type: ProgType::XDP,
        name: "hello".to_owned(),
        tag: 0xeb25_a495_8cac_cc29_u64.to_be_bytes(),
        gpl_compatible: true,
        bytes_xlated: u32::try_from(XLATED.len()).unwrap(),
        bytes_jited: u32::try_from(JITED.len()).unwrap(),
        bytes_memlock: Some(4096),
        map_ids: vec![MapId(27), MapId(28)],
        btf_id: BtfId(BTF),
        run_time_ns: 70,
        run_cnt: 7,
        ..ProgInfo::default()
    }
}

fn prog_code() -> ProgCode {
    let btf = Btf::parse(&section(".BTF")).unwrap();
    let ext = BtfExt::parse(&section(".BTF.ext"), &btf).unwrap();
    ProgCode {
        xlated: XLATED.to_vec(),
        jited: Jited {
            code: JITED.to_vec(),
            func_lens: vec![u32::try_from(JITED.len()).unwrap()],
            ksyms: vec![CODE],
            line_addrs: [0, 0x2e, 0x37].map(|offset| CODE + offset).to_vec(),
            arch: Some(Arch::X86_64),
            symbols: vec![
                (CALL_BASE, "__bpf_call_base".to_owned()),
                (0xffff_ffff_814b_d860, "bpf_trace_printk".to_owned()),
            ],
        },
        func_info: skep_btf::func_info_bytes(ext.funcs(&btf, "xdp")),
        line_info: skep_btf::line_info_bytes(ext.lines(&btf, "xdp")),
        prog_tags: Vec::new(),
    }
}
