//! The plan of a load: which maps and programs with which definitions, decided without asking any machine.
//!
//! Invariants: maps stand in order of creation and are those of the object, one for one; programs stand in order of
//! loading; everything that the object alone can make fail has failed.
//! Does not know descriptors: where a definition names another object of the kernel, the plan holds an index.

use crate::attach::attach_target;
use crate::error::LoadError;
use crate::externs::{ExternValue, plan_externs};
use crate::options::{MapRef, Options, ProgKind, Programs};
use skep_btf::core::KernelBtf;
use skep_btf::{Btf, Kind, TypeId};
use skep_object::{
    Contents, DataKind, FunctionIdx, Map, MapDef, MapIdx, MapOrigin, Needs, Object, Pinning, Role,
    kernel_name,
};
use skep_uapi::{BPF_F_SLEEPABLE, BPF_F_XDP_HAS_FRAGS, Handle, MapCreate, MapType, ProgType};
use std::sync::Arc;

/// What will be loaded.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan<'o> {
    pub(crate) object: &'o Object,
    pub(crate) maps: Vec<PlannedMap>,
    pub(crate) programs: Vec<PlannedProgram>,
    pub(crate) externs: Vec<ExternValue>,
    pub(crate) btf: Option<Arc<KernelBtf>>,
    pub(crate) log_level: u32,
    pub(crate) ifindex: u32,
}

/// One map.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlannedMap {
    /// Map of the object.
    pub index: MapIdx,
    /// Definition, still without handles; sizes that depend on the machine as the object has them.
    pub create: MapCreate,
    /// Definition of the template of inner maps.
    pub inner: Option<MapCreate>,
    /// Value of its only element.
    pub contents: Option<Vec<u8>>,
    /// Whether programs alone may change it from then on.
    pub freeze: Freeze,
    /// Where it is shared by name.
    pub pin_path: Option<String>,
    /// What to use in its place.
    pub reuse: Option<Handle>,
}

/// Whether a map is frozen after it is filled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Freeze {
    /// It is (`.rodata`, `.kconfig`).
    Frozen,
    /// It stays open.
    Open,
}

/// One program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlannedProgram {
    /// Its function.
    pub index: FunctionIdx,
    /// Name in the object; the kernel sees 15 bytes of it.
    pub name: String,
    /// Section, without `?`.
    pub section: String,
    /// Type and attach type.
    pub kind: ProgKind,
    /// `BPF_F_*` flags.
    pub flags: u32,
    /// Type in the kernel's BTF that it attaches to, 0 for none.
    pub attach_btf_id: TypeId,
    /// Subprogram that handles its exceptions, if it names one; part of the program though nothing calls it.
    pub exception_callback: Option<FunctionIdx>,
}

impl<'o> Plan<'o> {
    /// Maps in order of creation.
    #[must_use]
    pub fn maps(&self) -> &[PlannedMap] {
        &self.maps
    }

    /// Programs in order of loading.
    #[must_use]
    pub fn programs(&self) -> &[PlannedProgram] {
        &self.programs
    }

    /// The object.
    #[must_use]
    pub const fn object(&self) -> &'o Object {
        self.object
    }
}

/// Decides what loading `object` means.
///
/// # Errors
/// When the object or the options ask for something that does not exist or cannot be done.
pub fn plan<'o>(object: &'o Object, options: &Options) -> Result<Plan<'o>, LoadError> {
    let mut maps = plan_maps(object, options);
    for reuse in &options.reuse {
        let map = find_map(object, options, &reuse.map).and_then(|at| maps.get_mut(at));
        map.ok_or_else(|| LoadError::NoSuchMap(reuse.map.clone()))?
            .reuse = Some(reuse.handle);
    }
    for (name, value) in &options.variables {
        set_variable(object, &mut maps, name, value)?;
    }
    let externs = plan_externs(object, options, &mut maps)?;
    let programs = plan_programs(object, options)?;
    Ok(Plan {
        object,
        maps,
        programs,
        externs,
        btf: options.btf.clone(),
        log_level: options.log_level,
        ifindex: options.ifindex,
    })
}

