//! Program types as rows.

use crate::{CtxAccess, CtxField, CtxLayout, CtxLoad, FieldKind, Version};
use core::mem::offset_of;
use skep_abi::{NetDevice, PacketCtx, RxQueue, TxQueue};
use skep_uapi::{AttachType, ProgType};

/// Values that a program may return.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReturnRange {
    /// Any value.
    Any,
    /// Signed 32-bit interval, both ends included.
    Between(i32, i32),
}

/// One program type.
#[derive(Clone, Copy, Debug)]
pub struct ProgTypeRow {
    /// Number.
    pub id: ProgType,
    /// Context, or `None` where the machine has no layout for it yet.
    pub ctx: Option<&'static CtxLayout>,
    /// Values that r0 may have at exit.
    pub returns: ReturnRange,
    /// Whether programs may write to packets directly.
    pub packet_write: bool,
    /// Release that it came in.
    pub since: Version,
}

/// The row of a program type that skep runs.
#[must_use]
pub fn prog_type(id: ProgType) -> Option<&'static ProgTypeRow> {
    PROG_TYPES.iter().find(|row| row.id == id)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "offsets in small structures of abi"
)]
const fn at(offset: usize, bytes: u8) -> CtxLoad {
    assert!(offset < 0x7fff);
    CtxLoad {
        offset: offset as i16,
        bytes,
    }
}

const RX_DEVICE: CtxLoad = at(offset_of!(PacketCtx, rxq), 8);

/// `struct xdp_md`.
static XDP_MD: CtxLayout = CtxLayout {
    name: "xdp_md",
    bytes: 24,
    fields: &[
        CtxField {
            name: "data",
            offset: 0,
            bytes: 4,
            kind: FieldKind::PacketData,
            access: CtxAccess::Read,
            only_attach: None,
            loads: &[at(offset_of!(PacketCtx, data), 8)],
        },
        CtxField {
            name: "data_end",
            offset: 4,
            bytes: 4,
            kind: FieldKind::PacketEnd,
            access: CtxAccess::Read,
            only_attach: None,
            loads: &[at(offset_of!(PacketCtx, data_end), 8)],
        },
        CtxField {
            name: "data_meta",
            offset: 8,
            bytes: 4,
            kind: FieldKind::PacketMeta,
            access: CtxAccess::Read,
            only_attach: None,
            loads: &[at(offset_of!(PacketCtx, data_meta), 8)],
        },
        CtxField {
            name: "ingress_ifindex",
            offset: 12,
            bytes: 4,
            kind: FieldKind::Scalar,
            access: CtxAccess::Read,
            only_attach: None,
            loads: &[
                RX_DEVICE,
                at(offset_of!(RxQueue, device), 8),
                at(offset_of!(NetDevice, ifindex), 4),
            ],
        },
        CtxField {
            name: "rx_queue_index",
            offset: 16,
            bytes: 4,
            kind: FieldKind::Scalar,
            access: CtxAccess::Read,
            only_attach: None,
            loads: &[RX_DEVICE, at(offset_of!(RxQueue, queue_index), 4)],
        },
        CtxField {
            name: "egress_ifindex",
            offset: 20,
            bytes: 4,
            kind: FieldKind::Scalar,
            access: CtxAccess::Read,
            only_attach: Some(AttachType::XDP_DEVMAP),
            loads: &[
                at(offset_of!(PacketCtx, txq), 8),
                at(offset_of!(TxQueue, device), 8),
                at(offset_of!(NetDevice, ifindex), 4),
            ],
        },
    ],
};

static PROG_TYPES: &[ProgTypeRow] = &[ProgTypeRow {
    id: ProgType::XDP,
    ctx: Some(&XDP_MD),
    returns: ReturnRange::Any,
    packet_write: true,
    since: Version::new(4, 8),
}];
