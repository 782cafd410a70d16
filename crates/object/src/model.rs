//! The parsed object as plain data.
//!
//! Representation: code stays in its sections, undivided; a [`Function`] is a range of one, and ranges of
//! different extent do not overlap. Relocations are typed and sorted, one list per section, positions counted
//! from the section's start.
//! Invariants: every index in here is in range; every relocated position has its instruction (both slots of a wide
//! load) within its function; call targets are starts of functions.
//! Does not know file descriptors, names that the kernel sees, or any kernel: that is the loader's.

use crate::sections::SectionDef;
use skep_btf::{Btf, BtfExt, TypeId};
use skep_isa::InsnIdx;
use skep_uapi::MapType;

macro_rules! indices {
    ($($(#[$meta:meta])* $name:ident;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub(crate) usize);

        impl $name {
            /// As an index into the object's list.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0
            }
        }
    )*};
}

indices! {
    /// A code section of an object.
    CodeIdx;
    /// A function of an object.
    FunctionIdx;
    /// A map of an object.
    MapIdx;
    /// An extern of an object.
    ExternIdx;
}

/// A BPF object file, parsed and resolved within itself.
#[derive(Clone, PartialEq, Debug)]
pub struct Object {
    pub(crate) code: Vec<CodeSection>,
    pub(crate) functions: Vec<Function>,
    pub(crate) maps: Vec<Map>,
    pub(crate) externs: Vec<Extern>,
    pub(crate) license: String,
    pub(crate) version: Option<u32>,
    pub(crate) btf: Option<Btf>,
    pub(crate) btf_ext: Option<BtfExt>,
    pub(crate) notes: Vec<Note>,
}

/// Something that was passed over, as libbpf passes over it.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Note {
    /// A section with contents that mean nothing to a loader.
    #[error("section '{0}' is not recognised and ignored")]
    Section(String),
    /// A section that a loader must handle and this one cannot yet.
    #[error("section '{section}': {what} are not supported yet")]
    Unsupported {
        /// Name.
        section: String,
        /// What it holds.
        what: &'static str,
    },
    /// BTF that cannot be read, in an object that can do without.
    #[error("BTF is ignored: {0}")]
    Btf(skep_btf::BtfError),
    /// BTF.ext that cannot be read.
    #[error("BTF.ext is ignored: {0}")]
    BtfExt(skep_btf::BtfError),
}

/// A section of instructions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CodeSection {
    pub(crate) name: String,
    pub(crate) insns: Vec<u8>,
    pub(crate) relocs: Vec<Reloc>,
}

/// A function: a program, or a subprogram that programs call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Function {
    pub(crate) name: String,
    pub(crate) code: CodeIdx,
    pub(crate) start: InsnIdx,
    pub(crate) count: u32,
    pub(crate) role: Role,
}

/// What a function is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// A program, loaded when its object is.
    Program,
    /// A program that is loaded only when asked for (`SEC("?…")`).
    OptionalProgram,
    /// Called by programs, and appended to each that calls it.
    Subprogram,
}

/// One relocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reloc {
    /// Instruction, counted from the start of its section.
    pub at: InsnIdx,
    /// What it refers to.
    pub target: Target,
}

/// What an instruction refers to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// The map itself.
    Map(MapIdx),
    /// A place in the value of a data map.
    Data {
        /// The data map.
        map: MapIdx,
        /// Offset in its value, in bytes, wrapping as the instruction's field does.
        offset: u32,
    },
    /// A call of a function.
    Call(FunctionIdx),
    /// The address of a function.
    FunctionAddress(FunctionIdx),
    /// The address or value of an extern.
    Extern(ExternIdx),
    /// A call of an extern function.
    ExternCall(ExternIdx),
}

/// A map that the object defines or implies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Map {
    pub(crate) name: String,
    pub(crate) origin: MapOrigin,
    pub(crate) def: MapDef,
    pub(crate) inner: Option<MapDef>,
    pub(crate) contents: Contents,
    pub(crate) slots: Vec<Slot>,
}

/// Where a map comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapOrigin {
    /// A definition in `.maps`.
    Defined,
    /// A data section; the map's name is the section's.
    Data(DataKind),
}

