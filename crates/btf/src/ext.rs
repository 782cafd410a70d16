//! `.BTF.ext`: which function, which source line and which relocation belongs to which instruction.
//!
//! Three sub-sections of the same shape: a record size, then per ELF section its name, a count and records. Records of a
//! newer compiler may be longer than known; the known part is read, the rest skipped. Offsets of instructions are bytes
//! from the start of the ELF section here; the kernel wants indices of 8-byte slots (see [`func_info_bytes`] and
//! [`line_info_bytes`]).

use crate::btf::Btf;
use crate::error::BtfError;
use crate::parse::{MAGIC, VERSION};
use crate::types::StrOff;
use crate::wire::{Reader, window};
use skep_uapi::TypeId;

/// `bpf_func_info` as PROG_LOAD takes it, in bytes.
pub const FUNC_INFO_BYTES: usize = 8;
/// `bpf_line_info` as PROG_LOAD takes it, in bytes.
pub const LINE_INFO_BYTES: usize = 16;
/// `bpf_core_relo`, in bytes.
pub const CORE_RELO_BYTES: usize = 16;
/// Bytes of an instruction slot.
const SLOT_BYTES: u32 = 8;
/// Header with functions and lines only, as the first compilers wrote it.
const HEADER_BYTES_MIN: u32 = 24;
/// Header with relocations.
const HEADER_BYTES: u32 = 32;
/// Bits of `line_col` that hold the column.
const COLUMN_BITS: u32 = 10;

/// Start of a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FuncInfo {
    /// Offset of its first instruction in bytes.
    pub insn_off: u32,
    /// Its `FUNC`.
    pub type_id: TypeId,
}

/// Source line of the instructions from here on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LineInfo {
    /// Offset of the first such instruction in bytes.
    pub insn_off: u32,
    /// Name of the file, in the strings of the BTF.
    pub file_name_off: StrOff,
    /// Text of the line, in the strings of the BTF.
    pub line_off: StrOff,
    /// Line number, from 1.
    pub line: u32,
    /// Column, from 1; 0 is unknown.
    pub col: u32,
}

/// What a CO-RE relocation asks for (`enum bpf_core_relo_kind`), kept as it was on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CoreReloKind(pub u32);

impl CoreReloKind {
    /// Byte offset of a field.
    pub const FIELD_BYTE_OFFSET: Self = Self(0);
    /// Size of a field in bytes.
    pub const FIELD_BYTE_SIZE: Self = Self(1);
    /// Whether a field exists.
    pub const FIELD_EXISTS: Self = Self(2);
    /// Whether a field is signed.
    pub const FIELD_SIGNED: Self = Self(3);
    /// Left shift that brings a bitfield to the top.
    pub const FIELD_LSHIFT_U64: Self = Self(4);
    /// Right shift that brings it back.
    pub const FIELD_RSHIFT_U64: Self = Self(5);
    /// Type id in the program's BTF.
    pub const TYPE_ID_LOCAL: Self = Self(6);
    /// Type id in the kernel's BTF.
    pub const TYPE_ID_TARGET: Self = Self(7);
    /// Whether a type exists.
    pub const TYPE_EXISTS: Self = Self(8);
    /// Size of a type in bytes.
    pub const TYPE_SIZE: Self = Self(9);
    /// Whether an enumerator exists.
    pub const ENUMVAL_EXISTS: Self = Self(10);
    /// Value of an enumerator.
    pub const ENUMVAL_VALUE: Self = Self(11);
    /// Whether a type matches.
    pub const TYPE_MATCHES: Self = Self(12);
}

/// A CO-RE relocation: an instruction whose immediate or offset depends on the kernel's types.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CoreRelo {
    /// Offset of the instruction in bytes.
    pub insn_off: u32,
    /// The root type.
    pub type_id: TypeId,
    /// Path from the root, such as `0:1:2`, in the strings of the BTF.
    pub access: StrOff,
    /// What is asked.
    pub kind: CoreReloKind,
}

/// The records of one ELF section.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section<T> {
    /// Name of the ELF section, in the strings of the BTF.
    pub name: StrOff,
    /// Records in order of the wire.
    pub records: Vec<T>,
}

/// A parsed `.BTF.ext`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BtfExt {
    /// Functions per ELF section.
    pub func_info: Vec<Section<FuncInfo>>,
    /// Lines per ELF section.
    pub line_info: Vec<Section<LineInfo>>,
    /// CO-RE relocations per ELF section.
    pub core_relos: Vec<Section<CoreRelo>>,
}

