//! What surrounds a program: type, licence, maps, BTF.

use skep_btf::core::KernelBtf;
use skep_contracts::Version;
use skep_isa::InsnIdx;
use skep_uapi::{AttachType, MapId, MapType, ProgType, TypeId};
use std::sync::Arc;

/// A map as the verifier needs it.
#[derive(Clone, Debug, Default)]
pub struct MapDesc {
    /// Descriptor number by which instructions name it.
    pub fd: i32,
    /// Id.
    pub id: MapId,
    /// Name, for the log.
    pub name: String,
    /// Type.
    pub map_type: MapType,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Largest number of entries.
    pub max_entries: u32,
    /// Creation flags.
    pub map_flags: u32,
    /// The value of a frozen, read-only single-entry array, whose loads are constants.
    pub constant: Option<Arc<[u8]>>,
    /// `map_extra`: hash functions of a bloom filter, address of an arena.
    pub map_extra: u64,
    /// BTF of key and value.
    pub btf: Option<Arc<skep_btf::Btf>>,
    /// Type of the value in `btf`; 0 for none.
    pub value_type: TypeId,
    /// Special fields of the value, in order of offset.
    pub fields: Arc<[skep_btf::SpecialField]>,
    /// Definition of the maps in a map of maps.
    pub inner: Option<Arc<MapDesc>>,
}

/// A `bpf_func_info` record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FuncInfo {
    /// First instruction of the function.
    pub at: InsnIdx,
    /// `BTF_KIND_FUNC` type.
    pub type_id: TypeId,
}

/// A `bpf_line_info` record; offsets into the BTF string section.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LineInfo {
    /// First instruction of the line.
    pub at: InsnIdx,
    /// File name.
    pub file_name_off: u32,
    /// Text of the line.
    pub line_off: u32,
    /// Line (upper 22 bits) and column (lower 10 bits).
    pub line_col: u32,
}

/// Everything around the program that its verdict depends on.
#[derive(Debug)]
pub struct Env<'a> {
    /// Program type.
    pub prog_type: ProgType,
    /// Attach type.
    pub expected_attach_type: AttachType,
    /// `BPF_F_*` program flags.
    pub prog_flags: u32,
    /// Whether the licence is GPL-compatible.
    pub gpl_compatible: bool,
    /// Maps that instructions name by descriptor.
    pub maps: &'a [MapDesc],
    /// Maps by index (`fd_array`), as indices into `maps`.
    pub fd_array: &'a [usize],
    /// The program's BTF.
    pub btf: Option<&'a skep_btf::Btf>,
    /// The kernel's types, by which instructions name its functions; `None`: programs that do are not supported.
    pub kernel: Option<&'a KernelBtf>,
    /// Function records in order.
    pub func_info: &'a [FuncInfo],
    /// Line records in order.
    pub line_info: &'a [LineInfo],
    /// Kernel release whose rules apply.
    pub profile: Version,
}
