//! Relocations: what each instruction and each initial value refers to.
//!
//! The compiler leaves addends in instructions: a call's immediate counts instructions behind the symbol less one, a
//! wide load's counts bytes. Calls of static functions within a section have no relocation at all; they get a typed
//! one here, so that a loader finds every reference in one list. Relocations outside of all functions are passed over,
//! as libbpf does (a static linker leaves them for overridden weak functions).

use crate::collect::{Parts, unsupported};
use crate::elf::{Binding, Elf, Place, Relocation, SecIdx, Section, Symbol, SymbolKind};
use crate::error::{ObjectError, RelocFlaw};
use crate::externs::Externs;
use crate::maps::{Maps, Values};
use crate::model::{
    CodeIdx, ExternIdx, Function, FunctionIdx, INSN_BYTES, INSN_BYTES_64, MapIdx, Object, Reloc,
    Slot, SlotTarget, Target,
};
use skep_isa::{InsnIdx, RawInsn};
use std::collections::{HashMap, HashSet};

/// Address of a symbol as eight bytes of data or of a wide load.
const R_BPF_64_64: u32 = 1;
/// Absolute 64-bit address in data.
const R_BPF_64_ABS64: u32 = 2;
/// Call.
const R_BPF_64_32: u32 = 10;
/// Opcode of a call.
const CALL: u8 = 0x85;
/// Opcode of a wide load.
const LOAD_WIDE: u8 = 0x18;
/// Source register of a call of a function of the object.
const PSEUDO_CALL: u8 = 1;
/// Bytes of a slot of initial values: a pointer.
const SLOT_BYTES: u64 = 8;

/// Everything that relocations may name.
struct Linker<'a, 'd> {
    elf: &'a Elf<'d>,
    text: Option<SecIdx>,
    code_at: &'a HashMap<SecIdx, CodeIdx>,
    functions: &'a [Function],
    starts: HashMap<(CodeIdx, InsnIdx), FunctionIdx>,
    maps: &'a Maps,
    maps_section: Option<SecIdx>,
    legacy_section: Option<SecIdx>,
    externs: &'a HashMap<usize, ExternIdx>,
}

/// Resolves all relocations and makes the object, still without its types.
pub(crate) fn link(
    elf: &Elf<'_>,
    mut parts: Parts<'_>,
    functions: Vec<Function>,
    maps: Maps,
    externs: Externs,
) -> Result<Object, ObjectError> {
    let mut code = std::mem::take(&mut parts.code);
    let starts = functions.iter().enumerate();
    let linker = Linker {
        elf,
        text: parts.text,
        code_at: &parts.code_at,
        functions: &functions,
        starts: starts
            .map(|(at, function)| ((function.code, function.start), FunctionIdx(at)))
            .collect(),
        maps: &maps,
        maps_section: parts.maps.map(|section| section.index),
        legacy_section: parts.legacy.map(|(section, _)| section.index),
        externs: &externs.by_symbol,
    };
    let mut slots = Vec::new();
    for section in &parts.relocations {
        let relocations = elf.relocations(section)?;
        let Some(target) = elf.section(section.applies_to) else {
            continue;
        };
        if let Some(&index) = parts.code_at.get(&target.index) {
            let found = linker.code(target, index, &code[index.index()].insns, &relocations)?;
            code[index.index()].relocs.extend(found);
        } else if Some(target.index) == linker.maps_section {
            linker.values(target, &relocations, &mut slots)?;
        }
    }
    for (at, section) in code.iter_mut().enumerate() {
        section.relocs.sort_by_key(|reloc| reloc.at);
        linker.local_calls(CodeIdx(at), section)?;
    }
    let mut list = maps.list;
    for (map, slot) in slots {
        list[map.index()].slots.push(slot);
    }
    let (license, version, notes) = parts.take_scalars();
    let externs = externs.list;
    Ok(Object {
        code,
        functions,
        maps: list,
        externs,
        license,
        version,
        btf: None,
        btf_ext: None,
        notes,
    })
}

impl<'a, 'd> Linker<'a, 'd> {
    /// Types the relocations of one code section.
    fn code(
        &self,
        section: &Section<'d>,
        code: CodeIdx,
        insns: &[u8],
        relocations: &[Relocation],
    ) -> Result<Vec<Reloc>, ObjectError> {
        let mut found = Vec::with_capacity(relocations.len());
        for relocation in relocations {
            let (symbol, flaw) = self.named(section, relocation)?;
            let bytes = INSN_BYTES_64;
            let count = insns.len() / INSN_BYTES;
            let at = u32::try_from(relocation.offset / bytes)
                .map(InsnIdx)
                .map_err(|_| flaw(RelocFlaw::Offset))?;
            if !relocation.offset.is_multiple_of(bytes) || at.index() >= count {
                return Err(flaw(RelocFlaw::Offset));
            }
            if relocation.kind != R_BPF_64_64 && relocation.kind != R_BPF_64_32 {
                return Err(flaw(RelocFlaw::Kind(relocation.kind)));
            }
            let Some(function) = self.function_around(code, at) else {
                continue;
            };
            let insn = raw_at(insns, at).ok_or_else(|| flaw(RelocFlaw::Offset))?;
            let second_slot_in = at.0 + 1 < function.start.0 + function.count;
            let target = match insn.code {
                CALL => self.call_target(symbol, insn),
                LOAD_WIDE if second_slot_in => self.load_target(symbol, insn),
                code => Err(RelocFlaw::Instruction(code)),
            };
            found.push(Reloc {
                at,
                target: target.map_err(flaw)?,
            });
        }
        Ok(found)
    }

