//! Maps and their elements.

use crate::handles::{Handles, Object};
use crate::{Outcome, errno};
use skep_sys::bpf::{self, Name};
use skep_uapi::{Errno, Handle, MapCreate, MapType, ObjectKind, Value};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

pub(crate) fn create(handles: &Handles, map: &MapCreate) -> Outcome {
    let btf = handles.optional(map.btf, ObjectKind::Btf)?;
    let inner = handles.optional(map.inner_map, ObjectKind::Map)?;
    let fd = bpf::map_create(&bpf::MapCreate {
        map_type: map.map_type.0,
        key_size: map.key_size,
        value_size: map.value_size,
        max_entries: map.max_entries,
        map_flags: map.map_flags,
        inner_map: inner.as_ref().map(|object| object.as_fd()),
        numa_node: map.numa_node,
        name: Name::new(&map.name).ok_or(Errno::EINVAL)?,
        btf: btf.as_ref().map(|object| object.as_fd()),
        btf_key_type_id: map.btf_key_type_id.0,
        btf_value_type_id: map.btf_value_type_id.0,
        map_extra: map.map_extra,
    })
    .map_err(errno)?;
    handles
        .insert(Object::new(ObjectKind::Map, fd)?)
        .map(Value::Handle)
}

pub(crate) fn lookup(handles: &Handles, map: Handle, key: &[u8], flags: u64) -> Outcome {
    let object = handles.any(map)?;
    object
        .map()?
        .lookup(key, flags)
        .map(Value::Bytes)
        .map_err(errno)
}

pub(crate) fn update(
    handles: &Handles,
    map: Handle,
    key: &[u8],
    mut value: Vec<u8>,
    flags: u64,
) -> Outcome {
    let object = handles.any(map)?;
    let map = object.map()?;
    // Keeps the object open until the kernel has taken its own reference.
    let _referred = put_descriptor(handles, map.map_type(), &mut value)?;
    map.update(key, &value, flags).map_err(errno)?;
    Ok(Value::Unit)
}

pub(crate) fn delete(handles: &Handles, map: Handle, key: &[u8]) -> Outcome {
    let object = handles.any(map)?;
    object.map()?.delete(key).map_err(errno)?;
    Ok(Value::Unit)
}

pub(crate) fn lookup_and_delete(handles: &Handles, map: Handle, key: &[u8]) -> Outcome {
    let object = handles.any(map)?;
    object
        .map()?
        .lookup_and_delete(key)
        .map(Value::Bytes)
        .map_err(errno)
}

pub(crate) fn next_key(handles: &Handles, map: Handle, key: Option<&[u8]>) -> Outcome {
    let object = handles.any(map)?;
    object.map()?.next_key(key).map(Value::Bytes).map_err(errno)
}

pub(crate) fn freeze(handles: &Handles, map: Handle) -> Outcome {
    let object = handles.any(map)?;
    object.map()?.freeze().map_err(errno)?;
    Ok(Value::Unit)
}

/// Where a map's values hold a descriptor that is a handle here.
enum DescriptorField {
    None,
    /// Four bytes at this offset.
    At(usize),
    /// Four bytes at this offset, if the value is that long; not positive means none.
    OptionalAt(usize),
    /// A descriptor of something that has no handle (sockets, cgroups, perf events).
    Foreign,
}

fn descriptor_field(map_type: MapType) -> DescriptorField {
    match map_type {
        MapType::PROG_ARRAY | MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS => {
            DescriptorField::At(0)
        }
        // `struct bpf_devmap_val` and `bpf_cpumap_val`: a program's descriptor after four other bytes.
        MapType::DEVMAP | MapType::DEVMAP_HASH | MapType::CPUMAP => DescriptorField::OptionalAt(4),
        MapType::PERF_EVENT_ARRAY
        | MapType::CGROUP_ARRAY
        | MapType::XSKMAP
        | MapType::SOCKMAP
        | MapType::SOCKHASH
        | MapType::REUSEPORT_SOCKARRAY => DescriptorField::Foreign,
        _ => DescriptorField::None,
    }
}

/// Replaces the handle in `value` by its descriptor; gives the object to keep it open.
fn put_descriptor(
    handles: &Handles,
    map_type: u32,
    value: &mut [u8],
) -> Result<Option<Arc<Object>>, Errno> {
    let (at, optional) = match descriptor_field(MapType(map_type)) {
        DescriptorField::None => return Ok(None),
        DescriptorField::At(at) => (at, false),
        DescriptorField::OptionalAt(at) => (at, true),
        DescriptorField::Foreign => return Err(Errno::EOPNOTSUPP),
    };
    let Some(field) = value
        .get_mut(at..)
        .and_then(|rest| rest.first_chunk_mut::<4>())
    else {
        // Too short a value: the kernel's to refuse, or one without the optional field.
        return Ok(None);
    };
    if optional && i32::from_ne_bytes(*field) <= 0 {
        return Ok(None);
    }
    let object = handles.any(Handle(u32::from_ne_bytes(*field)))?;
    *field = object.as_fd().as_raw_fd().to_ne_bytes();
    Ok(Some(object))
}
