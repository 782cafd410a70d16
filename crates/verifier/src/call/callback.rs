//! Functions of the program that helpers call back.
//!
//! How often is not known, so the call is a loop: the path at hand goes on as if it were not called (any more); another, left
//! for later, walks into the function and comes back to the call. Each visit of the call stores a state, and numbers that
//! changed since the last time are given up, so that the loop ends by meeting one.

use crate::call::arg::Args;
use crate::limits::FRAMES_MAX;
use crate::path::{Fork, Path};
use crate::reject::Reject;
use crate::state::{Entered, Frame, Kind, Reg, State, SubprogIdx};
use skep_isa::Reg as R;
use skep_uapi::HelperId;

/// What a called back function gets in r1 to r5.
type Given = [Reg; 5];

impl Path<'_> {
    /// Leaves the ways into the function that a helper calls back.
    pub(crate) fn helper_callback(&mut self, args: &Args) -> Result<(), Reject> {
        let Some(subprog) = args.values.iter().find_map(|value| match value.kind {
            Kind::Func(subprog) => Some(subprog),
            _ => None,
        }) else {
            return Ok(());
        };
        let values = &args.values;
        let none = Reg::UNINIT;
        match args.row.id {
            HelperId::LOOP => {
                self.must_keep(&values[0]);
                let called = u64::from(self.state.frame().calls_back);
                if called >= values[0].value.umax() {
                    self.state.frame_mut().calls_back = 0;
                    return Ok(());
                }
                self.call_back(subprog, [Reg::unknown(), values[2], none, none, none])
            }
            HelperId::FOR_EACH_MAP_ELEM => {
                let Some(map) = args.map else {
                    return Ok(());
                };
                let key = Reg::pointer(Kind::MapKey(map));
                let value = self.value_pointer(map);
                self.call_back(subprog, [values[0], key, value, values[2], none])
            }
            HelperId::USER_RINGBUF_DRAIN => {
                let record = self.given_dynptr();
                self.call_back(subprog, [record, values[2], none, none, none])
            }
            _ => Err(Reject::Unsupported {
                what: "this callback".to_owned(),
            }),
        }
    }

    /// Leaves a path into a function that returns to this call.
    fn call_back(&mut self, subprog: SubprogIdx, given: Given) -> Result<(), Reject> {
        let (at, depth) = (self.at, self.state.depth());
        if depth >= FRAMES_MAX {
            return Err(Reject::CallTooDeep {
                at,
                frames: depth + 1,
            });
        }
        let extent = self.checked.extent(subprog);
        let caller = self.state.frame().instance;
        let instance = self.live.callee(caller, at, extent.start, extent.end);
        let mut frame = Frame::new(self.state.top() + 1, subprog, at, instance);
        frame.regs[1..=5].copy_from_slice(&given);
        frame.entered = Entered::CalledBack;
        let mut state = self.state.clone();
        state.frame_mut().calls_back += 1;
        state.callback_depth += 1;
        state.push(frame);
        self.forks.push(Fork::new(state, extent.start));
        self.state.frame_mut().calls_back = 0;
        Ok(())
    }

    /// Leaves a path of a function that runs later, with nothing around it.
    #[expect(
        dead_code,
        reason = "for timers and work queues, whose arguments are not checked yet"
    )]
    pub(crate) fn call_later(&mut self, subprog: SubprogIdx, given: Given) {
        self.later[subprog.index()] = true;
        let extent = self.checked.extent(subprog);
        let instance = self.live.another_root(extent.start, extent.end);
        let mut frame = Frame::new(0, subprog, extent.start, instance);
        frame.regs[1..=5].copy_from_slice(&given);
        frame.entered = Entered::Async;
        self.forks.push(Fork::new(State::new(frame), extent.start));
    }

    /// Returns from a called back function to the call, which may call it again.
    pub(crate) fn return_from_callback(&mut self) -> Result<skep_isa::InsnIdx, Reject> {
        self.check_returned(R::R0, "callback return", (0, 1))?;
        let depth = self.state.depth();
        let callee = self
            .state
            .pop()
            .expect("only a frame with a caller returns to it");
        self.state.end_slices_below();
        let next = callee.returns_to();
        self.print_return(&callee, depth, next);
        self.called_back = Some(next);
        Ok(next)
    }

    /// The number that a function returns lies in a range.
    pub(crate) fn check_returned(
        &mut self,
        reg: R,
        context: &'static str,
        (min, max): (i32, i32),
    ) -> Result<(), Reject> {
        let at = self.at;
        let value = self.read(reg)?;
        if !value.is_scalar() {
            return Err(Reject::ReturnKind {
                at,
                reg,
                context,
                kind: value.kind.name(),
            });
        }
        self.must_keep_reg(reg, &value);
        let (low, high) = (value.value.smin(), value.value.smax());
        if low >= min.into() && high <= max.into() {
            return Ok(());
        }
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
        Err(Reject::ReturnRange {
            at,
            reg,
            context,
            got,
            min,
            max,
        })
    }
}
