//! Local functions: static ones are walked into; `global` has the others.

use crate::limits::FRAMES_MAX;
use crate::path::Path;
use crate::reject::Reject;
use crate::state::{Frame, Kind, Reg};
use skep_isa::{InsnIdx, Reg as R};

impl Path<'_> {
    /// Calls the function at `start` and gives where the walk goes on.
    pub(crate) fn call_local(&mut self, start: InsnIdx) -> Result<InsnIdx, Reject> {
        let at = self.at;
        let subprog = self
            .checked
            .subprog_at(start)
            .ok_or(Reject::CallOutOfRange { at })?;
        if self.checked.decl(subprog).is_global() {
            self.call_global(subprog)?;
            return Ok(InsnIdx(at.0 + 1));
        }
        let depth = self.state.depth();
        if depth >= FRAMES_MAX {
            return Err(Reject::CallTooDeep {
                at,
                frames: depth + 1,
            });
        }
        let extent = self.checked.extent(subprog);
        let caller_instance = self.state.frame().instance;
        let instance = self
            .live
            .callee(caller_instance, at, extent.start, extent.end);
        let index = self.state.top() + 1;
        let mut callee = Frame::new(index, subprog, at, instance);
        callee.regs[1..=5].copy_from_slice(&self.state.frame().regs[1..=5]);
        for reg in &R::ALL[0..=5] {
            self.state.set(*reg, Reg::UNINIT);
        }
        let caller = self.state.frame().clone();
        self.state.push(callee);
        self.print_call(&caller, depth);
        Ok(start)
    }

    /// Leaves a static function: r0 goes to the caller.
    pub(crate) fn return_local(&mut self) -> Result<InsnIdx, Reject> {
        let r0 = *self.state.reg(R::R0);
        if matches!(r0.kind, Kind::Stack(_)) {
            return Err(Reject::ReturnsStackPointer { at: self.at });
        }
        let depth = self.state.depth();
        let callee = self
            .state
            .pop()
            .expect("only a frame with a caller returns to it");
        self.state.set(R::R0, r0);
        self.state.end_slices_below();
        let next = InsnIdx(callee.call_site.0 + 1);
        self.print_return(&callee, depth, next);
        Ok(next)
    }
}
