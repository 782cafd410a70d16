//! Program types as rows: context, attach types, return values, what a program of the type may do with packets.
//!
//! Which attach types and return values Linux 6.18 accepts was asked of it, type by type.

use crate::{CtxLayout, Version, ctx};
use skep_uapi::{AttachType, ProgType};

/// Values that a program may return.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReturnRange {
    /// Any value.
    Any,
    /// Signed interval, both ends included.
    Between(i32, i32),
}

/// Values that a program may return under some attach types.
#[derive(Clone, Copy, Debug)]
pub struct ReturnRule {
    /// Attach types; empty: all that no earlier rule names.
    pub attach: &'static [AttachType],
    /// Values.
    pub range: ReturnRange,
}

/// Whether programs of a type may sleep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sleeping {
    /// They may not be loaded so.
    Never,
    /// They may be loaded so.
    May,
    /// They must be loaded so.
    Must,
}

/// Whether users without privileges may load a type, where the system lets them load anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loaders {
    /// Anyone.
    Anyone,
    /// Those with privileges.
    Privileged,
}

/// Whether the instructions of classic BPF that load from the packet exist.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LegacyPacket {
    /// They do.
    Allowed,
    /// They do not.
    Refused,
}

/// What the machine can do with verified programs of a type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Running {
    /// Run them: it has their context.
    Runs,
    /// Verify and show them only.
    Verifies,
}

/// One program type.
#[derive(Clone, Copy, Debug)]
pub struct ProgTypeRow {
    /// Number.
    pub id: ProgType,
    /// Context, or `None` where the rules of the type are not known yet.
    pub ctx: Option<&'static CtxLayout>,
    /// Attach types that a load may name; empty: any number.
    pub attach: &'static [AttachType],
    /// Attach type that 0 stands for, if that is another.
    pub attach_default: Option<AttachType>,
    /// Values that r0 may have at exit: the first rule that fits.
    pub returns: &'static [ReturnRule],
    /// Whether programs may write to packets directly.
    pub packet_write: bool,
    /// `ld_abs` and `ld_ind`.
    pub legacy_packet: LegacyPacket,
    /// Whether programs may sleep.
    pub sleeping: Sleeping,
    /// Who may load.
    pub loaders: Loaders,
    /// Whether the machine runs them.
    pub running: Running,
    /// Release that it came in.
    pub since: Version,
}

impl ProgTypeRow {
    /// Whether a load may name this attach type.
    #[must_use]
    pub fn accepts(&self, attach: AttachType) -> bool {
        self.attach.is_empty() || self.attach.contains(&attach)
    }

    /// The attach type whose rules apply.
    #[must_use]
    pub fn effective(&self, attach: AttachType) -> AttachType {
        match self.attach_default {
            Some(default) if attach == AttachType(0) => default,
            Some(_) | None => attach,
        }
    }

    /// Values that r0 may have at exit.
    #[must_use]
    pub fn returns(&self, attach: AttachType) -> ReturnRange {
        self.returns
            .iter()
            .find(|rule| rule.attach.is_empty() || rule.attach.contains(&attach))
            .map_or(ReturnRange::Any, |rule| rule.range)
    }
}

/// The row of a program type that skep knows.
#[must_use]
pub fn prog_type(id: ProgType) -> Option<&'static ProgTypeRow> {
    PROG_TYPES.iter().find(|row| row.id == id)
}

/// All program types, in order of number.
#[must_use]
pub fn prog_types() -> &'static [ProgTypeRow] {
    PROG_TYPES
}

/// A row of which the type says nothing special.
const fn row(id: ProgType, since: (u8, u8), ctx: &'static CtxLayout) -> ProgTypeRow {
    ProgTypeRow {
        id,
        ctx: Some(ctx),
        attach: &[],
        attach_default: None,
        returns: &[],
        packet_write: false,
        legacy_packet: LegacyPacket::Refused,
        sleeping: Sleeping::Never,
        loaders: Loaders::Privileged,
        running: Running::Verifies,
        since: Version::new(since.0, since.1),
    }
}