fn plan_maps(object: &Object, options: &Options) -> Vec<PlannedMap> {
    object
        .map_indices()
        .map(|index| plan_map(object.map(index), index, options))
        .collect()
}

fn plan_map(map: &Map, index: MapIdx, options: &Options) -> PlannedMap {
    let freeze = match map.origin() {
        MapOrigin::Data(DataKind::Rodata | DataKind::Kconfig) => Freeze::Frozen,
        MapOrigin::Data(DataKind::Data | DataKind::Bss) | MapOrigin::Defined => Freeze::Open,
    };
    let contents = match map.contents() {
        // An arena's first contents are written through memory that is shared with it, not by a command.
        Contents::Bytes(_) if map.origin() == MapOrigin::Defined => None,
        Contents::None => None,
        Contents::Bytes(bytes) => Some(bytes.clone()),
        Contents::Zeros => Some(vec![0; usize::try_from(map.def().value_size).unwrap_or(0)]),
    };
    let inner_name = format!("{}.inner", map.name());
    PlannedMap {
        index,
        create: create(map.def(), map.kernel_name(&options.object_name)),
        inner: map.inner().map(|def| create(def, kernel_name(&inner_name))),
        contents,
        freeze,
        pin_path: match map.def().pinning {
            Pinning::None => None,
            Pinning::ByName => Some(format!(
                "{}/{}",
                options.pin_dir,
                map.name().replace('.', "_")
            )),
        },
        reuse: None,
    }
}

fn create(def: &MapDef, name: String) -> MapCreate {
    // The kernel takes no BTF for maps whose values are handles or that have no keys.
    let typed = !matches!(
        def.map_type,
        MapType::PERF_EVENT_ARRAY
            | MapType::CGROUP_ARRAY
            | MapType::STACK_TRACE
            | MapType::ARRAY_OF_MAPS
            | MapType::HASH_OF_MAPS
            | MapType::DEVMAP
            | MapType::DEVMAP_HASH
            | MapType::CPUMAP
            | MapType::XSKMAP
            | MapType::SOCKMAP
            | MapType::SOCKHASH
            | MapType::QUEUE
            | MapType::STACK
            | MapType::ARENA
    );
    MapCreate {
        map_type: def.map_type,
        key_size: def.key_size,
        value_size: def.value_size,
        max_entries: def.max_entries,
        map_flags: def.map_flags,
        name,
        btf_key_type_id: if typed { def.key_type } else { TypeId(0) },
        btf_value_type_id: if typed { def.value_type } else { TypeId(0) },
        numa_node: def.numa_node,
        map_extra: def.map_extra,
        ..MapCreate::default()
    }
}

fn find_map(object: &Object, options: &Options, wanted: &MapRef) -> Option<usize> {
    match wanted {
        MapRef::Index(at) => Some(*at),
        MapRef::Name(name) => object
            .maps()
            .iter()
            .position(|map| map.name() == name || map.kernel_name(&options.object_name) == *name),
    }
}

/// Where a variable lies: its map, and offset and size in the map's value in bytes.
fn find_variable(object: &Object, btf: &Btf, name: &str) -> Option<(usize, u32, u32)> {
    for (at, map) in object.maps().iter().enumerate() {
        if map.origin() == MapOrigin::Defined {
            continue;
        }
        let Some(Kind::Datasec(datasec)) = btf.get(map.def().value_type).map(|ty| &ty.kind) else {
            continue;
        };
        if let Some(var) = datasec.vars.iter().find(|var| btf.name(var.ty) == name) {
            return Some((at, var.offset, var.size));
        }
    }
    None
}

fn set_variable(
    object: &Object,
    maps: &mut [PlannedMap],
    name: &str,
    value: &[u8],
) -> Result<(), LoadError> {
    let missing = || LoadError::NoSuchVariable(name.to_owned());
    let (at, offset, size) = object
        .btf()
        .and_then(|btf| find_variable(object, btf, name))
        .ok_or_else(missing)?;
    if usize::try_from(size) != Ok(value.len()) {
        return Err(LoadError::VariableSize {
            name: name.to_owned(),
            size,
            given: value.len(),
        });
    }
    let start = usize::try_from(offset).map_err(|_| missing())?;
    let place = maps.get_mut(at).and_then(|map| {
        map.contents
            .as_mut()?
            .get_mut(start..)?
            .get_mut(..value.len())
    });
    place.ok_or_else(missing)?.copy_from_slice(value);
    Ok(())
}