impl BtfExt {
    /// Parses the content of a `.BTF.ext` section whose strings and types are in `btf`.
    ///
    /// # Errors
    /// When the bytes contradict the format, or a record names a type or string that `btf` does not have.
    pub fn parse(data: &[u8], btf: &Btf) -> Result<Self, BtfError> {
        let (body, words) = header(data)?;
        let sub = |section, index: usize| {
            let (off, len) = words.get(index).copied().unwrap_or_default();
            SubSection {
                section,
                off,
                len,
                body,
                btf,
            }
        };
        Ok(Self {
            func_info: sub("func_info", 0).parse(FUNC_INFO_BYTES, read_func)?,
            line_info: sub("line_info", 1).parse(LINE_INFO_BYTES, read_line)?,
            core_relos: sub("core_relo", 2).parse(CORE_RELO_BYTES, read_relo)?,
        })
    }

    /// Functions of the ELF section of this name.
    #[must_use]
    pub fn funcs<'a>(&'a self, btf: &Btf, section: &str) -> &'a [FuncInfo] {
        of_section(&self.func_info, btf, section)
    }

    /// Lines of the ELF section of this name.
    #[must_use]
    pub fn lines<'a>(&'a self, btf: &Btf, section: &str) -> &'a [LineInfo] {
        of_section(&self.line_info, btf, section)
    }

    /// CO-RE relocations of the ELF section of this name.
    #[must_use]
    pub fn relos<'a>(&'a self, btf: &Btf, section: &str) -> &'a [CoreRelo] {
        of_section(&self.core_relos, btf, section)
    }
}

fn of_section<'a, T>(sections: &'a [Section<T>], btf: &Btf, name: &str) -> &'a [T] {
    sections
        .iter()
        .find(|section| btf.str(section.name) == Some(name))
        .map_or(&[], |section| &section.records)
}

/// `bpf_func_info` records for PROG_LOAD: byte offsets become slot indices.
#[must_use]
pub fn func_info_bytes(records: &[FuncInfo]) -> Vec<u8> {
    let words = records
        .iter()
        .flat_map(|record| [record.insn_off / SLOT_BYTES, record.type_id.0]);
    words.flat_map(u32::to_le_bytes).collect()
}

/// `bpf_line_info` records for PROG_LOAD: byte offsets become slot indices.
#[must_use]
pub fn line_info_bytes(records: &[LineInfo]) -> Vec<u8> {
    let words = records.iter().flat_map(|record| {
        let line_col = record.line << COLUMN_BITS | record.col & ((1 << COLUMN_BITS) - 1);
        [
            record.insn_off / SLOT_BYTES,
            record.file_name_off.0,
            record.line_off.0,
            line_col,
        ]
    });
    words.flat_map(u32::to_le_bytes).collect()
}

type Window = (u32, u32);

/// The body behind the header, and offset and length of the three sub-sections.
fn header(data: &[u8]) -> Result<(&[u8], [Window; 3]), BtfError> {
    let short = BtfError::Truncated {
        what: "the BTF.ext header",
        offset: data.len(),
    };
    let mut reader = Reader::new(data);
    let magic = reader.u16().ok_or_else(|| short.clone())?;
    if magic != MAGIC {
        return Err(BtfError::Magic(magic));
    }
    let version = reader.u8().ok_or_else(|| short.clone())?;
    if version != VERSION {
        return Err(BtfError::Version(version));
    }
    let flags = reader.u8().ok_or_else(|| short.clone())?;
    if flags != 0 {
        return Err(BtfError::Flags(flags));
    }
    let len = reader.u32().ok_or_else(|| short.clone())?;
    if len < HEADER_BYTES_MIN {
        return Err(BtfError::HeaderLength(len));
    }
    let body = usize::try_from(len)
        .ok()
        .and_then(|len| data.get(len..))
        .ok_or_else(|| short.clone())?;
    let mut windows = [(0, 0); 3];
    let known = if len >= HEADER_BYTES { 3 } else { 2 };
    for window in windows.iter_mut().take(known) {
        *window = (
            reader.u32().ok_or_else(|| short.clone())?,
            reader.u32().ok_or_else(|| short.clone())?,
        );
    }
    Ok((body, windows))
}

struct SubSection<'a> {
    section: &'static str,
    off: u32,
    len: u32,
    body: &'a [u8],
    btf: &'a Btf,
}

