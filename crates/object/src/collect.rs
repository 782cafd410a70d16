//! From container to object: the order of the stages, and what each section means.
//!
//! Sections are recognised by type and name as libbpf 1.5 does; what it passes over is passed over, and noted where
//! it had contents. Programs are the functions of executable sections. Functions in `.text` are subprograms.

use crate::elf::{
    Binding, Elf, Exec, Place, SecIdx, Section, SectionKind, Symbol, SymbolKind, Visibility,
};
use crate::error::{ObjectError, SectionFlaw, SymbolFlaw};
use crate::externs;
use crate::fixup;
use crate::limits::{LICENSE_BYTES_MAX, ZERO_BYTES_MAX};
use crate::maps;
use crate::model::{
    CodeIdx, CodeSection, Contents, DataKind, Function, INSN_BYTES, INSN_BYTES_64, Note, Object,
    Role,
};
use crate::relocs;
use skep_btf::{Btf, BtfExt};
use skep_isa::InsnIdx;
use std::collections::HashMap;

/// Section of variables in an arena.
const ARENA: &str = ".addr_space.1";

/// A data section on its way to becoming a map.
pub(crate) struct DataSection {
    pub(crate) section: SecIdx,
    pub(crate) name: String,
    pub(crate) kind: DataKind,
    pub(crate) size: u32,
    pub(crate) contents: Contents,
}

/// What the sections hold, before anything refers to anything.
#[derive(Default)]
pub(crate) struct Parts<'d> {
    pub(crate) code: Vec<CodeSection>,
    pub(crate) code_at: HashMap<SecIdx, CodeIdx>,
    pub(crate) text: Option<SecIdx>,
    pub(crate) data: Vec<DataSection>,
    pub(crate) maps: Option<Section<'d>>,
    /// Definitions of maps without BTF, and their bytes.
    pub(crate) legacy: Option<(Section<'d>, &'d [u8])>,
    /// Variables in an arena: section and first contents.
    pub(crate) arena: Option<(SecIdx, &'d [u8])>,
    pub(crate) relocations: Vec<Section<'d>>,
    pub(crate) notes: Vec<Note>,
    /// Bytes of all zeroed sections so far.
    zeros: u64,
    license: String,
    version: Option<u32>,
    btf: Option<&'d [u8]>,
    btf_ext: Option<&'d [u8]>,
}

/// Parses a BPF object file.
///
/// # Errors
/// When the file is not a little-endian BPF object, or something that programs use in it is broken; the error names
/// section, symbol or offset. Bytes of BTF that cannot be read are only an error if maps or externs need them.
pub fn parse(data: &[u8]) -> Result<Object, ObjectError> {
    let elf = Elf::parse(data)?;
    let mut parts = Parts::default();
    for section in &elf.sections {
        parts.take(&elf, section)?;
    }
    let functions = functions(&elf, &parts)?;
    let (mut btf, btf_ext) = parts.types()?;
    let mut found = externs::collect(&elf, btf.as_mut())?;
    if let Some(btf) = &mut btf {
        fixup::datasecs(&elf, btf)?;
        fixup::hidden_functions(btf, &functions);
    }
    let maps = maps::collect(&elf, &parts, btf.as_ref(), &mut found)?;
    let functions: Vec<Function> = functions.into_iter().map(|found| found.function).collect();
    let linked = relocs::link(&elf, parts, functions, maps, found)?;
    Ok(Object {
        btf,
        btf_ext,
        ..linked
    })
}

impl<'d> Parts<'d> {
    /// Sorts one section in.
    fn take(&mut self, elf: &Elf<'d>, section: &Section<'d>) -> Result<(), ObjectError> {
        match section.kind {
            SectionKind::Bits if section.size > 0 => self.take_bits(elf, section),
            SectionKind::NoBits => self.take_zeros(section),
            SectionKind::Relocations => self.take_relocations(elf, section),
            SectionKind::Bits | SectionKind::Symbols | SectionKind::Other => Ok(()),
        }
    }

