//! The ELF container: headers, sections, symbols and relocations of a little-endian 64-bit BPF object.
//!
//! Problem: every number in the file is hostile. Representation: the `object` crate reads the records bounds-safely;
//! this module turns them into plain values with this crate's errors, and nothing else sees ELF structures.
//! Invariants: a [`Section`]'s index is its place in [`Elf::sections`]; a [`Place::Section`] exists. Contents are
//! checked against the file when asked for, because sections that nobody uses may be wrong, as for libbpf.
//! Does not know what a section means: see `collect`.

use crate::error::{ObjectError, SectionFlaw, SymbolFlaw};
use crate::limits::{FILE_BYTES_MAX, NAME_BYTES_MAX, NAME_BYTES_PER_FILE_BYTE};
use object::LittleEndian as Le;
use object::elf::{self, FileHeader64, Rel64, SectionHeader64, Sym64};
use object::read::elf::{FileHeader, Rel as _, SectionHeader, SectionTable, Sym as _, SymbolTable};
use object::read::{SectionIndex, SymbolIndex};
use std::borrow::Cow;
use std::cell::Cell;

type Header = FileHeader64<Le>;
const END: Le = Le;

/// Index of a section in the file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct SecIdx(pub(crate) usize);

/// One section header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section<'d> {
    pub(crate) index: SecIdx,
    name: &'d [u8],
    pub(crate) kind: SectionKind,
    pub(crate) size: u64,
    pub(crate) exec: Exec,
    offset: u64,
    entry_size: u64,
    /// Target of a relocation section (`sh_info`).
    pub(crate) applies_to: SecIdx,
}

/// The section types that matter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SectionKind {
    Bits,
    NoBits,
    Relocations,
    Symbols,
    Other,
}

/// Whether a section holds instructions (`SHF_EXECINSTR`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exec {
    Code,
    Data,
}

/// Where a symbol is defined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Undefined,
    Section(SecIdx),
    /// Absolute, common or reserved, by number.
    Special(u32),
}

/// Symbol type, as far as it matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SymbolKind {
    None,
    Object,
    Function,
    Section,
    Other,
}

/// Symbol binding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Binding {
    Local,
    Global,
    Weak,
    Other,
}

/// Whether a symbol is visible to other objects (`STV_HIDDEN` and `STV_INTERNAL` are not).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Visibility {
    Visible,
    Hidden,
}

/// One symbol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbol {
    pub(crate) index: usize,
    name: u32,
    pub(crate) place: Place,
    pub(crate) kind: SymbolKind,
    pub(crate) binding: Binding,
    pub(crate) visibility: Visibility,
    pub(crate) value: u64,
    pub(crate) size: u64,
}

/// One relocation, without its addend: BPF objects keep it in the instruction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relocation {
    pub(crate) offset: u64,
    pub(crate) symbol: usize,
    pub(crate) kind: u32,
}

/// A parsed container.
pub(crate) struct Elf<'d> {
    data: &'d [u8],
    pub(crate) sections: Vec<Section<'d>>,
    pub(crate) symbols: Vec<Symbol>,
    strings: &'d [u8],
    /// Bytes of contents handed out so far.
    claimed: Cell<usize>,
    /// Bytes of names handed out so far.
    named: Cell<usize>,
}

impl<'d> Elf<'d> {
    /// Reads headers and symbols.
    pub(crate) fn parse(data: &'d [u8]) -> Result<Self, ObjectError> {
        let header = file_header(data)?;
        let table = header
            .sections(END, data)
            .map_err(|source| ObjectError::Elf {
                what: "section headers",
                source,
            })?;
        let names_at =
            header
                .section_strings_index(END, data)
                .map_err(|source| ObjectError::Elf {
                    what: "section name table",
                    source,
                })?;
        let names = table
            .section(names_at)
            .and_then(|section| section.data(END, data))
            .map_err(|source| ObjectError::Elf {
                what: "section name table",
                source,
            })?;
        let mut named = 0usize;
        let mut sections = Vec::with_capacity(table.len());
        for (index, section) in table.enumerate() {
            let section = read_section(index, section, names)?;
            named = named.saturating_add(section.name.len());
            if named > names_max(data) {
                return Err(section.flaw(SectionFlaw::TooManyNames));
            }
            sections.push(section);
        }
        let (symbols, strings) = read_symbols(data, &table)?;
        Ok(Self {
            data,
            sections,
            symbols,
            strings,
            claimed: Cell::new(0),
            named: Cell::new(0),
        })
    }