/// Kinds of data sections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DataKind {
    /// `.data` and `.data.*`.
    Data,
    /// `.bss` and `.bss.*`.
    Bss,
    /// `.rodata` and `.rodata.*`: frozen after they are filled.
    Rodata,
    /// `.kconfig`: filled by the loader and frozen.
    Kconfig,
}

/// Attributes of a map. Sizes in bytes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MapDef {
    /// Map type.
    pub map_type: MapType,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Largest number of entries, as written.
    pub max_entries: u32,
    /// `BPF_F_*` flags.
    pub map_flags: u32,
    /// NUMA node.
    pub numa_node: u32,
    /// Type-specific extra.
    pub map_extra: u64,
    /// Whether the map is shared by name.
    pub pinning: Pinning,
    /// BTF type of the key, 0 for none.
    pub key_type: TypeId,
    /// BTF type of the value, 0 for none.
    pub value_type: TypeId,
}

/// Sharing of a map between objects (`LIBBPF_PIN_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Pinning {
    /// Not shared.
    #[default]
    None,
    /// Pinned under its name in the loader's pin directory, and taken from there if it exists.
    ByName,
}

/// First contents of a data map.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Contents {
    /// Not a data map.
    None,
    /// These bytes; for an arena, from its start.
    Bytes(Vec<u8>),
    /// Zeros, as many as the value has bytes.
    Zeros,
}

/// First value of an element of a map of maps or of programs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    /// Key.
    pub index: u32,
    /// Value.
    pub target: SlotTarget,
}

/// What a slot holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SlotTarget {
    /// An inner map.
    Map(MapIdx),
    /// A program.
    Program(FunctionIdx),
}

/// A name that the loader must give a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Extern {
    pub(crate) name: String,
    pub(crate) kind: ExternKind,
    pub(crate) strength: Strength,
}

/// What an extern stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExternKind {
    /// A kernel option: `size` bytes at `offset` of the `.kconfig` map.
    Option {
        /// The `.kconfig` map.
        map: MapIdx,
        /// Offset in its value, in bytes.
        offset: u32,
        /// Bytes.
        size: u32,
    },
    /// The address of a kernel variable; `TypeId(0)` is a variable without type.
    Variable(TypeId),
    /// A kernel function with this prototype.
    Function(TypeId),
}

/// Whether an extern may be missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strength {
    /// Loading fails without it.
    Strong,
    /// It is zero if missing.
    Weak,
}

impl Object {
    /// The sections of instructions, in order of the file.
    #[must_use]
    pub fn code(&self) -> &[CodeSection] {
        &self.code
    }

    /// All functions, ordered by section and place in it: the order in which libbpf loads programs.
    #[must_use]
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The programs among the functions, optional ones included.
    pub fn programs(&self) -> impl Iterator<Item = (FunctionIdx, &Function)> {
        let all = self
            .functions
            .iter()
            .enumerate()
            .map(|(at, function)| (FunctionIdx(at), function));
        all.filter(|(_, function)| function.role != Role::Subprogram)
    }

    /// The subprogram of this name.
    #[must_use]
    pub fn subprogram(&self, name: &str) -> Option<FunctionIdx> {
        let is_it =
            |function: &Function| function.role == Role::Subprogram && function.name == name;
        self.functions.iter().position(is_it).map(FunctionIdx)
    }

    /// All maps in the order in which libbpf creates them.
    #[must_use]
    pub fn maps(&self) -> &[Map] {
        &self.maps
    }

    /// The indices of all maps, in the same order.
    pub fn map_indices(&self) -> impl Iterator<Item = MapIdx> + use<> {
        (0..self.maps.len()).map(MapIdx)
    }

    /// All externs: options by alignment and size, then kernel symbols by name.
    #[must_use]
    pub fn externs(&self) -> &[Extern] {
        &self.externs
    }

    /// Licence, empty if the object names none.
    #[must_use]
    pub fn license(&self) -> &str {
        &self.license
    }

    /// Kernel version of the `version` section.
    #[must_use]
    pub const fn version(&self) -> Option<u32> {
        self.version
    }

    /// BTF, with section sizes and variable offsets set: what is loaded into the kernel.
    #[must_use]
    pub const fn btf(&self) -> Option<&Btf> {
        self.btf.as_ref()
    }