    fn take_bits(&mut self, elf: &Elf<'d>, section: &Section<'d>) -> Result<(), ObjectError> {
        let name = section.name();
        match &*name {
            "license" => self.license = license(elf.bytes(section)?),
            "version" => {
                let bytes = elf
                    .bytes(section)?
                    .try_into()
                    .map_err(|_| section.flaw(SectionFlaw::Version))?;
                self.version = Some(u32::from_le_bytes(bytes));
            }
            "maps" => self.legacy = Some((*section, elf.bytes(section)?)),
            ".maps" => self.maps = Some(*section),
            ARENA => self.arena = Some((section.index, elf.bytes(section)?)),
            ".BTF" => self.btf = Some(elf.bytes(section)?),
            ".BTF.ext" => self.btf_ext = Some(elf.bytes(section)?),
            _ if section.exec == Exec::Code => return self.take_code(elf, section),
            _ => return self.take_data(elf, section),
        }
        Ok(())
    }

    fn take_code(&mut self, elf: &Elf<'d>, section: &Section<'d>) -> Result<(), ObjectError> {
        let insns = elf.bytes(section)?;
        if !insns.len().is_multiple_of(INSN_BYTES) || u32::try_from(insns.len()).is_err() {
            return Err(section.flaw(SectionFlaw::PartialInstruction { size: insns.len() }));
        }
        let name = section.name().into_owned();
        if name == ".text" {
            self.text = Some(section.index);
        }
        self.code_at.insert(section.index, CodeIdx(self.code.len()));
        self.code.push(CodeSection {
            name,
            insns: insns.to_vec(),
            relocs: Vec::new(),
        });
        Ok(())
    }

    fn take_data(&mut self, elf: &Elf<'d>, section: &Section<'d>) -> Result<(), ObjectError> {
        let name = section.name();
        let kind = if is_family(&name, ".data") {
            DataKind::Data
        } else if is_family(&name, ".rodata") {
            DataKind::Rodata
        } else {
            if let Some(what) = unsupported(&name) {
                self.notes.push(Note::Unsupported {
                    section: name.into_owned(),
                    what,
                });
            } else if !is_for_debuggers(&name) {
                self.notes.push(Note::Section(name.into_owned()));
            }
            return Ok(());
        };
        let bytes = elf.bytes(section)?;
        self.push_data(section, kind, Contents::Bytes(bytes.to_vec()))
    }

    fn take_zeros(&mut self, section: &Section<'d>) -> Result<(), ObjectError> {
        if !is_family(&section.name(), ".bss") || section.size == 0 {
            return Ok(());
        }
        self.zeros = self.zeros.saturating_add(section.size);
        if self.zeros > ZERO_BYTES_MAX {
            return Err(section.flaw(SectionFlaw::DataTooLarge { size: section.size }));
        }
        self.push_data(section, DataKind::Bss, Contents::Zeros)
    }

    fn push_data(
        &mut self,
        section: &Section<'d>,
        kind: DataKind,
        contents: Contents,
    ) -> Result<(), ObjectError> {
        let size = u32::try_from(section.size)
            .map_err(|_| section.flaw(SectionFlaw::DataTooLarge { size: section.size }))?;
        let name = section.name().into_owned();
        self.data.push(DataSection {
            section: section.index,
            name,
            kind,
            size,
            contents,
        });
        Ok(())
    }

    /// Only relocations of code and of map definitions matter.
    fn take_relocations(
        &mut self,
        elf: &Elf<'d>,
        section: &Section<'d>,
    ) -> Result<(), ObjectError> {
        let target = section.applies_to;
        let Some(relocated) = elf.section(target) else {
            return Err(section.flaw(SectionFlaw::NoTarget { target: target.0 }));
        };
        if relocated.exec == Exec::Code || relocated.name() == ".maps" {
            self.relocations.push(*section);
        }
        Ok(())
    }

    /// BTF and BTF.ext. Broken ones are dropped, unless map definitions are in them.
    fn types(&mut self) -> Result<(Option<Btf>, Option<BtfExt>), ObjectError> {
        let btf = match self
            .btf
            .map(|bytes| Btf::parse(bytes).and_then(fixup::with_short_names))
        {
            Some(Ok(btf)) => btf,
            Some(Err(source)) if self.maps.is_some() => {
                return Err(ObjectError::Btf {
                    what: "map definitions",
                    source,
                });
            }
            Some(Err(error)) => {
                self.notes.push(Note::Btf(error));
                return Ok((None, None));
            }
            None => return Ok((None, None)),
        };
        let ext = match self.btf_ext.map(|bytes| BtfExt::parse(bytes, &btf)) {
            Some(Ok(ext)) => Some(ext),
            Some(Err(error)) => {
                self.notes.push(Note::BtfExt(error));
                None
            }
            None => None,
        };
        Ok((Some(btf), ext))
    }