/// Reads the known part of one record; `Err` says what is wrong with it.
type ReadRecord<T> = fn(&mut Reader<'_>, &Btf) -> Result<T, &'static str>;

impl SubSection<'_> {
    fn parse<T>(
        &self,
        known_bytes: usize,
        read: ReadRecord<T>,
    ) -> Result<Vec<Section<T>>, BtfError> {
        if self.len == 0 {
            return Ok(Vec::new());
        }
        if !self.off.is_multiple_of(4) {
            return Err(self.error(0, "is not aligned to 4 bytes"));
        }
        let data = window(self.body, self.off, self.len)
            .ok_or_else(|| self.error(0, "lies outside of the data"))?;
        let mut reader = Reader::new(data);
        let record_bytes = reader
            .u32()
            .ok_or_else(|| self.error(0, "has no record size"))?;
        let record_bytes = usize::try_from(record_bytes).unwrap_or(usize::MAX);
        if record_bytes < known_bytes || record_bytes % 4 != 0 {
            return Err(self.error(0, "has a record size that is too small or odd"));
        }
        let mut sections = Vec::new();
        while !reader.is_at_end() {
            sections.push(self.elf_section(&mut reader, record_bytes, read)?);
        }
        if sections.is_empty() {
            return Err(self.error(4, "has no records"));
        }
        Ok(sections)
    }

    fn elf_section<T>(
        &self,
        reader: &mut Reader<'_>,
        record_bytes: usize,
        read: ReadRecord<T>,
    ) -> Result<Section<T>, BtfError> {
        let at = reader.position();
        let name = StrOff(
            reader
                .u32()
                .ok_or_else(|| self.error(at, "ends within a section header"))?,
        );
        let count = reader
            .u32()
            .ok_or_else(|| self.error(at, "ends within a section header"))?;
        if self.btf.str(name).is_none() {
            return Err(self.error(at, "names a section at an offset that does not exist"));
        }
        if count == 0 {
            return Err(self.error(at, "has a section without records"));
        }
        let bytes = usize::try_from(count)
            .ok()
            .and_then(|count| count.checked_mul(record_bytes));
        let start = reader.position();
        let data = bytes
            .and_then(|bytes| reader.bytes(bytes))
            .ok_or_else(|| self.error(at, "announces more records than it holds"))?;
        let mut records = Vec::with_capacity(data.len() / record_bytes);
        for (index, record) in data.chunks_exact(record_bytes).enumerate() {
            let record = read(&mut Reader::new(record), self.btf);
            records.push(record.map_err(|what| self.error(start + index * record_bytes, what))?);
        }
        Ok(Section { name, records })
    }

    fn error(&self, offset: usize, what: &'static str) -> BtfError {
        BtfError::Ext {
            section: self.section,
            offset,
            what,
        }
    }
}

const SHORT: &str = "has a record that is too short";

fn insn_off(reader: &mut Reader<'_>) -> Result<u32, &'static str> {
    match reader.u32() {
        Some(off) if off % SLOT_BYTES == 0 => Ok(off),
        Some(_) => Err("has an instruction offset that is no multiple of 8"),
        None => Err(SHORT),
    }
}

fn string(reader: &mut Reader<'_>, btf: &Btf) -> Result<StrOff, &'static str> {
    let off = StrOff(reader.u32().ok_or(SHORT)?);
    btf.bytes_at(off)
        .map(|_| off)
        .ok_or("has a string offset that does not exist")
}

fn type_id(reader: &mut Reader<'_>, btf: &Btf) -> Result<TypeId, &'static str> {
    let id = TypeId(reader.u32().ok_or(SHORT)?);
    if id.0 == 0 || btf.get(id).is_some() {
        Ok(id)
    } else {
        Err("refers to a type that does not exist")
    }
}

fn read_func(reader: &mut Reader<'_>, btf: &Btf) -> Result<FuncInfo, &'static str> {
    Ok(FuncInfo {
        insn_off: insn_off(reader)?,
        type_id: type_id(reader, btf)?,
    })
}

fn read_line(reader: &mut Reader<'_>, btf: &Btf) -> Result<LineInfo, &'static str> {
    let insn_off = insn_off(reader)?;
    let (file_name_off, line_off) = (string(reader, btf)?, string(reader, btf)?);
    let line_col = reader.u32().ok_or(SHORT)?;
    let (line, col) = (line_col >> COLUMN_BITS, line_col & ((1 << COLUMN_BITS) - 1));
    Ok(LineInfo {
        insn_off,
        file_name_off,
        line_off,
        line,
        col,
    })
}

fn read_relo(reader: &mut Reader<'_>, btf: &Btf) -> Result<CoreRelo, &'static str> {
    Ok(CoreRelo {
        insn_off: insn_off(reader)?,
        type_id: type_id(reader, btf)?,
        access: string(reader, btf)?,
        kind: CoreReloKind(reader.u32().ok_or(SHORT)?),
    })
}
