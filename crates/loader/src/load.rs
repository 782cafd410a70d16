//! Carrying out a plan: BTF, maps, programs, in libbpf's order.
//!
//! Whatever was created is closed again when a later step fails. BTF that the machine refuses is left out, as libbpf
//! leaves it out; maps are then created without types and programs without records.

use crate::assemble::{Assembled, assemble};
use crate::error::{LoadError, MapStep};
use crate::limits::PAGE_BYTES;
use crate::options::Options;
use crate::plan::{Freeze, Plan, PlannedMap, PlannedProgram, plan};
use crate::records::{Records, records};
use skep_btf::core::Resolver;
use skep_btf::{FUNC_INFO_BYTES, LINE_INFO_BYTES, func_info_bytes, line_info_bytes};
use skep_object::{
    DataKind, FunctionIdx, MapIdx, MapOrigin, Note, Object, SlotTarget, kernel_name,
};
use skep_uapi::{
    BPF_ANY, Bpf, Command, Errno, Handle, MapCreate, MapInfo, MapType, ObjectKind, ProgLoad, Reply,
    TypeId, Value,
};
use std::cell::RefCell;
use std::collections::HashMap;

/// A loaded object. The handles are the caller's to close.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loaded {
    /// BTF, if the object has any and the machine took it.
    pub btf: Option<Handle>,
    /// Maps in order of the object, reused ones included.
    pub maps: Vec<LoadedMap>,
    /// Programs in order of loading.
    pub programs: Vec<LoadedProgram>,
    /// What went wrong without harm.
    pub warnings: Vec<Warning>,
}

/// One map.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadedMap {
    /// Map of the object.
    pub index: MapIdx,
    /// Name that a user knows: for data maps the one they were created with, for others the whole of their variable's.
    pub name: String,
    /// Handle.
    pub handle: Handle,
    /// Where it is pinned by its definition, if it is.
    pub pin_path: Option<String>,
}

/// One program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadedProgram {
    /// Function of the object.
    pub index: FunctionIdx,
    /// Name in the object.
    pub name: String,
    /// Section, without `?`.
    pub section: String,
    /// Handle.
    pub handle: Handle,
    /// The verifier's log, if a log level was asked for.
    pub log: String,
}

/// Something that went wrong without harm.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Warning {
    /// The object's BTF or BTF.ext cannot be read.
    #[error("{0}")]
    Unreadable(Note),
    /// The machine refused the BTF.
    #[error("BTF was refused ({errno}) and is left out")]
    Btf {
        /// What the machine said.
        errno: Errno,
    },
    /// The machine refused a map's types.
    #[error("map '{map}' was refused with its types ({errno}) and is created without")]
    MapTypes {
        /// Map.
        map: String,
        /// What the machine said.
        errno: Errno,
    },
}

/// What an object does without because it cannot be read. Sections that mean nothing are no news.
fn unreadable(object: &Object) -> Vec<Warning> {
    let warning = |note: &Note| match note {
        Note::Btf(_) | Note::BtfExt(_) => Some(Warning::Unreadable(note.clone())),
        _ => None,
    };
    object.notes().iter().filter_map(warning).collect()
}

/// Plans and loads an object.
///
/// # Errors
/// As [`plan`] and [`load_plan`].
pub fn load(object: &Object, bpf: &dyn Bpf, options: &Options) -> Result<Loaded, LoadError> {
    load_plan(&plan(object, options)?, bpf)
}

/// Loads what was planned.
///
/// # Errors
/// When the machine refuses a map or a program, or code cannot be relocated. Nothing stays behind.
pub fn load_plan(plan: &Plan<'_>, bpf: &dyn Bpf) -> Result<Loaded, LoadError> {
    let mut loader = Loader {
        plan,
        bpf,
        opened: Opened::new(bpf),
        btf: None,
        maps: Vec::new(),
        records: records(plan.object),
        resolver: plan
            .object
            .btf()
            .map(|btf| Resolver::new(btf, plan.btf.as_deref())),
        warnings: unreadable(plan.object),
    };
    loader.load_btf()?;
    for planned in &plan.maps {
        let handle = loader.map(planned)?;
        loader.maps.push(handle);
    }
    loader.fill_inner_maps()?;
    let mut programs = Vec::with_capacity(plan.programs.len());
    for planned in &plan.programs {
        programs.push(loader.program(planned)?);
    }
    loader.fill_program_arrays(&programs)?;
    loader.opened.keep();
    let maps = plan
        .maps
        .iter()
        .zip(&loader.maps)
        .map(|(planned, &handle)| LoadedMap {
            index: planned.index,
            name: display_name(plan, planned),
            handle,
            pin_path: planned.pin_path.clone().filter(|_| planned.reuse.is_none()),
        });
    Ok(Loaded {
        btf: loader.btf,
        maps: maps.collect(),
        programs,
        warnings: loader.warnings,
    })
}

