//! The container: sections with code and the symbols that name places in them.
//!
//! A section is known by its index in the file. Does not know what the code means.

use object::elf::SHF_EXECINSTR;
use object::{
    Architecture, Object, ObjectSection, ObjectSymbol, SectionFlags, SectionIndex, SymbolKind,
};
use thiserror::Error;

/// Why a file was not read.
#[derive(Debug, Error)]
pub(super) enum ElfError {
    /// Not an object file, or a broken one.
    #[error("{0}")]
    Broken(#[from] object::Error),
    /// For another machine.
    #[error("not an object file for BPF")]
    OtherMachine,
    /// The code of a section lies outside of the file.
    #[error("section '{name}': {error}")]
    Section {
        /// Section.
        name: String,
        /// What is wrong.
        error: object::Error,
    },
}

/// One section with code.
pub(super) struct CodeSection {
    /// Its place in the file.
    pub(super) index: SectionIndex,
    /// Name.
    pub(super) name: String,
    /// Instructions.
    pub(super) code: Vec<u8>,
    /// Symbols in order of their offsets.
    pub(super) symbols: Vec<Symbol>,
}

/// A name for an offset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Symbol {
    /// Bytes from the start of the section.
    pub(super) offset: u64,
    /// Name.
    pub(super) name: String,
}

/// An object file.
pub(super) struct ObjectFile {
    /// Sections that have code, in order of the file.
    pub(super) sections: Vec<CodeSection>,
}

impl ObjectFile {
    /// Reads a file.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ElfError> {
        let elf = object::File::parse(bytes)?;
        if elf.architecture() != Architecture::Bpf {
            return Err(ElfError::OtherMachine);
        }
        let mut sections = Vec::new();
        for section in elf.sections() {
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
                continue;
            };
            if !sh_flags.contains(SHF_EXECINSTR) || section.size() == 0 {
                continue;
            }
            let name = String::from_utf8_lossy(section.name_bytes()?).into_owned();
            let code = section
                .data()
                .map_err(|error| ElfError::Section {
                    name: name.clone(),
                    error,
                })?
                .to_vec();
            sections.push(CodeSection {
                index: section.index(),
                name,
                code,
                symbols: symbols(&elf, section.index()),
            });
        }
        Ok(Self { sections })
    }
}

/// The named symbols of a section. Of several at one place the last one in this order names it.
fn symbols(elf: &object::File<'_>, section: SectionIndex) -> Vec<Symbol> {
    let mut symbols: Vec<Symbol> = elf
        .symbols()
        .filter(|symbol| symbol.section_index() == Some(section))
        .filter(|symbol| !matches!(symbol.kind(), SymbolKind::Section | SymbolKind::File))
        .filter_map(|symbol| {
            let name = String::from_utf8_lossy(symbol.name_bytes().ok()?).into_owned();
            (!name.is_empty()).then_some(Symbol {
                offset: symbol.address(),
                name,
            })
        })
        .collect();
    symbols.sort_by(|a, b| (a.offset, &a.name).cmp(&(b.offset, &b.name)));
    symbols
}

impl CodeSection {
    /// The symbol that covers `offset`: the last one at or before it.
    pub(super) fn symbol_of(&self, offset: u64) -> Option<&Symbol> {
        let after = self
            .symbols
            .partition_point(|symbol| symbol.offset <= offset);
        self.symbols.get(after.checked_sub(1)?)
    }
}
