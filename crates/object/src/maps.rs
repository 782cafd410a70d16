//! Maps: definitions in `.maps`, and one array of one element per data section.
//!
//! A definition is a global variable of `.maps` whose structure type carries the attributes: numbers as the length of
//! the array that a member points to, types as what a member points to (the macros `__uint`, `__type`, `__array` and
//! `__ulong` of `bpf_helpers.h`). Order is libbpf's: definitions without BTF
//! (`legacy`), definitions by place, then data sections by section number, then
//! kernel options.

use crate::collect::Parts;
use crate::elf::{Elf, SecIdx};
use crate::error::{MapFlaw, ObjectError};
use crate::externs::{Externs, KCONFIG};
use crate::legacy;
use crate::limits::MAP_FIELDS_MAX;
use crate::model::{Contents, DataKind, ExternKind, Map, MapDef, MapIdx, MapOrigin, Pinning};
use skep_btf::{Btf, Composite, Kind, Linkage, SecVar, TypeId};
use skep_uapi::{BPF_F_MMAPABLE, BPF_F_RDONLY_PROG, MapType};
use std::collections::HashMap;

/// All maps, and where relocations find them.
#[derive(Default)]
pub(crate) struct Maps {
    pub(crate) list: Vec<Map>,
    /// Definitions by offset in `.maps`.
    pub(crate) defined: HashMap<u64, MapIdx>,
    /// Definitions without BTF by offset in `maps`.
    pub(crate) legacy: HashMap<u64, MapIdx>,
    /// Data maps by section.
    pub(crate) data: HashMap<SecIdx, MapIdx>,
    /// Definitions with initial values: where they begin in `.maps`, how many bytes they have, where the values begin.
    pub(crate) values: Vec<Values>,
}

/// Place of a definition's initial values.
#[derive(Clone, Copy)]
pub(crate) struct Values {
    pub(crate) map: MapIdx,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) first_slot: u64,
}

/// Builds all maps.
pub(crate) fn collect(
    elf: &Elf<'_>,
    parts: &Parts<'_>,
    btf: Option<&Btf>,
    externs: &mut Externs,
) -> Result<Maps, ObjectError> {
    let mut maps = Maps::default();
    if let Some((section, bytes)) = &parts.legacy {
        legacy::collect(elf, section, bytes, btf, &mut maps)?;
    }
    if let Some(section) = &parts.maps {
        let btf = btf.ok_or(ObjectError::NoBtf {
            what: "map definitions",
        })?;
        maps.take_definitions(btf, section.size)?;
    }
    if let Some((section, contents)) = parts.arena {
        maps.take_arena_variables(section, contents)?;
    }
    for data in &parts.data {
        let index = MapIdx(maps.list.len());
        maps.data.insert(data.section, index);
        maps.list.push(data_map(
            btf,
            &data.name,
            data.kind,
            data.size,
            data.contents.clone(),
        ));
    }
    if let Some(size) = externs.options_size {
        let index = MapIdx(maps.list.len());
        maps.list.push(data_map(
            btf,
            KCONFIG,
            DataKind::Kconfig,
            size,
            Contents::Zeros,
        ));
        for external in &mut externs.list {
            if let ExternKind::Option { map, .. } = &mut external.kind {
                *map = index;
            }
        }
    }
    Ok(maps)
}

/// The map of a data section. A section that BTF does not describe (string literals) has a map without types.
fn data_map(
    btf: Option<&Btf>,
    section: &str,
    kind: DataKind,
    size: u32,
    contents: Contents,
) -> Map {
    let described = btf.and_then(|btf| {
        Some((
            btf,
            btf.find(section, |kind| matches!(kind, Kind::Datasec(_)))?,
        ))
    });
    let mut map_flags = match kind {
        DataKind::Rodata | DataKind::Kconfig => BPF_F_RDONLY_PROG,
        DataKind::Data | DataKind::Bss => 0,
    };
    if described.is_some_and(|(btf, id)| has_global(btf, id)) {
        map_flags |= BPF_F_MMAPABLE;
    }
    let def = MapDef {
        map_type: MapType::ARRAY,
        key_size: 4,
        value_size: size,
        max_entries: 1,
        map_flags,
        value_type: described.map(|(_, id)| id).unwrap_or_default(),
        ..MapDef::default()
    };
    let origin = MapOrigin::Data(kind);
    Map {
        name: section.to_owned(),
        origin,
        def,
        inner: None,
        contents,
        slots: Vec::new(),
    }
}

