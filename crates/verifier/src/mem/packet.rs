//! The packet: what comparisons with its end have proved.
//!
//! A comparison proves bytes from a pointer without its fixed offset (`Range`); a variable offset was added before that
//! and is part of what was compared, so only the fixed offset counts here.

use crate::path::Path;
use crate::reject::Reject;
use crate::state::Reg;
use skep_isa::Reg as R;

impl Path<'_> {
    /// Checks an access of `size` bytes at `off` from the pointer without its fixed offset.
    pub(crate) fn check_packet(
        &self,
        reg: R,
        base: &Reg,
        off: i64,
        size: u32,
    ) -> Result<(), Reject> {
        if base.value.smin() < 0 {
            return Err(Reject::NegativeOffset { at: self.at, reg });
        }
        let Some(range) = base.range.bytes() else {
            return Err(Reject::PacketBeyond { at: self.at, reg });
        };
        if off >= 0 && off + i64::from(size) <= i64::from(range) {
            return Ok(());
        }
        Err(Reject::PacketAccess {
            at: self.at,
            reg,
            off,
            size,
            id: base.id.0,
            reg_off: off,
            range,
        })
    }
}