    /// The symbol of a relocation, and how to report what is wrong with it.
    fn named<'s>(
        &'s self,
        section: &'s Section<'d>,
        relocation: &Relocation,
    ) -> Result<
        (
            &'s Symbol,
            impl Fn(RelocFlaw) -> ObjectError + use<'s, 'a, 'd>,
        ),
        ObjectError,
    > {
        let offset = relocation.offset;
        let Some(symbol) = self.elf.symbols.get(relocation.symbol) else {
            let what = RelocFlaw::NoSymbol(relocation.symbol);
            return Err(ObjectError::Relocation {
                section: section.name().into_owned(),
                offset,
                symbol: String::new(),
                what,
            });
        };
        let flaw = move |what| ObjectError::Relocation {
            section: section.name().into_owned(),
            offset,
            symbol: self
                .elf
                .symbol_name(symbol)
                .unwrap_or_default()
                .into_owned(),
            what,
        };
        Ok((symbol, flaw))
    }

    /// The last function that begins at or before `at` and holds it.
    fn function_around(&self, code: CodeIdx, at: InsnIdx) -> Option<&Function> {
        let after = self
            .functions
            .partition_point(|function| (function.code, function.start) <= (code, at));
        let function = self.functions.get(after.checked_sub(1)?)?;
        (function.code == code && at.0 - function.start.0 < function.count).then_some(function)
    }

    fn extern_of(&self, symbol: &Symbol) -> Result<Option<ExternIdx>, RelocFlaw> {
        let is_extern = symbol.place == Place::Undefined
            && symbol.kind == SymbolKind::None
            && matches!(symbol.binding, Binding::Global | Binding::Weak);
        if !is_extern {
            return Ok(None);
        }
        self.externs
            .get(&symbol.index)
            .copied()
            .map(Some)
            .ok_or(RelocFlaw::NotExtern)
    }

    fn call_target(&self, symbol: &Symbol, insn: RawInsn) -> Result<Target, RelocFlaw> {
        if let Some(index) = self.extern_of(symbol)? {
            return Ok(Target::ExternCall(index));
        }
        if insn.src != PSEUDO_CALL {
            return Err(RelocFlaw::CallSource(insn.src));
        }
        let text = match symbol.place {
            Place::Section(section) if Some(section) == self.text => section,
            Place::Section(_) | Place::Undefined => return Err(RelocFlaw::CallTarget),
            Place::Special(number) => return Err(RelocFlaw::Special(number)),
        };
        // A call counts from the instruction behind it, so that the symbol itself is -1.
        let slot = i128::from(symbol.value / INSN_BYTES_64) + i128::from(insn.imm) + 1;
        if !symbol.value.is_multiple_of(INSN_BYTES_64) {
            return Err(RelocFlaw::NotFunction);
        }
        self.function_at(text, slot).map(Target::Call)
    }

    fn load_target(&self, symbol: &Symbol, insn: RawInsn) -> Result<Target, RelocFlaw> {
        if let Some(index) = self.extern_of(symbol)? {
            return Ok(Target::Extern(index));
        }
        let section = match symbol.place {
            Place::Section(section) => section,
            Place::Undefined => return Err(RelocFlaw::NotExtern),
            Place::Special(number) => return Err(RelocFlaw::Special(number)),
        };
        if Some(section) == self.text {
            let bytes = i128::from(symbol.value) + i128::from(insn.imm);
            if bytes % i128::from(INSN_BYTES_64) != 0 {
                return Err(RelocFlaw::NotFunction);
            }
            return self
                .function_at(section, bytes / i128::from(INSN_BYTES_64))
                .map(Target::FunctionAddress);
        }
        let defined = match Some(section) {
            it if it == self.maps_section => Some(&self.maps.defined),
            it if it == self.legacy_section => Some(&self.maps.legacy),
            _ => None,
        };
        if let Some(defined) = defined {
            let map = defined.get(&symbol.value).copied();
            return map.map(Target::Map).ok_or(RelocFlaw::NotMap);
        }
        let map = self.maps.data.get(&section).copied();
        let map = map.ok_or_else(|| self.bad_section(section))?;
        let start = u32::try_from(symbol.value).map_err(|_| RelocFlaw::BadSection)?;
        Ok(Target::Data {
            map,
            offset: start.wrapping_add(insn.imm.cast_unsigned()),
        })
    }

    /// Why a symbol's section cannot be referred to.
    fn bad_section(&self, section: SecIdx) -> RelocFlaw {
        let name = self.elf.section(section).map(Section::name);
        match name.as_deref().and_then(unsupported) {
            Some(what) => RelocFlaw::Unsupported(what),
            None => RelocFlaw::BadSection,
        }
    }

    fn function_at(&self, section: SecIdx, slot: i128) -> Result<FunctionIdx, RelocFlaw> {
        let at = u32::try_from(slot)
            .map(InsnIdx)
            .map_err(|_| RelocFlaw::NotFunction)?;
        let code = self.code_at.get(&section).ok_or(RelocFlaw::NotFunction)?;
        self.starts
            .get(&(*code, at))
            .copied()
            .ok_or(RelocFlaw::NotFunction)
    }

    /// Adds the calls that have no relocation because caller and callee share a section.
    fn local_calls(
        &self,
        index: CodeIdx,
        section: &mut crate::model::CodeSection,
    ) -> Result<(), ObjectError> {
        let known: HashSet<InsnIdx> = section.relocs.iter().map(|reloc| reloc.at).collect();
        let mut calls = Vec::new();
        let mut wide = false;
        for (at, slot) in (0u32..)
            .map(InsnIdx)
            .zip(section.insns.chunks_exact(INSN_BYTES))
        {
            // The second slot of a wide load is data, whatever its first byte says.
            if std::mem::take(&mut wide) {
                continue;
            }
            let insn = raw(slot);
            wide = insn.code == LOAD_WIDE;
            let is_call = insn.code == CALL && insn.src == PSEUDO_CALL;
            if !is_call || known.contains(&at) || self.function_around(index, at).is_none() {
                continue;
            }
            let to = u32::try_from(at.offset(i64::from(insn.imm) + 1))
                .ok()
                .map(InsnIdx);
            let function = to.and_then(|to| self.starts.get(&(index, to)));
            let Some(&function) = function else {
                return Err(ObjectError::Call {
                    section: section.name.clone(),
                    at: at.0,
                });
            };
            calls.push(Reloc {
                at,
                target: Target::Call(function),
            });
        }
        section.relocs.extend(calls);
        section.relocs.sort_by_key(|reloc| reloc.at);
        Ok(())
    }

    /// Initial values of maps of maps and of programs.
    fn values(
        &self,
        section: &Section<'d>,
        relocations: &[Relocation],
        slots: &mut Vec<(MapIdx, Slot)>,
    ) -> Result<(), ObjectError> {
        for relocation in relocations {
            let (symbol, flaw) = self.named(section, relocation)?;
            if relocation.kind != R_BPF_64_64 && relocation.kind != R_BPF_64_ABS64 {
                return Err(flaw(RelocFlaw::Kind(relocation.kind)));
            }
            let values = self
                .values_around(relocation.offset)
                .ok_or_else(|| flaw(RelocFlaw::Slot))?;
            let from_first = relocation.offset.checked_sub(values.first_slot);
            let index = from_first
                .filter(|bytes| bytes.is_multiple_of(SLOT_BYTES))
                .and_then(|bytes| u32::try_from(bytes / SLOT_BYTES).ok())
                .ok_or_else(|| flaw(RelocFlaw::Slot))?;
            let target = self.slot_target(values, symbol).map_err(flaw)?;
            slots.push((values.map, Slot { index, target }));
        }
        Ok(())
    }

    /// Definitions are in order of place, because the variables of `.maps` are sorted.
    fn values_around(&self, offset: u64) -> Option<&Values> {
        let after = self
            .maps
            .values
            .partition_point(|values| values.start <= offset);
        self.maps
            .values
            .get(after.checked_sub(1)?)
            .filter(|values| offset < values.end)
    }

    fn slot_target(&self, values: &Values, symbol: &Symbol) -> Result<SlotTarget, RelocFlaw> {
        let Place::Section(section) = symbol.place else {
            return Err(RelocFlaw::BadSection);
        };
        if self.maps.list[values.map.index()].inner.is_some() {
            let map = (Some(section) == self.maps_section)
                .then(|| self.maps.defined.get(&symbol.value))
                .flatten();
            return map.copied().map(SlotTarget::Map).ok_or(RelocFlaw::NotMap);
        }
        if !symbol.value.is_multiple_of(INSN_BYTES_64) {
            return Err(RelocFlaw::NotFunction);
        }
        self.function_at(section, i128::from(symbol.value / INSN_BYTES_64))
            .map(SlotTarget::Program)
    }
}

fn raw(slot: &[u8]) -> RawInsn {
    let mut bytes = [0; INSN_BYTES];
    bytes.copy_from_slice(slot);
    RawInsn::from_bytes(bytes)
}

fn raw_at(insns: &[u8], at: InsnIdx) -> Option<RawInsn> {
    let start = at.index().checked_mul(INSN_BYTES)?;
    insns.get(start..start.checked_add(INSN_BYTES)?).map(raw)
}
