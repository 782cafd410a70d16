//! One entry of a map as shown: bytes, or values by their types.
//!
//! A map with BTF shows its entries by type; JSON has the bytes beside them. Per-CPU maps have a value for each CPU, each
//! rounded up to eight bytes in the commands.

use crate::calls;
use crate::output::{hex_array, hex_text, plain};
use crate::types::Types;
use skep_btf::json::Node;
use skep_btf::value::{self, Style};
use skep_uapi::{Bpf, Errno, Handle, MapInfo, MapType, TypeId};
use std::io::{self, Write};

/// Per-CPU values are this many bytes apart, or a multiple.
const PERCPU_STRIDE: usize = 8;
/// Keys and values longer than this begin on a line of their own.
const INLINE_BYTES_MAX: u32 = 16;
/// Key and value of at most this many bytes share a line.
const LINE_BYTES_MAX: u32 = 24;

/// A map that is being read or written.
pub(crate) struct MapView {
    /// What is known of the map.
    pub(crate) info: MapInfo,
    /// Its types, if it has any.
    pub(crate) types: Option<Types>,
    /// Number of values in a per-CPU map.
    pub(crate) cpus: usize,
}

/// What stands at a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    /// Value bytes.
    Value(Vec<u8>),
    /// The system refused the lookup.
    Refused(Errno),
}

/// Whether a map holds one value per CPU.
pub(crate) fn is_percpu(map_type: MapType) -> bool {
    [
        MapType::PERCPU_HASH,
        MapType::PERCPU_ARRAY,
        MapType::LRU_PERCPU_HASH,
        MapType::PERCPU_CGROUP_STORAGE,
    ]
    .contains(&map_type)
}

/// Whether a map's values are maps.
pub(crate) fn holds_maps(map_type: MapType) -> bool {
    [MapType::ARRAY_OF_MAPS, MapType::HASH_OF_MAPS].contains(&map_type)
}

/// Whether a map's values are programs.
pub(crate) fn holds_progs(map_type: MapType) -> bool {
    map_type == MapType::PROG_ARRAY
}

/// Bytes between two CPUs' values.
pub(crate) fn stride(info: &MapInfo) -> usize {
    usize::try_from(info.value_size)
        .unwrap_or(usize::MAX)
        .next_multiple_of(PERCPU_STRIDE)
}

impl MapView {
    /// Reads what showing a map's entries needs.
    pub(crate) fn read(bpf: &dyn Bpf, map: Handle) -> Result<Self, Errno> {
        let info = calls::map_info(bpf, map)?;
        let cpus = if is_percpu(info.map_type) {
            calls::cpu_count(bpf)?
        } else {
            1
        };
        let typed = info.btf_key_type_id.0 != 0 || info.btf_value_type_id.0 != 0;
        let types = if typed {
            Types::of_prog(bpf, info.btf_id)?
        } else {
            None
        };
        Ok(Self { info, types, cpus })
    }

    /// Bytes of a key.
    pub(crate) fn key_size(&self) -> usize {
        usize::try_from(self.info.key_size).unwrap_or(usize::MAX)
    }

    /// Bytes of a value.
    pub(crate) fn value_size(&self) -> usize {
        usize::try_from(self.info.value_size).unwrap_or(usize::MAX)
    }

