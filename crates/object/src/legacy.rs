//! Map definitions of the section `maps`, as loaders had them before BTF: structures of numbers, one a symbol.
//!
//! All definitions of an object have one form, which shows in their size: the section's divided by the number of
//! symbols. All begin with type, key size, value size and number of entries. The forms: 16 or 20 bytes (`bpf_map_def`,
//! with flags), 28 bytes (the kernel samples', with index of the inner map and NUMA node, or iproute2's before it knew
//! inner maps), 36 bytes (iproute2's and Cilium's `bpf_elf_map`, with id, pinning, id of the inner map and its first
//! index). Longer structures are read as `bpf_map_def` if the rest is zero.
//! libbpf gave this up in version 1.0; objects for iproute2 still have it.

use crate::elf::{Elf, Place, Section, Symbol, SymbolKind};
use crate::error::{ObjectError, SectionFlaw, SymbolFlaw};
use crate::maps::Maps;
use crate::model::{Contents, Map, MapDef, MapIdx, MapOrigin, Pinning, Slot, SlotTarget};
use skep_btf::{Btf, Kind};
use skep_uapi::{BPF_F_NUMA_NODE, MapType};

/// Bytes of `bpf_map_def`, without flags.
const SHORT: usize = 16;
/// Bytes of `bpf_map_def`.
const PLAIN: usize = 20;
/// Bytes of the samples' form, and of iproute2's older one.
const SAMPLES: usize = 28;
/// Bytes of `bpf_elf_map`.
const IPROUTE2: usize = 36;
/// `inner_idx` of a map that is no first element of another.
const NO_INDEX: u32 = u32::MAX;

/// One definition, and what it says of others.
struct Definition {
    map: Map,
    at: u64,
    /// Number under which others refer to it.
    id: Option<u32>,
    inner: Inner,
    /// Where the map that holds it has it at first.
    inner_index: Option<u32>,
}

/// What a definition says of its inner maps.
#[derive(Clone, Copy)]
enum Inner {
    None,
    /// They are like the definition with this index.
    Index(u32),
    /// They are those with this id.
    Id(u32),
}

/// Reads the definitions of a section.
pub(crate) fn collect(
    elf: &Elf<'_>,
    section: &Section<'_>,
    bytes: &[u8],
    btf: Option<&Btf>,
    maps: &mut Maps,
) -> Result<(), ObjectError> {
    let mut symbols: Vec<&Symbol> = elf
        .symbols
        .iter()
        .filter(|symbol| symbol.place == Place::Section(section.index))
        .filter(|symbol| matches!(symbol.kind, SymbolKind::Object | SymbolKind::None))
        .collect();
    symbols.sort_by_key(|symbol| symbol.value);
    let form = || {
        section.flaw(SectionFlaw::LegacyMaps {
            size: bytes.len(),
            symbols: symbols.len(),
        })
    };
    if symbols.is_empty() || !bytes.len().is_multiple_of(symbols.len()) {
        return Err(form());
    }
    let size = bytes.len() / symbols.len();
    let mut definitions = Vec::with_capacity(symbols.len());
    for (symbol, bytes) in symbols.iter().zip(bytes.chunks(size)) {
        let index = definitions.len();
        if usize::try_from(symbol.value) != Ok(index * size) {
            return Err(ObjectError::Symbol {
                index: symbol.index,
                name: elf.symbol_name(symbol)?.into_owned(),
                what: SymbolFlaw::NotDefinition,
            });
        }
        let name = elf.symbol_name(symbol)?.into_owned();
        definitions.push(read(name, symbol.value, bytes, btf).ok_or_else(form)?);
    }
    connect(definitions, maps);
    Ok(())
}

