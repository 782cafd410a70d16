//! What a loader must set in BTF before the kernel takes it.
//!
//! A compiler does not know sizes of sections and offsets of variables, so it leaves them zero (with relocations that
//! nobody reads); symbols have them. Hidden variables and functions become static, which lets the kernel verify a
//! hidden function in its callers' context instead of alone.

use crate::collect::FoundFunction;
use crate::elf::{Binding, Elf, Symbol, SymbolKind, Visibility};
use crate::error::ObjectError;
use crate::externs::{KCONFIG, KSYMS};
use crate::limits::BTF_NAME_BYTES_MAX;
use crate::model::Role;
use skep_btf::{Btf, BtfError, Datasec, Flaw, Func, Kind, Linkage, SecVar, StrOff, TypeId};
use std::borrow::Cow;
use std::collections::HashMap;

/// Refuses BTF with names that no compiler gives and no kernel takes. Strings may share bytes, so that every look-up by
/// name would otherwise cost as much as the whole string section. Texts of tags may be long and are not looked up.
pub(crate) fn with_short_names(btf: Btf) -> Result<Btf, BtfError> {
    let is_long = |name: StrOff| {
        let tail = usize::try_from(name.0)
            .ok()
            .and_then(|at| btf.strings().get(at..))
            .unwrap_or_default();
        tail.len() > BTF_NAME_BYTES_MAX && !tail[..=BTF_NAME_BYTES_MAX].contains(&0)
    };
    for (id, ty) in btf.iter() {
        let mut long = match ty.kind {
            Kind::DeclTag(_) | Kind::TypeTag(_) => false,
            _ => is_long(ty.name),
        };
        ty.kind.for_each_inner_name(|name| long |= is_long(name));
        if long {
            return Err(BtfError::Type {
                id,
                kind: ty.kind.name(),
                what: Flaw::Name,
            });
        }
    }
    Ok(btf)
}

/// Sets sizes of sections and offsets of variables, and sorts variables by offset.
pub(crate) fn datasecs(elf: &Elf<'_>, btf: &mut Btf) -> Result<(), ObjectError> {
    let sections: Vec<TypeId> = btf
        .iter()
        .filter(|(_, ty)| matches!(ty.kind, Kind::Datasec(_)))
        .map(|(id, _)| id)
        .collect();
    if sections.is_empty() {
        return Ok(());
    }
    let variables = variables(elf)?;
    for id in sections {
        let name = btf.name(id).to_owned();
        let Some(Kind::Datasec(mut datasec)) = btf.get(id).map(|ty| ty.kind.clone()) else {
            continue;
        };
        if name != KCONFIG && name != KSYMS {
            place(elf, btf, &name, &mut datasec, &variables)?;
        }
        datasec.vars.sort_by_key(|var| var.offset);
        if let Some(ty) = btf.get_mut(id) {
            ty.kind = Kind::Datasec(datasec);
        }
    }
    Ok(())
}

/// Size and offsets of one section.
fn place(
    elf: &Elf<'_>,
    btf: &mut Btf,
    name: &str,
    datasec: &mut Datasec,
    variables: &HashMap<Cow<'_, str>, &Symbol>,
) -> Result<(), ObjectError> {
    // A static linker has set size and offsets.
    let linked = datasec.size != 0;
    if !linked {
        let section = elf.sections.iter().find(|section| section.name() == name);
        let size = section
            .and_then(|section| u32::try_from(section.size).ok())
            .filter(|size| *size != 0);
        datasec.size = size.ok_or_else(|| ObjectError::Datasec {
            name: name.to_owned(),
        })?;
    }
    for SecVar { ty, offset, .. } in &mut datasec.vars {
        let Some(Kind::Var(var)) = btf.get(*ty).map(|ty| ty.kind.clone()) else {
            return Err(ObjectError::Variable {
                section: name.to_owned(),
                name: btf.name(*ty).to_owned(),
            });
        };
        // The compiler places static variables itself.
        if var.linkage != Linkage::GLOBAL {
            continue;
        }
        let variable = btf.name(*ty);
        let symbol = variables
            .get(variable)
            .ok_or_else(|| ObjectError::Variable {
                section: name.to_owned(),
                name: variable.to_owned(),
            })?;
        if !linked {
            *offset = u32::try_from(symbol.value).map_err(|_| ObjectError::Variable {
                section: name.to_owned(),
                name: variable.to_owned(),
            })?;
        }
        if symbol.visibility == Visibility::Hidden
            && let Some(Kind::Var(var)) = btf.get_mut(*ty).map(|ty| &mut ty.kind)
        {
            var.linkage = Linkage::STATIC;
        }
    }
    Ok(())
}

/// Global and weak data symbols by name.
fn variables<'e>(elf: &'e Elf<'_>) -> Result<HashMap<Cow<'e, str>, &'e Symbol>, ObjectError> {
    let mut found = HashMap::new();
    for symbol in &elf.symbols {
        let bound = matches!(symbol.binding, Binding::Global | Binding::Weak);
        if bound && symbol.kind == SymbolKind::Object {
            found.entry(elf.symbol_name(symbol)?).or_insert(symbol);
        }
    }
    Ok(found)
}

/// Makes hidden subprograms static.
pub(crate) fn hidden_functions(btf: &mut Btf, functions: &[FoundFunction]) {
    let hidden = functions.iter().filter(|found| {
        found.visibility == Visibility::Hidden && found.function.role == Role::Subprogram
    });
    let names: std::collections::HashSet<&str> =
        hidden.map(|found| found.function.name.as_str()).collect();
    if names.is_empty() {
        return;
    }
    let is_global = |kind: &Kind| {
        matches!(
            kind,
            Kind::Func(Func {
                linkage: Linkage::GLOBAL,
                ..
            })
        )
    };
    let ids: Vec<TypeId> = btf
        .iter()
        .filter(|(id, ty)| is_global(&ty.kind) && names.contains(btf.name(*id)))
        .map(|(id, _)| id)
        .collect();
    for id in ids {
        if let Some(Kind::Func(func)) = btf.get_mut(id).map(|ty| &mut ty.kind) {
            func.linkage = Linkage::STATIC;
        }
    }
}
