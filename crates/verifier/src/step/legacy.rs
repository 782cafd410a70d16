//! `ld_abs` and `ld_ind`, which classic BPF left: a load from the packet of the context in r6, like a call. Where the
//! packet is too short, the program ends and returns 0.

use crate::call::sections::Leaving;
use crate::path::Path;
use crate::reject::Reject;
use crate::state::{Kind, Reg};
use skep_contracts::LegacyPacket;
use skep_isa::Reg as R;

impl Path<'_> {
    /// `index` is the register that is added to the offset.
    pub(super) fn legacy_packet(&mut self, index: Option<R>) -> Result<(), Reject> {
        let at = self.at;
        if self.row.legacy_packet == LegacyPacket::Refused {
            return Err(Reject::LegacyPacket { at });
        }
        if self.state.depth() > 1 || self.global.is_some() {
            // There it would be the function that returns, to a caller that goes on.
            let what = "ld_abs in a called function".to_owned();
            return Err(Reject::Unsupported { what });
        }
        self.check_nothing_held(Leaving::LegacyPacket)?;
        let ctx = self.read(R::R6)?;
        if ctx.kind != Kind::Ctx {
            return Err(Reject::LegacyPacketCtx { at });
        }
        self.check_unmoved(R::R6, &ctx)?;
        if let Some(index) = index {
            self.read(index)?;
        }
        for reg in &R::ALL[0..=5] {
            self.trace.touch(*reg);
            self.state.set(*reg, Reg::UNINIT);
        }
        self.state.set(R::R0, Reg::unknown());
        Ok(())
    }
}
