//! What can be wrong with BTF and BTF.ext.

use skep_uapi::{Errno, TypeId};
use thiserror::Error;

/// Why bytes are not BTF, or BTF that the kernel would refuse.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum BtfError {
    /// The data ends within a header, record or section.
    #[error("BTF ends within {what} at byte {offset}")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Offset in the section being read.
        offset: usize,
    },
    /// The first two bytes are not 0xeb9f in little-endian order.
    #[error("BTF magic is 0x{0:04x}, expected 0xeb9f")]
    Magic(u16),
    /// Version other than 1.
    #[error("BTF version {0} is not known")]
    Version(u8),
    /// Header flags that mean nothing yet.
    #[error("BTF header has unknown flags 0x{0:02x}")]
    Flags(u8),
    /// A header shorter than the known fields, or longer than a page.
    #[error("BTF header length {0} is not supported")]
    HeaderLength(u32),
    /// Header fields of a future version that are in use.
    #[error("BTF header has data in fields that are not known")]
    HeaderTail,
    /// Sections overlap, leave a gap or do not end with the data.
    #[error("BTF {section} section at {offset}+{len} does not fit its object")]
    Layout {
        /// Which section.
        section: &'static str,
        /// Offset behind the header.
        offset: u32,
        /// Length in bytes.
        len: u32,
    },
    /// No types at all.
    #[error("BTF has no types")]
    NoTypes,
    /// More bytes, types or strings than the format allows.
    #[error("BTF is too large: {0}")]
    TooLarge(&'static str),
    /// The string section does not begin and end with NUL.
    #[error("BTF string section is not NUL-terminated at both ends")]
    Strings,
    /// A record that contradicts the format.
    #[error("BTF type [{}] {kind}: {what}", id.0)]
    Type {
        /// The type.
        id: TypeId,
        /// Name of its kind, or `UNKNOWN`.
        kind: &'static str,
        /// What is wrong.
        what: Flaw,
    },
    /// A BTF.ext sub-section or record that contradicts the format.
    #[error("BTF.ext {section} at byte {offset}: {what}")]
    Ext {
        /// Which sub-section.
        section: &'static str,
        /// Offset within it.
        offset: usize,
        /// What is wrong.
        what: &'static str,
    },
}

/// What is wrong with one type.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Flaw {
    /// Kind number out of range.
    #[error("unknown kind {0}")]
    UnknownKind(u32),
    /// Bits of the info word that mean nothing.
    #[error("reserved bits set in info 0x{0:08x}")]
    ReservedInfo(u32),
    /// `vlen` where there is none.
    #[error("vlen {0} must be zero")]
    Vlen(u32),
    /// `kind_flag` where there is none.
    #[error("kind flag must be zero")]
    KindFlag,
    /// The unused size field is set.
    #[error("size must be zero")]
    SizeNotZero,
    /// A size that the kind cannot have.
    #[error("size {0} is not possible")]
    Size(u32),
    /// Integer data that contradict size or format.
    #[error("integer data 0x{0:08x} are not valid")]
    IntData(u32),
    /// An offset beyond the string section.
    #[error("name offset {0} is out of range")]
    NameOffset(u32),
    /// A name that is empty, has one where none is allowed, or is not an identifier.
    #[error("name is not valid")]
    Name,
    /// A referenced type id that does not exist.
    #[error("refers to type {}, which does not exist", .0.0)]
    NoSuchType(TypeId),
    /// A referenced type of a kind that cannot stand there.
    #[error("refers to type {}, which is not allowed there", .0.0)]
    WrongTarget(TypeId),
    /// Types that contain each other.
    #[error("is part of a loop")]
    Loop,
    /// Types nested deeper than the kernel resolves.
    #[error("is nested too deeply")]
    TooDeep,
    /// A member outside of its structure, out of order or at a bit offset that its type cannot have.
    #[error("member {0} is misplaced")]
    Member(u32),
    /// A parameter that is not allowed.
    #[error("parameter {0} is not valid")]
    Param(u32),
    /// Linkage out of range.
    #[error("linkage {0} is not known")]
    Linkage(u32),
    /// A variable of a section that overlaps or leaves it.
    #[error("variable {0} of the section is misplaced")]
    SecVar(u32),
    /// Component index out of range.
    #[error("component index {0} is out of range")]
    Component(i32),
    /// Array whose size overflows 32 bits.
    #[error("array size overflows")]
    ArraySize,
}

impl From<&BtfError> for Errno {
    /// What `BPF_BTF_LOAD` returns for such data.
    fn from(error: &BtfError) -> Self {
        match error {
            BtfError::TooLarge(_) => Self::E2BIG,
            BtfError::Version(_) | BtfError::Flags(_) => Self::ENOTSUPP,
            BtfError::HeaderTail => Self::E2BIG,
            BtfError::HeaderLength(_)
            | BtfError::Truncated { .. }
            | BtfError::Magic(_)
            | BtfError::Layout { .. }
            | BtfError::NoTypes
            | BtfError::Strings
            | BtfError::Type { .. }
            | BtfError::Ext { .. } => Self::EINVAL,
        }
    }
}
