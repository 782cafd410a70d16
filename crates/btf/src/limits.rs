//! Every bound of this crate, with its reason.

/// Bytes of a BTF object: the kernel takes at most 16 MiB (`BTF_MAX_SIZE`).
pub const BTF_BYTES_MAX: usize = 16 << 20;

/// Types of a BTF object, `void` not counted (`BTF_MAX_TYPE`).
pub const TYPES_MAX: usize = 0x000f_ffff;

/// Highest offset into the string section (`BTF_MAX_NAME_OFFSET`).
pub const NAME_OFFSET_MAX: u32 = 0x00ff_ffff;

/// Types on one path while types are resolved (`MAX_RESOLVE_DEPTH` of the kernel). Also the length of a chain of
/// qualifiers and typedefs that queries follow.
pub const RESOLVE_DEPTH_MAX: usize = 32;

/// Recursion of the printers. Types that the kernel accepts may nest deeper than any C compiler allows, because its own
/// limit counts only types not yet resolved; a frame of the printers is below 1 KiB, so that this fits a 2 MiB stack.
pub const PRINT_DEPTH_MAX: usize = 256;

/// Bytes of printed text. Anonymous structures are printed where they are used, so that 40 of them, each with the
/// one before as two members, would print 2^40 lines. The C text of a distribution's kernel is 3 MB.
pub const PRINT_BYTES_MAX: usize = 64 << 20;

/// Steps of the C printer, for structures that nest as above and take many steps before the first line. A
/// distribution's kernel takes about a million.
pub const PRINT_STEPS_MAX: u32 = 1 << 23;

/// Nodes of a rendered value. Members of a hostile structure may overlap, so the bytes of the value are no bound.
pub const VALUE_NODES_MAX: usize = 1 << 20;

/// Bytes of a prototype's text; types in it nest as above.
pub const PROTO_BYTES_MAX: usize = 16 << 10;

/// Bytes of a name or access string that CO-RE looks at: the kernel takes no longer identifier (`KSYM_NAME_LEN`), and
/// strings of a hostile file share bytes.
pub const CORE_NAME_BYTES_MAX: usize = 512;

/// Steps of an access path, and depth of anonymous members (`BPF_CORE_SPEC_MAX_LEN`).
pub const CORE_PATH_MAX: usize = 64;

/// Bits from the start of a root type to an element: far beyond any instruction's reach, and safe to add to.
pub const CORE_OFFSET_BITS_MAX: u64 = 1 << 48;

/// Types and members that are looked at to answer all CO-RE relocations of an object. The largest public objects need
/// some thousands, because equal questions are asked once.
pub const CORE_STEPS_MAX: u64 = 1 << 26;