    /// The parts that go into the object as they are.
    pub(crate) fn take_scalars(&mut self) -> (String, Option<u32>, Vec<Note>) {
        (
            std::mem::take(&mut self.license),
            self.version,
            std::mem::take(&mut self.notes),
        )
    }
}

/// A function and what BTF must be told of it.
pub(crate) struct FoundFunction {
    pub(crate) function: Function,
    pub(crate) section: SecIdx,
    pub(crate) visibility: Visibility,
    symbol: usize,
}

/// The functions of all code sections, ordered by section and place.
fn functions(elf: &Elf<'_>, parts: &Parts<'_>) -> Result<Vec<FoundFunction>, ObjectError> {
    let mut found = Vec::new();
    for symbol in &elf.symbols {
        let (SymbolKind::Function, Place::Section(section)) = (symbol.kind, symbol.place) else {
            continue;
        };
        let Some(&code) = parts.code_at.get(&section) else {
            continue;
        };
        found.push(function(elf, parts, symbol, section, code)?);
    }
    found.sort_by_key(|found| (found.section, found.function.start));
    // Two names for one function are possible, functions that share a part of their code are not.
    for pair in found.windows(2) {
        let [before, after] = pair else { continue };
        let (a, b) = (&before.function, &after.function);
        let same = (a.start, a.count) == (b.start, b.count);
        if before.section == after.section && !same && b.start.0 < a.start.0 + a.count {
            let (index, name) = (after.symbol, b.name.clone());
            return Err(ObjectError::Symbol {
                index,
                name,
                what: SymbolFlaw::Overlap,
            });
        }
    }
    Ok(found)
}

fn function(
    elf: &Elf<'_>,
    parts: &Parts<'_>,
    symbol: &Symbol,
    section: SecIdx,
    code: CodeIdx,
) -> Result<FoundFunction, ObjectError> {
    let name = elf.symbol_name(symbol)?.into_owned();
    let flaw = |what| ObjectError::Symbol {
        index: symbol.index,
        name: name.clone(),
        what,
    };
    let (offset, size) = (symbol.value, symbol.size);
    let held = &parts.code[code.0];
    let end = offset.checked_add(size);
    if end.is_none_or(|end| u64::try_from(held.insns.len()).is_ok_and(|len| end > len)) {
        return Err(flaw(SymbolFlaw::OutsideSection { offset, size }));
    }
    let bytes = INSN_BYTES_64;
    if size == 0 || !offset.is_multiple_of(bytes) || !size.is_multiple_of(bytes) {
        return Err(flaw(SymbolFlaw::PartialInstruction { offset, size }));
    }
    if Some(section) != parts.text && symbol.binding == Binding::Local {
        return Err(flaw(SymbolFlaw::StaticProgram));
    }
    let slots = |bytes: u64| {
        u32::try_from(bytes / INSN_BYTES_64).expect("the section's length fits 32 bits")
    };
    let role = if Some(section) == parts.text {
        Role::Subprogram
    } else if held.name.starts_with('?') {
        Role::OptionalProgram
    } else {
        Role::Program
    };
    let (start, count) = (InsnIdx(slots(offset)), slots(size));
    let visibility = match symbol.binding {
        Binding::Local => Visibility::Visible,
        Binding::Global | Binding::Weak | Binding::Other => symbol.visibility,
    };
    Ok(FoundFunction {
        function: Function {
            name,
            code,
            start,
            count,
            role,
        },
        section,
        visibility,
        symbol: symbol.index,
    })
}

/// Whether a section is `family` itself or `family.something`.
fn is_family(name: &str, family: &str) -> bool {
    name.strip_prefix(family)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Sections whose loading needs what is not there yet.
pub(crate) fn unsupported(name: &str) -> Option<&'static str> {
    match name {
        ".struct_ops" | ".struct_ops.link" => Some("struct_ops maps"),
        _ if name.starts_with("?.struct_ops") => Some("struct_ops maps"),
        _ => None,
    }
}

/// Sections that no loader reads and nobody needs to hear of.
fn is_for_debuggers(name: &str) -> bool {
    name.starts_with(".debug_") || name.starts_with(".llvm") || name == ".eh_frame"
}

/// The text up to its NUL, cut as libbpf cuts it.
fn license(bytes: &[u8]) -> String {
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text.get(..LICENSE_BYTES_MAX).unwrap_or(text)).into_owned()
}
