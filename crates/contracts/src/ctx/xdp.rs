//! `struct xdp_md`: the one context that the machine has of its own, so its rows say how a read becomes loads.

use super::{CtxField, CtxLayout, CtxLoad, FieldKind};
use core::mem::offset_of;
use skep_abi::{NetDevice, PacketCtx, RxQueue, TxQueue};
use skep_uapi::AttachType;

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
pub(crate) static XDP_MD: CtxLayout = CtxLayout {
    name: "xdp_md",
    bytes: 24,
    fields: &[
        CtxField::pointer("data", 0, 4, FieldKind::PacketData)
            .loads(&[at(offset_of!(PacketCtx, data), 8)]),
        CtxField::pointer("data_end", 4, 4, FieldKind::PacketEnd)
            .loads(&[at(offset_of!(PacketCtx, data_end), 8)]),
        CtxField::pointer("data_meta", 8, 4, FieldKind::PacketMeta)
            .loads(&[at(offset_of!(PacketCtx, data_meta), 8)]),
        CtxField::whole("ingress_ifindex", 12, 4).loads(&[
            RX_DEVICE,
            at(offset_of!(RxQueue, device), 8),
            at(offset_of!(NetDevice, ifindex), 4),
        ]),
        CtxField::whole("rx_queue_index", 16, 4)
            .loads(&[RX_DEVICE, at(offset_of!(RxQueue, queue_index), 4)]),
        CtxField::whole("egress_ifindex", 20, 4)
            .only(&[AttachType::XDP_DEVMAP])
            .loads(&[
                at(offset_of!(PacketCtx, txq), 8),
                at(offset_of!(TxQueue, device), 8),
                at(offset_of!(NetDevice, ifindex), 4),
            ]),
    ],
};
