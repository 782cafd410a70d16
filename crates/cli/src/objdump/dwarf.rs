//! Line tables of DWARF in an object file.
//!
//! In an object file every section begins at address 0 and debug sections hold relocations. Each section with code gets
//! an address of its own here, relocations are applied with it, and the line programs then speak of distinct addresses.
//! Reads line tables only; `gimli` bounds everything that it reads.

use super::elf::ObjectFile;
use super::source::Place;
use gimli::{Dwarf, EndianSlice, LittleEndian, Reader, SectionId, Unit};
use object::elf::RelocationType;
use object::{
    Object, ObjectSection, ObjectSymbol, RelocationFlags, RelocationTarget, SectionIndex,
};
use std::collections::{BTreeMap, HashMap};

/// Distance of the sections' addresses; no section is larger.
const SECTION_SPAN: u64 = 1 << 40;

/// 64-bit absolute (`R_BPF_64_ABS64`; LLVM's BPF relocations, `Documentation/bpf/llvm_reloc.rst`).
const ABS64: RelocationType = RelocationType(2);
/// 32-bit absolute (`R_BPF_64_ABS32`).
const ABS32: RelocationType = RelocationType(3);
/// 32-bit absolute that is no address (`R_BPF_64_NODYLD32`).
const NODYLD32: RelocationType = RelocationType(4);

type Slice<'d> = EndianSlice<'d, LittleEndian>;

/// Where lines begin, by address; `None` where a sequence ends.
pub(super) struct Rows {
    rows: BTreeMap<u64, Option<Place>>,
    bases: HashMap<SectionIndex, u64>,
}

impl Rows {
    /// The place of an instruction.
    pub(super) fn place(&self, section: SectionIndex, offset: u64) -> Option<Place> {
        let base = self.bases.get(&section)?;
        let (address, place) = self.rows.range(..=base + offset).next_back()?;
        place.clone().filter(|_| address >= base)
    }
}

/// Reads the line tables.
pub(super) fn rows(file: &[u8], object: &ObjectFile) -> Result<Rows, String> {
    let elf = object::File::parse(file).map_err(|error| error.to_string())?;
    let bases: HashMap<SectionIndex, u64> = object
        .sections
        .iter()
        .zip(1..)
        .map(|(section, number)| (section.index, SECTION_SPAN * number))
        .collect();
    let mut relocated = HashMap::new();
    let ids = [
        SectionId::DebugInfo,
        SectionId::DebugAbbrev,
        SectionId::DebugLine,
        SectionId::DebugLineStr,
    ];
    for id in ids.into_iter().chain([
        SectionId::DebugStr,
        SectionId::DebugStrOffsets,
        SectionId::DebugAddr,
    ]) {
        relocated.insert(id.name(), section(&elf, id.name(), &bases)?);
    }
    let load = |id: SectionId| -> Result<Slice<'_>, gimli::Error> {
        Ok(EndianSlice::new(
            relocated
                .get(id.name())
                .map(Vec::as_slice)
                .unwrap_or_default(),
            LittleEndian,
        ))
    };
    let dwarf = Dwarf::load(load).map_err(|error| error.to_string())?;
    let mut rows = BTreeMap::new();
    read(&dwarf, &mut rows).map_err(|error| format!("DWARF: {error}"))?;
    Ok(Rows { rows, bases })
}

/// A debug section with its relocations applied; empty if there is none.
fn section(
    elf: &object::File<'_>,
    name: &str,
    bases: &HashMap<SectionIndex, u64>,
) -> Result<Vec<u8>, String> {
    let Some(section) = elf.section_by_name(name) else {
        return Ok(Vec::new());
    };
    let mut data = section
        .data()
        .map_err(|error| format!("section '{name}': {error}"))?
        .to_vec();
    for (offset, relocation) in section.relocations() {
        let RelocationFlags::Elf { r_type } = relocation.flags() else {
            continue;
        };
        let RelocationTarget::Symbol(symbol) = relocation.target() else {
            continue;
        };
        let Ok(symbol) = elf.symbol_by_index(symbol) else {
            continue;
        };
        let base = symbol
            .section_index()
            .and_then(|index| bases.get(&index))
            .copied()
            .unwrap_or_default();
        let value = base.wrapping_add(symbol.address());
        let Some(place) = usize::try_from(offset)
            .ok()
            .and_then(|at| data.get_mut(at..))
        else {
            continue;
        };
        match r_type {
            ABS64 => {
                if let Some(bytes) = place.first_chunk_mut::<8>() {
                    *bytes = u64::from_le_bytes(*bytes).wrapping_add(value).to_le_bytes();
                }
            }
            ABS32 | NODYLD32 => {
                if let Some(bytes) = place.first_chunk_mut::<4>() {
                    let [a, b, c, d, ..] = u64::from(u32::from_le_bytes(*bytes))
                        .wrapping_add(value)
                        .to_le_bytes();
                    *bytes = [a, b, c, d];
                }
            }
            _ => {}
        }
    }
    Ok(data)
}

fn read(
    dwarf: &Dwarf<Slice<'_>>,
    out: &mut BTreeMap<u64, Option<Place>>,
) -> Result<(), gimli::Error> {
    let mut headers = dwarf.units();
    while let Some(header) = headers.next()? {
        let unit = dwarf.unit(header)?;
        let Some(program) = unit.line_program.clone() else {
            continue;
        };
        let mut names: HashMap<u64, String> = HashMap::new();
        let mut rows = program.rows();
        while let Some((header, row)) = rows.next_row()? {
            if row.end_sequence() {
                // The next sequence may begin right here.
                out.entry(row.address()).or_insert(None);
                continue;
            }
            let index = row.file_index();
            let file = match names.get(&index) {
                Some(name) => name.clone(),
                None => {
                    let name = row
                        .file(header)
                        .map(|file| path(dwarf, &unit, header, file))
                        .transpose()?;
                    names
                        .entry(index)
                        .or_insert(name.unwrap_or_default())
                        .clone()
                }
            };
            let line = row
                .line()
                .map_or(0, |line| u32::try_from(line.get()).unwrap_or(0));
            out.insert(row.address(), Some(Place { file, line }));
        }
    }
    Ok(())
}

/// The path of a file: its folder may be relative to the compiler's, and it to its folder.
fn path<R: Reader>(
    dwarf: &Dwarf<R>,
    unit: &Unit<R>,
    header: &gimli::LineProgramHeader<R>,
    file: &gimli::FileEntry<R>,
) -> Result<String, gimli::Error> {
    let text = |value| -> Result<String, gimli::Error> {
        let bytes = dwarf.attr_string(unit, value)?;
        Ok(bytes.to_string_lossy()?.into_owned())
    };
    let name = text(file.path_name())?;
    let mut path = std::path::PathBuf::new();
    if let Some(folder) = &unit.comp_dir {
        path.push(&*folder.to_string_lossy()?);
    }
    if let Some(folder) = file.directory(header) {
        path.push(text(folder)?);
    }
    path.push(name);
    Ok(path.to_string_lossy().into_owned())
}