    /// Contents of a section; empty for one that has none in the file. Each section is asked for once, so that all
    /// contents together can only exceed the file if sections overlap, which is refused: it would let a small file
    /// demand much memory.
    pub(crate) fn bytes(&self, section: &Section<'d>) -> Result<&'d [u8], ObjectError> {
        if section.kind == SectionKind::NoBits {
            return Ok(&[]);
        }
        let range = usize::try_from(section.offset)
            .ok()
            .zip(usize::try_from(section.size).ok())
            .and_then(|(start, len)| Some(start..start.checked_add(len)?));
        let bytes = range
            .and_then(|range| self.data.get(range))
            .ok_or_else(|| {
                section.flaw(SectionFlaw::OutsideFile {
                    offset: section.offset,
                    size: section.size,
                })
            })?;
        let claimed = self.claimed.get().saturating_add(bytes.len());
        if claimed > self.data.len() {
            return Err(section.flaw(SectionFlaw::Overlap));
        }
        self.claimed.set(claimed);
        Ok(bytes)
    }

    /// The section at `index`, if there is one.
    pub(crate) fn section(&self, index: SecIdx) -> Option<&Section<'d>> {
        self.sections.get(index.0)
    }

    /// Name of a symbol; a section symbol has the name of its section.
    pub(crate) fn symbol_name(&self, symbol: &Symbol) -> Result<Cow<'d, str>, ObjectError> {
        if let (SymbolKind::Section, Place::Section(index)) = (symbol.kind, symbol.place)
            && let Some(section) = self.section(index)
        {
            return Ok(section.name());
        }
        let flaw = |what| ObjectError::Symbol {
            index: symbol.index,
            name: String::new(),
            what,
        };
        let name = string(self.strings, symbol.name).ok_or_else(|| {
            flaw(SymbolFlaw::Name {
                offset: symbol.name,
            })
        })?;
        let named = self.named.get().saturating_add(name.len());
        if named > names_max(self.data) {
            return Err(flaw(SymbolFlaw::TooManyNames));
        }
        self.named.set(named);
        Ok(String::from_utf8_lossy(name))
    }

    /// The relocations of a relocation section.
    pub(crate) fn relocations(
        &self,
        section: &Section<'d>,
    ) -> Result<Vec<Relocation>, ObjectError> {
        let bytes = self.bytes(section)?;
        let size = size_of::<Rel64<Le>>();
        if usize::try_from(section.entry_size) != Ok(size) || !bytes.len().is_multiple_of(size) {
            return Err(section.flaw(SectionFlaw::EntrySize {
                size: section.entry_size,
            }));
        }
        let records: &[Rel64<Le>] = object::pod::slice_from_all_bytes(bytes).map_err(|()| {
            section.flaw(SectionFlaw::EntrySize {
                size: section.entry_size,
            })
        })?;
        Ok(records
            .iter()
            .map(|rel| Relocation {
                offset: rel.r_offset(END),
                symbol: index_of(rel.r_sym(END)),
                kind: rel.r_type(END).0,
            })
            .collect())
    }
}

impl<'d> Section<'d> {
    /// Name for comparison and messages; bytes that are no UTF-8 show as such.
    pub(crate) fn name(&self) -> Cow<'d, str> {
        String::from_utf8_lossy(self.name)
    }

    /// An error about this section.
    pub(crate) fn flaw(&self, what: SectionFlaw) -> ObjectError {
        ObjectError::Section {
            index: self.index.0,
            name: self.name().into_owned(),
            what,
        }
    }
}

/// Checks that the file is one that libbpf would open: relocatable, 64 bits, little-endian, for BPF or for no machine.
fn file_header(data: &[u8]) -> Result<&Header, ObjectError> {
    if data.len() > FILE_BYTES_MAX {
        return Err(ObjectError::TooLarge { size: data.len() });
    }
    if data.get(..4) != Some(&elf::ELFMAG[..]) {
        return Err(ObjectError::NotElf);
    }
    let class = data.get(4).copied();
    if class == Some(elf::ELFCLASS32.0) {
        return Err(ObjectError::Class32);
    }
    if data.get(5).copied() == Some(elf::ELFDATA2MSB.0) {
        return Err(ObjectError::BigEndian);
    }
    let header = Header::parse(data).map_err(|source| ObjectError::Elf {
        what: "header",
        source,
    })?;
    let machine = header.e_machine(END);
    if machine != elf::EM_BPF && machine != elf::EM_NONE {
        return Err(ObjectError::Machine { machine: machine.0 });
    }
    let file_type = header.e_type(END);
    if file_type != elf::ET_REL {
        return Err(ObjectError::FileType {
            file_type: file_type.0,
        });
    }
    Ok(header)
}