fn plan_programs(object: &Object, options: &Options) -> Result<Vec<PlannedProgram>, LoadError> {
    if let Programs::Named(names) = &options.programs {
        let exists = |name: &String| {
            object
                .programs()
                .any(|(_, function)| function.name() == name)
        };
        if let Some(missing) = names.iter().find(|name| !exists(name)) {
            return Err(LoadError::NoSuchProgram(missing.clone()));
        }
    }
    let wanted = object
        .programs()
        .filter(|(_, function)| match &options.programs {
            Programs::Default => function.role() == Role::Program,
            Programs::Named(names) => names.iter().any(|name| name == function.name()),
        });
    wanted
        .map(|(index, _)| plan_program(object, options, index))
        .collect()
}

/// What a declaration tag on a program (`exception_callback:NAME`, the macro `__exception_cb`) names.
fn exception_callback(object: &Object, program: &str) -> Result<Option<FunctionIdx>, LoadError> {
    const TAG: &str = "exception_callback:";
    let Some(btf) = object.btf() else {
        return Ok(None);
    };
    let mut callbacks = btf.iter().filter_map(|(id, ty)| match &ty.kind {
        Kind::DeclTag(tag) if tag.component == -1 => {
            let is_func = matches!(btf.get(tag.target).map(|ty| &ty.kind), Some(Kind::Func(_)));
            let text = btf.name(id).strip_prefix(TAG)?;
            (is_func && btf.name(tag.target) == program).then_some(text)
        }
        _ => None,
    });
    // Of several none is appended: the verifier refuses the program for having them.
    let callback = callbacks.next().filter(|_| callbacks.next().is_none());
    let Some(callback) = callback else {
        return Ok(None);
    };
    let found = object.subprogram(callback).map(Some);
    found.ok_or_else(|| LoadError::NoExceptionCallback {
        program: program.to_owned(),
        callback: callback.to_owned(),
    })
}

fn plan_program(
    object: &Object,
    options: &Options,
    index: FunctionIdx,
) -> Result<PlannedProgram, LoadError> {
    let function = object.function(index);
    let name = function.name().to_owned();
    let section = object.section_of(function).attach_name().to_owned();
    let row = object.section_def(function);
    let said = row.map(|row| ProgKind {
        prog_type: row.prog_type,
        attach_type: row.attach_type,
    });
    let Some(kind) = options.prog_kind.or(said) else {
        return Err(LoadError::UnknownSection {
            program: name,
            section,
        });
    };
    // What a section asks for besides its type does not hold for another type.
    let needs = row
        .filter(|row| row.prog_type == kind.prog_type)
        .map_or(Needs::Nothing, |row| row.needs);
    let flags = match needs {
        Needs::Nothing => 0,
        Needs::Sleepable => BPF_F_SLEEPABLE,
        Needs::Frags => BPF_F_XDP_HAS_FRAGS,
        Needs::AttachBtf => 0,
        Needs::AttachBtfSleepable => BPF_F_SLEEPABLE,
    };
    if kind.prog_type == ProgType::STRUCT_OPS {
        return Err(LoadError::Unsupported {
            section,
            what: "struct_ops programs",
        });
    }
    let attach_btf_id = match needs {
        Needs::Nothing | Needs::Sleepable | Needs::Frags => TypeId(0),
        Needs::AttachBtf | Needs::AttachBtfSleepable => attach_target(
            &name,
            &section,
            kind.prog_type,
            kind.attach_type,
            options.btf.as_deref(),
        )?,
    };
    Ok(PlannedProgram {
        exception_callback: exception_callback(object, &name)?,
        index,
        name,
        section,
        kind,
        flags,
        attach_btf_id,
    })
}
