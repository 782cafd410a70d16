//! Commands, replies and the trait that everything which implements BPF implements.

use crate::{
    AttachType, BtfId, Errno, LinkId, MapId, MapType, NetAttach, NetAttached, NetDevice,
    NetDeviceAdd, ProgId, ProgType, TAG_SIZE, TypeId, XdpMode,
};
use serde::{Deserialize, Serialize};

/// A descriptor: a reference to a program, map, BTF object or link, owned by one connection and closed with it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Handle(pub u32);

/// Anything that answers bpf(2) commands: the machine, the daemon's client, Linux itself.
pub trait Bpf: Send + Sync {
    /// Carries out one command. Handles in commands and replies belong to `self`'s connection.
    fn call(&self, command: Command) -> Reply;
}

/// The answer to a command. A failed load has both an error and a log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reply {
    /// Value, or the error number that Linux would return.
    pub result: Result<Value, Errno>,
    /// The verifier's (or BTF parser's) log, empty unless asked for.
    pub log: String,
}

impl Reply {
    /// A success without a log.
    #[must_use]
    pub fn ok(value: Value) -> Self {
        Self {
            result: Ok(value),
            log: String::new(),
        }
    }

    /// A failure without a log.
    #[must_use]
    pub fn err(errno: Errno) -> Self {
        Self {
            result: Err(errno),
            log: String::new(),
        }
    }
}

impl From<Result<Value, Errno>> for Reply {
    fn from(result: Result<Value, Errno>) -> Self {
        Self {
            result,
            log: String::new(),
        }
    }
}

/// Definition of a map (`BPF_MAP_CREATE`). Sizes in bytes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MapCreate {
    /// Map type.
    pub map_type: MapType,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Largest number of entries.
    pub max_entries: u32,
    /// `BPF_F_*` map flags.
    pub map_flags: u32,
    /// Name, at most 15 bytes of `[A-Za-z0-9_.]`.
    pub name: String,
    /// BTF that describes key and value.
    pub btf: Option<Handle>,
    /// Type of the key, 0 for none.
    pub btf_key_type_id: TypeId,
    /// Type of the value, 0 for none.
    pub btf_value_type_id: TypeId,
    /// Template of the inner maps of a map of maps.
    pub inner_map: Option<Handle>,
    /// NUMA node, with `BPF_F_NUMA_NODE`.
    pub numa_node: u32,
    /// Type-specific extra (`map_extra`).
    pub map_extra: u64,
}

/// A program to verify and load (`BPF_PROG_LOAD`). In `insns`, map descriptors are the numbers of [`Handle`]s.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ProgLoad {
    /// Program type.
    pub prog_type: ProgType,
    /// Instructions in wire form, eight bytes a slot.
    pub insns: Vec<u8>,
    /// Licence text.
    pub license: String,
    /// `BPF_F_*` program flags.
    pub prog_flags: u32,
    /// Name, at most 15 bytes.
    pub name: String,
    /// Attach type that the context rules depend on.
    pub expected_attach_type: AttachType,
    /// BTF of the program.
    pub btf: Option<Handle>,
    /// `bpf_func_info` records, wire form, `func_info_rec_size` bytes each.
    pub func_info: Vec<u8>,
    /// Bytes of a `func_info` record.
    pub func_info_rec_size: u32,
    /// `bpf_line_info` records, wire form, `line_info_rec_size` bytes each.
    pub line_info: Vec<u8>,
    /// Bytes of a `line_info` record.
    pub line_info_rec_size: u32,
    /// BTF type id of the attach target.
    pub attach_btf_id: TypeId,
    /// Device index for offload or device-bound programs, 0 for none.
    pub ifindex: u32,
    /// Maps by index, for `BPF_PSEUDO_MAP_IDX`.
    pub fd_array: Vec<Handle>,
    /// Log level bits: 1 and 2 verbosity, 4 statistics.
    pub log_level: u32,
}

/// A test run (`BPF_PROG_TEST_RUN`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TestRun {
    /// Program.
    pub prog: Handle,
    /// Packet.
    pub data_in: Vec<u8>,
    /// Largest output packet wanted, in bytes.
    pub data_size_out: u32,
    /// Context, or empty.
    pub ctx_in: Vec<u8>,
    /// Largest output context wanted, in bytes.
    pub ctx_size_out: u32,
    /// Runs, 0 meaning 1.
    pub repeat: u32,
    /// `BPF_F_TEST_*` flags.
    pub flags: u32,
    /// CPU to run on, with `BPF_F_TEST_RUN_ON_CPU`.
    pub cpu: u32,
    /// Which engine runs it; Linux knows only its own.
    pub engine: Engine,
}