    /// Function, line and CO-RE records.
    #[must_use]
    pub const fn btf_ext(&self) -> Option<&BtfExt> {
        self.btf_ext.as_ref()
    }

    /// What was passed over.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The function at an index of this object.
    ///
    /// # Panics
    /// If the index comes from another object.
    #[must_use]
    pub fn function(&self, index: FunctionIdx) -> &Function {
        &self.functions[index.0]
    }

    /// The map at an index of this object.
    ///
    /// # Panics
    /// If the index comes from another object.
    #[must_use]
    pub fn map(&self, index: MapIdx) -> &Map {
        &self.maps[index.0]
    }

    /// The extern at an index of this object.
    ///
    /// # Panics
    /// If the index comes from another object.
    #[must_use]
    pub fn external(&self, index: ExternIdx) -> &Extern {
        &self.externs[index.0]
    }

    /// The section that holds a function.
    #[must_use]
    pub fn section_of(&self, function: &Function) -> &CodeSection {
        &self.code[function.code.0]
    }

    /// The instructions of a function, unrelocated, in wire form.
    #[must_use]
    pub fn insns(&self, function: &Function) -> &[u8] {
        let start = function.start.index() * INSN_BYTES;
        &self.section_of(function).insns[start..start + slots(function.count) * INSN_BYTES]
    }

    /// The relocations of a function, in order of place. Their positions count from the section's start.
    #[must_use]
    pub fn relocs(&self, function: &Function) -> &[Reloc] {
        let relocs = &self.section_of(function).relocs;
        let end = InsnIdx(function.start.0 + function.count);
        let from = relocs.partition_point(|reloc| reloc.at < function.start);
        let to = relocs.partition_point(|reloc| reloc.at < end);
        &relocs[from..to]
    }

    /// What the section name says about a program.
    #[must_use]
    pub fn section_def(&self, function: &Function) -> Option<&'static SectionDef> {
        SectionDef::find(self.section_of(function).attach_name())
    }
}

/// Bytes of an instruction slot.
pub(crate) const INSN_BYTES: usize = skep_isa::RawInsn::SIZE;

/// The same, for offsets and sizes of the file.
pub(crate) const INSN_BYTES_64: u64 = 8;
const _: () = assert!(INSN_BYTES == 8);

fn slots(count: u32) -> usize {
    InsnIdx(count).index()
}

impl CodeSection {
    /// Name as in the file; BTF.ext uses it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name without the `?` that makes its programs optional.
    #[must_use]
    pub fn attach_name(&self) -> &str {
        self.name.strip_prefix('?').unwrap_or(&self.name)
    }

    /// All instructions, unrelocated, in wire form.
    #[must_use]
    pub fn insns(&self) -> &[u8] {
        &self.insns
    }
}

impl Function {
    /// Name, as in the source.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Section.
    #[must_use]
    pub const fn code(&self) -> CodeIdx {
        self.code
    }

    /// First instruction, counted from the section's start.
    #[must_use]
    pub const fn start(&self) -> InsnIdx {
        self.start
    }

    /// Number of instruction slots.
    #[must_use]
    pub const fn insn_count(&self) -> u32 {
        self.count
    }

    /// What the function is for.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }
}

impl Map {
    /// Name as in the object: a variable's or a section's.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the map comes from.
    #[must_use]
    pub const fn origin(&self) -> MapOrigin {
        self.origin
    }

    /// Attributes.
    #[must_use]
    pub const fn def(&self) -> &MapDef {
        &self.def
    }

    /// Attributes of the inner maps of a map of maps.
    #[must_use]
    pub const fn inner(&self) -> Option<&MapDef> {
        self.inner.as_ref()
    }

    /// First contents of a data map.
    #[must_use]
    pub const fn contents(&self) -> &Contents {
        &self.contents
    }

    /// First values of a map of maps or of programs, in order of the file.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }
}

impl Extern {
    /// Name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it stands for.
    #[must_use]
    pub const fn kind(&self) -> ExternKind {
        self.kind
    }

    /// Whether it may be missing.
    #[must_use]
    pub const fn strength(&self) -> Strength {
        self.strength
    }
}
