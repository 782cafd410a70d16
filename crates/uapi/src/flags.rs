//! Flags and sizes of `include/uapi/linux/bpf.h`.

/// Bytes of an object name, the terminating zero included (`BPF_OBJ_NAME_LEN`).
pub const OBJ_NAME_LEN: usize = 16;
/// Bytes of a program tag (`BPF_TAG_SIZE`).
pub const TAG_SIZE: usize = 8;

/// Update: create or replace (`BPF_ANY`).
pub const BPF_ANY: u64 = 0;
/// Update: only create (`BPF_NOEXIST`).
pub const BPF_NOEXIST: u64 = 1;
/// Update: only replace (`BPF_EXIST`).
pub const BPF_EXIST: u64 = 2;
/// Lookup and update under the value's spin lock (`BPF_F_LOCK`).
pub const BPF_F_LOCK: u64 = 4;

/// Map: do not preallocate (`BPF_F_NO_PREALLOC`).
pub const BPF_F_NO_PREALLOC: u32 = 1 << 0;
/// Map: LRU list per CPU (`BPF_F_NO_COMMON_LRU`).
pub const BPF_F_NO_COMMON_LRU: u32 = 1 << 1;
/// Map: allocate on the given NUMA node (`BPF_F_NUMA_NODE`).
pub const BPF_F_NUMA_NODE: u32 = 1 << 2;
/// Map: read-only from the bpf(2) side (`BPF_F_RDONLY`).
pub const BPF_F_RDONLY: u32 = 1 << 3;
/// Map: write-only from the bpf(2) side (`BPF_F_WRONLY`).
pub const BPF_F_WRONLY: u32 = 1 << 4;
/// Map: stacks are kept as build id and offset (`BPF_F_STACK_BUILD_ID`).
pub const BPF_F_STACK_BUILD_ID: u32 = 1 << 5;
/// Map: seed 0 for the hash (`BPF_F_ZERO_SEED`).
pub const BPF_F_ZERO_SEED: u32 = 1 << 6;
/// Map: read-only from the program side (`BPF_F_RDONLY_PROG`).
pub const BPF_F_RDONLY_PROG: u32 = 1 << 7;
/// Map: write-only from the program side (`BPF_F_WRONLY_PROG`).
pub const BPF_F_WRONLY_PROG: u32 = 1 << 8;
/// Map: copied to sockets that come of one (`BPF_F_CLONE`).
pub const BPF_F_CLONE: u32 = 1 << 9;
/// Map: can be mapped into memory (`BPF_F_MMAPABLE`).
pub const BPF_F_MMAPABLE: u32 = 1 << 10;
/// Map: elements outlive the handle that put them in (`BPF_F_PRESERVE_ELEMS`).
pub const BPF_F_PRESERVE_ELEMS: u32 = 1 << 11;
/// Map: inner maps may have other sizes (`BPF_F_INNER_MAP`).
pub const BPF_F_INNER_MAP: u32 = 1 << 12;

/// Map: an arena's absent pages give a signal (`BPF_F_SEGV_ON_FAULT`).
pub const BPF_F_SEGV_ON_FAULT: u32 = 1 << 17;
/// Map: an arena's addresses are not converted to the user's (`BPF_F_NO_USER_CONV`).
pub const BPF_F_NO_USER_CONV: u32 = 1 << 18;

/// Redirection through a map: to all of its interfaces (`BPF_F_BROADCAST`).
pub const BPF_F_BROADCAST: u64 = 1 << 3;
/// Broadcast: not to the interface that the packet came from (`BPF_F_EXCLUDE_INGRESS`).
pub const BPF_F_EXCLUDE_INGRESS: u64 = 1 << 4;

/// Program: strict alignment (`BPF_F_STRICT_ALIGNMENT`).
pub const BPF_F_STRICT_ALIGNMENT: u32 = 1 << 0;
/// Program: any alignment (`BPF_F_ANY_ALIGNMENT`).
pub const BPF_F_ANY_ALIGNMENT: u32 = 1 << 1;
/// Program: randomise the upper half of sub-register definitions, for tests (`BPF_F_TEST_RND_HI32`).
pub const BPF_F_TEST_RND_HI32: u32 = 1 << 2;
/// Program: check states more often, for tests (`BPF_F_TEST_STATE_FREQ`).
pub const BPF_F_TEST_STATE_FREQ: u32 = 1 << 3;
/// Program: may sleep (`BPF_F_SLEEPABLE`).
pub const BPF_F_SLEEPABLE: u32 = 1 << 4;
/// Program: handles fragmented XDP buffers (`BPF_F_XDP_HAS_FRAGS`).
pub const BPF_F_XDP_HAS_FRAGS: u32 = 1 << 5;
/// Program: bound to a device (`BPF_F_XDP_DEV_BOUND_ONLY`).
pub const BPF_F_XDP_DEV_BOUND_ONLY: u32 = 1 << 6;
/// Program: invariants of registers are checked and reported, for tests (`BPF_F_TEST_REG_INVARIANTS`).
pub const BPF_F_TEST_REG_INVARIANTS: u32 = 1 << 7;

/// Verdicts of an XDP program (`enum xdp_action`) by number.
pub const XDP_ACTION_NAMES: [&str; 5] = [
    "XDP_ABORTED",
    "XDP_DROP",
    "XDP_PASS",
    "XDP_TX",
    "XDP_REDIRECT",
];