/// A type whose rules need the kernel's own types, or that the oracle does not have.
const fn unknown(id: ProgType, since: (u8, u8)) -> ProgTypeRow {
    ProgTypeRow {
        ctx: None,
        ..row(id, since, &ctx::XDP_MD)
    }
}

impl ProgTypeRow {
    const fn attach(self, attach: &'static [AttachType]) -> Self {
        Self { attach, ..self }
    }

    const fn returning(self, returns: &'static [ReturnRule]) -> Self {
        Self { returns, ..self }
    }

    const fn writes_packets(self) -> Self {
        Self {
            packet_write: true,
            ..self
        }
    }

    const fn legacy(self) -> Self {
        Self {
            legacy_packet: LegacyPacket::Allowed,
            ..self
        }
    }

    const fn for_anyone(self) -> Self {
        Self {
            loaders: Loaders::Anyone,
            ..self
        }
    }

    const fn sleeping(self, sleeping: Sleeping) -> Self {
        Self { sleeping, ..self }
    }
}

const fn always(min: i32, max: i32) -> ReturnRule {
    under(&[], min, max)
}

const fn under(attach: &'static [AttachType], min: i32, max: i32) -> ReturnRule {
    ReturnRule {
        attach,
        range: ReturnRange::Between(min, max),
    }
}

const BOOL: &[ReturnRule] = &[always(0, 1)];

/// Attach types that uapi's list of this project does not name yet.
const TRACE_UPROBE_SESSION: AttachType = AttachType(57);

use AttachType as A;

