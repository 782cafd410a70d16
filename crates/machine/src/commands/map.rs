//! `BPF_MAP_*`.

use super::map_btf;
use crate::{Connection, MapBody, Object, name};
use skep_contracts::map_type_rule;
use skep_maps::MapDef;
use skep_uapi::{
    AttachType, BPF_F_RDONLY, BPF_F_RDONLY_PROG, BPF_F_WRONLY, BPF_F_WRONLY_PROG, BtfId, Errno,
    Handle, MapCreate, MapId, MapInfo, MapType, TypeId, Value,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Flags that say what handles allow; the map itself does not keep them.
const ACCESS_FLAGS: u32 = BPF_F_RDONLY | BPF_F_WRONLY;

/// What a command wants of a map.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    Read,
    Write,
}

pub(crate) fn create(connection: &Connection, create: MapCreate) -> Result<Value, Errno> {
    name::check(&create.name)?;
    let has_all = |flags: u32| create.map_flags & flags == flags;
    if has_all(BPF_F_RDONLY | BPF_F_WRONLY) || has_all(BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG) {
        return Err(Errno::EINVAL);
    }
    let btf = create.btf.map(|handle| connection.btf(handle));
    let typed = [create.btf_key_type_id, create.btf_value_type_id] != [TypeId(0); 2];
    let btf = btf.transpose()?.filter(|_| typed);
    let inner = inner_map(connection, &create)?;
    let machine = connection.machine();
    let made = machine.maps.insert(|id| {
        let def = MapDef::new(MapId(id), &create, machine.config().cpus);
        let map = skep_maps::create(&def, &machine.devices)?;
        let fields = map_btf::check(&create, btf.as_deref())?;
        Ok(MapBody {
            id: MapId(id),
            create,
            map,
            btf,
            fields: fields.into(),
            inner,
            frozen: AtomicBool::new(false),
            writers: AtomicU64::new(0),
        })
    });
    let map = made.unwrap_or(Err(Errno::ENOSPC))?;
    connection.open(Object::Map(map)).map(Value::Handle)
}

/// The template of a map of maps; others do not look at what is given.
fn inner_map(connection: &Connection, create: &MapCreate) -> Result<Option<Arc<MapBody>>, Errno> {
    if !is_of_maps(create.map_type) {
        return Ok(None);
    }
    let handle = create.inner_map.ok_or(Errno::EINVAL)?;
    let inner = connection.map(handle)?;
    match inner.create.map_type {
        outer if is_of_maps(outer) => Err(Errno::EINVAL),
        MapType::PROG_ARRAY
        | MapType::CGROUP_STORAGE
        | MapType::PERCPU_CGROUP_STORAGE
        | MapType::STRUCT_OPS => Err(Errno::ENOTSUPP),
        _ => Ok(Some(inner)),
    }
}

/// Whether a map's entries are maps.
fn is_of_maps(map_type: MapType) -> bool {
    matches!(map_type, MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS)
}

/// Whether a map's entries are interfaces.
fn is_of_devices(map_type: MapType) -> bool {
    matches!(map_type, MapType::DEVMAP | MapType::DEVMAP_HASH)
}

/// The map of a handle, if its flags allow what the command wants.
fn open(connection: &Connection, handle: Handle, want: Want) -> Result<Arc<MapBody>, Errno> {
    let map = connection.map(handle)?;
    let forbidden = match want {
        Want::Read => BPF_F_WRONLY,
        Want::Write => BPF_F_RDONLY,
    };
    if map.create.map_flags & forbidden != 0 {
        return Err(Errno::EPERM);
    }
    if want == Want::Write && map.frozen.load(Ordering::SeqCst) {
        return Err(Errno::EPERM);
    }
    Ok(map)
}

/// Refuses (EOPNOTSUPP) commands on elements of a map that skep has the definition of only, whatever the key.
fn has_elements(map: &MapBody) -> Result<(), Errno> {
    if map.map.object().is_only_defined() {
        return Err(Errno::EOPNOTSUPP);
    }
    Ok(())
}

