//! What can be wrong with an object: one variant per subject, one flaw per rule.

use skep_btf::BtfError;
use thiserror::Error;

/// Why bytes are not a BPF object that can be used.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ObjectError {
    /// The file does not begin with the ELF magic.
    #[error("not an ELF file")]
    NotElf,
    /// The file is larger than any object this crate reads.
    #[error("file of {size} bytes is too large for a BPF object")]
    TooLarge {
        /// Bytes of the file.
        size: usize,
    },
    /// 32-bit ELF.
    #[error("32-bit ELF file; BPF objects are 64-bit")]
    Class32,
    /// Big-endian ELF.
    #[error(
        "big-endian ELF file; only little-endian BPF objects are supported (clang -target bpfel)"
    )]
    BigEndian,
    /// An object of another machine.
    #[error("ELF file is for machine {machine}, not for BPF ({}); compile with clang -target bpf", object::elf::EM_BPF.0)]
    Machine {
        /// `e_machine`.
        machine: u16,
    },
    /// Not a relocatable file.
    #[error("ELF file has type {file_type}, not relocatable (1)")]
    FileType {
        /// `e_type`.
        file_type: u16,
    },
    /// The container is broken.
    #[error("broken ELF {what}: {source}")]
    Elf {
        /// Which structure.
        what: &'static str,
        /// What is wrong with it.
        source: object::read::Error,
    },
    /// No symbol table.
    #[error("no symbol table; was the object stripped?")]
    NoSymbols,
    /// More than one symbol table.
    #[error("more than one symbol table")]
    TwoSymbolTables,
    /// A section is wrong.
    #[error("section {index} '{name}': {what}")]
    Section {
        /// Index in the file.
        index: usize,
        /// Name.
        name: String,
        /// What is wrong.
        what: SectionFlaw,
    },
    /// A symbol is wrong.
    #[error("symbol {index} '{name}': {what}")]
    Symbol {
        /// Index in the symbol table.
        index: usize,
        /// Name, if it could be read.
        name: String,
        /// What is wrong.
        what: SymbolFlaw,
    },
    /// A map definition is wrong.
    #[error("map '{map}': {what}")]
    Map {
        /// Name of the map.
        map: String,
        /// What is wrong.
        what: MapFlaw,
    },
    /// A relocation cannot be understood.
    #[error("section '{section}': relocation at byte {offset} against '{symbol}': {what}")]
    Relocation {
        /// Section that is relocated.
        section: String,
        /// Offset in it, in bytes.
        offset: u64,
        /// Name of the symbol.
        symbol: String,
        /// What is wrong.
        what: RelocFlaw,
    },
    /// A call within a section that does not reach a function.
    #[error(
        "section '{section}': call at instruction {at} does not lead to the start of a function"
    )]
    Call {
        /// Section.
        section: String,
        /// Instruction in it.
        at: u32,
    },
    /// An extern cannot be understood.
    #[error("extern '{name}': {what}")]
    Extern {
        /// Name.
        name: String,
        /// What is wrong.
        what: ExternFlaw,
    },
    /// BTF that maps or externs need is missing or broken.
    #[error("BTF is needed for {what}: {source}")]
    Btf {
        /// What needs it.
        what: &'static str,
        /// What is wrong with it.
        source: BtfError,
    },
    /// Maps or externs need BTF and there is none.
    #[error("BTF is needed for {what}, and the object has none; compile with clang -g")]
    NoBtf {
        /// What needs it.
        what: &'static str,
    },
    /// Variables in an arena, and no arena.
    #[error("section '.addr_space.1' has variables of an arena, and no map is one")]
    NoArena,
    /// A section that BTF describes is not in the file, or is empty.
    #[error("BTF describes section '{name}', which the file does not have")]
    Datasec {
        /// Name of the section.
        name: String,
    },
    /// A variable that BTF describes has no symbol.
    #[error("BTF describes variable '{name}' of section '{section}', which has no symbol there")]
    Variable {
        /// Name of the section.
        section: String,
        /// Name of the variable.
        name: String,
    },
}

/// What is wrong with a section.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum SectionFlaw {
    /// The name is outside of the name table, or not terminated.
    #[error("name offset {offset} is not in the name table")]
    Name {
        /// `sh_name`.
        offset: u32,
    },
    /// The names of all sections together are out of proportion to the file.
    #[error("names share too many bytes of the name table")]
    TooManyNames,
    /// The contents lie outside of the file.
    #[error("{size} bytes at {offset} are not within the file")]
    OutsideFile {
        /// `sh_offset`.
        offset: u64,
        /// `sh_size`.
        size: u64,
    },
    /// Sections share contents.
    #[error("overlaps other sections")]
    Overlap,
    /// A table with entries of another size.
    #[error("entries of {size} bytes are not possible")]
    EntrySize {
        /// `sh_entsize`.
        size: u64,
    },
    /// Code whose size is not a multiple of an instruction's.
    #[error("{size} bytes are not a whole number of instructions")]
    PartialInstruction {
        /// Bytes of the section.
        size: usize,
    },
    /// Zeroed data beyond the bound.
    #[error("{size} bytes of data are too large for a map value")]
    DataTooLarge {
        /// Bytes of the section.
        size: u64,
    },
    /// Relocations for a section that does not exist.
    #[error("relocates section {target}, which does not exist")]
    NoTarget {
        /// `sh_info`.
        target: usize,
    },
    /// The `version` section is not a 32-bit number.
    #[error("kernel version must have 4 bytes")]
    Version,
    /// Definitions without BTF of no known form.
    #[error("legacy map definitions of no known form: {size} bytes for {symbols} symbols")]
    LegacyMaps {
        /// Bytes of the section.
        size: usize,
        /// Symbols in it.
        symbols: usize,
    },
}