/// Result of a test run.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TestRunResult {
    /// r0 of the last run.
    pub retval: u32,
    /// Average picoseconds per run; Linux only reports whole nanoseconds.
    pub duration_ps: u64,
    /// Packet after the last run; empty if `data_size_out` was 0 (a smaller room than the packet is ENOSPC).
    pub data_out: Vec<u8>,
    /// Full size of the packet after the last run, in bytes.
    pub data_size: u32,
    /// Context after the last run.
    pub ctx_out: Vec<u8>,
}

/// Choice of execution engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Engine {
    /// Compiled code where the host has a JIT, else the interpreter.
    #[default]
    Auto,
    /// Compiled code only.
    Jit,
    /// The interpreter over trusted memory.
    Interp,
    /// The interpreter that checks every access (reference engine).
    Checked,
}

/// Machine-code target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Arch {
    /// x86-64.
    X86_64,
    /// 64-bit Arm.
    Aarch64,
}

/// The kinds of objects with ids.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ObjectKind {
    /// Programs.
    Prog,
    /// Maps.
    Map,
    /// BTF objects.
    Btf,
    /// Links.
    Link,
}

/// A command: bpf(2)'s own, then a closed list of what Linux offers elsewhere.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// `BPF_MAP_CREATE` → [`Value::Handle`].
    MapCreate(MapCreate),
    /// `BPF_MAP_LOOKUP_ELEM` → [`Value::Bytes`]; per-CPU maps give all CPUs' values, each rounded up to 8 bytes.
    MapLookup {
        /// Map.
        map: Handle,
        /// Key.
        key: Vec<u8>,
        /// `BPF_F_LOCK` or 0.
        flags: u64,
    },
    /// `BPF_MAP_UPDATE_ELEM` → [`Value::Unit`].
    MapUpdate {
        /// Map.
        map: Handle,
        /// Key.
        key: Vec<u8>,
        /// Value; per-CPU maps take all CPUs' values, each rounded up to 8 bytes.
        value: Vec<u8>,
        /// `BPF_ANY`, `BPF_NOEXIST`, `BPF_EXIST`, `BPF_F_LOCK`.
        flags: u64,
    },
    /// `BPF_MAP_DELETE_ELEM` → [`Value::Unit`].
    MapDelete {
        /// Map.
        map: Handle,
        /// Key.
        key: Vec<u8>,
    },
    /// `BPF_MAP_LOOKUP_AND_DELETE_ELEM` → [`Value::Bytes`].
    MapLookupAndDelete {
        /// Map.
        map: Handle,
        /// Key.
        key: Vec<u8>,
    },
    /// `BPF_MAP_GET_NEXT_KEY` → [`Value::Bytes`], ENOENT after the last.
    MapNextKey {
        /// Map.
        map: Handle,
        /// Key before the wanted one; `None` for the first.
        key: Option<Vec<u8>>,
    },
    /// `BPF_MAP_FREEZE` → [`Value::Unit`].
    MapFreeze {
        /// Map.
        map: Handle,
    },
    /// `BPF_PROG_LOAD` → [`Value::Handle`].
    ProgLoad(Box<ProgLoad>),
    /// `BPF_PROG_TEST_RUN` → [`Value::TestRun`].
    TestRun(Box<TestRun>),
    /// `BPF_PROG_BIND_MAP` → [`Value::Unit`].
    ProgBindMap {
        /// Program.
        prog: Handle,
        /// Map that lives as long as the program.
        map: Handle,
    },
    /// `BPF_BTF_LOAD` → [`Value::Handle`].
    BtfLoad {
        /// Raw BTF.
        data: Vec<u8>,
        /// Log level bits.
        log_level: u32,
    },
    /// `BPF_OBJ_PIN` → [`Value::Unit`].
    Pin {
        /// What to pin.
        object: Handle,
        /// Absolute path.
        path: String,
    },
    /// `BPF_OBJ_GET` → [`Value::Opened`].
    OpenPin {
        /// Absolute path.
        path: String,
    },
    /// `BPF_*_GET_NEXT_ID` → [`Value::Id`], ENOENT after the last.
    NextId {
        /// Kind of object.
        kind: ObjectKind,
        /// Id before the wanted one; 0 for the first.
        after: u32,
    },
    /// `BPF_*_GET_FD_BY_ID` → [`Value::Handle`].
    OpenId {
        /// Kind of object.
        kind: ObjectKind,
        /// Id.
        id: u32,
    },
    /// `BPF_OBJ_GET_INFO_BY_FD` of a program, without its code → [`Value::ProgInfo`].
    ProgInfo {
        /// Program.
        prog: Handle,
    },
    /// `BPF_OBJ_GET_INFO_BY_FD` of a program, with all arrays → [`Value::ProgCode`].
    ProgCode {
        /// Program.
        prog: Handle,
    },
    /// `BPF_OBJ_GET_INFO_BY_FD` of a map, and its fdinfo → [`Value::MapInfo`].
    MapInfo {
        /// Map.
        map: Handle,
    },
    /// `BPF_OBJ_GET_INFO_BY_FD` of a BTF object → [`Value::BtfInfo`].
    BtfInfo {
        /// BTF object.
        btf: Handle,
    },
    /// `BPF_OBJ_GET_INFO_BY_FD` of a link → [`Value::LinkInfo`].
    LinkInfo {
        /// Link.
        link: Handle,
    },

    /// close(2) of a descriptor → [`Value::Unit`].
    Close {
        /// Descriptor.
        handle: Handle,
    },
    /// Lists pins below a prefix (readdir of bpffs) → [`Value::Pins`].
    PinList {
        /// Path prefix; empty for all.
        prefix: String,
    },
    /// unlink(2) of a pin → [`Value::Unit`].
    PinRemove {
        /// Absolute path.
        path: String,
    },
    /// Reads the trace pipe → [`Value::Lines`]: whole lines without newline, each delivered to one reader.
    TraceRead {
        /// Most lines wanted.
        lines_max: u32,
        /// Longest wait for a first line, in milliseconds; an empty answer after it.
        wait_ms: u32,
    },
    /// Number of possible CPUs → [`Value::Count`].
    CpuCount,
    /// Compiles a loaded program for an architecture → [`Value::Jited`]. Linux answers for its own.
    ProgCompile {
        /// Program.
        prog: Handle,
        /// Target.
        arch: Arch,
    },
    /// Counts of the machine → [`Value::Status`].
    Status,
    /// Attaches an XDP program to an interface (rtnetlink) → [`Value::Unit`]. A refusal's reason is in the log.
    NetAttach(NetAttach),
    /// Detaches the XDP program of an interface (rtnetlink) → [`Value::Unit`], also if there is none.
    NetDetach {
        /// Interface index.
        ifindex: u32,
        /// How it was attached.
        mode: XdpMode,
    },
    /// What is attached to the interfaces of the machine's network namespace (rtnetlink) → [`Value::NetAttached`].
    NetQuery,
    /// Makes a network device whose wire is the machine → [`Value::Id`], its interface index.
    NetDeviceAdd(NetDeviceAdd),
    /// Removes one (and the one at the other end) → [`Value::Unit`].
    NetDeviceDelete {
        /// Its name.
        name: String,
    },
    /// Lists those that the machine made → [`Value::NetDevices`].
    NetDeviceList,
    /// `BPF_LINK_DETACH` → [`Value::Unit`].
    LinkDetach {
        /// Link.
        link: Handle,
    },
}