fn check_key(map: &MapBody, key: &[u8]) -> Result<(), Errno> {
    if u32::try_from(key.len()) == Ok(map.create.key_size) {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

pub(crate) fn lookup(
    connection: &Connection,
    handle: Handle,
    key: &[u8],
    flags: u64,
) -> Result<Value, Errno> {
    let map = open(connection, handle, Want::Read)?;
    // No value has a spin lock yet, so that `BPF_F_LOCK` is as wrong as any other flag.
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    has_elements(&map)?;
    check_key(&map, key)?;
    map.map.object().read(key).map(Value::Bytes)
}

/// Runs a write between the marks that freezing looks at.
fn write<R>(map: &MapBody, change: impl FnOnce() -> Result<R, Errno>) -> Result<R, Errno> {
    map.writers.fetch_add(1, Ordering::SeqCst);
    let frozen = map.frozen.load(Ordering::SeqCst);
    let result = if frozen { Err(Errno::EPERM) } else { change() };
    map.writers.fetch_sub(1, Ordering::SeqCst);
    result
}

pub(crate) fn update(
    connection: &Connection,
    handle: Handle,
    key: &[u8],
    value: &[u8],
    flags: u64,
) -> Result<Value, Errno> {
    let map = open(connection, handle, Want::Write)?;
    has_elements(&map)?;
    check_key(&map, key)?;
    refuse_device_program(connection, &map, value)?;
    write(&map, || map.map.object().write(key, value, flags)).map(|()| Value::Unit)
}

/// Refuses (EOPNOTSUPP) a program that Linux would run on what is redirected to a device map's entry: skep does not yet. Whatever
/// else an entry's second word names, the map refuses as Linux does.
fn refuse_device_program(
    connection: &Connection,
    map: &MapBody,
    value: &[u8],
) -> Result<(), Errno> {
    let handle = match value.as_chunks::<4>() {
        ([_, prog], []) if is_of_devices(map.create.map_type) => u32::from_ne_bytes(*prog),
        _ => return Ok(()),
    };
    let prog = connection.prog(Handle(handle)).ok();
    if prog.is_some_and(|prog| prog.expected_attach_type == AttachType::XDP_DEVMAP) {
        return Err(Errno::EOPNOTSUPP);
    }
    Ok(())
}

pub(crate) fn delete(connection: &Connection, handle: Handle, key: &[u8]) -> Result<Value, Errno> {
    let map = open(connection, handle, Want::Write)?;
    has_elements(&map)?;
    check_key(&map, key)?;
    write(&map, || map.map.object().delete(key)).map(|()| Value::Unit)
}

pub(crate) fn lookup_and_delete(
    connection: &Connection,
    handle: Handle,
    key: &[u8],
) -> Result<Value, Errno> {
    let map = open(connection, handle, Want::Write)?;
    if map.create.map_flags & BPF_F_WRONLY != 0 {
        return Err(Errno::EPERM);
    }
    check_key(&map, key)?;
    write(&map, || map.map.object().take(key)).map(Value::Bytes)
}

pub(crate) fn next_key(
    connection: &Connection,
    handle: Handle,
    key: Option<&[u8]>,
) -> Result<Value, Errno> {
    let map = open(connection, handle, Want::Read)?;
    has_elements(&map)?;
    if let Some(key) = key {
        check_key(&map, key)?;
    }
    map.map.object().next_key(key).map(Value::Bytes)
}

pub(crate) fn freeze(connection: &Connection, handle: Handle) -> Result<Value, Errno> {
    // A frozen map cannot be written, and freezing asks for the right to write.
    let map = open(connection, handle, Want::Write)?;
    if map.frozen.swap(true, Ordering::SeqCst) {
        return Err(Errno::EBUSY);
    }
    if map.writers.load(Ordering::SeqCst) > 0 {
        map.frozen.store(false, Ordering::SeqCst);
        return Err(Errno::EBUSY);
    }
    Ok(Value::Unit)
}

pub(crate) fn info(connection: &Connection, handle: Handle) -> Result<Value, Errno> {
    let map = connection.map(handle)?;
    let create = &map.create;
    let implied = map_type_rule(create.map_type).map_or(0, |rule| rule.implied_flags);
    Ok(Value::MapInfo(Box::new(MapInfo {
        id: map.id,
        map_type: create.map_type,
        name: create.name.clone(),
        map_flags: (create.map_flags | implied) & !ACCESS_FLAGS,
        key_size: create.key_size,
        value_size: create.value_size,
        max_entries: create.max_entries,
        bytes_memlock: Some(map.map.object().memlock_bytes()),
        frozen: map.frozen.load(Ordering::SeqCst),
        btf_id: map.btf.as_ref().map_or(BtfId(0), |btf| btf.id),
        btf_key_type_id: create.btf_key_type_id,
        btf_value_type_id: create.btf_value_type_id,
        owner_prog_type: None,
        owner_jited: false,
        ifindex: 0,
        map_extra: create.map_extra,
    })))
}
