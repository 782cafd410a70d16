//! Sections (RCU, preemption, interrupts), casts, exceptions.

use super::{GENERIC, row};
use crate::kfunc::KfuncArg::{AnyPointer, Const, IrqFlag, IrqFlagUninit, Map, Scalar};
use crate::kfunc::{KfuncProto, KfuncRet, KfuncRule as Rule};

#[rustfmt::skip]
pub(super) static ROWS: &[KfuncProto] = &[
    row("bpf_rcu_read_lock", (6, 2), &[]).rule(Rule::RcuLock),
    row("bpf_rcu_read_unlock", (6, 2), &[]).rule(Rule::RcuUnlock),
    row("bpf_preempt_disable", (6, 10), &[]).rule(Rule::PreemptDisable),
    row("bpf_preempt_enable", (6, 10), &[]).rule(Rule::PreemptEnable),
    row("bpf_local_irq_save", (6, 14), &[IrqFlagUninit]).rule(Rule::IrqSave),
    row("bpf_local_irq_restore", (6, 14), &[IrqFlag]).rule(Rule::IrqRestore),
    row("bpf_cast_to_kern_ctx", (6, 2), &[AnyPointer]).returns(KfuncRet::Special).rule(Rule::CastToKernCtx),
    row("bpf_rdonly_cast", (6, 2), &[AnyPointer, Const]).returns(KfuncRet::Special).rule(Rule::RdonlyCast),
    row("bpf_throw", (6, 7), &[Scalar]).rule(Rule::Throw).only(GENERIC),
    row("bpf_map_sum_elem_count", (6, 6), &[Map]).returns(KfuncRet::Integer),
];
