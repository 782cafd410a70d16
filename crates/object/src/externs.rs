//! Externs: names that the object uses and someone else provides.
//!
//! An extern is an undefined symbol that BTF describes as a variable or function of the section `.kconfig` (an option
//! of the kernel, which the loader puts into a map) or `.ksyms` (a symbol of the kernel). The kernel takes no BTF with
//! externs, so both sections are rewritten to what it takes: options become variables of a map, kernel symbols
//! variables of four bytes each.
//! Externs are in libbpf's order, because the number of a missing function shows in the program: options by alignment (largest
//! first), size (smallest first) and name, then kernel symbols by name.
//! Does not know any kernel's symbols or options.

use crate::elf::{Binding, Elf, Place, SymbolKind};
use crate::error::{ExternFlaw, ObjectError};
use crate::model::{Extern, ExternIdx, ExternKind, MapIdx, Strength};
use skep_btf::{Btf, Int, IntEncoding, Kind, Linkage, Type, TypeId, Var};
use std::cmp::Reverse;
use std::collections::HashMap;

/// Section of kernel options.
pub(crate) const KCONFIG: &str = ".kconfig";
/// Section of kernel symbols.
pub(crate) const KSYMS: &str = ".ksyms";
/// Name of the variable that stands for kernel functions in `.ksyms`.
const DUMMY: &str = "dummy_ksym";
/// Bytes of what stands for a kernel symbol.
const KSYM_BYTES: u32 = 4;

/// The externs of an object, with what relocations and maps need.
#[derive(Default)]
pub(crate) struct Externs {
    pub(crate) list: Vec<Extern>,
    pub(crate) by_symbol: HashMap<usize, ExternIdx>,
    /// Bytes of the `.kconfig` map.
    pub(crate) options_size: Option<u32>,
}

/// Where BTF describes an extern.
#[derive(Clone, Copy)]
struct Described {
    ty: TypeId,
    section: TypeId,
}

/// Finds all externs and rewrites their sections of `btf`.
pub(crate) fn collect(elf: &Elf<'_>, btf: Option<&mut Btf>) -> Result<Externs, ObjectError> {
    let mut found = Externs::default();
    let Some(btf) = btf else {
        return Ok(found);
    };
    let described = described(btf);
    let stand_in = stand_in(btf, &described)?;
    let mut symbols = Vec::new();
    for symbol in &elf.symbols {
        let bound = matches!(symbol.binding, Binding::Global | Binding::Weak);
        if symbol.place != Place::Undefined || symbol.kind != SymbolKind::None || !bound {
            continue;
        }
        let name = elf.symbol_name(symbol)?.into_owned();
        let strength = if symbol.binding == Binding::Weak {
            Strength::Weak
        } else {
            Strength::Strong
        };
        let Some(&Described { ty, section }) = described.get(&name) else {
            return Err(ObjectError::Extern {
                name,
                what: ExternFlaw::NoBtf,
            });
        };
        let kind = kind(btf, &name, ty, section)?;
        let align = align(btf, ty);
        symbols.push((
            symbol.index,
            align,
            Extern {
                name,
                kind,
                strength,
            },
        ));
    }
    symbols.sort_by(|(_, a_align, a), (_, b_align, b)| {
        rank(a, *a_align)
            .cmp(&rank(b, *b_align))
            .then_with(|| a.name.cmp(&b.name))
    });
    for (at, (symbol, align, external)) in symbols.into_iter().enumerate() {
        found.by_symbol.insert(symbol, ExternIdx(at));
        found.place(align, external);
    }
    place_options(btf, &found);
    if let Some(stand_in) = stand_in {
        place_symbols(btf, stand_in);
    }
    Ok(found)
}