fn display_name(plan: &Plan<'_>, planned: &PlannedMap) -> String {
    let map = plan.object.map(planned.index);
    match map.origin() {
        MapOrigin::Defined => map.name().to_owned(),
        MapOrigin::Data(_) => planned.create.name.clone(),
    }
}

impl Loaded {
    /// The first program, which is what `bpftool prog load` pins.
    ///
    /// # Errors
    /// [`LoadError::NoPrograms`]. An object of maps alone loads, as for libbpf, but has nothing to pin or run.
    pub fn first_program(&self) -> Result<&LoadedProgram, LoadError> {
        self.programs.first().ok_or(LoadError::NoPrograms)
    }

    /// Pins all maps in a directory, under their names with dots replaced, as `bpftool … pinmaps` does.
    ///
    /// # Errors
    /// When the machine refuses a pin, or a map is pinned elsewhere by its definition; pins made before stay.
    pub fn pin_maps(&self, bpf: &dyn Bpf, directory: &str) -> Result<(), LoadError> {
        for map in &self.maps {
            let path = format!("{directory}/{}", map.name.replace('.', "_"));
            if let Some(pinned) = &map.pin_path {
                if *pinned == path {
                    continue;
                }
                return Err(LoadError::PinnedElsewhere {
                    map: map.name.clone(),
                    path,
                    pinned: pinned.clone(),
                });
            }
            bpf.call(Command::Pin {
                object: map.handle,
                path,
            })
            .result
            .map_err(|errno| LoadError::Map {
                map: map.name.clone(),
                step: MapStep::Pin,
                errno,
            })?;
        }
        Ok(())
    }
}

/// Handles to be closed unless the load succeeds.
struct Opened<'b> {
    bpf: &'b dyn Bpf,
    handles: RefCell<Vec<Handle>>,
}

impl<'b> Opened<'b> {
    fn new(bpf: &'b dyn Bpf) -> Self {
        Self {
            bpf,
            handles: RefCell::new(Vec::new()),
        }
    }

    fn add(&self, handle: Handle) {
        self.handles.borrow_mut().push(handle);
    }

    fn keep(&self) {
        self.handles.borrow_mut().clear();
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        for handle in self.handles.get_mut().drain(..).rev() {
            // The load has failed already; a failing close adds nothing to it.
            let _ = self.bpf.call(Command::Close { handle });
        }
    }
}

struct Loader<'a, 'o> {
    plan: &'a Plan<'o>,
    bpf: &'a dyn Bpf,
    opened: Opened<'a>,
    btf: Option<Handle>,
    maps: Vec<Handle>,
    records: Vec<Records<'a>>,
    resolver: Option<Resolver<'a>>,
    warnings: Vec<Warning>,
}

impl Loader<'_, '_> {
    fn load_btf(&mut self) -> Result<(), LoadError> {
        let Some(btf) = self.plan.object.btf() else {
            return Ok(());
        };
        let reply = self.bpf.call(Command::BtfLoad {
            data: btf.to_bytes(),
            log_level: 0,
        });
        match reply.result {
            Ok(Value::Handle(handle)) => {
                self.opened.add(handle);
                self.btf = Some(handle);
            }
            Ok(_) => {
                return Err(LoadError::Answer {
                    command: "BTF_LOAD",
                });
            }
            Err(errno) => self.warnings.push(Warning::Btf { errno }),
        }
        Ok(())
    }

    /// One map: the one to reuse, the one pinned under its name, or a new one.
    fn map(&mut self, planned: &PlannedMap) -> Result<Handle, LoadError> {
        if let Some(handle) = planned.reuse {
            return Ok(handle);
        }
        if let Some(path) = &planned.pin_path
            && let Some(handle) = self.pinned(planned, path)?
        {
            return Ok(handle);
        }
        let handle = self.create(planned)?;
        let step = |step| {
            move |errno| LoadError::Map {
                map: planned.create.name.clone(),
                step,
                errno,
            }
        };
        if let Some(contents) = &planned.contents {
            let (key, value) = (vec![0; 4], contents.clone());
            let update = Command::MapUpdate {
                map: handle,
                key,
                value,
                flags: BPF_ANY,
            };
            self.bpf.call(update).result.map_err(step(MapStep::Fill))?;
        }
        if planned.freeze == Freeze::Frozen {
            self.bpf
                .call(Command::MapFreeze { map: handle })
                .result
                .map_err(step(MapStep::Freeze))?;
        }
        if let Some(path) = planned.pin_path.clone() {
            self.bpf
                .call(Command::Pin {
                    object: handle,
                    path,
                })
                .result
                .map_err(step(MapStep::Pin))?;
        }
        Ok(handle)
    }