/// Reads one definition; `None` if its form is not known.
fn read(name: String, at: u64, bytes: &[u8], btf: Option<&Btf>) -> Option<Definition> {
    let words: Vec<u32> = bytes
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
        .collect();
    let [map_type, key_size, value_size, max_entries, rest @ ..] = words.as_slice() else {
        return None;
    };
    let mut def = MapDef {
        map_type: MapType(*map_type),
        key_size: *key_size,
        value_size: *value_size,
        max_entries: *max_entries,
        map_flags: rest.first().copied().unwrap_or(0),
        ..MapDef::default()
    };
    let holds_maps = matches!(def.map_type, MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS);
    let (mut id, mut inner, mut inner_index) = (None, Inner::None, None);
    match (bytes.len(), rest) {
        (SHORT | PLAIN, _) => {}
        (SAMPLES, [flags, index, node]) if holds_maps || flags & BPF_F_NUMA_NODE != 0 => {
            def.numa_node = *node;
            if holds_maps {
                inner = Inner::Index(*index);
            }
        }
        (SAMPLES, [_, number, pinning]) => {
            id = Some(*number).filter(|id| *id != 0);
            def.pinning = pinning_of(*pinning);
        }
        (IPROUTE2, [_, number, pinning, inner_id, index]) => {
            id = Some(*number).filter(|id| *id != 0);
            def.pinning = pinning_of(*pinning);
            if holds_maps {
                inner = Inner::Id(*inner_id);
            }
            inner_index = Some(*index).filter(|index| *index != NO_INDEX);
        }
        (_, [_, zeros @ ..]) if zeros.iter().all(|word| *word == 0) => {}
        _ => return None,
    }
    if let Some(btf) = btf {
        (def.key_type, def.value_type) = types(btf, &name);
    }
    let map = Map {
        name,
        origin: MapOrigin::Defined,
        def,
        inner: None,
        contents: Contents::None,
        slots: Vec::new(),
    };
    Some(Definition {
        map,
        at,
        id,
        inner,
        inner_index,
    })
}

/// iproute2 pins by name in a directory of the object or of all; both are the loader's here.
const fn pinning_of(number: u32) -> Pinning {
    match number {
        0 => Pinning::None,
        _ => Pinning::ByName,
    }
}

/// Types of key and value: members of the structure that the macro `BPF_ANNOTATE_KV_PAIR` makes.
fn types(btf: &Btf, map: &str) -> (skep_btf::TypeId, skep_btf::TypeId) {
    let name = format!("____btf_map_{map}");
    let found = btf.find(&name, |kind| matches!(kind, Kind::Struct(_)));
    match found.and_then(|id| btf.get(id)).map(|ty| &ty.kind) {
        Some(Kind::Struct(shape)) => match shape.members.as_slice() {
            [key, value] => (key.ty, value.ty),
            _ => Default::default(),
        },
        _ => Default::default(),
    }
}

/// Gives maps of maps their templates and first elements, and appends all.
fn connect(mut definitions: Vec<Definition>, maps: &mut Maps) {
    let first = maps.list.len();
    for outer in 0..definitions.len() {
        let template = match definitions[outer].inner {
            Inner::None => continue,
            Inner::Index(index) => usize::try_from(index).ok(),
            Inner::Id(id) => definitions.iter().position(|inner| inner.id == Some(id)),
        };
        let Some(template) = template.and_then(|at| definitions.get(at)) else {
            continue;
        };
        let template = MapDef {
            pinning: Pinning::None,
            ..template.map.def.clone()
        };
        let slots = match definitions[outer].inner {
            Inner::Id(id) => definitions
                .iter()
                .enumerate()
                .filter(|(_, inner)| inner.id == Some(id))
                .filter_map(|(at, inner)| {
                    let target = SlotTarget::Map(MapIdx(first + at));
                    inner.inner_index.map(|index| Slot { index, target })
                })
                .collect(),
            Inner::None | Inner::Index(_) => Vec::new(),
        };
        let map = &mut definitions[outer].map;
        map.inner = Some(template);
        map.slots = slots;
    }
    for definition in definitions {
        maps.legacy.insert(definition.at, MapIdx(maps.list.len()));
        maps.list.push(definition.map);
    }
}