/// All members of both sections by name.
fn described(btf: &Btf) -> HashMap<String, Described> {
    let mut found = HashMap::new();
    for (section, ty) in btf.iter() {
        let Kind::Datasec(datasec) = &ty.kind else {
            continue;
        };
        for var in &datasec.vars {
            let is_extern = match btf.get(var.ty).map(|ty| &ty.kind) {
                Some(Kind::Var(var)) => var.linkage == Linkage::EXTERN,
                Some(Kind::Func(func)) => func.linkage == Linkage::EXTERN,
                _ => false,
            };
            if is_extern {
                found
                    .entry(btf.name(var.ty).to_owned())
                    .or_insert(Described {
                        ty: var.ty,
                        section,
                    });
            }
        }
    }
    found
}

fn kind(btf: &Btf, name: &str, ty: TypeId, section: TypeId) -> Result<ExternKind, ObjectError> {
    let flaw = |what| ObjectError::Extern {
        name: name.to_owned(),
        what,
    };
    let described = btf.get(ty).map(|ty| &ty.kind);
    match (btf.name(section), described) {
        (KCONFIG, Some(Kind::Var(var))) => {
            let size = btf
                .size_of(var.ty)
                .filter(|size| *size != 0)
                .ok_or_else(|| flaw(ExternFlaw::OptionType))?;
            Ok(ExternKind::Option {
                map: MapIdx(usize::MAX),
                offset: 0,
                size,
            })
        }
        (KSYMS, Some(Kind::Func(func))) => Ok(ExternKind::Function(func.proto)),
        (KSYMS, Some(Kind::Var(var))) => Ok(ExternKind::Variable(
            btf.resolve(var.ty).unwrap_or(TypeId(0)),
        )),
        (KCONFIG, _) => Err(flaw(ExternFlaw::OptionType)),
        (other, _) => Err(flaw(ExternFlaw::Section(other.to_owned()))),
    }
}

/// Alignment of a variable in bytes.
fn align(btf: &Btf, ty: TypeId) -> u32 {
    match btf.get(ty).map(|ty| &ty.kind) {
        Some(Kind::Var(var)) => btf.align_of(var.ty).unwrap_or(1).max(1),
        _ => 1,
    }
}

/// Order of externs before their names: options first, those of the largest alignment, then of the smallest size.
fn rank(external: &Extern, align: u32) -> (u32, Reverse<u32>, u32) {
    match external.kind {
        ExternKind::Option { size, .. } => (0, Reverse(align), size),
        ExternKind::Variable(_) | ExternKind::Function(_) => (1, Reverse(0), 0),
    }
}

impl Externs {
    /// Appends an extern; an option gets its place in the map.
    fn place(&mut self, align: u32, mut external: Extern) {
        if let ExternKind::Option { offset, size, .. } = &mut external.kind {
            let end = self.options_size.unwrap_or(0);
            *offset = end.checked_next_multiple_of(align).unwrap_or(end);
            self.options_size = Some(offset.saturating_add(*size));
        }
        self.list.push(external);
    }
}

/// Makes options variables of their map.
fn place_options(btf: &mut Btf, found: &Externs) {
    let Some(size) = found.options_size else {
        return;
    };
    let offsets: HashMap<&str, u32> = found
        .list
        .iter()
        .filter_map(|external| match external.kind {
            ExternKind::Option { offset, .. } => Some((external.name.as_str(), offset)),
            ExternKind::Variable(_) | ExternKind::Function(_) => None,
        })
        .collect();
    rewrite_section(btf, KCONFIG, size, |btf, var, _| {
        if let Some(offset) = offsets.get(btf.name(var.ty)) {
            var.offset = *offset;
        }
        if let Some(Kind::Var(variable)) = btf.get_mut(var.ty).map(|ty| &mut ty.kind) {
            variable.linkage = Linkage::GLOBAL;
        }
    });
}

/// Types that stand for kernel symbols.
#[derive(Clone, Copy)]
struct StandIn {
    int: TypeId,
    dummy: Option<TypeId>,
    symbols: u32,
}

