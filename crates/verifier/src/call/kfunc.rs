//! A call of a kernel function: which one it is, may this program call it, do its arguments fit, what is left afterwards.
//!
//! The instruction has a type id of the kernel's BTF; the rows of `contracts` are found by the name that it has there.
//! Arguments are checked by kind ([`Path::check_kfunc_arg`]); what a function does beyond its row is a [`KfuncRule`], each in
//! the file of what it works on.

use crate::path::Path;
use crate::program::kfuncs::kfunc_name;
use crate::reject::Reject;
use crate::state::dynptr::Dynptr;
use crate::state::{Kind, Reg};
use crate::step::Flow;
use skep_contracts::{KfuncArg, KfuncFlags, KfuncProto, KfuncRet, KfuncRule, kfunc};
use skep_isa::{InsnIdx, Reg as R};
use skep_uapi::BPF_F_SLEEPABLE;

/// A call's arguments as they are being checked.
#[derive(Debug)]
pub(crate) struct KfuncCall {
    pub(crate) row: &'static KfuncProto,
    /// Values of r1 to r5, as far as they were checked.
    pub(crate) values: [Reg; 5],
    /// The dynamic pointer that it works on.
    pub(crate) dynptr: Option<Dynptr>,
}

impl Path<'_> {
    /// Carries a call of a kernel function out and gives where the walk goes on.
    pub(crate) fn call_kfunc(&mut self, id: i32, module: i16) -> Result<Flow, Reject> {
        let row = self.kfunc_row(id, module)?;
        let mut call = KfuncCall {
            row,
            values: [Reg::UNINIT; 5],
            dynptr: None,
        };
        let count = row.args.iter().take_while(|arg| **arg != KfuncArg::None);
        for index in 0..count.count() {
            let reg = R::ALL[index + 1];
            call.values[index] = match row.args[index] {
                KfuncArg::Ignored => *self.state.reg(reg),
                _ => self.read(reg)?,
            };
            self.check_kfunc_arg(&mut call, index)?;
        }
        self.kfunc_effect(&call)
    }

    /// The row of a kernel function that this program may call.
    fn kfunc_row(&self, id: i32, module: i16) -> Result<&'static KfuncProto, Reject> {
        let at = self.at;
        if id == 0 && module == 0 {
            return Err(Reject::KfuncNotEliminated { at });
        }
        let name = self.kfunc_name(id).unwrap_or_default();
        let Some(row) = kfunc(name) else {
            let what = format!("kernel function {name}");
            return Err(Reject::Unsupported { what });
        };
        let name = row.name;
        if !row.fits(self.env.prog_type) {
            return Err(Reject::KfuncNotAllowed { at, name });
        }
        if row.flags.has(KfuncFlags::SLEEPS) && self.env.prog_flags & BPF_F_SLEEPABLE == 0 {
            return Err(Reject::KfuncSleeps { at, name });
        }
        Ok(row)
    }

    /// The name of a kernel function.
    pub(crate) fn kfunc_name(&self, id: i32) -> Option<&str> {
        kfunc_name(self.env, id)
    }

    /// Checks argument `index` (0 is r1).
    fn check_kfunc_arg(&mut self, call: &mut KfuncCall, index: usize) -> Result<(), Reject> {
        let (at, value) = (self.at, call.values[index]);
        match call.row.args[index] {
            KfuncArg::None | KfuncArg::Ignored => Ok(()),
            KfuncArg::Scalar if value.is_scalar() => Ok(()),
            KfuncArg::Const if value.as_const().is_some() => {
                self.must_keep(&value);
                Ok(())
            }
            KfuncArg::Const if value.is_scalar() => Err(Reject::KfuncNotConst {
                at,
                reg: R::ALL[index + 1],
            }),
            KfuncArg::Scalar | KfuncArg::Const => Err(Reject::KfuncNotScalar {
                at,
                reg: R::ALL[index + 1],
            }),
            KfuncArg::Ctx if value.kind == Kind::Ctx => {
                self.check_unmoved(R::ALL[index + 1], &value)
            }
            KfuncArg::Ctx => Err(Reject::KfuncNotCtx { at, index }),
            KfuncArg::IterUninit => match call.row.rule {
                KfuncRule::IterNew { bytes } => self.check_iter_uninit(call, bytes),
                _ => Err(unsupported(call.row)),
            },
            KfuncArg::Iter => self.check_iter(call),
            KfuncArg::Dynptr => self.kfunc_dynptr(call, index),
            KfuncArg::DynptrUninit => self.kfunc_makes_dynptr(call, index),
            // It is checked with the size that follows.
            KfuncArg::BufferOrNull => Ok(()),
            KfuncArg::ConstSize => self.kfunc_slice_size(call, index),
            KfuncArg::AnyPointer
            | KfuncArg::IrqFlagUninit
            | KfuncArg::IrqFlag
            | KfuncArg::Memory
            | KfuncArg::Size
            | KfuncArg::Map
            | KfuncArg::Allocated
            | KfuncArg::Refcounted
            | KfuncArg::ListHead
            | KfuncArg::ListNode
            | KfuncArg::RbRoot
            | KfuncArg::RbNode
            | KfuncArg::Callback
            | KfuncArg::Trusted(_)
            | KfuncArg::TrustedOrNull(_) => Err(unsupported(call.row)),
        }
    }

    /// What the call does and gives, its arguments being right.
    fn kfunc_effect(&mut self, call: &KfuncCall) -> Result<Flow, Reject> {
        let next = Flow::To(InsnIdx(self.at.0 + 1));
        match call.row.rule {
            KfuncRule::Plain => {}
            KfuncRule::RcuLock
            | KfuncRule::RcuUnlock
            | KfuncRule::PreemptDisable
            | KfuncRule::PreemptEnable => self.change_section(call)?,
            KfuncRule::Dynptr => {
                let ret = self.kfunc_dynptr_result(call)?;
                self.end_call(ret);
                return Ok(next);
            }
            KfuncRule::IterNew { bytes } => {
                self.iter_new(call, bytes);
                return Ok(next);
            }
            KfuncRule::IterNext => {
                self.iter_next(call)?;
                return Ok(next);
            }
            KfuncRule::IterDestroy => {
                self.iter_destroy(call);
                return Ok(next);
            }
            KfuncRule::Throw => {
                self.throw()?;
                return Ok(Flow::Ends);
            }
            KfuncRule::IrqSave
            | KfuncRule::IrqRestore
            | KfuncRule::CastToKernCtx
            | KfuncRule::RdonlyCast
            | KfuncRule::ObjNew
            | KfuncRule::ObjDrop
            | KfuncRule::RefcountAcquire
            | KfuncRule::Collection => return Err(unsupported(call.row)),
        }
        let ret = match call.row.ret {
            KfuncRet::Void => Reg::UNINIT,
            KfuncRet::Integer => Reg::unknown(),
            KfuncRet::ReadMemory(_) | KfuncRet::Trusted(_) | KfuncRet::Special => {
                return Err(unsupported(call.row));
            }
        };
        self.end_call(ret);
        Ok(next)
    }

    /// r0 to r5 after a call.
    pub(crate) fn end_call(&mut self, ret: Reg) {
        for reg in &R::ALL[0..=5] {
            self.trace.touch(*reg);
            self.state.set(*reg, Reg::UNINIT);
        }
        self.state.set(R::R0, ret);
    }
}

/// A kernel function whose rules skep does not have.
pub(crate) fn unsupported(row: &KfuncProto) -> Reject {
    let what = format!("kernel function {}", row.name);
    Reject::Unsupported { what }
}