    /// The map pinned at `path`, which must be what would be created.
    fn pinned(&self, planned: &PlannedMap, path: &str) -> Result<Option<Handle>, LoadError> {
        let map = || planned.create.name.clone();
        let failed = |step| {
            move |errno| LoadError::Map {
                map: planned.create.name.clone(),
                step,
                errno,
            }
        };
        let differs = || LoadError::PinnedMapDiffers {
            map: map(),
            path: path.to_owned(),
        };
        let handle = match self
            .bpf
            .call(Command::OpenPin {
                path: path.to_owned(),
            })
            .result
        {
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(failed(MapStep::OpenPin)(errno)),
            Ok(Value::Opened(kind, handle)) => {
                self.opened.add(handle);
                if kind != ObjectKind::Map {
                    return Err(differs());
                }
                handle
            }
            Ok(_) => return Err(LoadError::Answer { command: "OBJ_GET" }),
        };
        match self.bpf.call(Command::MapInfo { map: handle }).result {
            Ok(Value::MapInfo(info)) if same_definition(&info, &self.sized(&planned.create)?) => {
                Ok(Some(handle))
            }
            Ok(Value::MapInfo(_)) => Err(differs()),
            Ok(_) => Err(LoadError::Answer {
                command: "OBJ_GET_INFO_BY_FD",
            }),
            Err(errno) => Err(failed(MapStep::Info)(errno)),
        }
    }

    fn create(&mut self, planned: &PlannedMap) -> Result<Handle, LoadError> {
        let mut definition = self.sized(&planned.create)?;
        let inner = match &planned.inner {
            Some(inner) => {
                let inner = self.create_typed(self.sized(inner)?, MapStep::CreateInner)?;
                definition.inner_map = Some(inner);
                Some(inner)
            }
            None => None,
        };
        let created = self.create_typed(definition, MapStep::Create);
        if let Some(handle) = inner {
            // The outer map has its own copy of the template's definition.
            self.opened
                .handles
                .borrow_mut()
                .retain(|open| *open != handle);
            let _ = self.bpf.call(Command::Close { handle });
        }
        created
    }

    /// Creates a map, without types if the machine does not take it with them.
    fn create_typed(
        &mut self,
        mut definition: MapCreate,
        step: MapStep,
    ) -> Result<Handle, LoadError> {
        let (key, value) = (definition.btf_key_type_id, definition.btf_value_type_id);
        definition.btf = self.btf.filter(|_| (key, value) != (TypeId(0), TypeId(0)));
        if definition.btf.is_none() {
            (definition.btf_key_type_id, definition.btf_value_type_id) = (TypeId(0), TypeId(0));
        }
        let map = definition.name.clone();
        let mut reply = self.bpf.call(Command::MapCreate(definition.clone()));
        if let (Err(errno), Some(_)) = (&reply.result, definition.btf) {
            self.warnings.push(Warning::MapTypes {
                map: map.clone(),
                errno: *errno,
            });
            definition.btf = None;
            (definition.btf_key_type_id, definition.btf_value_type_id) = (TypeId(0), TypeId(0));
            reply = self.bpf.call(Command::MapCreate(definition));
        }
        match reply.result {
            Ok(Value::Handle(handle)) => {
                self.opened.add(handle);
                Ok(handle)
            }
            Ok(_) => Err(LoadError::Answer {
                command: "MAP_CREATE",
            }),
            Err(errno) => Err(LoadError::Map { map, step, errno }),
        }
    }

    /// A definition with the sizes that depend on the machine.
    fn sized(&self, definition: &MapCreate) -> Result<MapCreate, LoadError> {
        let mut sized = definition.clone();
        if sized.map_type == MapType::PERF_EVENT_ARRAY && sized.max_entries == 0 {
            sized.max_entries = match self.bpf.call(Command::CpuCount).result {
                Ok(Value::Count(count)) => u32::try_from(count).unwrap_or(u32::MAX),
                Ok(_) => {
                    return Err(LoadError::Answer {
                        command: "CPU count",
                    });
                }
                Err(errno) => {
                    let map = definition.name.clone();
                    return Err(LoadError::Map {
                        map,
                        step: MapStep::CountCpus,
                        errno,
                    });
                }
            };
        }
        if matches!(sized.map_type, MapType::RINGBUF | MapType::USER_RINGBUF) {
            sized.max_entries = ring_size(sized.max_entries);
        }
        Ok(sized)
    }

    fn fill_inner_maps(&self) -> Result<(), LoadError> {
        for planned in &self.plan.maps {
            for slot in self.plan.object.map(planned.index).slots() {
                if let SlotTarget::Map(map) = slot.target {
                    self.set_slot(planned, slot.index, self.maps[map.index()])?;
                }
            }
        }
        Ok(())
    }

