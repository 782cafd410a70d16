//! Returning from functions and from the program.

use super::Flow;
use crate::path::Path;
use crate::program::Returns;
use crate::reject::Reject;
use skep_contracts::ReturnRange;
use skep_isa::Reg as R;

impl Path<'_> {
    pub(super) fn exit(&mut self) -> Result<Flow, Reject> {
        if self.state.depth() > 1 {
            return Ok(Flow::To(self.return_local()?));
        }
        match self.global {
            Some(subprog) => self.exit_global(subprog)?,
            None => self.exit_program()?,
        }
        Ok(Flow::Ends)
    }

    fn exit_program(&mut self) -> Result<(), Reject> {
        let r0 = self.read(R::R0)?;
        let ReturnRange::Between(min, max) = self.row.returns else {
            return Ok(());
        };
        let at = self.at;
        if !r0.is_scalar() {
            return Err(Reject::ReturnKind {
                at,
                kind: r0.kind.name(),
            });
        }
        self.must_keep(&r0);
        let (low, high) = (r0.value.parts().s32.min, r0.value.parts().s32.max);
        if low < min || high > max {
            let got = match r0.value.as_const() {
                Some(value) => format!("value={}", value.cast_signed()),
                None if low == i32::MIN && high == i32::MAX => "unknown scalar value".to_owned(),
                None => format!("smin={low} smax={high}"),
            };
            return Err(Reject::ReturnRange { at, got, min, max });
        }
        Ok(())
    }

    fn exit_global(&mut self, subprog: crate::state::SubprogIdx) -> Result<(), Reject> {
        if self.checked.decl(subprog).returns == Returns::Void {
            return Ok(());
        }
        let r0 = self.read(R::R0)?;
        if !r0.is_scalar() {
            return Err(Reject::GlobalReturn {
                at: self.at,
                kind: r0.kind.name(),
            });
        }
        Ok(())
    }
}
