//! Every bound of this crate, with its reason.

/// Bytes of an object file. The largest public object is below 16 MiB; tables that are built from a file are a small
/// multiple of it, so this bounds memory.
pub(crate) const FILE_BYTES_MAX: usize = 256 << 20;

/// Bytes of a section's or symbol's name. A hostile string table without NUL would make each look-up as long as the
/// table.
pub(crate) const NAME_BYTES_MAX: usize = 4096;

/// Bytes of all names that are read, as a multiple of the file. Names may share bytes of the string table (linkers merge
/// tails), so that a hostile file could name one long string from every symbol.
pub(crate) const NAME_BYTES_PER_FILE_BYTE: usize = 8;

/// Bytes of a type's or member's name in BTF: the kernel takes no longer identifier (`KSYM_NAME_LEN`).
pub(crate) const BTF_NAME_BYTES_MAX: usize = 512;

/// Bytes of all `.bss`-like sections together, whose size costs the file nothing but the loader memory. An array map with larger
/// values is refused by the kernel (`KMALLOC_MAX_SIZE`-derived limit of `array_map_alloc_check` is below 2 GiB; this is
/// what a loader can be expected to zero).
pub(crate) const ZERO_BYTES_MAX: u64 = 256 << 20;

/// Bytes of a licence that are kept, the NUL not counted: libbpf holds 64 with it.
pub(crate) const LICENSE_BYTES_MAX: usize = 63;

/// Members of a map definition that are read. The known ones number ten, and each may stand once.
pub(crate) const MAP_FIELDS_MAX: usize = 64;
