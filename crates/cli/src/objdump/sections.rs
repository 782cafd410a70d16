//! Sections of an ELF file, for commands that need one section's bytes.

use object::{Object, ObjectSection};

/// The bytes of a section.
pub(crate) fn content(file: &[u8], name: &str) -> Result<Vec<u8>, String> {
    let elf = object::File::parse(file).map_err(|error| error.to_string())?;
    let section = elf
        .section_by_name(name)
        .ok_or_else(|| format!("no section '{name}'"))?;
    section
        .data()
        .map(<[u8]>::to_vec)
        .map_err(|error| format!("section '{name}': {error}"))
}
