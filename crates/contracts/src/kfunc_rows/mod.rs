//! Kernel functions of Linux 6.18 that skep checks, a row each, by family.

mod dynptr;
mod general;
mod iter;
mod object;
mod text;

use crate::Version;
use crate::helper::Callers;
use crate::kfunc::{KfuncArg, KfuncFlags, KfuncProto, KfuncRet, KfuncRule};
use skep_uapi::ProgType as P;

/// The rows, family by family.
pub(crate) fn all() -> impl Iterator<Item = &'static KfuncProto> {
    FAMILIES.iter().copied().flatten()
}

static FAMILIES: [&[KfuncProto]; 5] = [
    general::ROWS,
    iter::ROWS,
    object::ROWS,
    dynptr::ROWS,
    text::ROWS,
];

/// Everything that a row does not say: all program types, nothing comes back, nothing else happens.
const fn row(name: &'static str, since: (u8, u8), args: &[KfuncArg]) -> KfuncProto {
    let mut five = [KfuncArg::None; 5];
    let mut at = 0;
    while at < args.len() {
        five[at] = args[at];
        at += 1;
    }
    KfuncProto {
        name,
        args: five,
        ret: KfuncRet::Void,
        flags: KfuncFlags::NONE,
        rule: KfuncRule::Plain,
        callers: Callers::AllBut(&[]),
        since: Version::new(since.0, since.1),
    }
}

impl KfuncProto {
    const fn returns(self, ret: KfuncRet) -> Self {
        Self { ret, ..self }
    }

    const fn flags(self, flags: KfuncFlags) -> Self {
        Self { flags, ..self }
    }

    const fn rule(self, rule: KfuncRule) -> Self {
        Self { rule, ..self }
    }

    const fn only(self, types: &'static [P]) -> Self {
        Self {
            callers: Callers::Only(types),
            ..self
        }
    }
}

/// Types that may allocate objects, among other things: the kernel's generic set.
const GENERIC: &[P] = &[
    P::SCHED_CLS,
    P::TRACEPOINT,
    P::XDP,
    P::PERF_EVENT,
    P::CGROUP_SKB,
    P::CGROUP_SOCK,
    P::SOCK_OPS,
    P::CGROUP_DEVICE,
    P::CGROUP_SOCK_ADDR,
    P::CGROUP_SYSCTL,
    P::CGROUP_SOCKOPT,
    P::SYSCALL,
];