/// Finds or adds them, if there are kernel symbols at all.
fn stand_in(
    btf: &mut Btf,
    described: &HashMap<String, Described>,
) -> Result<Option<StandIn>, ObjectError> {
    let Some(section) = btf.find(KSYMS, |kind| matches!(kind, Kind::Datasec(_))) else {
        return Ok(None);
    };
    let Some(Kind::Datasec(datasec)) = btf.get(section).map(|ty| &ty.kind) else {
        return Ok(None);
    };
    let symbols = u32::try_from(datasec.vars.len()).unwrap_or(u32::MAX);
    let has_functions = datasec
        .vars
        .iter()
        .any(|var| matches!(btf.get(var.ty).map(|ty| &ty.kind), Some(Kind::Func(_))));
    let is_int =
        |kind: &Kind| matches!(kind, Kind::Int(int) if int.size == KSYM_BYTES && int.bits == 32);
    let existing = btf
        .iter()
        .find(|(_, ty)| is_int(&ty.kind))
        .map(|(id, _)| id);
    let int = match existing {
        Some(int) => int,
        None if has_functions => add_int(btf),
        None => {
            let name = described.keys().next().cloned().unwrap_or_default();
            return Err(ObjectError::Extern {
                name,
                what: ExternFlaw::NoInt,
            });
        }
    };
    let dummy = has_functions.then(|| {
        let name = btf.add_string(DUMMY);
        btf.add_type(Type {
            name,
            kind: Kind::Var(Var {
                ty: int,
                linkage: Linkage::GLOBAL,
            }),
        })
    });
    Ok(Some(StandIn {
        int,
        dummy,
        symbols,
    }))
}

fn add_int(btf: &mut Btf) -> TypeId {
    let name = btf.add_string("int");
    let int = Int {
        size: KSYM_BYTES,
        encoding: IntEncoding::SIGNED,
        bit_offset: 0,
        bits: 32,
    };
    btf.add_type(Type {
        name,
        kind: Kind::Int(int),
    })
}

/// Makes each kernel symbol a variable of four bytes.
fn place_symbols(btf: &mut Btf, stand_in: StandIn) {
    let size = stand_in.symbols.saturating_mul(KSYM_BYTES);
    rewrite_section(btf, KSYMS, size, |btf, var, at| {
        var.offset = at.saturating_mul(KSYM_BYTES);
        var.size = KSYM_BYTES;
        match btf.get_mut(var.ty).map(|ty| &mut ty.kind) {
            Some(Kind::Var(variable)) => {
                variable.linkage = Linkage::GLOBAL;
                variable.ty = stand_in.int;
            }
            Some(Kind::Func(func)) => {
                func.linkage = Linkage::GLOBAL;
                let proto = func.proto;
                name_params(btf, proto, stand_in.dummy);
                var.ty = stand_in.dummy.unwrap_or(var.ty);
            }
            _ => {}
        }
    });
}

/// Functions that are not extern must have names for their parameters.
fn name_params(btf: &mut Btf, proto: TypeId, dummy: Option<TypeId>) {
    let Some(name) = dummy.and_then(|dummy| btf.get(dummy)).map(|ty| ty.name) else {
        return;
    };
    if let Some(Kind::FuncProto(proto)) = btf.get_mut(proto).map(|ty| &mut ty.kind) {
        for param in &mut proto.params {
            if param.ty != TypeId(0) && param.name.is_empty() {
                param.name = name;
            }
        }
    }
}

/// Calls `edit` with each variable of a section and its place, and sets the section's size.
fn rewrite_section(
    btf: &mut Btf,
    name: &str,
    size: u32,
    mut edit: impl FnMut(&mut Btf, &mut skep_btf::SecVar, u32),
) {
    let Some(id) = btf.find(name, |kind| matches!(kind, Kind::Datasec(_))) else {
        return;
    };
    let Some(Kind::Datasec(mut datasec)) = btf.get(id).map(|ty| ty.kind.clone()) else {
        return;
    };
    for (at, var) in (0..).zip(&mut datasec.vars) {
        edit(btf, var, at);
    }
    datasec.size = size;
    if let Some(ty) = btf.get_mut(id) {
        ty.kind = Kind::Datasec(datasec);
    }
}
