//! What the BTF of a map must be, and which special fields its value may have: asked of Linux 6.18, type by type.

use crate::BtfObject;
use skep_btf::{Btf, Int, Kind, KptrForm, SpecialField, SpecialKind, special_fields};
use skep_contracts::{MapBtf, map_type_rule};
use skep_uapi::{BPF_F_RDONLY_PROG, BPF_F_WRONLY_PROG, Errno, MapCreate, MapType, TypeId};

/// Checks the types of key and value; gives the special fields of the value.
pub(super) fn check(
    create: &MapCreate,
    btf: Option<&BtfObject>,
) -> Result<Vec<SpecialField>, Errno> {
    let rule = map_type_rule(create.map_type).ok_or(Errno::EINVAL)?;
    let (key, value) = (create.btf_key_type_id, create.btf_value_type_id);
    let Some(BtfObject { btf, .. }) = btf else {
        let untyped = key == TypeId(0) && value == TypeId(0);
        let good = untyped && rule.btf != MapBtf::Required;
        return if good {
            Ok(Vec::new())
        } else {
            Err(Errno::EINVAL)
        };
    };
    let key_good = if key == TypeId(0) {
        match rule.btf {
            MapBtf::Refused | MapBtf::KeyOptional => true,
            MapBtf::Index => is_global_data(create, btf),
            MapBtf::Both
            | MapBtf::Structure
            | MapBtf::Cgroup
            | MapBtf::Required
            | MapBtf::Keyless => false,
        }
    } else {
        btf.size_of(key) == Some(create.key_size) && fits(rule.btf, btf, key)
    };
    let value_good = value != TypeId(0)
        && (btf.size_of(value) == Some(create.value_size) || create.value_size == 0);
    match (key_good && value_good, rule.btf) {
        (false, _) => Err(Errno::EINVAL),
        (true, MapBtf::Refused) => Err(Errno::ENOTSUPP),
        (true, _) => fields(create, btf),
    }
}

/// An array of one entry whose value is a section: its key means nothing.
fn is_global_data(create: &MapCreate, btf: &Btf) -> bool {
    let value = btf.get(create.btf_value_type_id).map(|ty| &ty.kind);
    create.map_type == MapType::ARRAY
        && create.max_entries == 1
        && matches!(value, Some(Kind::Datasec(_)))
}

/// Whether a key may be of this type.
fn fits(rule: MapBtf, btf: &Btf, key: TypeId) -> bool {
    match rule {
        MapBtf::Both | MapBtf::KeyOptional | MapBtf::Refused => true,
        MapBtf::Index | MapBtf::Required => is_int(btf, key, 4),
        MapBtf::Structure => {
            let key = btf.resolve(key).and_then(|key| btf.get(key));
            matches!(key.map(|ty| &ty.kind), Some(Kind::Struct(_)))
        }
        MapBtf::Cgroup => is_int(btf, key, 8) || btf.size_of(key) == Some(16),
        MapBtf::Keyless => false,
    }
}

/// Whether a type is an integer of all bits of its size, whatever it is called.
fn is_int(btf: &Btf, key: TypeId, bytes: u32) -> bool {
    let key = btf.resolve(key).and_then(|key| btf.get(key));
    let whole =
        |int: &Int| int.size == bytes && u32::from(int.bits) == bytes * 8 && int.bit_offset == 0;
    matches!(key.map(|ty| &ty.kind), Some(Kind::Int(int)) if whole(int))
}

/// The special fields of the value, which not every type of map may have.
fn fields(create: &MapCreate, btf: &Btf) -> Result<Vec<SpecialField>, Errno> {
    // A value whose fields make no sense has none, and programs that want to use them are refused.
    let fields = special_fields(btf, create.btf_value_type_id).unwrap_or_default();
    if fields.is_empty() {
        return Ok(fields);
    }
    if create.map_flags & (BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG) != 0 {
        return Err(Errno::EACCES);
    }
    if fields
        .iter()
        .all(|field| allows(create.map_type, field.kind))
    {
        Ok(fields)
    } else {
        Err(Errno::EOPNOTSUPP)
    }
}

/// Whether values of a map type may have a field.
fn allows(map_type: MapType, kind: SpecialKind) -> bool {
    let plain = matches!(map_type, MapType::HASH | MapType::ARRAY);
    let storage = matches!(
        map_type,
        MapType::SK_STORAGE
            | MapType::INODE_STORAGE
            | MapType::TASK_STORAGE
            | MapType::CGRP_STORAGE
    );
    let per_cpu = matches!(
        map_type,
        MapType::PERCPU_HASH | MapType::LRU_PERCPU_HASH | MapType::PERCPU_ARRAY
    );
    let lru = map_type == MapType::LRU_HASH;
    match kind {
        SpecialKind::SpinLock | SpecialKind::ResSpinLock => {
            plain || storage || map_type == MapType::CGROUP_STORAGE
        }
        SpecialKind::Timer | SpecialKind::Workqueue | SpecialKind::TaskWork => plain || lru,
        SpecialKind::Kptr(kptr) => match kptr.form {
            KptrForm::Untrusted | KptrForm::Referenced | KptrForm::PerCpu => {
                plain || lru || per_cpu || storage
            }
            KptrForm::User => map_type == MapType::TASK_STORAGE,
        },
        SpecialKind::Refcount => plain || lru || per_cpu || storage,
        SpecialKind::ListHead(_) | SpecialKind::RbRoot(_) => plain,
        SpecialKind::ListNode | SpecialKind::RbNode => true,
    }
}
