//! All helpers of Linux 6.18, a row each, by family. Prototypes are those that the `bpf-helpers(7)` page and the uapi header
//! describe; who may call them, and which argument may be zero or uninitialised, was asked of Linux 6.18.
//!
//! A helper whose prototype depends on the program type has a row for each prototype; no two of them fit one program.

mod cgroup;
mod general;
mod maps;
mod skb;
mod socket;
mod system;
mod trace;
mod xdp;

use crate::Version;
use crate::helper::ArgKind;
use crate::helper::{Callers, Gate, HelperProto, PacketArgs, PacketEffect, RetKind};
use skep_uapi::{AttachType, HelperId, ProgType as P};

/// The rows, family by family.
pub(crate) fn all() -> impl Iterator<Item = &'static HelperProto> {
    FAMILIES.iter().copied().flatten()
}

static FAMILIES: [&[HelperProto]; 8] = [
    general::ROWS,
    maps::ROWS,
    xdp::ROWS,
    skb::ROWS,
    socket::ROWS,
    trace::ROWS,
    cgroup::ROWS,
    system::ROWS,
];

/// Everything that a row does not say: all program types, any licence, packet pointers survive but may not be arguments,
/// the body needs the run context.
const fn row(id: HelperId, since: (u8, u8), args: &[ArgKind]) -> HelperProto {
    let mut five = [ArgKind::None; 5];
    let mut at = 0;
    while at < args.len() {
        five[at] = args[at];
        at += 1;
    }
    HelperProto {
        id,
        args: five,
        ret: RetKind::Integer,
        gpl_only: false,
        packet: PacketEffect::Keeps,
        packet_args: PacketArgs::Refused,
        needs_run_ctx: true,
        callers: Callers::AllBut(&[]),
        attach: &[],
        gate: Gate::Open,
        since: Version::new(since.0, since.1),
    }
}

impl HelperProto {
    const fn returns(self, ret: RetKind) -> Self {
        Self { ret, ..self }
    }

    const fn only(self, types: &'static [P]) -> Self {
        Self {
            callers: Callers::Only(types),
            ..self
        }
    }

    const fn but(self, types: &'static [P]) -> Self {
        Self {
            callers: Callers::AllBut(types),
            ..self
        }
    }

    /// For program types whose rules skep does not have, or kernels that are built otherwise.
    const fn nowhere(self) -> Self {
        self.only(&[])
    }

    const fn attach(self, attach: &'static [AttachType]) -> Self {
        Self { attach, ..self }
    }

    const fn gate(self, gate: Gate) -> Self {
        Self { gate, ..self }
    }

    const fn gpl(self) -> Self {
        Self {
            gpl_only: true,
            ..self
        }
    }

    const fn moves_packet(self) -> Self {
        Self {
            packet: PacketEffect::Invalidates,
            ..self
        }
    }

    const fn packet_args(self) -> Self {
        Self {
            packet_args: PacketArgs::Allowed,
            ..self
        }
    }
}

const TC: &[P] = &[P::SCHED_CLS, P::SCHED_ACT];
const TC_XMIT: &[P] = &[P::SCHED_CLS, P::SCHED_ACT, P::LWT_XMIT];
const TC_XDP: &[P] = &[P::SCHED_CLS, P::SCHED_ACT, P::XDP];
const TRACING: &[P] = &[
    P::KPROBE,
    P::TRACEPOINT,
    P::PERF_EVENT,
    P::RAW_TRACEPOINT,
    P::RAW_TRACEPOINT_WRITABLE,
    P::SYSCALL,
];
const TC_LWT: &[P] = &[
    P::SCHED_CLS,
    P::SCHED_ACT,
    P::LWT_IN,
    P::LWT_OUT,
    P::LWT_XMIT,
    P::LWT_SEG6LOCAL,
];
const LOOKUP: &[P] = &[
    P::SCHED_CLS,
    P::SCHED_ACT,
    P::XDP,
    P::CGROUP_SKB,
    P::SK_SKB,
    P::CGROUP_SOCK_ADDR,
];
const SK_MSG: &[P] = &[P::SK_MSG];
const SOCK_OPS: &[P] = &[P::SOCK_OPS];
const SYSCTL: &[P] = &[P::CGROUP_SYSCTL];
const XDP: &[P] = &[P::XDP];
const SYSCALL: &[P] = &[P::SYSCALL];
const PERF: &[P] = &[P::PERF_EVENT];
const CGROUP_SKB: &[P] = &[P::CGROUP_SKB];
const TC_CGROUP: &[P] = &[P::SCHED_CLS, P::SCHED_ACT, P::CGROUP_SKB];
const SK_SKB: &[P] = &[P::SK_SKB];
const SEG6: &[P] = &[P::LWT_SEG6LOCAL];
const REUSEPORT: &[P] = &[P::SK_REUSEPORT];
const TC_XMIT_SK: &[P] = &[P::SCHED_CLS, P::SCHED_ACT, P::LWT_XMIT, P::SK_SKB];
const TRACING_BUT_PERF: &[P] = &[
    P::KPROBE,
    P::TRACEPOINT,
    P::RAW_TRACEPOINT,
    P::RAW_TRACEPOINT_WRITABLE,
    P::SYSCALL,
];
/// Types that have no helpers for the kernel's sockets.
const NO_SOCKETS: &[P] = &[
    P::KPROBE,
    P::TRACEPOINT,
    P::PERF_EVENT,
    P::CGROUP_SOCK,
    P::CGROUP_DEVICE,
    P::RAW_TRACEPOINT,
    P::SK_REUSEPORT,
    P::CGROUP_SYSCTL,
    P::RAW_TRACEPOINT_WRITABLE,
    P::CGROUP_SOCKOPT,
    P::NETFILTER,
];