static PROG_TYPES: &[ProgTypeRow] = &[
    row(ProgType::SOCKET_FILTER, (3, 19), &ctx::SOCKET_FILTER)
        .legacy()
        .for_anyone(),
    row(ProgType::KPROBE, (4, 1), &ctx::KPROBE)
        .returning(&[under(
            &[A::TRACE_KPROBE_SESSION, TRACE_UPROBE_SESSION],
            0,
            1,
        )])
        .sleeping(Sleeping::May),
    row(ProgType::SCHED_CLS, (4, 1), &ctx::TC)
        .writes_packets()
        .legacy(),
    row(ProgType::SCHED_ACT, (4, 1), &ctx::TC)
        .writes_packets()
        .legacy(),
    row(ProgType::TRACEPOINT, (4, 7), &ctx::TRACEPOINT),
    ProgTypeRow {
        running: Running::Runs,
        ..row(ProgType::XDP, (4, 8), &ctx::XDP_MD).writes_packets()
    },
    row(ProgType::PERF_EVENT, (4, 9), &ctx::PERF_EVENT),
    row(ProgType::CGROUP_SKB, (4, 10), &ctx::CGROUP_SKB)
        .attach(&[A::CGROUP_INET_INGRESS, A::CGROUP_INET_EGRESS])
        .returning(&[under(&[A::CGROUP_INET_EGRESS], 0, 3), always(0, 1)])
        .for_anyone(),
    ProgTypeRow {
        attach_default: Some(A::CGROUP_INET_SOCK_CREATE),
        ..row(ProgType::CGROUP_SOCK, (4, 10), &ctx::CGROUP_SOCK)
            .attach(&[
                A(0),
                A::CGROUP_INET_SOCK_CREATE,
                A::CGROUP_INET4_POST_BIND,
                A::CGROUP_INET6_POST_BIND,
                A::CGROUP_INET_SOCK_RELEASE,
            ])
            .returning(BOOL)
    },
    row(ProgType::LWT_IN, (4, 10), &ctx::LWT),
    row(ProgType::LWT_OUT, (4, 10), &ctx::LWT),
    row(ProgType::LWT_XMIT, (4, 10), &ctx::LWT).writes_packets(),
    row(ProgType::SOCK_OPS, (4, 13), &ctx::SOCK_OPS).returning(BOOL),
    row(ProgType::SK_SKB, (4, 14), &ctx::SK_SKB).writes_packets(),
    row(ProgType::CGROUP_DEVICE, (4, 15), &ctx::CGROUP_DEVICE).returning(BOOL),
    row(ProgType::SK_MSG, (4, 17), &ctx::SK_MSG).writes_packets(),
    row(ProgType::RAW_TRACEPOINT, (4, 17), &ctx::RAW_TRACEPOINT),
    row(ProgType::CGROUP_SOCK_ADDR, (4, 17), &ctx::SOCK_ADDR)
        .attach(&[
            A::CGROUP_INET4_BIND,
            A::CGROUP_INET6_BIND,
            A::CGROUP_INET4_CONNECT,
            A::CGROUP_INET6_CONNECT,
            A::CGROUP_UDP4_SENDMSG,
            A::CGROUP_UDP6_SENDMSG,
            A::CGROUP_UDP4_RECVMSG,
            A::CGROUP_UDP6_RECVMSG,
            A::CGROUP_INET4_GETPEERNAME,
            A::CGROUP_INET6_GETPEERNAME,
            A::CGROUP_INET4_GETSOCKNAME,
            A::CGROUP_INET6_GETSOCKNAME,
            A::CGROUP_UNIX_CONNECT,
            A::CGROUP_UNIX_SENDMSG,
            A::CGROUP_UNIX_RECVMSG,
            A::CGROUP_UNIX_GETPEERNAME,
            A::CGROUP_UNIX_GETSOCKNAME,
        ])
        .returning(&[
            under(&[A::CGROUP_INET4_BIND, A::CGROUP_INET6_BIND], 0, 3),
            under(
                &[
                    A::CGROUP_INET4_CONNECT,
                    A::CGROUP_INET6_CONNECT,
                    A::CGROUP_UDP4_SENDMSG,
                    A::CGROUP_UDP6_SENDMSG,
                    A::CGROUP_UNIX_CONNECT,
                    A::CGROUP_UNIX_SENDMSG,
                ],
                0,
                1,
            ),
            always(1, 1),
        ]),
    row(ProgType::LWT_SEG6LOCAL, (4, 18), &ctx::LWT),
    unknown(ProgType::LIRC_MODE2, (4, 18)),
    row(ProgType::SK_REUSEPORT, (4, 19), &ctx::SK_REUSEPORT).attach(&[
        A(0),
        A::SK_REUSEPORT_SELECT,
        A::SK_REUSEPORT_SELECT_OR_MIGRATE,
    ]),
    row(ProgType::FLOW_DISSECTOR, (4, 20), &ctx::FLOW_DISSECTOR),
    row(ProgType::CGROUP_SYSCTL, (5, 2), &ctx::CGROUP_SYSCTL).returning(BOOL),
    row(
        ProgType::RAW_TRACEPOINT_WRITABLE,
        (5, 2),
        &ctx::RAW_TRACEPOINT_WRITABLE,
    ),
    row(ProgType::CGROUP_SOCKOPT, (5, 3), &ctx::CGROUP_SOCKOPT)
        .attach(&[A::CGROUP_GETSOCKOPT, A::CGROUP_SETSOCKOPT])
        .returning(BOOL)
        .writes_packets(),
    unknown(ProgType::TRACING, (5, 5)),
    unknown(ProgType::STRUCT_OPS, (5, 6)),
    unknown(ProgType::EXT, (5, 6)),
    unknown(ProgType::LSM, (5, 7)),
    row(ProgType::SK_LOOKUP, (5, 9), &ctx::SK_LOOKUP)
        .attach(&[A::SK_LOOKUP])
        .returning(BOOL),
    row(ProgType::SYSCALL, (5, 14), &ctx::SYSCALL)
        .attach(&[A(0)])
        .sleeping(Sleeping::Must),
    row(ProgType::NETFILTER, (6, 4), &ctx::NETFILTER)
        .attach(&[A::NETFILTER])
        .returning(BOOL),
];