/// Values of successful replies.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the commands say which value answers them")]
pub enum Value {
    Unit,
    Handle(Handle),
    Opened(ObjectKind, Handle),
    Bytes(Vec<u8>),
    Id(u32),
    Count(u64),
    Lines(Vec<String>),
    TestRun(TestRunResult),
    ProgInfo(Box<ProgInfo>),
    ProgCode(Box<ProgCode>),
    MapInfo(Box<MapInfo>),
    BtfInfo(Box<BtfInfo>),
    LinkInfo(LinkInfo),
    Pins(Vec<PinInfo>),
    Jited(Box<Jited>),
    Status(MachineStatus),
    NetAttached(Vec<NetAttached>),
    NetDevices(Vec<NetDevice>),
}

/// What `bpftool prog show` prints (`struct bpf_prog_info` and fdinfo).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ProgInfo {
    /// Id.
    pub id: ProgId,
    /// Type.
    pub prog_type: ProgType,
    /// Name, may be empty.
    pub name: String,
    /// Tag.
    pub tag: [u8; TAG_SIZE],
    /// Whether the licence is GPL-compatible.
    pub gpl_compatible: bool,
    /// Nanoseconds since boot at load (CLOCK_BOOTTIME).
    pub load_time_ns: u64,
    /// Uid of the loader.
    pub uid: u32,
    /// Whether the program is no longer reachable (`orphaned`, fdinfo's `orphaned`).
    pub orphaned: bool,
    /// Bytes of translated instructions.
    pub bytes_xlated: u32,
    /// Bytes of machine code, 0 if not compiled.
    pub bytes_jited: u32,
    /// Bytes charged (fdinfo's `memlock`), if known.
    pub bytes_memlock: Option<u64>,
    /// Ids of maps it uses.
    pub map_ids: Vec<MapId>,
    /// Its BTF, 0 for none.
    pub btf_id: BtfId,
    /// Device it is bound to, 0 for none.
    pub ifindex: u32,
    /// Total run time in nanoseconds, when statistics are on.
    pub run_time_ns: u64,
    /// Number of runs, when statistics are on.
    pub run_cnt: u64,
    /// Recursion misses.
    pub recursion_misses: u64,
    /// Instructions that the verifier processed.
    pub verified_insns: u32,
}

