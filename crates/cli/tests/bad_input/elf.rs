//! A 64-bit little-endian ELF file whose fields can be broken by name. Offsets are those of elf(5).

/// Fields of a section header.
#[derive(Clone, Copy)]
pub(crate) enum Field {
    Type,
    Offset,
    Size,
    Link,
    Info,
    EntrySize,
}

const HEADER_OFFSETS: usize = 0x28;
const HEADER_COUNT: usize = 0x3c;
const HEADER_NAMES: usize = 0x3e;
const SECTION_BYTES: usize = 64;

/// The file.
#[derive(Clone)]
pub(crate) struct Elf(pub(crate) Vec<u8>);

impl Elf {
    fn number<const N: usize>(&self, at: usize) -> usize {
        let mut bytes = [0; 8];
        bytes[..N].copy_from_slice(&self.0[at..at + N]);
        usize::try_from(u64::from_le_bytes(bytes)).unwrap()
    }

    fn header(&self, index: usize) -> usize {
        self.number::<8>(HEADER_OFFSETS) + index * SECTION_BYTES
    }

    /// Index of the section named `name`.
    pub(crate) fn index(&self, name: &str) -> usize {
        let names = self.number::<8>(self.header(self.number::<2>(HEADER_NAMES)) + 24);
        let matches = |index: &usize| {
            let start = names + self.number::<4>(self.header(*index));
            self.0[start..].starts_with(format!("{name}\0").as_bytes())
        };
        (0..self.number::<2>(HEADER_COUNT))
            .find(matches)
            .unwrap_or_else(|| panic!("no section {name}"))
    }

    /// Where the bytes of a section begin.
    pub(crate) fn bytes_of(&self, name: &str) -> usize {
        self.number::<8>(self.header(self.index(name)) + 24)
    }

    /// Sets a field of a section's header.
    pub(crate) fn set(&mut self, name: &str, field: Field, value: u64) {
        let (at, length) = match field {
            Field::Type => (4, 4),
            Field::Offset => (24, 8),
            Field::Size => (32, 8),
            Field::Link => (40, 4),
            Field::Info => (44, 4),
            Field::EntrySize => (56, 8),
        };
        let at = self.header(self.index(name)) + at;
        self.0[at..at + length].copy_from_slice(&value.to_le_bytes()[..length]);
    }

    /// Overwrites bytes of a section.
    pub(crate) fn poke(&mut self, name: &str, at: usize, bytes: &[u8]) {
        let start = self.bytes_of(name) + at;
        self.0[start..start + bytes.len()].copy_from_slice(bytes);
    }

    /// Overwrites bytes of the file's header.
    pub(crate) fn poke_header(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }
}
