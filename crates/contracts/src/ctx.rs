//! Context layouts: the structure that a program's r1 points to, field by field, and how an access becomes loads from
//! the machine's own context (`abi`).

use skep_uapi::AttachType;

/// What loading a field gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldKind {
    /// A number.
    Scalar,
    /// Pointer to the first byte of the packet.
    PacketData,
    /// Pointer past the last byte of the packet.
    PacketEnd,
    /// Pointer to the metadata in front of the packet.
    PacketMeta,
}

/// Who may do what with a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CtxAccess {
    /// Reads of the whole field only.
    Read,
    /// Reads of the whole field or an aligned part of it.
    ReadNarrow,
    /// Reads and writes of the whole field.
    ReadWrite,
}

/// One load of a rewritten access: `dst = *(bytes *)(dst_or_ctx + offset)`. The first load of a chain starts at the context
/// pointer, each further one at the result of the previous.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CtxLoad {
    /// Byte offset within the structure that the pointer names.
    pub offset: i16,
    /// Bytes loaded: 1, 2, 4 or 8.
    pub bytes: u8,
}

/// A field of a context as programs see it.
#[derive(Clone, Copy, Debug)]
pub struct CtxField {
    /// Name in `include/uapi/linux/bpf.h`.
    pub name: &'static str,
    /// Byte offset in the uapi structure.
    pub offset: u32,
    /// Bytes in the uapi structure.
    pub bytes: u32,
    /// What a load gives.
    pub kind: FieldKind,
    /// Allowed accesses.
    pub access: CtxAccess,
    /// Attach type that the field is limited to, if any (`egress_ifindex` of devmap programs).
    pub only_attach: Option<AttachType>,
    /// Loads that a read becomes; empty when the context is given to programs as it is.
    pub loads: &'static [CtxLoad],
}

/// A whole context.
#[derive(Clone, Copy, Debug)]
pub struct CtxLayout {
    /// Name of the uapi structure (`xdp_md`).
    pub name: &'static str,
    /// Bytes of the uapi structure.
    pub bytes: u32,
    /// Fields in order of offset.
    pub fields: &'static [CtxField],
}

impl CtxLayout {
    /// The field that contains byte `offset`.
    #[must_use]
    pub fn field_at(&self, offset: u32) -> Option<&'static CtxField> {
        self.fields
            .iter()
            .find(|field| (field.offset..field.offset + field.bytes).contains(&offset))
    }
}
