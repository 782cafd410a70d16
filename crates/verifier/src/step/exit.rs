//! Returning from functions and from the program.

use super::Flow;
use crate::call::sections::Leaving;
use crate::path::Path;
use crate::reject::Reject;
use crate::state::Entered;
use skep_contracts::ReturnRange;
use skep_isa::Reg as R;

impl Path<'_> {
    pub(super) fn exit(&mut self) -> Result<Flow, Reject> {
        match self.state.frame().entered {
            Entered::CalledBack => return Ok(Flow::To(self.return_from_callback()?)),
            Entered::Called if self.state.depth() > 1 => return Ok(Flow::To(self.return_local()?)),
            Entered::Called | Entered::Async => {}
        }
        self.check_nothing_held(Leaving::Exit)?;
        match (self.state.frame().entered, self.global) {
            (Entered::Async, _) => {
                self.check_returned(R::R0, "async callback return", (0, 0))?;
            }
            (_, Some(_)) => self.exit_global()?,
            (_, None) => self.exit_program()?,
        }
        Ok(Flow::Ends)
    }

    fn exit_program(&mut self) -> Result<(), Reject> {
        self.read(R::R0)?;
        let ReturnRange::Between(min, max) = self.row.returns(self.attach) else {
            return Ok(());
        };
        self.check_returned(R::R0, "program exit", (min, max))
    }

    /// `bpf_throw` ends the program with what it is given.
    pub(crate) fn throw(&mut self) -> Result<(), Reject> {
        self.check_nothing_held(Leaving::Throw)?;
        let ReturnRange::Between(min, max) = self.row.returns(self.attach) else {
            return Ok(());
        };
        self.check_returned(R::R1, "program exit", (min, max))
    }

    fn exit_global(&mut self) -> Result<(), Reject> {
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
