//! The names that the kernel sees: at most 15 bytes, made as libbpf makes them.
//!
//! A data map is called by its object and its section (`hello.bss`). Rules, observed with bpftool 7.5: the object's
//! name is its file's name cut to 15 bytes and then at the first dot; of it, as many bytes are used as leave room for
//! the section's name, which counts at least seven, so never more than eight; a section with a second dot
//! (`.rodata.str1.1`) stands alone; what the kernel does not allow becomes `_`.

use crate::model::{Map, MapOrigin};
use skep_uapi::OBJ_NAME_LEN;

/// Longest name in bytes, its NUL not counted.
const NAME_MAX: usize = OBJ_NAME_LEN - 1;

/// Bytes that are kept free for a section's name: `.rodata`.
const SECTION_MIN: usize = 7;

/// An object's name, from which the names of its data maps are made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectName(String);

impl ObjectName {
    /// The name of the object in the file at `path`.
    #[must_use]
    pub fn from_path(path: &str) -> Self {
        let trimmed = path.trim_end_matches('/');
        let file = trimmed.rsplit('/').next().unwrap_or(trimmed);
        let short = cut(file, NAME_MAX);
        Self(short.split('.').next().unwrap_or(short).to_owned())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Map {
    /// The name under which a map of the object `object` is created.
    #[must_use]
    pub fn kernel_name(&self, object: &ObjectName) -> String {
        match self.origin {
            MapOrigin::Defined => kernel_name(&self.name),
            MapOrigin::Data(_) => data_map_name(&self.name, object),
        }
    }
}

/// A name as the kernel takes it.
#[must_use]
pub fn kernel_name(name: &str) -> String {
    cut(name, NAME_MAX).to_owned()
}

fn data_map_name(section: &str, object: &ObjectName) -> String {
    let room = NAME_MAX - section.len().clamp(SECTION_MIN, NAME_MAX);
    let stands_alone = section.chars().skip(1).any(|c| c == '.');
    let prefix = if stands_alone {
        ""
    } else {
        cut(&object.0, room)
    };
    let name = format!("{prefix}{section}");
    cut(&name, NAME_MAX)
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' || c == '.' {
                c
            } else {
                '_'
            }
        })
        .collect()
}

/// The first `max` bytes, or fewer where a character would be split.
fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Path, section, name: columns as bpftool 7.5 shows them on Linux 6.18.
    const NAMES: &[(&str, &str, &str)] = &[
        ("hello.bpf.o", ".bss", "hello.bss"),
        ("/a/b/hello.bpf.o", ".rodata", "hello.rodata"),
        ("a.o", ".data", "a.data"),
        ("exactly8.o", ".rodata", "exactly8.rodata"),
        ("exactly8.o", ".bss", "exactly8.bss"),
        ("ninechars.bpf.o", ".rodata", "ninechar.rodata"),
        ("ninechars.bpf.o", ".bss", "ninechar.bss"),
        ("a-very-long-object-name.bpf.o", ".bss", "a_very_l.bss"),
        ("fifteen_letters.o", ".data", "fifteen_.data"),
        (".hidden.o", ".data", ".data"),
        ("with-dash.o", ".bss", "with_das.bss"),
        ("sp ace.o", ".bss", "sp_ace.bss"),
        ("abc.d.o", ".data", "abc.data"),
        ("hello.bpf.o", ".data.custom", ".data.custom"),
        ("hello.bpf.o", ".rodata.custom", ".rodata.custom"),
        ("hello.bpf.o", ".rodata.str1.1", ".rodata.str1.1"),
    ];

    #[test]
    fn data_maps_are_called_as_libbpf_calls_them() {
        for (path, section, want) in NAMES {
            assert_eq!(
                data_map_name(section, &ObjectName::from_path(path)),
                *want,
                "{path} {section}"
            );
        }
    }
}