/// One section header as plain values.
fn read_section<'d>(
    index: SectionIndex,
    section: &SectionHeader64<Le>,
    names: &'d [u8],
) -> Result<Section<'d>, ObjectError> {
    let kind = match section.sh_type(END) {
        elf::SHT_PROGBITS => SectionKind::Bits,
        elf::SHT_NOBITS => SectionKind::NoBits,
        elf::SHT_REL => SectionKind::Relocations,
        elf::SHT_SYMTAB => SectionKind::Symbols,
        _ => SectionKind::Other,
    };
    let exec = if section.sh_flags(END).contains(elf::SHF_EXECINSTR) {
        Exec::Code
    } else {
        Exec::Data
    };
    let mut read = Section {
        index: SecIdx(index.0),
        name: &[],
        kind,
        size: section.sh_size(END),
        exec,
        offset: section.sh_offset(END),
        entry_size: section.sh_entsize(END),
        applies_to: SecIdx(index_of(section.sh_info(END))),
    };
    read.name = string(names, section.sh_name(END)).ok_or_else(|| {
        read.flaw(SectionFlaw::Name {
            offset: section.sh_name(END),
        })
    })?;
    Ok(read)
}

/// The symbols and their string table.
fn read_symbols<'d>(
    data: &'d [u8],
    table: &SectionTable<'d, Header>,
) -> Result<(Vec<Symbol>, &'d [u8]), ObjectError> {
    let mut tables = table
        .enumerate()
        .filter(|(_, section)| section.sh_type(END) == elf::SHT_SYMTAB);
    let Some((index, section)) = tables.next() else {
        return Err(ObjectError::NoSymbols);
    };
    if tables.next().is_some() {
        return Err(ObjectError::TwoSymbolTables);
    }
    let what = "symbol table";
    let symbols = SymbolTable::parse(END, data, table, index, section)
        .map_err(|source| ObjectError::Elf { what, source })?;
    let strings = table
        .section(symbols.string_section())
        .and_then(|section| section.data(END, data))
        .map_err(|source| ObjectError::Elf {
            what: "symbol name table",
            source,
        })?;
    let all = symbols.symbols().iter().enumerate();
    let read = all
        .map(|(at, symbol)| read_symbol(&symbols, table.len(), at, symbol))
        .collect::<Result<_, _>>()?;
    Ok((read, strings))
}

/// One symbol as plain values; its section must exist.
fn read_symbol(
    symbols: &SymbolTable<'_, Header>,
    sections: usize,
    index: usize,
    symbol: &Sym64<Le>,
) -> Result<Symbol, ObjectError> {
    let number = match symbol.st_shndx(END) {
        elf::SHN_XINDEX => symbols.shndx(END, SymbolIndex(index)).unwrap_or(0),
        section => u32::from(section.0),
    };
    let place = if symbol.st_shndx(END) != elf::SHN_XINDEX && number >= SHN_LORESERVE {
        Place::Special(number)
    } else if number == 0 {
        Place::Undefined
    } else if index_of(number) < sections {
        Place::Section(SecIdx(index_of(number)))
    } else {
        let what = SymbolFlaw::NoSuchSection { section: number };
        return Err(ObjectError::Symbol {
            index,
            name: String::new(),
            what,
        });
    };
    Ok(Symbol {
        index,
        name: symbol.st_name(END),
        place,
        kind: match symbol.st_type() {
            elf::STT_NOTYPE => SymbolKind::None,
            elf::STT_OBJECT => SymbolKind::Object,
            elf::STT_FUNC => SymbolKind::Function,
            elf::STT_SECTION => SymbolKind::Section,
            _ => SymbolKind::Other,
        },
        binding: match symbol.st_bind() {
            elf::STB_LOCAL => Binding::Local,
            elf::STB_GLOBAL => Binding::Global,
            elf::STB_WEAK => Binding::Weak,
            _ => Binding::Other,
        },
        visibility: match symbol.st_visibility() {
            elf::STV_HIDDEN | elf::STV_INTERNAL => Visibility::Hidden,
            _ => Visibility::Visible,
        },
        value: symbol.st_value(END),
        size: symbol.st_size(END),
    })
}

/// Bytes that sections and symbols may have as names, counted apart.
fn names_max(data: &[u8]) -> usize {
    data.len().saturating_mul(NAME_BYTES_PER_FILE_BYTE)
}

/// First of the reserved section numbers.
const SHN_LORESERVE: u32 = 0xff00;

/// The NUL-terminated string at `offset`, if it ends within the bound of names.
fn string(table: &[u8], offset: u32) -> Option<&[u8]> {
    let rest = table.get(index_of(offset)..)?;
    let rest = rest.get(..NAME_BYTES_MAX).unwrap_or(rest);
    let end = rest.iter().position(|&byte| byte == 0)?;
    rest.get(..end)
}

/// A number of the file as an index; one that no slice has if it is too large for the host.
fn index_of(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
