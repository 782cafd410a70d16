//! What a program's section name says about it: libbpf's `SEC()` conventions as rows.
//!
//! Facts from the documentation "Program Types and ELF Sections" of the kernel (`Documentation/bpf/libbpf`), checked
//! against what bpftool 7.5 gives Linux 6.18 for each row (libbpf chooses the attach type of `usdt` by what the kernel
//! has). The first row that matches wins. A name with `+` in that table takes anything behind a slash
//! (`kprobe/vfs_read`); the others match exactly.

use skep_uapi::{AttachType, ProgType};

/// How a row's name is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Match {
    /// The section name is the row's name.
    Exact,
    /// The section name is the row's name, or it and a slash and what to attach to.
    Prefix,
}

/// What the loader must do besides giving type and attach type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// The program is sleepable (`BPF_F_SLEEPABLE`).
    Sleepable,
    /// The program takes fragmented packets (`BPF_F_XDP_HAS_FRAGS`).
    Frags,
    /// A function, tracepoint or hook of the kernel by its BTF id.
    AttachBtf,
    /// Both a BTF id and sleepable.
    AttachBtfSleepable,
}

/// One row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SectionDef {
    /// Name, or its part before the slash.
    pub name: &'static str,
    /// How the name is compared.
    pub matching: Match,
    /// Type of the program.
    pub prog_type: ProgType,
    /// `expected_attach_type`.
    pub attach_type: AttachType,
    /// What else.
    pub needs: Needs,
}

impl SectionDef {
    /// The row for a section name without its leading `?`.
    #[must_use]
    pub fn find(section: &str) -> Option<&'static Self> {
        SECTION_DEFS.iter().find(|row| match row.matching {
            Match::Exact => section == row.name,
            Match::Prefix => section
                .strip_prefix(row.name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        })
    }
}

macro_rules! rows {
    (@ NO) => { AttachType(0) };
    (@ $attach:ident) => { AttachType::$attach };
    ($($name:literal $matching:ident $prog:ident $attach:ident $needs:ident;)*) => {
        &[$(SectionDef {
            name: $name,
            matching: Match::$matching,
            prog_type: ProgType::$prog,
            attach_type: rows!(@ $attach),
            needs: Needs::$needs,
        },)*]
    };
}