/// What is wrong with a symbol.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum SymbolFlaw {
    /// The name is outside of the name table, or not terminated.
    #[error("name offset {offset} is not in the name table")]
    Name {
        /// `st_name`.
        offset: u32,
    },
    /// The names of all symbols together are out of proportion to the file.
    #[error("names share too many bytes of the name table")]
    TooManyNames,
    /// Defined in a section that does not exist.
    #[error("defined in section {section}, which does not exist")]
    NoSuchSection {
        /// Section number.
        section: u32,
    },
    /// A function that is not within its section.
    #[error("function of {size} bytes at {offset} is not within its section")]
    OutsideSection {
        /// `st_value`.
        offset: u64,
        /// `st_size`.
        size: u64,
    },
    /// A function that is empty or not made of whole instructions.
    #[error("function of {size} bytes at {offset} is not a whole number of instructions")]
    PartialInstruction {
        /// `st_value`.
        offset: u64,
        /// `st_size`.
        size: u64,
    },
    /// A map definition that does not begin where one must.
    #[error("is not at the start of a map definition")]
    NotDefinition,
    /// A function that shares instructions with another of a different extent.
    #[error("function overlaps the one before it")]
    Overlap,
    /// A static function outside of `.text`.
    #[error(
        "static function in a program section is not supported; move it to .text (no SEC()) or drop 'static'"
    )]
    StaticProgram,
}

/// What is wrong with a map definition.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum MapFlaw {
    /// The variable is static or extern.
    #[error("must be a global variable")]
    Linkage,
    /// The variable is no structure.
    #[error("definition is not a structure")]
    NotStruct,
    /// The variable does not lie within `.maps`.
    #[error("definition is not within its section")]
    OutsideSection,
    /// Too many fields to be a definition.
    #[error("definition has {0} fields")]
    TooManyFields(usize),
    /// A field that does not exist.
    #[error("unknown field '{0}'")]
    UnknownField(String),
    /// A field whose type does not have the form of the `__uint`, `__type` or `__array` macros.
    #[error("field '{0}' does not have the form that its macro gives it")]
    FieldForm(String),
    /// Two fields contradict each other.
    #[error("field '{field}' gives size {new}, earlier fields {old}")]
    Conflict {
        /// The later field.
        field: String,
        /// Size that it gives.
        new: u32,
        /// Size before.
        old: u32,
    },
    /// A type without a size.
    #[error("type of field '{0}' has no size")]
    NoSize(String),
    /// No `type` field.
    #[error("map type is missing")]
    NoType,
    /// `values` where it cannot stand.
    #[error("'values' must be the last field, and only maps of maps and program arrays have it")]
    Values,
    /// A field that an inner map cannot have.
    #[error("inner map definition cannot have field '{0}'")]
    Inner(String),
    /// Pinning of an unknown kind.
    #[error("pinning kind {0} is not known")]
    Pinning(u32),
}

/// Why a relocation cannot be understood.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum RelocFlaw {
    /// The symbol does not exist.
    #[error("symbol {0} does not exist")]
    NoSymbol(usize),
    /// The offset is not that of an instruction of the section.
    #[error("offset is not that of an instruction")]
    Offset,
    /// A kind that has no meaning here.
    #[error("relocation kind {0} is not known")]
    Kind(u32),
    /// The instruction is neither a wide load nor a call.
    #[error("instruction 0x{0:02x} cannot be relocated")]
    Instruction(u8),
    /// A call that is not a call of a function of the object.
    #[error("call has source register {0}, expected 1")]
    CallSource(u8),
    /// A call of something that is not in `.text`.
    #[error("only functions in .text (without SEC()) can be called")]
    CallTarget,
    /// A call or address that is not the start of a function.
    #[error("does not lead to the start of a function")]
    NotFunction,
    /// An absolute, common or reserved symbol.
    #[error(
        "symbol is in special section 0x{0:x}; is a global variable without initialiser declared 'common'?"
    )]
    Special(u32),
    /// A symbol in `.maps` that is not a map.
    #[error("does not name a map")]
    NotMap,
    /// A symbol in a section that is neither maps nor data nor code.
    #[error("section of the symbol holds neither maps nor data nor functions")]
    BadSection,
    /// A symbol of a section that is not loaded yet.
    #[error("{0} are not supported yet")]
    Unsupported(&'static str),
    /// An undefined symbol that is not an extern variable or function.
    #[error("undefined symbol is not an extern")]
    NotExtern,
    /// A slot of a map's initial values that does not exist.
    #[error("is not an element of the map's values")]
    Slot,
}

/// Why an extern cannot be understood.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ExternFlaw {
    /// BTF does not describe it.
    #[error("not described by BTF")]
    NoBtf,
    /// It is in neither `.kconfig` nor `.ksyms`.
    #[error("in section '{0}', expected .kconfig or .ksyms (use __kconfig or __ksym)")]
    Section(String),
    /// A kernel option of a type that options do not have.
    #[error("kernel options cannot have this type")]
    OptionType,
    /// BTF has no 32-bit integer to stand for kernel symbols.
    #[error("BTF has no 32-bit integer type")]
    NoInt,
}
