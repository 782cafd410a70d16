//! Alignment. The stack is always strict, because slots are what is tracked, and so are atomic accesses; other memory
//! only where the program asks for it. Packets are as far from alignment as Linux's drivers place them on machines that care.

use super::{Alignment, Cell};
use crate::domain::Scalar;
use crate::log::state::var_off;
use crate::path::Path;
use crate::reject::Reject;
use crate::state::Kind;
use skep_uapi::BPF_F_STRICT_ALIGNMENT;

/// Bytes by which an IP header is aligned in a receive buffer (`NET_IP_ALIGN`).
const NET_IP_ALIGN: i32 = 2;

impl Path<'_> {
    pub(crate) fn check_alignment(&self, cell: &Cell) -> Result<(), Reject> {
        let strict = self.env.prog_flags & BPF_F_STRICT_ALIGNMENT != 0
            || cell.alignment == Alignment::Strict;
        let kind = match cell.base.kind {
            Kind::Stack(_) => "stack ",
            Kind::Packet | Kind::PacketMeta if strict => {
                return self.check_packet_alignment(cell);
            }
            Kind::MapValue(_) if strict => "value ",
            Kind::Ctx if strict => "context ",
            // What is no memory is refused for that, but only after this.
            Kind::Uninit
            | Kind::Scalar
            | Kind::MapPtr(_)
            | Kind::MapValueOrNull(_)
            | Kind::MapOrNull(_)
            | Kind::PacketEnd
            | Kind::Object(_)
            | Kind::ObjectOrNull(_)
            | Kind::MapKey(_)
            | Kind::Mem(_)
            | Kind::MemOrNull(_)
            | Kind::Func(_)
            | Kind::DynptrPtr(_)
                if strict =>
            {
                ""
            }
            Kind::Packet
            | Kind::PacketMeta
            | Kind::MapValue(_)
            | Kind::Ctx
            | Kind::Uninit
            | Kind::Scalar
            | Kind::MapPtr(_)
            | Kind::MapValueOrNull(_)
            | Kind::MapOrNull(_)
            | Kind::PacketEnd
            | Kind::Object(_)
            | Kind::ObjectOrNull(_)
            | Kind::MapKey(_)
            | Kind::Mem(_)
            | Kind::MemOrNull(_)
            | Kind::Func(_)
            | Kind::DynptrPtr(_) => return Ok(()),
        };
        if aligned(&cell.base.value, cell.fixed(), cell.size.bytes()) {
            return Ok(());
        }
        Err(Reject::Misaligned {
            at: self.at,
            kind,
            var_off: var_off(&cell.base.value),
            reg_off: cell.base.off,
            off: cell.off.into(),
            size: cell.size.bytes(),
        })
    }

    fn check_packet_alignment(&self, cell: &Cell) -> Result<(), Reject> {
        let fixed = cell.fixed() + i64::from(NET_IP_ALIGN);
        if aligned(&cell.base.value, fixed, cell.size.bytes()) {
            return Ok(());
        }
        Err(Reject::MisalignedPacket {
            at: self.at,
            ip_align: NET_IP_ALIGN,
            var_off: var_off(&cell.base.value),
            reg_off: cell.base.off,
            off: cell.off.into(),
            size: cell.size.bytes(),
        })
    }
}

/// Whether every value plus `fixed` is a multiple of `size`, a power of two.
pub(crate) fn aligned(value: &Scalar, fixed: i64, size: u32) -> bool {
    let low = u64::from(size) - 1;
    let bits = crate::domain::alu(
        skep_isa::AluOp::Add,
        skep_isa::Width::W64,
        value,
        &Scalar::constant(fixed.cast_unsigned()),
    )
    .bits();
    (bits.value() | bits.mask()) & low == 0
}