    /// Programs that were not loaded leave their elements empty.
    fn fill_program_arrays(&self, programs: &[LoadedProgram]) -> Result<(), LoadError> {
        let handles: HashMap<FunctionIdx, Handle> = programs
            .iter()
            .map(|program| (program.index, program.handle))
            .collect();
        for planned in &self.plan.maps {
            for slot in self.plan.object.map(planned.index).slots() {
                if let SlotTarget::Program(function) = slot.target
                    && let Some(&handle) = handles.get(&function)
                {
                    self.set_slot(planned, slot.index, handle)?;
                }
            }
        }
        Ok(())
    }

    fn set_slot(&self, planned: &PlannedMap, index: u32, value: Handle) -> Result<(), LoadError> {
        let map = self.maps[planned.index.index()];
        let (key, value) = (index.to_le_bytes().to_vec(), value.0.to_le_bytes().to_vec());
        let reply = self.bpf.call(Command::MapUpdate {
            map,
            key,
            value,
            flags: BPF_ANY,
        });
        reply.result.map(|_| ()).map_err(|errno| LoadError::Map {
            map: planned.create.name.clone(),
            step: MapStep::Slot(index),
            errno,
        })
    }

    fn program(&self, planned: &PlannedProgram) -> Result<LoadedProgram, LoadError> {
        let assembled = assemble(
            self.plan,
            planned,
            &self.maps,
            &self.records,
            self.resolver.as_ref(),
        )?;
        let mut load = self.command(planned, assembled);
        let mut reply = self.bpf.call(Command::ProgLoad(Box::new(load.clone())));
        // The first attempt asked for no log; the second is there to say why.
        if reply.result.is_err() && load.log_level == 0 {
            load.log_level = 1;
            reply = self.bpf.call(Command::ProgLoad(Box::new(load)));
        }
        let Reply { result, log } = reply;
        let (name, section) = (planned.name.clone(), planned.section.clone());
        match result {
            Ok(Value::Handle(handle)) => {
                self.opened.add(handle);
                self.bind_constants(handle)?;
                Ok(LoadedProgram {
                    index: planned.index,
                    name,
                    section,
                    handle,
                    log,
                })
            }
            Ok(_) => Err(LoadError::Answer {
                command: "PROG_LOAD",
            }),
            Err(errno) => Err(LoadError::Program {
                program: name,
                section,
                errno,
                log,
            }),
        }
    }

    fn command(&self, planned: &PlannedProgram, assembled: Assembled) -> ProgLoad {
        let mut load = ProgLoad {
            prog_type: planned.kind.prog_type,
            insns: assembled.insns,
            license: self.plan.object.license().to_owned(),
            prog_flags: planned.flags,
            name: kernel_name(&planned.name),
            expected_attach_type: planned.kind.attach_type,
            attach_btf_id: planned.attach_btf_id,
            ifindex: self.plan.ifindex,
            log_level: self.plan.log_level,
            ..ProgLoad::default()
        };
        if let Some(btf) = self.btf {
            load.btf = Some(btf);
            load.func_info = func_info_bytes(&assembled.func_info);
            load.func_info_rec_size = record_size(&load.func_info, FUNC_INFO_BYTES);
            load.line_info = line_info_bytes(&assembled.line_info);
            load.line_info_rec_size = record_size(&load.line_info, LINE_INFO_BYTES);
        }
        load
    }

    /// Keeps the constants of an object alive with its programs, used or not: tools read metadata from them. A machine
    /// that does not know the command loses nothing else.
    fn bind_constants(&self, prog: Handle) -> Result<(), LoadError> {
        for (planned, &map) in self.plan.maps.iter().zip(&self.maps) {
            if self.plan.object.map(planned.index).origin() == MapOrigin::Data(DataKind::Rodata) {
                let _ = self.bpf.call(Command::ProgBindMap { prog, map });
            }
        }
        Ok(())
    }
}

/// 0 where there are no records.
fn record_size(records: &[u8], bytes: usize) -> u32 {
    if records.is_empty() {
        0
    } else {
        u32::try_from(bytes).unwrap_or_default()
    }
}

/// Whether a pinned map can stand for the definition.
fn same_definition(info: &MapInfo, definition: &MapCreate) -> bool {
    info.map_type == definition.map_type
        && info.key_size == definition.key_size
        && info.value_size == definition.value_size
        && info.max_entries == definition.max_entries
        && info.map_flags == definition.map_flags
        && info.map_extra == definition.map_extra
}

/// Sizes of ring buffers are pages times a power of two; others are rounded up, as libbpf does.
fn ring_size(bytes: u32) -> u32 {
    if bytes == 0 {
        return 0;
    }
    let pages = bytes.div_ceil(PAGE_BYTES).checked_next_power_of_two();
    pages
        .and_then(|pages| pages.checked_mul(PAGE_BYTES))
        .unwrap_or(bytes)
}
