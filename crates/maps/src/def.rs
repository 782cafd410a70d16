//! What a map is made from.

use skep_uapi::{MapCreate, MapId, MapType};

/// Definition of a map; sizes in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapDef {
    /// Id.
    pub id: MapId,
    /// Type.
    pub map_type: MapType,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Largest number of entries.
    pub max_entries: u32,
    /// `BPF_F_*` map flags.
    pub map_flags: u32,
    /// `map_extra`: hash functions of a bloom filter, address of an arena.
    pub map_extra: u64,
    /// CPU slots of the machine, at least 1.
    pub cpus: u32,
}

impl MapDef {
    /// The part of a creation command that the map's body needs.
    #[must_use]
    pub fn new(id: MapId, create: &MapCreate, cpus: u32) -> Self {
        Self {
            id,
            map_type: create.map_type,
            key_size: create.key_size,
            value_size: create.value_size,
            max_entries: create.max_entries,
            map_flags: create.map_flags,
            map_extra: create.map_extra,
            cpus,
        }
    }
}