/// Whether a user of the object could name a variable of the section: only then is its map made for mapping.
fn has_global(btf: &Btf, section: TypeId) -> bool {
    let Some(Kind::Datasec(datasec)) = btf.get(section).map(|ty| &ty.kind) else {
        return false;
    };
    datasec.vars.iter().any(|var| {
        matches!(btf.get(var.ty).map(|ty| &ty.kind), Some(Kind::Var(var)) if var.linkage != Linkage::STATIC)
    })
}

impl Maps {
    fn take_definitions(&mut self, btf: &Btf, section_size: u64) -> Result<(), ObjectError> {
        let Some(id) = btf.find(".maps", |kind| matches!(kind, Kind::Datasec(_))) else {
            return Err(ObjectError::NoBtf {
                what: "map definitions",
            });
        };
        let Some(Kind::Datasec(datasec)) = btf.get(id).map(|ty| &ty.kind) else {
            return Ok(());
        };
        for var in &datasec.vars {
            self.take_definition(btf, var, section_size)?;
        }
        Ok(())
    }

    /// Variables of an arena lie in the arena map, of which an object with such variables has one.
    fn take_arena_variables(
        &mut self,
        section: SecIdx,
        contents: &[u8],
    ) -> Result<(), ObjectError> {
        let is_arena = |map: &Map| map.def.map_type == MapType::ARENA;
        let at = self
            .list
            .iter()
            .position(is_arena)
            .ok_or(ObjectError::NoArena)?;
        self.data.insert(section, MapIdx(at));
        if let Some(map) = self.list.get_mut(at) {
            map.contents = Contents::Bytes(contents.to_vec());
        }
        Ok(())
    }

    fn take_definition(
        &mut self,
        btf: &Btf,
        place: &SecVar,
        section_size: u64,
    ) -> Result<(), ObjectError> {
        let name = btf.name(place.ty).to_owned();
        let flaw = |what| ObjectError::Map {
            map: name.clone(),
            what,
        };
        let Some(Kind::Var(var)) = btf.get(place.ty).map(|ty| &ty.kind) else {
            return Err(flaw(MapFlaw::NotStruct));
        };
        if var.linkage != Linkage::GLOBAL {
            return Err(flaw(MapFlaw::Linkage));
        }
        let start = u64::from(place.offset);
        let end = start + u64::from(place.size);
        if end > section_size {
            return Err(flaw(MapFlaw::OutsideSection));
        }
        let Some(Kind::Struct(shape)) = btf
            .resolve(var.ty)
            .and_then(|id| btf.get(id))
            .map(|ty| &ty.kind)
        else {
            return Err(flaw(MapFlaw::NotStruct));
        };
        let read = read_definition(btf, shape, Depth::Outer).map_err(flaw)?;
        let index = MapIdx(self.list.len());
        self.defined.insert(start, index);
        if let Some(first_slot) = read.values_at {
            self.values.push(Values {
                map: index,
                start,
                end,
                first_slot: start + first_slot,
            });
        }
        self.list.push(Map {
            name,
            origin: MapOrigin::Defined,
            def: read.def,
            inner: read.inner,
            contents: Contents::None,
            slots: Vec::new(),
        });
        Ok(())
    }
}

/// Whether a definition stands for itself or describes the inner maps of another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Outer,
    Inner,
}

/// What a definition says.
#[derive(Default)]
struct Definition {
    def: MapDef,
    inner: Option<MapDef>,
    /// Offset of `values` in the definition, in bytes.
    values_at: Option<u64>,
}

fn read_definition(btf: &Btf, shape: &Composite, depth: Depth) -> Result<Definition, MapFlaw> {
    if shape.members.len() > MAP_FIELDS_MAX {
        return Err(MapFlaw::TooManyFields(shape.members.len()));
    }
    let mut read = Definition::default();
    for (at, member) in shape.members.iter().enumerate() {
        let field = Field {
            btf,
            name: btf.str(member.name).unwrap_or_default(),
            ty: member.ty,
        };
        if field.name == "values" {
            if at + 1 != shape.members.len() {
                return Err(MapFlaw::Values);
            }
            if depth == Depth::Inner {
                return Err(MapFlaw::Inner(field.name.to_owned()));
            }
            read.values_at = Some(u64::from(member.bit_offset / 8));
            read.inner = field.values(&mut read.def)?;
        } else {
            field.read(&mut read.def, depth)?;
        }
    }
    if read.def.map_type == MapType::UNSPEC {
        return Err(MapFlaw::NoType);
    }
    Ok(read)
}

