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
        let ReturnRange::Between(min, max) = self.row.returns(self.attach) else {
            return Ok(());
        };
        let at = self.at;
        if !r0.is_scalar() {
            return Err(Reject::ReturnKind {
                at,
                kind: r0.kind.name(),
            });
        }
        self.must_keep_reg(R::R0, &r0);
        let (low, high) = (r0.value.smin(), r0.value.smax());
        if low < min.into() || high > max.into() {
            let mut got = String::new();
            if low > i64::MIN {
                got.push_str(&format!(" smin={low}"));
            }
            if high < i64::MAX {
                got.push_str(&format!(" smax={high}"));
            }
            if got.is_empty() {
                got.push_str(" unknown scalar value");
            }
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