/// All rows in order of matching.
pub const SECTION_DEFS: &[SectionDef] = rows! {
    "socket" Exact SOCKET_FILTER NO Nothing;
    "sk_reuseport/migrate" Exact SK_REUSEPORT SK_REUSEPORT_SELECT_OR_MIGRATE Nothing;
    "sk_reuseport" Exact SK_REUSEPORT SK_REUSEPORT_SELECT Nothing;
    "kprobe" Prefix KPROBE NO Nothing;
    "uprobe" Prefix KPROBE NO Nothing;
    "uprobe.s" Prefix KPROBE NO Sleepable;
    "kretprobe" Prefix KPROBE NO Nothing;
    "uretprobe" Prefix KPROBE NO Nothing;
    "uretprobe.s" Prefix KPROBE NO Sleepable;
    "kprobe.multi" Prefix KPROBE TRACE_KPROBE_MULTI Nothing;
    "kretprobe.multi" Prefix KPROBE TRACE_KPROBE_MULTI Nothing;
    "kprobe.session" Prefix KPROBE TRACE_KPROBE_SESSION Nothing;
    "uprobe.multi" Prefix KPROBE TRACE_UPROBE_MULTI Nothing;
    "uretprobe.multi" Prefix KPROBE TRACE_UPROBE_MULTI Nothing;
    "uprobe.multi.s" Prefix KPROBE TRACE_UPROBE_MULTI Sleepable;
    "uretprobe.multi.s" Prefix KPROBE TRACE_UPROBE_MULTI Sleepable;
    "ksyscall" Prefix KPROBE NO Nothing;
    "kretsyscall" Prefix KPROBE NO Nothing;
    "usdt" Prefix KPROBE TRACE_UPROBE_MULTI Nothing;
    "usdt.s" Prefix KPROBE TRACE_UPROBE_MULTI Sleepable;
    "tc/ingress" Exact SCHED_CLS TCX_INGRESS Nothing;
    "tc/egress" Exact SCHED_CLS TCX_EGRESS Nothing;
    "tcx/ingress" Exact SCHED_CLS TCX_INGRESS Nothing;
    "tcx/egress" Exact SCHED_CLS TCX_EGRESS Nothing;
    "tc" Exact SCHED_CLS NO Nothing;
    "classifier" Exact SCHED_CLS NO Nothing;
    "action" Exact SCHED_ACT NO Nothing;
    "netkit/primary" Exact SCHED_CLS NETKIT_PRIMARY Nothing;
    "netkit/peer" Exact SCHED_CLS NETKIT_PEER Nothing;
    "tracepoint" Prefix TRACEPOINT NO Nothing;
    "tp" Prefix TRACEPOINT NO Nothing;
    "raw_tracepoint" Prefix RAW_TRACEPOINT NO Nothing;
    "raw_tp" Prefix RAW_TRACEPOINT NO Nothing;
    "raw_tracepoint.w" Prefix RAW_TRACEPOINT_WRITABLE NO Nothing;
    "raw_tp.w" Prefix RAW_TRACEPOINT_WRITABLE NO Nothing;
    "tp_btf" Prefix TRACING TRACE_RAW_TP AttachBtf;
    "fentry" Prefix TRACING TRACE_FENTRY AttachBtf;
    "fmod_ret" Prefix TRACING MODIFY_RETURN AttachBtf;
    "fexit" Prefix TRACING TRACE_FEXIT AttachBtf;
    "fentry.s" Prefix TRACING TRACE_FENTRY AttachBtfSleepable;
    "fmod_ret.s" Prefix TRACING MODIFY_RETURN AttachBtfSleepable;
    "fexit.s" Prefix TRACING TRACE_FEXIT AttachBtfSleepable;
    "freplace" Prefix EXT NO AttachBtf;
    "lsm" Prefix LSM LSM_MAC AttachBtf;
    "lsm.s" Prefix LSM LSM_MAC AttachBtfSleepable;
    "lsm_cgroup" Prefix LSM LSM_CGROUP AttachBtf;
    "iter" Prefix TRACING TRACE_ITER AttachBtf;
    "iter.s" Prefix TRACING TRACE_ITER AttachBtfSleepable;
    "syscall" Exact SYSCALL NO Sleepable;
    "xdp.frags/devmap" Exact XDP XDP_DEVMAP Frags;
    "xdp/devmap" Exact XDP XDP_DEVMAP Nothing;
    "xdp.frags/cpumap" Exact XDP XDP_CPUMAP Frags;
    "xdp/cpumap" Exact XDP XDP_CPUMAP Nothing;
    "xdp.frags" Exact XDP XDP Frags;
    "xdp" Exact XDP XDP Nothing;
    "perf_event" Exact PERF_EVENT NO Nothing;
    "lwt_in" Exact LWT_IN NO Nothing;
    "lwt_out" Exact LWT_OUT NO Nothing;
    "lwt_xmit" Exact LWT_XMIT NO Nothing;
    "lwt_seg6local" Exact LWT_SEG6LOCAL NO Nothing;
    "sockops" Exact SOCK_OPS CGROUP_SOCK_OPS Nothing;
    "sk_skb/stream_parser" Exact SK_SKB SK_SKB_STREAM_PARSER Nothing;
    "sk_skb/stream_verdict" Exact SK_SKB SK_SKB_STREAM_VERDICT Nothing;
    "sk_skb/verdict" Exact SK_SKB SK_SKB_VERDICT Nothing;
    "sk_skb" Exact SK_SKB NO Nothing;
    "sk_msg" Exact SK_MSG SK_MSG_VERDICT Nothing;
    "lirc_mode2" Exact LIRC_MODE2 LIRC_MODE2 Nothing;
    "flow_dissector" Exact FLOW_DISSECTOR FLOW_DISSECTOR Nothing;
    "cgroup_skb/ingress" Exact CGROUP_SKB CGROUP_INET_INGRESS Nothing;
    "cgroup_skb/egress" Exact CGROUP_SKB CGROUP_INET_EGRESS Nothing;
    "cgroup/skb" Exact CGROUP_SKB NO Nothing;
    "cgroup/sock_create" Exact CGROUP_SOCK CGROUP_INET_SOCK_CREATE Nothing;
    "cgroup/sock_release" Exact CGROUP_SOCK CGROUP_INET_SOCK_RELEASE Nothing;
    "cgroup/sock" Exact CGROUP_SOCK CGROUP_INET_SOCK_CREATE Nothing;
    "cgroup/post_bind4" Exact CGROUP_SOCK CGROUP_INET4_POST_BIND Nothing;
    "cgroup/post_bind6" Exact CGROUP_SOCK CGROUP_INET6_POST_BIND Nothing;
    "cgroup/bind4" Exact CGROUP_SOCK_ADDR CGROUP_INET4_BIND Nothing;
    "cgroup/bind6" Exact CGROUP_SOCK_ADDR CGROUP_INET6_BIND Nothing;
    "cgroup/connect4" Exact CGROUP_SOCK_ADDR CGROUP_INET4_CONNECT Nothing;
    "cgroup/connect6" Exact CGROUP_SOCK_ADDR CGROUP_INET6_CONNECT Nothing;
    "cgroup/connect_unix" Exact CGROUP_SOCK_ADDR CGROUP_UNIX_CONNECT Nothing;
    "cgroup/sendmsg4" Exact CGROUP_SOCK_ADDR CGROUP_UDP4_SENDMSG Nothing;
    "cgroup/sendmsg6" Exact CGROUP_SOCK_ADDR CGROUP_UDP6_SENDMSG Nothing;
    "cgroup/sendmsg_unix" Exact CGROUP_SOCK_ADDR CGROUP_UNIX_SENDMSG Nothing;
    "cgroup/recvmsg4" Exact CGROUP_SOCK_ADDR CGROUP_UDP4_RECVMSG Nothing;
    "cgroup/recvmsg6" Exact CGROUP_SOCK_ADDR CGROUP_UDP6_RECVMSG Nothing;
    "cgroup/recvmsg_unix" Exact CGROUP_SOCK_ADDR CGROUP_UNIX_RECVMSG Nothing;
    "cgroup/getpeername4" Exact CGROUP_SOCK_ADDR CGROUP_INET4_GETPEERNAME Nothing;
    "cgroup/getpeername6" Exact CGROUP_SOCK_ADDR CGROUP_INET6_GETPEERNAME Nothing;
    "cgroup/getpeername_unix" Exact CGROUP_SOCK_ADDR CGROUP_UNIX_GETPEERNAME Nothing;
    "cgroup/getsockname4" Exact CGROUP_SOCK_ADDR CGROUP_INET4_GETSOCKNAME Nothing;
    "cgroup/getsockname6" Exact CGROUP_SOCK_ADDR CGROUP_INET6_GETSOCKNAME Nothing;
    "cgroup/getsockname_unix" Exact CGROUP_SOCK_ADDR CGROUP_UNIX_GETSOCKNAME Nothing;
    "cgroup/sysctl" Exact CGROUP_SYSCTL CGROUP_SYSCTL Nothing;
    "cgroup/getsockopt" Exact CGROUP_SOCKOPT CGROUP_GETSOCKOPT Nothing;
    "cgroup/setsockopt" Exact CGROUP_SOCKOPT CGROUP_SETSOCKOPT Nothing;
    "cgroup/dev" Exact CGROUP_DEVICE CGROUP_DEVICE Nothing;
    "struct_ops" Prefix STRUCT_OPS NO Nothing;
    "struct_ops.s" Prefix STRUCT_OPS NO Sleepable;
    "sk_lookup" Exact SK_LOOKUP SK_LOOKUP Nothing;
    "netfilter" Exact NETFILTER NETFILTER Nothing;
};
