//! The one table from map type to constructor.

use crate::array::Array;
use crate::defined::Defined;
use crate::devmap::{DevMap, Shape};
use crate::hash::Hash;
use crate::layout::stride;
use crate::percpu_array::PercpuArray;
use crate::{Devices, Map, MapDef, MapRef, rules};
use skep_abi::MapHeader;
use skep_memory::Shared;
use skep_uapi::{Errno, MapType};
use std::sync::Arc;

/// A body and what compiled code may know of where its values are.
struct Made {
    body: Box<dyn Map>,
    values: u64,
    cpu_stride_bytes: u64,
}

impl Made {
    /// A body whose values compiled code does not find by itself.
    fn opaque(body: impl Map + 'static) -> Self {
        Self {
            body: Box::new(body),
            values: 0,
            cpu_stride_bytes: 0,
        }
    }
}

/// Makes a map. `devices` says which interfaces exist, to the maps that name them.
///
/// # Errors
/// As `BPF_MAP_CREATE`: EINVAL for attributes that the type does not take (or a type that skep does not know), E2BIG for sizes
/// beyond its limits, ENOMEM.
pub fn create(def: &MapDef, devices: &Arc<dyn Devices>) -> Result<MapRef, Errno> {
    if def.map_extra != 0 && !matches!(def.map_type, MapType::BLOOM_FILTER | MapType::ARENA) {
        return Err(Errno::EINVAL);
    }
    let made = match def.map_type {
        MapType::ARRAY => {
            let map = Array::new(def)?;
            Made {
                values: map.values_addr(),
                cpu_stride_bytes: 0,
                body: Box::new(map),
            }
        }
        MapType::PERCPU_ARRAY => {
            let map = PercpuArray::new(def)?;
            Made {
                values: map.values_addr(),
                cpu_stride_bytes: map.cpu_stride(),
                body: Box::new(map),
            }
        }
        MapType::HASH => Made::opaque(Hash::new(def)?),
        MapType::DEVMAP => Made::opaque(DevMap::new(def, Shape::Array, devices)?),
        MapType::DEVMAP_HASH => Made::opaque(DevMap::new(def, Shape::Hash, devices)?),
        _ => {
            rules::check(def)?;
            Made::opaque(Defined)
        }
    };
    let header = MapHeader {
        map_type: def.map_type.0,
        key_bytes: def.key_size,
        value_bytes: def.value_size,
        max_entries: def.max_entries,
        stride_bytes: u32::try_from(stride(def.value_size)).map_err(|_| Errno::E2BIG)?,
        id: def.id.0,
        values: made.values,
        cpu_stride_bytes: made.cpu_stride_bytes,
    };
    Ok(Shared::new(header, made.body))
}