/// One member of a definition.
struct Field<'a> {
    btf: &'a Btf,
    name: &'a str,
    ty: TypeId,
}

impl Field<'_> {
    fn read(&self, def: &mut MapDef, depth: Depth) -> Result<(), MapFlaw> {
        match self.name {
            "type" => def.map_type = MapType(self.number()?),
            "max_entries" => def.max_entries = self.number()?,
            "map_flags" => def.map_flags = self.number()?,
            "numa_node" => def.numa_node = self.number()?,
            "map_extra" => def.map_extra = self.long()?,
            "key_size" => self.set_size(&mut def.key_size, self.number()?)?,
            "value_size" => self.set_size(&mut def.value_size, self.number()?)?,
            "key" => {
                let (ty, size) = self.pointee()?;
                self.set_size(&mut def.key_size, size)?;
                def.key_type = ty;
            }
            "value" => {
                let (ty, size) = self.pointee()?;
                self.set_size(&mut def.value_size, size)?;
                def.value_type = ty;
            }
            "pinning" => {
                if depth == Depth::Inner {
                    return Err(MapFlaw::Inner(self.name.to_owned()));
                }
                def.pinning = match self.number()? {
                    0 => Pinning::None,
                    1 => Pinning::ByName,
                    other => return Err(MapFlaw::Pinning(other)),
                };
            }
            other => return Err(MapFlaw::UnknownField(other.to_owned())),
        }
        Ok(())
    }

    fn kind(&self, id: TypeId) -> Option<&Kind> {
        self.btf.get(self.btf.resolve(id)?).map(|ty| &ty.kind)
    }

    fn form(&self) -> MapFlaw {
        MapFlaw::FieldForm(self.name.to_owned())
    }

    /// `__uint(name, n)`: `int (*name)[n]`.
    fn number(&self) -> Result<u32, MapFlaw> {
        let Some(Kind::Ptr(array)) = self.kind(self.ty) else {
            return Err(self.form());
        };
        match self.btf.get(*array).map(|ty| &ty.kind) {
            Some(Kind::Array(array)) => Ok(array.count),
            _ => Err(self.form()),
        }
    }

    /// `__ulong(name, n)`: an enumeration with the one value `n`; or `__uint`.
    fn long(&self) -> Result<u64, MapFlaw> {
        match self.kind(self.ty) {
            Some(Kind::Enum(e)) => e
                .values
                .first()
                .map(|(_, value)| u64::from(*value))
                .ok_or_else(|| self.form()),
            Some(Kind::Enum64(e)) => e
                .values
                .first()
                .map(|(_, value)| *value)
                .ok_or_else(|| self.form()),
            _ => self.number().map(u64::from),
        }
    }

    /// `__type(name, T)`: `T *name`. Type and size of `T`.
    fn pointee(&self) -> Result<(TypeId, u32), MapFlaw> {
        match self.btf.get(self.ty).map(|ty| &ty.kind) {
            Some(Kind::Ptr(target)) => {
                let size = self
                    .btf
                    .size_of(*target)
                    .ok_or_else(|| MapFlaw::NoSize(self.name.to_owned()))?;
                Ok((*target, size))
            }
            _ => Err(self.form()),
        }
    }

    fn set_size(&self, size: &mut u32, new: u32) -> Result<(), MapFlaw> {
        if *size != 0 && *size != new {
            return Err(MapFlaw::Conflict {
                field: self.name.to_owned(),
                new,
                old: *size,
            });
        }
        *size = new;
        Ok(())
    }

    /// `__array(values, T)`: `T *values[]`. A structure describes inner maps, a function the programs of an array.
    fn values(&self, def: &mut MapDef) -> Result<Option<MapDef>, MapFlaw> {
        let Some(Kind::Array(array)) = self.kind(self.ty) else {
            return Err(self.form());
        };
        let Some(Kind::Ptr(target)) = self.kind(array.elem) else {
            return Err(self.form());
        };
        self.set_size(&mut def.value_size, 4)?;
        match (def.map_type, self.kind(*target)) {
            (MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS, Some(Kind::Struct(shape))) => {
                Ok(Some(read_definition(self.btf, shape, Depth::Inner)?.def))
            }
            (MapType::PROG_ARRAY, Some(Kind::FuncProto(_))) => Ok(None),
            (MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS | MapType::PROG_ARRAY, _) => {
                Err(self.form())
            }
            _ => Err(MapFlaw::Values),
        }
    }
}