    /// The values of all CPUs, or the one value.
    fn values<'v>(&self, value: &'v [u8]) -> Vec<&'v [u8]> {
        let size = self.value_size();
        if !is_percpu(self.info.map_type) {
            return vec![value];
        }
        let cut = |chunk: &'v [u8]| chunk.get(..size.min(chunk.len())).unwrap_or_default();
        value
            .chunks(stride(&self.info).max(PERCPU_STRIDE))
            .take(self.cpus)
            .map(cut)
            .collect()
    }

    /// The entry by types; `None` for a map without.
    pub(crate) fn formatted(&self, key: &[u8], value: &[u8], style: Style) -> Option<Node> {
        let types = self.types.as_ref()?;
        let tree = |id: TypeId, bytes: &[u8]| value::tree(&types.btf, id, bytes, style);
        let mut members = Vec::new();
        if self.info.btf_key_type_id.0 != 0 {
            members.push(("key".to_owned(), tree(self.info.btf_key_type_id, key)));
        }
        let value_type = self.info.btf_value_type_id;
        members.push(self.value_member(value, |bytes| tree(value_type, bytes)));
        Some(Node::Object(members))
    }

    fn value_member(&self, value: &[u8], tree: impl Fn(&[u8]) -> Node) -> (String, Node) {
        if !is_percpu(self.info.map_type) {
            return ("value".to_owned(), tree(value));
        }
        let values = self
            .values(value)
            .into_iter()
            .enumerate()
            .map(|(cpu, bytes)| {
                let cpu = ("cpu".to_owned(), Node::Plain(cpu.into()));
                Node::Object(vec![cpu, ("value".to_owned(), tree(bytes))])
            });
        ("values".to_owned(), Node::Array(values.collect()))
    }

    /// The entry in JSON.
    pub(crate) fn json(&self, key: &[u8], found: &Found) -> Node {
        let mut members = vec![("key".to_owned(), hex_array(key))];
        match found {
            Found::Refused(errno) => {
                let text = plain(self.refusal(*errno)).map(|text| ("error".to_owned(), text));
                members.push(("value".to_owned(), Node::Object(text.into_iter().collect())));
            }
            Found::Value(value) => {
                members.push(self.value_member(value, hex_array));
                if holds_maps(self.info.map_type) {
                    members.push((
                        "inner_map_id".to_owned(),
                        Node::Plain(inner_id(value).into()),
                    ));
                }
                members.extend(
                    self.formatted(key, value, Style::Json)
                        .map(|formatted| ("formatted".to_owned(), formatted)),
                );
            }
        }
        Node::Object(members)
    }

    /// The entry as bytes.
    pub(crate) fn text(&self, key: &[u8], found: &Found, out: &mut dyn Write) -> io::Result<()> {
        let info = &self.info;
        if is_percpu(info.map_type) {
            return self.percpu_text(key, found, out);
        }
        let break_names = info.key_size > INLINE_BYTES_MAX || info.value_size > INLINE_BYTES_MAX;
        let after_name = if break_names { "\n" } else { " " };
        let one_line =
            info.key_size.saturating_add(info.value_size) <= LINE_BYTES_MAX && !break_names;
        if !key.is_empty() {
            let after_key = if one_line { "  " } else { "\n" };
            write!(out, "key:{after_name}{}{after_key}", hex_text(key))?;
        }
        match found {
            Found::Refused(errno) => writeln!(out, "value:{after_name}{}", self.refusal(*errno)),
            Found::Value(value) if holds_maps(info.map_type) => {
                writeln!(out, "inner_map_id:{after_name}{} ", inner_id(value))
            }
            Found::Value(value) => writeln!(out, "value:{after_name}{}", hex_text(value)),
        }
    }

    fn percpu_text(&self, key: &[u8], found: &Found, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "key:\n{}", hex_text(key))?;
        let after_name = if self.info.value_size > INLINE_BYTES_MAX {
            "\n"
        } else {
            " "
        };
        match found {
            Found::Refused(errno) => writeln!(out, "value: {}", self.refusal(*errno)),
            Found::Value(value) => {
                for (cpu, bytes) in self.values(value).into_iter().enumerate() {
                    writeln!(out, "value (CPU {cpu:02}):{after_name}{}", hex_text(bytes))?;
                }
                Ok(())
            }
        }
    }

    fn refusal(&self, errno: Errno) -> String {
        match errno {
            Errno::ENOENT => "<no entry>".to_owned(),
            Errno::ENOSPC if self.info.map_type == MapType::REUSEPORT_SOCKARRAY => {
                "<cannot read>".to_owned()
            }
            errno => errno.to_string(),
        }
    }
}

/// The id in the value of a map of maps.
fn inner_id(value: &[u8]) -> u32 {
    value
        .first_chunk()
        .map_or(0, |bytes| u32::from_le_bytes(*bytes))
}