/// The arrays of `struct bpf_prog_info`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ProgCode {
    /// Translated instructions, wire form, as `dump xlated` wants them (map references as pseudo sources with ids,
    /// helper calls as displacements from the base of the helper address space, `__bpf_call_base`).
    pub xlated: Vec<u8>,
    /// Machine code.
    pub jited: Jited,
    /// `bpf_func_info` records adjusted to the translated program (8 bytes each).
    pub func_info: Vec<u8>,
    /// `bpf_line_info` records adjusted to the translated program (16 bytes each).
    pub line_info: Vec<u8>,
    /// Tags of subprograms.
    pub prog_tags: Vec<[u8; TAG_SIZE]>,
}

/// Machine code of a program and its functions.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Jited {
    /// All functions' code, one after the other.
    pub code: Vec<u8>,
    /// Bytes of each function.
    pub func_lens: Vec<u32>,
    /// Address of each function's start (`jited_ksyms`).
    pub ksyms: Vec<u64>,
    /// Address of the first machine instruction of each line-info record (`jited_line_info`).
    pub line_addrs: Vec<u64>,
    /// Target.
    pub arch: Option<Arch>,
    /// Addresses that appear in the code and what they are called (helpers, maps, subprograms); skep's own.
    pub symbols: Vec<(u64, String)>,
}

/// What `bpftool map show` prints (`struct bpf_map_info` and fdinfo).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MapInfo {
    /// Id.
    pub id: MapId,
    /// Type.
    pub map_type: MapType,
    /// Name, may be empty.
    pub name: String,
    /// Flags given at creation.
    pub map_flags: u32,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Largest number of entries.
    pub max_entries: u32,
    /// Bytes charged (fdinfo's `memlock`), if known.
    pub bytes_memlock: Option<u64>,
    /// Whether the bpf(2) side may still write.
    pub frozen: bool,
    /// BTF of key and value, 0 for none.
    pub btf_id: BtfId,
    /// Type of the key.
    pub btf_key_type_id: TypeId,
    /// Type of the value.
    pub btf_value_type_id: TypeId,
    /// Type of the program that owns a prog_array (fdinfo).
    pub owner_prog_type: Option<ProgType>,
    /// Whether that program is compiled.
    pub owner_jited: bool,
    /// Device it is bound to, 0 for none.
    pub ifindex: u32,
    /// Type-specific extra.
    pub map_extra: u64,
}

/// `struct bpf_btf_info`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct BtfInfo {
    /// Id.
    pub id: BtfId,
    /// Raw BTF.
    pub data: Vec<u8>,
    /// Name (`vmlinux`, a module), else empty.
    pub name: String,
    /// Whether the kernel made it.
    pub kernel_btf: bool,
}

/// `struct bpf_link_info`, the common part.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LinkInfo {
    /// Id.
    pub id: LinkId,
    /// Type number (`enum bpf_link_type`).
    pub link_type: u32,
    /// Program.
    pub prog_id: ProgId,
    /// Device of an XDP link; 0 once it is detached.
    pub ifindex: u32,
}

/// One pin.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PinInfo {
    /// Absolute path.
    pub path: String,
    /// Kind of the pinned object.
    pub kind: ObjectKind,
    /// Id of the pinned object.
    pub id: u32,
}

/// Counts of the machine's objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MachineStatus {
    /// Programs.
    pub progs: u32,
    /// Maps.
    pub maps: u32,
    /// BTF objects.
    pub btfs: u32,
    /// Links.
    pub links: u32,
    /// Pins.
    pub pins: u32,
    /// Lines lost because the trace pipe was full.
    pub trace_lost: u64,
}
